//! Records as the payloads of notifications.

use std::ops::Range;

use model::{Value, json};
use pipeline::{Records, Refusal, Refusals};
use serde_json::value::RawValue;

use crate::http::list;
use crate::post::{Place, REQUEST_BYTES, REQUEST_RECORDS, requests};

/// A notification to be sent.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) event_type: String,
    pub(super) payload: Box<RawValue>,
    /// The records that it carries.
    pub(super) places: Vec<Place>,
}

/// One record's text.
struct Text {
    place: Place,
    /// The meter; empty for an event.
    meter: String,
    json: Vec<u8>,
}

/// The messages for some records: all of them under `topic`, then, if `per_meter`, those of each meter by itself under
/// `topic.meter`, the meters sorted.
///
/// Infinities and NaN are no JSON, so a record that has one is refused.
pub(super) fn messages(
    groups: &[Records],
    topic: &str,
    per_meter: bool,
    secret: &str,
    refusals: &mut Refusals,
) -> Vec<Message> {
    let mut texts = texts(groups, secret);
    let mut messages = Vec::new();
    texts.retain(|text| {
        let is_json = serde_json::from_slice::<&RawValue>(&text.json).is_ok();
        if !is_json {
            let Place { group, record } = text.place;
            let reason = "an infinity or NaN, which JSON does not have".to_owned();
            refusals.push(Refusal { group, record, cause: "not_finite", reason });
        }
        is_json
    });
    add(topic, &texts, &mut messages);
    if per_meter {
        // As Python's sort, this one keeps the order of what is equal.
        texts.sort_by(|one, other| one.meter.cmp(&other.meter));
        for of_meter in texts.chunk_by(|one, other| one.meter == other.meter) {
            let meter = of_meter.first().map_or("", |text| text.meter.as_str());
            add(&format!("{topic}.{meter}"), of_meter, &mut messages);
        }
    }
    messages
}

fn add(event_type: &str, texts: &[Text], messages: &mut Vec<Message>) {
    let lengths: Vec<usize> = texts.iter().map(|text| text.json.len() + 2).collect();
    for range in requests(&lengths, REQUEST_RECORDS, REQUEST_BYTES) {
        let Some(payload) = payload(texts, &range) else { continue };
        let places = texts.get(range).unwrap_or_default().iter().map(|text| text.place).collect();
        messages.push(Message { event_type: event_type.to_owned(), payload, places });
    }
}

/// Each text was found to be JSON, so the list is.
fn payload(texts: &[Text], range: &Range<usize>) -> Option<Box<RawValue>> {
    let texts: Vec<Vec<u8>> =
        texts.get(range.clone()).unwrap_or_default().iter().map(|text| text.json.clone()).collect();
    RawValue::from_string(String::from_utf8(list(&texts)).ok()?).ok()
}

fn texts(groups: &[Records], secret: &str) -> Vec<Text> {
    let mut texts = Vec::new();
    for (group, records) in groups.iter().enumerate() {
        match records {
            Records::Samples(samples) => {
                texts.extend(samples.iter().enumerate().map(|(record, sample)| {
                    let message = Value::Map(sample.to_wire(secret, None));
                    Text {
                        place: Place { group, record },
                        meter: sample.name.to_string(),
                        json: dumped(&message),
                    }
                }));
            }
            Records::Events(events) => {
                texts.extend(events.iter().enumerate().map(|(record, event)| {
                    let message = Value::Map(event.to_wire(secret));
                    Text { place: Place { group, record }, meter: String::new(), json: dumped(&message) }
                }));
            }
        }
    }
    texts
}

fn dumped(message: &Value) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    json::write(message, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixtures::sample;

    fn made(groups: &[Records], per_meter: bool) -> (Vec<(String, usize)>, Refusals) {
        let mut refusals = Refusals::default();
        let messages = messages(groups, "metering", per_meter, "s", &mut refusals);
        (messages.into_iter().map(|message| (message.event_type, message.places.len())).collect(), refusals)
    }

    fn samples(samples: &[(&str, f64)]) -> Records {
        Records::Samples(
            samples.iter().map(|(name, volume)| Arc::new(sample(name, "r", (*volume).into()))).collect(),
        )
    }

    #[test]
    fn what_waits_together_goes_together_and_each_meter_by_itself() {
        let groups = [samples(&[("b", 1.0), ("a", 2.0)]), samples(&[("b", 3.0)])];
        assert_eq!(made(&groups, false).0, [("metering".to_owned(), 3)]);
        assert_eq!(
            made(&groups, true).0,
            [("metering".to_owned(), 3), ("metering.a".to_owned(), 1), ("metering.b".to_owned(), 2)]
        );
    }

    #[test]
    fn a_message_is_bounded() {
        let many: Vec<(&str, f64)> = vec![("m", 1.0); REQUEST_RECORDS + 1];
        let sizes: Vec<usize> =
            made(&[samples(&many)], false).0.into_iter().map(|(_, records)| records).collect();
        assert_eq!(sizes, [REQUEST_RECORDS, 1]);
    }

    #[test]
    fn what_json_does_not_have_is_refused() {
        let (messages, refusals) = made(&[samples(&[("a", 1.0), ("b", f64::NAN)])], false);
        assert_eq!(messages, [("metering".to_owned(), 1)]);
        let refused: Vec<_> =
            refusals.iter().map(|refusal| (refusal.group, refusal.record, refusal.cause)).collect();
        assert_eq!(refused, [(0, 1, "not_finite")]);
    }
}
