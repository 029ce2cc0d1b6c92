//! The metering message of a sample: what goes over the bus, UDP and TCP.

use std::sync::OnceLock;

use super::{Field, Sample, Subject, write_json_field, write_json_name};
use crate::metadata::RESOURCE_METADATA;
use crate::signature::{self, MESSAGE_SIGNATURE, Signature, Signer};
use crate::{Map, Value, json};

/// A message's field with its name.
type Named<'s> = (&'static str, Field<'s>);

/// What messages have of a subject that many samples share.
pub(super) struct SubjectTexts {
    /// What is signed of the subject, in two pieces; see [`Sample::sign`].
    signed: [Box<[u8]>; 2],
    /// The JSON of its owner and of its metadata, with their names.
    json: OnceLock<[Box<[u8]>; 2]>,
    /// The same as it stands inside a JSON text.
    quoted: OnceLock<[Box<[u8]>; 2]>,
    is_finite: bool,
}

impl SubjectTexts {
    pub(super) fn of(subject: &Subject) -> Self {
        let signed = |fields: &[Named<'_>]| {
            let mut text = Vec::new();
            for (name, field) in fields {
                match field {
                    // Not by the metadata's own way, which would keep the text a second time.
                    Field::Metadata(metadata) => signature::write_entry(name, metadata, &mut text),
                    field => write_signed(name, *field, "", &mut text),
                }
            }
            text.into()
        };
        let (middle, end) = signed_fields(subject);
        Self {
            signed: [signed(&middle), signed(&end)],
            json: OnceLock::new(),
            quoted: OnceLock::new(),
            is_finite: is_finite(&owner(subject)) && subject.resource_metadata.is_finite(),
        }
    }

    fn make_json(subject: &Subject) -> [Box<[u8]>; 2] {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        write_json(&owner(subject), false, "", &mut before);
        write_json_name(false, RESOURCE_METADATA, &mut after);
        json::write(&subject.resource_metadata, &mut after);
        [before.into(), after.into()]
    }

    fn json(&self, subject: &Subject) -> &[Box<[u8]>; 2] {
        self.json.get_or_init(|| Self::make_json(subject))
    }

    fn quoted(&self, subject: &Subject) -> &[Box<[u8]>; 2] {
        let quote = |json: Box<[u8]>| {
            let mut quoted = Vec::new();
            json::quote(&json, &mut quoted);
            quoted.into()
        };
        self.quoted.get_or_init(|| Self::make_json(subject).map(quote))
    }
}

impl Sample {
    /// The metering message of the bus, UDP and TCP, signed with `secret` (unsigned when that is empty).
    ///
    /// Only the TCP publisher names a publisher.
    #[must_use]
    pub fn to_wire(&self, secret: &str, publisher_id: Option<&str>) -> Map {
        let metadata = (RESOURCE_METADATA, Field::Metadata(&self.resource_metadata));
        let behind_owner = [self.timestamp_field(), metadata];
        let fields = self.first_fields().into_iter().chain(owner(self));
        let fields = fields.chain(behind_owner).chain(self.last_fields());
        let mut message: Map = fields.map(|(name, field)| (name, field.to_value())).collect();
        if let Some(publisher_id) = publisher_id {
            message.insert("publisher_id", publisher_id);
        }
        let signature = signature::compute(&message, secret);
        message.insert(MESSAGE_SIGNATURE, signature);
        message
    }

    /// Appends the JSON text of [`to_wire`](Self::to_wire) without a publisher. Nothing is cloned on the way.
    pub fn write_wire(&self, signer: &mut Signer, out: &mut Vec<u8>) {
        let signature = self.sign(signer);
        let seconds = signer.seconds(self.monotonic_time);
        let kept = self.subject.known_texts().map(|texts| texts.json(&self.subject));
        write_json(&self.first_fields(), true, seconds, out);
        match kept {
            Some([owner, _]) => out.extend_from_slice(owner),
            None => write_json(&owner(self), false, seconds, out),
        }
        write_json(&[self.timestamp_field()], false, seconds, out);
        if let Some([_, metadata]) = kept {
            out.extend_from_slice(metadata);
        } else {
            write_json_name(false, RESOURCE_METADATA, out);
            self.resource_metadata.write_json(out);
        }
        self.write_end(&signature, seconds, out);
    }

