//! From a delivery to a [`Notification`], of which only those parts are built that somebody looks at.

use std::sync::Arc;

use definitions::Needs;
use model::json::{Entries, ParseError};
use model::{Map, Notification, Parts, Priority, Text, Value};
use oslo_messaging::Delivery;
use oslo_messaging::envelope::{self, Rejection};

/// Why a delivery can never become a notification.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error(transparent)]
    Envelope(#[from] Rejection),
    #[error("not JSON, not even as Python writes it: {0}")]
    Json(#[from] ParseError),
}

impl DecodeError {
    /// The label under which it is counted.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Envelope(rejection) => rejection.cause(),
            Self::Json(_) => "not_json",
        }
    }
}

/// What a delivery holds.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// A notification that is wanted.
    Wanted(Notification),
    /// Nobody wants notifications of this type and priority.
    Unwanted,
    /// Its priority is none of the seven; upstream logs and ignores it.
    UnknownPriority(String),
}

const CONTEXT_PREFIX: &str = "_context_";
/// What oslo.messaging adds to every context that it receives: the timeout of a call, which a notification has not. It
/// shows in raw events.
const CLIENT_TIMEOUT: &str = "client_timeout";

/// Decodes a delivery. `interest` is asked before context and payload are parsed: what is needed of notifications of that
/// priority and type, and `None` if nobody wants them.
pub(crate) fn decode(
    delivery: &Delivery,
    interest: impl Fn(Priority, &str) -> Arc<Option<Needs>>,
) -> Result<Decoded, DecodeError> {
    let interest_in =
        |message: &Message| Some(interest(message.priority()?, message.parts.event_type.as_str()?));
    let escaped = envelope::escaped_text(delivery).and_then(Entries::of_escaped);
    let mut message = match escaped.map(|entries| Message::read(entries, interest_in)) {
        Some(Ok(message)) => message,
        // Whatever is wrong or just unusual there, the general way knows what to make of it.
        _ => Message::read_text(envelope::open(delivery)?.text(), interest_in)?,
    };
    let Some(priority) = message.priority() else {
        return Ok(Decoded::UnknownPriority(shorten(&model::pytext::to_str(&message.priority))));
    };
    let is_wanted = match (&message.interest, message.parts.event_type.as_str()) {
        (Some(interest), _) if !message.is_misled => interest.is_some(),
        (_, Some(event_type)) => interest(priority, event_type).is_some(),
        // Upstream's filters see whatever stands there.
        (_, None) => true,
    };
    if !is_wanted {
        return Ok(Decoded::Unwanted);
    }
    if message.is_misled {
        message = Message::read_text(envelope::open(delivery)?.text(), |_| None)?;
    }
    Ok(Decoded::Wanted(message.into_notification(priority)))
}

/// Type and priority, by which the rest is chosen, were not seen yet.
struct Unknown;

/// What a notification's text holds.
#[derive(Default)]
struct Message {
    parts: Parts,
    priority: Value,
    context: Vec<(Text, Value)>,
    /// What is needed of it, as far as that was known in time; everything else was passed over.
    interest: Option<Arc<Option<Needs>>>,
    /// Type or priority stand in the text again, behind what was chosen by them: a key that stands there twice has changed
    /// its mind.
    is_misled: bool,
}

impl Message {
    fn read_text(
        text: &str,
        interest: impl Fn(&Self) -> Option<Arc<Option<Needs>>>,
    ) -> Result<Self, DecodeError> {
        let Some(entries) = Entries::of(text) else {
            model::json::parse(text)?;
            return Err(Rejection::NotAMap.into());
        };
        Ok(Self::read(entries, interest)?)
    }

    /// Reads a message; `interest` is asked for what is needed once something comes that may be passed over.
    fn read<const ESCAPED: bool>(
        mut entries: Entries<'_, ESCAPED>,
        interest: impl Fn(&Self) -> Option<Arc<Option<Needs>>>,
    ) -> Result<Self, ParseError> {
        let mut message = Self::default();
        while let Some(key) = entries.next_key()? {
            match &*key {
                "message_id" => message.parts.message_id = entries.value()?,
                "publisher_id" => message.parts.publisher_id = entries.value()?,
                "event_type" => {
                    message.parts.event_type = entries.value()?;
                    message.is_misled |= message.interest.is_some();
                }
                "priority" => {
                    message.priority = entries.value()?;
                    message.is_misled |= message.interest.is_some();
                }
                "timestamp" => message.parts.timestamp = entries.value()?,
                "payload" => match message.needs(&interest) {
                    Ok(Some(needs)) => {
                        message.parts.payload = entries.value_of(|key| needs.payload.contains(key))?;
                    }
                    Ok(None) => entries.skip()?,
                    Err(Unknown) => message.parts.payload = entries.value()?,
                },
                other => match other.strip_prefix(CONTEXT_PREFIX) {
                    Some(key) => {
                        let is_needed = match message.needs(&interest) {
                            Ok(needs) => needs.is_some_and(|needs| needs.context.contains(key)),
                            Err(Unknown) => true,
                        };
                        if is_needed {
                            message.context.push((key.into(), entries.value()?));
                        } else {
                            entries.skip()?;
                        }
                    }
                    None => entries.skip()?,
                },
            }
        }
        Ok(message)
    }

    /// What is needed of it; `None` if nothing is, because nobody wants it.
    fn needs(
        &mut self,
        interest: impl Fn(&Self) -> Option<Arc<Option<Needs>>>,
    ) -> Result<Option<&Needs>, Unknown> {
        if self.interest.is_none() {
            self.interest = interest(self);
        }
        self.interest.as_deref().map(Option::as_ref).ok_or(Unknown)
    }

