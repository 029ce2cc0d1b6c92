//! The notifications of `tests/corpus`, decoded.

use model::{Map, Notification, Parts, Priority, Value, json};

const CORPUS: &str = include_str!("../../../../tests/corpus/notifications.jsonl");

/// The decoded message of each line, and its priority.
pub(crate) fn messages() -> Vec<(Map, Priority)> {
    CORPUS.lines().map(message).collect()
}

/// The message inside the envelope of a line.
fn message(line: &str) -> (Map, Priority) {
    let record = json::parse(line).unwrap();
    let mut message = json::parse(record.get("body").unwrap().as_str().unwrap()).unwrap();
    if let Some(inner) = message.get("oslo.message") {
        message = json::parse(inner.as_str().unwrap()).unwrap();
    }
    let priority =
        record.get("routing_key").unwrap().as_str().unwrap().rsplit('.').next().unwrap().to_owned();
    match message {
        Value::Map(map) => (map, Priority::from_name(&priority).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// The notification that a message is.
pub(crate) fn notification(message: &Map, priority: Priority) -> Notification {
    let ctxt: Map = message
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("_context_")?, value.clone())))
        .collect();
    let part = |key| message.get(key).cloned().unwrap_or_default();
    let parts = Parts {
        ctxt: ctxt.into(),
        publisher_id: part("publisher_id"),
        event_type: part("event_type"),
        payload: part("payload"),
        message_id: part("message_id"),
        timestamp: part("timestamp"),
    };
    Notification::from_parts(parts, priority)
}
