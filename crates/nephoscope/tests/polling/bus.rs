//! What lies on the message bus.

use model::{Value, json, signature};
use testkit::Vhost;

/// The samples of each notification in a queue, oldest first; they are gone from it then.
pub(crate) fn take(vhost: &Vhost<'_>, queue: &str) -> Vec<Vec<Value>> {
    if vhost.depth(queue).unwrap().is_none() {
        return Vec::new();
    }
    let messages = vhost.take(queue).unwrap();
    messages.iter().map(|message| samples(&message.body)).collect()
}

fn samples(body: &[u8]) -> Vec<Value> {
    let outer = json::parse(std::str::from_utf8(body).unwrap()).unwrap();
    let inner = json::parse(outer.get("oslo.message").unwrap().as_str().unwrap()).unwrap();
    for (key, expected) in
        [("publisher_id", "ceilometer.polling"), ("event_type", "telemetry.polling"), ("priority", "SAMPLE")]
    {
        assert_eq!(inner.get(key).and_then(Value::as_str), Some(expected));
    }
    inner.get("payload").unwrap().get("samples").unwrap().as_list().unwrap().to_vec()
}

/// Panics unless every sample is signed with `secret`.
pub(crate) fn assert_signed(notifications: &[Vec<Value>], secret: &str) {
    for sample in notifications.iter().flatten() {
        assert!(signature::verify(sample.as_map().unwrap(), secret), "{sample:?}");
    }
}

/// A sample without what differs from one agent to another, and from one cycle to another.
pub(crate) fn comparable(sample: &Value) -> String {
    let mut sample = sample.as_map().unwrap().clone();
    for (key, length) in [("timestamp", "2026-11-26T05:00:00".len()), ("message_id", 36)] {
        let value = sample.insert(key, Value::Null).unwrap();
        assert!(value.as_str().is_some_and(|text| text.len() >= length), "{key}: {value:?}");
    }
    sample.remove("message_signature");
    json::to_string(&sample.into())
}

/// The ids of the samples.
pub(crate) fn ids(notifications: &[Vec<Value>]) -> Vec<String> {
    let id = |sample: &Value| sample.get("message_id").unwrap().as_str().unwrap().to_owned();
    notifications.iter().flatten().map(id).collect()
}