    fn priority(&self) -> Option<Priority> {
        match &self.priority {
            Value::Str(name) => Priority::from_name(name),
            other => Priority::from_name(&model::pytext::to_str(other)),
        }
    }

    fn into_notification(mut self, priority: Priority) -> Notification {
        self.context.push((CLIENT_TIMEOUT.into(), Value::Null));
        self.parts.ctxt = Value::Map(Map::from_pairs(self.context));
        Notification::from_parts(self.parts, priority)
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(body: &str) -> Delivery {
        Delivery { body: body.as_bytes().to_vec(), ..Delivery::default() }
    }

    fn everything() -> Arc<Option<Needs>> {
        Arc::new(Some(Needs::everything()))
    }

    fn wanted(body: &str) -> Notification {
        match decode(&delivery(body), |_, _| everything()).unwrap() {
            Decoded::Wanted(notification) => notification,
            other => panic!("{other:?}"),
        }
    }

    const INNER: &str = r#"{"message_id": "m", "publisher_id": "p", "event_type": "a.b", "priority": "INFO",
        "payload": {"n": 1}, "timestamp": "t", "_context_user": "u", "_context_project": null, "_unique_id": "x"}"#;

    #[test]
    fn both_envelopes_give_the_same_notification() {
        let enveloped = format!(
            r#"{{"oslo.version": "2.0", "oslo.message": {}}}"#,
            serde_json::to_string(INNER).unwrap()
        );
        let notification = wanted(&enveloped);
        assert_eq!(notification, wanted(INNER));
        assert_eq!(notification.event_type(), Some("a.b"));
        assert_eq!(notification.priority(), Priority::Info);
        assert_eq!(
            model::json::to_string(notification.root()),
            r#"{"ctxt": {"user": "u", "project": null, "client_timeout": null}, "publisher_id": "p", "event_type": "a.b", "#
                .to_owned()
                + r#""payload": {"n": 1}, "metadata": {"message_id": "m", "timestamp": "t"}}"#
        );
    }

    /// Real messages, most of which can be read without undoing the escapes of their envelope.
    #[test]
    fn a_message_in_its_envelope_is_the_one_without() {
        let corpus = include_str!("../../../tests/corpus/notifications.jsonl");
        let mut compared = 0;
        for line in corpus.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let body = line["body"].as_str().unwrap();
            let outer: serde_json::Value = serde_json::from_str(body).unwrap();
            let Some(inner) = outer["oslo.message"].as_str() else { continue };
            assert_eq!(wanted(body), wanted(inner));
            let delivery = delivery(body);
            let escaped = envelope::escaped_text(&delivery).and_then(Entries::of_escaped).unwrap();
            compared += usize::from(Message::read(escaped, |_| None).is_ok());
        }
        assert!(compared > 50, "{compared}");
    }

    #[test]
    fn what_only_python_reads_is_read_too() {
        let notification =
            wanted(&INNER.replace(r#"{"n": 1}"#, r#"{"n": NaN, "big": 36893488147419103232}"#));
        let text = model::json::to_string(notification.payload());
        assert_eq!(text, r#"{"n": NaN, "big": 36893488147419103232}"#);
        assert_eq!(wanted(&INNER.replace(r#""a.b""#, "7")).event_type(), None);
    }

    #[test]
    fn a_payload_that_nobody_wants_is_not_parsed() {
        let body = INNER.replace(r#"{"n": 1}"#, r#"{"n": 123456789012345678901234567890}"#);
        let asked = std::cell::Cell::new(false);
        let decoded = decode(&delivery(&body), |priority, event_type| {
            assert_eq!((priority, event_type), (Priority::Info, "a.b"));
            asked.set(true);
            Arc::new(None)
        });
        assert!(matches!(decoded, Ok(Decoded::Unwanted)));
        assert!(asked.get());
    }

    #[test]
    fn of_repeated_keys_the_last_one_decides_also_behind_the_payload() {
        let twice = INNER.replace(r#""timestamp": "t""#, r#""timestamp": "t", "event_type": "c.d""#);
        let only = |wished: &'static str| {
            decode(&delivery(&twice), move |_, event_type| {
                Arc::new((event_type == wished).then(Needs::nothing))
            })
        };
        assert!(matches!(only("a.b"), Ok(Decoded::Unwanted)));
        let Ok(Decoded::Wanted(notification)) = only("c.d") else { panic!("not wanted") };
        assert_eq!(notification.event_type(), Some("c.d"));
        assert_eq!(notification.payload().get("n"), Some(&1.into()));
    }

    #[test]
    fn what_can_never_be_read_has_a_cause() {
        for (body, cause) in [
            ("", "not_json"),
            ("[]", "not_a_map"),
            ("{\"a\": }", "not_json"),
            (r#"{"oslo.version": "3.0", "oslo.message": "{}"}"#, "envelope_version"),
            (r#"{"oslo.version": "2.0", "oslo.message": 5}"#, "envelope"),
        ] {
            assert_eq!(decode(&delivery(body), |_, _| everything()).unwrap_err().cause(), cause, "{body}");
        }
        let unknown = decode(&delivery(&INNER.replace("INFO", "LOUD")), |_, _| everything());
        assert!(matches!(unknown, Ok(Decoded::UnknownPriority(name)) if name == "LOUD"));
    }
}
