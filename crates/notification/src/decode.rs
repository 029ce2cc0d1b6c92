//! From a delivery to a [`Notification`], whose payload is parsed only when somebody wants it.

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
/// As many keys as the contexts of OpenStack's services have, about.
const CONTEXT_KEYS: usize = 24;

/// Decodes a delivery; `wants` is asked before the payload is parsed.
pub(crate) fn decode(
    delivery: &Delivery,
    wants: impl Fn(Priority, &str) -> bool,
) -> Result<Decoded, DecodeError> {
    let document = envelope::open(delivery)?;
    let is_wanted = |message: &Message| match (message.priority(), message.parts.event_type.as_str()) {
        (Some(priority), Some(event_type)) => wants(priority, event_type),
        // Upstream's filters see whatever stands there.
        (Some(_), None) => true,
        (None, _) => false,
    };
    let mut message = Message::read(document.text(), |message| {
        !message.priority.is_null() && !message.parts.event_type.is_null() && !is_wanted(message)
    })?;
    let Some(priority) = message.priority() else {
        return Ok(Decoded::UnknownPriority(shorten(&model::pytext::to_str(&message.priority))));
    };
    if !is_wanted(&message) {
        return Ok(Decoded::Unwanted);
    }
    if message.is_partial {
        // A key that stands in the text twice has changed its mind.
        message = Message::read(document.text(), |_| false)?;
    }
    Ok(Decoded::Wanted(message.into_notification(priority)))
}

/// What a notification's text holds.
#[derive(Default)]
struct Message {
    parts: Parts,
    priority: Value,
    context: Vec<(Text, Value)>,
    /// A payload was passed over.
    is_partial: bool,
}

impl Message {
    /// Reads a text, passing over the payload if `skips_payload` says so of what stands before it.
    fn read(text: &str, skips_payload: impl Fn(&Self) -> bool) -> Result<Self, DecodeError> {
        let Some(mut entries) = Entries::of(text) else {
            model::json::parse(text)?;
            return Err(Rejection::NotAMap.into());
        };
        let mut message = Self { context: Vec::with_capacity(CONTEXT_KEYS), ..Self::default() };
        while let Some(key) = entries.next_key()? {
            match &*key {
                "message_id" => message.parts.message_id = entries.value()?,
                "publisher_id" => message.parts.publisher_id = entries.value()?,
                "event_type" => message.parts.event_type = entries.value()?,
                "priority" => message.priority = entries.value()?,
                "timestamp" => message.parts.timestamp = entries.value()?,
                "payload" => {
                    message.is_partial = skips_payload(&message);
                    if message.is_partial {
                        entries.skip()?;
                    } else {
                        message.parts.payload = entries.value()?;
                    }
                }
                other => match other.strip_prefix(CONTEXT_PREFIX) {
                    Some(key) => message.context.push((key.into(), entries.value()?)),
                    None => entries.skip()?,
                },
            }
        }
        Ok(message)
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

    fn wanted(body: &str) -> Notification {
        match decode(&delivery(body), |_, _| true).unwrap() {
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
            false
        });
        assert!(matches!(decoded, Ok(Decoded::Unwanted)));
        assert!(asked.get());
    }

    #[test]
    fn of_repeated_keys_the_last_one_decides_also_behind_the_payload() {
        let twice = INNER.replace(r#""timestamp": "t""#, r#""timestamp": "t", "event_type": "c.d""#);
        let only =
            |wished: &'static str| decode(&delivery(&twice), move |_, event_type| event_type == wished);
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
            assert_eq!(decode(&delivery(body), |_, _| true).unwrap_err().cause(), cause, "{body}");
        }
        let unknown = decode(&delivery(&INNER.replace("INFO", "LOUD")), |_, _| true);
        assert!(matches!(unknown, Ok(Decoded::UnknownPriority(name)) if name == "LOUD"));
    }
}
