//! Samples and events for tests, from plain values or from the JSON that Ceilometer's models give.

#![allow(dead_code, reason = "each suite uses its part")]

use std::sync::Arc;

use model::{Event, Map, MeterKind, Sample, Subject, Timestamp, Trait, TraitValue, Value};

/// A sample of the usual owner.
pub(crate) fn sample(name: &str, resource: &str, volume: impl Into<Value>) -> Arc<Sample> {
    Arc::new(Sample {
        name: name.into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: volume.into(),
        subject: Subject {
            user_id: "u".into(),
            project_id: "p".into(),
            resource_metadata: Value::Map([("k", "v")].into_iter().collect()).into(),
            ..Subject::new(resource)
        }
        .into(),
        timestamp: "2026-07-21T13:56:12.123456".into(),
        source: "openstack".into(),
        id: format!("id of {name} {resource}").into(),
        monotonic_time: None,
    })
}

/// An event with one trait, and a payload as raw.
pub(crate) fn event(event_type: &str, payload: &str) -> Arc<Event> {
    Arc::new(Event {
        message_id: "mid".into(),
        event_type: event_type.into(),
        generated: Timestamp::parse("2026-07-21T13:56:12.123456").unwrap(),
        traits: vec![Trait { name: "a".into(), value: TraitValue::Text("x".into()) }],
        raw: Value::Map([("payload", payload)].into_iter().collect()),
    })
}

/// A sample from its `as_dict()`.
pub(crate) fn sample_from(dict: &Value) -> Arc<Sample> {
    let part = |key: &str| dict.get(key).cloned().unwrap_or_default();
    let text = |key: &str| dict.get(key).and_then(Value::as_str).unwrap();
    Arc::new(Sample {
        name: text("name").into(),
        kind: MeterKind::from_name(text("type")).unwrap(),
        unit: part("unit"),
        volume: part("volume"),
        subject: Subject {
            user_id: part("user_id"),
            user_name: part("user_name"),
            project_id: part("project_id"),
            project_name: part("project_name"),
            resource_id: part("resource_id"),
            resource_metadata: part("resource_metadata").into(),
        }
        .into(),
        timestamp: part("timestamp"),
        source: part("source"),
        id: text("id").into(),
        monotonic_time: match part("monotonic_time") {
            Value::Float(seconds) => Some(seconds),
            _ => None,
        },
    })
}

/// An event from its `serialize()`.
pub(crate) fn event_from(serialized: &Value) -> Arc<Event> {
    let entries = serialized.get("traits").and_then(Value::as_list).unwrap();
    let traits = entries.iter().map(|entry| {
        let [name, dtype, value] = entry.as_list().unwrap() else { panic!("{entry:?}") };
        let value = match (dtype, value) {
            (Value::Int(0), Value::Str(text)) => TraitValue::Untyped(text.clone()),
            (Value::Int(1), Value::Str(text)) => TraitValue::Text(text.clone()),
            (Value::Int(2), Value::Int(number)) => TraitValue::Integer(*number),
            (Value::Int(2), Value::BigInt(digits)) => TraitValue::BigInteger(digits.clone()),
            (Value::Int(3), Value::Float(number)) => TraitValue::Float(*number),
            (Value::Int(4), Value::Str(text)) => TraitValue::Datetime(Timestamp::parse(text).unwrap()),
            other => panic!("{other:?}"),
        };
        Trait { name: name.as_str().unwrap().into(), value }
    });
    Arc::new(Event {
        message_id: serialized.get("message_id").cloned().unwrap(),
        event_type: serialized.get("event_type").and_then(Value::as_str).unwrap().into(),
        generated: Timestamp::parse(serialized.get("generated").and_then(Value::as_str).unwrap()).unwrap(),
        traits: traits.collect(),
        raw: serialized.get("raw").cloned().unwrap_or_else(|| Map::new().into()),
    })
}