    /// Appends the same as it stands inside a JSON text. `room` is used, and may be kept for the next one.
    pub fn write_quoted_wire(&self, signer: &mut Signer, room: &mut Vec<u8>, out: &mut Vec<u8>) {
        let signature = self.sign(signer);
        let seconds = signer.seconds(self.monotonic_time);
        let kept = self.subject.known_texts().map(|texts| texts.quoted(&self.subject));
        room.clear();
        write_json(&self.first_fields(), true, seconds, room);
        match kept {
            Some([owner, _]) => {
                json::quote(room, out);
                room.clear();
                out.extend_from_slice(owner);
            }
            None => write_json(&owner(self), false, seconds, room),
        }
        write_json(&[self.timestamp_field()], false, seconds, room);
        if let Some([_, metadata]) = kept {
            json::quote(room, out);
            out.extend_from_slice(metadata);
        } else {
            write_json_name(false, RESOURCE_METADATA, room);
            json::quote(room, out);
            self.resource_metadata.write_quoted(out);
        }
        room.clear();
        self.write_end(&signature, seconds, room);
        json::quote(room, out);
    }

    /// Whether every number in it is finite, as JSON wants them.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let is_subject_finite = match self.subject.known_texts() {
            Some(texts) => texts.is_finite,
            None => is_finite(&owner(self)) && self.resource_metadata.is_finite(),
        };
        is_subject_finite
            && is_finite(&self.first_fields())
            && self.timestamp.is_finite()
            && self.monotonic_time.is_none_or(f64::is_finite)
    }

    /// The fields before the subject's, in the order of the message.
    const fn first_fields(&self) -> [Named<'_>; 5] {
        [
            ("source", Field::Value(&self.source)),
            ("counter_name", Field::Name(&self.name)),
            ("counter_type", Field::Text(self.kind.as_str())),
            ("counter_unit", Field::Value(&self.unit)),
            ("counter_volume", Field::Value(&self.volume)),
        ]
    }

    const fn timestamp_field(&self) -> Named<'_> {
        ("timestamp", Field::Value(&self.timestamp))
    }

    /// The fields behind the metadata.
    const fn last_fields(&self) -> [Named<'_>; 2] {
        [("message_id", Field::Id(&self.id)), ("monotonic_time", Field::Seconds(self.monotonic_time))]
    }

    /// Appends what is behind the metadata.
    fn write_end(&self, signature: &Signature, seconds: &str, out: &mut Vec<u8>) {
        write_json(&self.last_fields(), false, seconds, out);
        write_json_name(false, MESSAGE_SIGNATURE, out);
        json::write_string(signature.as_str(), out);
        out.push(b'}');
    }

    /// The signature of the message. What is signed is sorted by name, which leaves the subject in two pieces.
    fn sign(&self, signer: &mut Signer) -> Signature {
        // Asked for once more when the message is written.
        signer.seconds(self.monotonic_time);
        signer.sign(|last_seconds, text| {
            let write = |fields: &[Named<'_>], text: &mut Vec<u8>| {
                for (name, field) in fields {
                    write_signed(name, *field, last_seconds, text);
                }
            };
            let kept = self.subject.texts().map(|texts| &texts.signed);
            let [source, counter @ ..] = self.first_fields();
            write(&counter, text);
            write(&self.last_fields(), text);
            match kept {
                Some([middle, _]) => text.extend_from_slice(middle),
                None => write(&signed_fields(self).0, text),
            }
            write(&[source, self.timestamp_field()], text);
            match kept {
                Some([_, end]) => text.extend_from_slice(end),
                None => write(&signed_fields(self).1, text),
            }
        })
    }
}

/// A subject's fields but its metadata, in the order of the message.
const fn owner(subject: &Subject) -> [Named<'_>; 5] {
    [
        ("user_id", Field::Value(&subject.user_id)),
        ("user_name", Field::Value(&subject.user_name)),
        ("project_id", Field::Value(&subject.project_id)),
        ("project_name", Field::Value(&subject.project_name)),
        ("resource_id", Field::Value(&subject.resource_id)),
    ]
}

/// A subject's fields in the order in which they are signed: those before `source`, and those behind `timestamp`.
const fn signed_fields(subject: &Subject) -> ([Named<'_>; 4], [Named<'_>; 2]) {
    let [user_id, user_name, project_id, project_name, resource_id] = owner(subject);
    let metadata = (RESOURCE_METADATA, Field::Metadata(&subject.resource_metadata));
    ([project_id, project_name, resource_id, metadata], [user_id, user_name])
}

