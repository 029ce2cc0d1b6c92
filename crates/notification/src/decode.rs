//! From a delivery to a [`Notification`], whose payload is parsed only when somebody wants it.

use std::borrow::Cow;

use model::json::ParseError;
use model::{Map, Notification, Parts, Priority, Value};
use oslo_messaging::Delivery;
use oslo_messaging::envelope::{self, Parsed, Rejection};

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

/// Decodes a delivery; `wants` is asked before the payload is parsed.
pub(crate) fn decode(
    delivery: &Delivery,
    wants: impl Fn(Priority, &str) -> bool,
) -> Result<Decoded, DecodeError> {
    let document = envelope::open(delivery)?;
    let header = match document.notification()? {
        Parsed::Notification(header) => header,
        Parsed::NeedsTolerantParse(text) => return tolerant(text, wants),
    };
    let name = header.priority.as_deref().unwrap_or_default();
    let Some(priority) = Priority::from_name(name) else {
        return Ok(Decoded::UnknownPriority(shorten(name)));
    };
    if header.event_type.as_deref().is_some_and(|event_type| !wants(priority, event_type)) {
        return Ok(Decoded::Unwanted);
    }
    let payload = match header.payload {
        Some(raw) => model::json::parse(raw.get())?,
        None => Value::Null,
    };
    let mut context = Vec::with_capacity(header.context.len());
    for (key, raw) in header.context {
        context.push((key.into_owned().into_boxed_str(), model::json::parse(raw.get())?));
    }
    let text = |field: Option<Cow<'_, str>>| field.map_or(Value::Null, |text| Value::Str(text.into_owned()));
    let parts = Parts {
        ctxt: Value::Map(Map::from_pairs(context)),
        publisher_id: text(header.publisher_id),
        event_type: text(header.event_type),
        payload,
        message_id: text(header.message_id),
        timestamp: text(header.timestamp),
    };
    Ok(Decoded::Wanted(Notification::from_parts(parts, priority)))
}

/// The slow way, for what Python's `json` writes and JSON does not know.
fn tolerant(text: &str, wants: impl Fn(Priority, &str) -> bool) -> Result<Decoded, DecodeError> {
    let Value::Map(message) = model::json::parse(text)? else { return Err(Rejection::NotAMap.into()) };
    let mut parts = Parts::default();
    let mut context = Vec::new();
    let mut name = String::new();
    for (key, value) in message {
        match &*key {
            "message_id" => parts.message_id = value,
            "publisher_id" => parts.publisher_id = value,
            "event_type" => parts.event_type = value,
            "payload" => parts.payload = value,
            "timestamp" => parts.timestamp = value,
            "priority" => name = model::pytext::to_str(&value),
            other => {
                if let Some(key) = other.strip_prefix(CONTEXT_PREFIX) {
                    context.push((key.into(), value));
                }
            }
        }
    }
    let Some(priority) = Priority::from_name(&name) else {
        return Ok(Decoded::UnknownPriority(shorten(&name)));
    };
    if parts.event_type.as_str().is_some_and(|event_type| !wants(priority, event_type)) {
        return Ok(Decoded::Unwanted);
    }
    parts.ctxt = Value::Map(Map::from_pairs(context));
    Ok(Decoded::Wanted(Notification::from_parts(parts, priority)))
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
            r#"{"ctxt": {"user": "u", "project": null}, "publisher_id": "p", "event_type": "a.b", "#
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
        let asked = std::cell::Cell::new(0);
        let decoded = decode(&delivery(&body), |priority, event_type| {
            assert_eq!((priority, event_type), (Priority::Info, "a.b"));
            asked.set(asked.get() + 1);
            false
        });
        assert!(matches!(decoded, Ok(Decoded::Unwanted)));
        assert_eq!(asked.get(), 1);
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