fn is_finite(fields: &[Named<'_>]) -> bool {
    fields.iter().all(|(_, field)| match field {
        Field::Text(_) | Field::Name(_) | Field::Id(_) => true,
        Field::Value(value) => value.is_finite(),
        Field::Metadata(metadata) => metadata.is_finite(),
        Field::Seconds(seconds) => seconds.is_none_or(f64::is_finite),
    })
}

/// Appends fields as JSON. `seconds` is that of the monotonic time.
fn write_json(fields: &[Named<'_>], is_first: bool, seconds: &str, out: &mut Vec<u8>) {
    for (place, (name, field)) in fields.iter().enumerate() {
        write_json_name(is_first && place == 0, name, out);
        match field {
            Field::Seconds(_) => out.extend_from_slice(seconds.as_bytes()),
            field => write_json_field(*field, out),
        }
    }
}

/// Appends what is signed of a field. `seconds` is the JSON of a monotonic time that is known.
fn write_signed(name: &str, field: Field<'_>, seconds: &str, text: &mut Vec<u8>) {
    let value = match field {
        Field::Value(value) => return signature::write_entry(name, value, text),
        Field::Metadata(metadata) => return metadata.write_signed(text),
        Field::Seconds(None) => return signature::write_entry(name, &Value::Null, text),
        Field::Id(id) => {
            text.extend_from_slice(name.as_bytes());
            return id.with_text(|id| text.extend_from_slice(id.as_bytes()));
        }
        Field::Text(value) => value,
        Field::Name(value) => value,
        Field::Seconds(Some(_)) => seconds,
    };
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;
    use crate::{Value, json};

    #[test]
    fn wire_form_has_its_own_names_and_order() {
        let wire = sample().to_wire("s", Some("tcp"));
        let keys: Vec<_> = wire.iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys.join(" "),
            "source counter_name counter_type counter_unit counter_volume user_id user_name project_id project_name \
             resource_id timestamp resource_metadata message_id monotonic_time publisher_id message_signature"
        );
        assert_eq!(sample().to_wire("", None).get(MESSAGE_SIGNATURE), Some(&"".into()));
    }

    #[test]
    fn the_text_is_that_of_the_map() {
        let plain = sample();
        let nested =
            json::parse(r#"{"b": [1, {"k": "\u00e9"}], "a": {"y": 1.0, "x": {}}, "m": "\"", "z": null}"#)
                .unwrap();
        let mut rich = Sample {
            monotonic_time: Some(12_345.678_901_234),
            volume: Value::Map(Map::new()),
            id: uuid::Uuid::from_u128(7).into(),
            ..sample()
        };
        rich.resource_metadata = nested.into();
        rich.project_id = Value::List(vec!["p".into()]);
        rich.user_name = "Zoë \"Z\"".into();
        for sample in [plain, rich] {
            for secret in ["", "s", "change this for valid signing"] {
                let mut signer = Signer::new(secret);
                let mut copies = Vec::new();
                for _ in 0..2 {
                    let mut text = Vec::new();
                    sample.write_wire(&mut signer, &mut text);
                    let expected = json::to_string(&sample.to_wire(secret, None).into());
                    assert_eq!(String::from_utf8(text).unwrap(), expected);
                    let (mut room, mut quoted) = (b"left over".to_vec(), Vec::new());
                    // Once alone, and once with a copy.
                    for _ in 0..2 {
                        quoted.clear();
                        sample.write_quoted_wire(&mut signer, &mut room, &mut quoted);
                        copies.push(sample.clone());
                    }
                    let expected = serde_json::to_string(&expected).unwrap();
                    assert_eq!(String::from_utf8(quoted).unwrap(), expected[1..expected.len() - 1]);
                }
            }
        }
    }

    #[test]
    fn infinities_are_found_wherever_they_are() {
        assert!(sample().is_finite());
        let bad = Value::List(vec![Value::Float(f64::NAN)]);
        assert!(!Sample { volume: f64::INFINITY.into(), ..sample() }.is_finite());
        assert!(!Sample { monotonic_time: Some(f64::NAN), ..sample() }.is_finite());
        let map: Map = [("k", bad.clone())].into_iter().collect();
        let (mut odd_metadata, mut odd_owner) = (sample(), sample());
        odd_metadata.resource_metadata = map.into();
        odd_owner.user_id = bad;
        for sample in [odd_metadata, odd_owner] {
            assert!(!sample.is_finite());
            let _copy = sample.clone();
            sample.write_wire(&mut Signer::new("s"), &mut Vec::new());
            assert!(!sample.is_finite(), "from what is kept");
        }
    }
}
