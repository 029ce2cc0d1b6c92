//! Events: what happened, with the traits that definitions took out of the notification.

use std::sync::Arc;

use crate::json::{write as write_json_value, write_string};
use crate::pytext::{Specials, write_float, write_integer, write_repr, write_text_repr};
use crate::signature::{self, MESSAGE_SIGNATURE};
use crate::time::Timestamp;
use crate::value::text_bytes;
use crate::{Map, Text, Value};

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The id of the notification.
    pub message_id: Value,
    /// What happened, such as `image.upload`.
    pub event_type: Text,
    /// When the notification was sent.
    pub generated: Timestamp,
    /// What is known of it, in the order of the definition.
    pub traits: Vec<Trait>,
    /// The whole notification where `[event] store_raw` asks for it, else an empty map.
    pub raw: Value,
}

/// A named and typed value of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Trait {
    /// The name, such as `resource_id`.
    pub name: Arc<str>,
    /// The value.
    pub value: TraitValue,
}

/// The value of a trait; its variant is the trait's type.
#[derive(Debug, Clone, PartialEq)]
pub enum TraitValue {
    /// Type 0, `none`: a text all the same.
    Untyped(Text),
    /// Type 1, `text`, of at most 255 characters.
    Text(Text),
    /// Type 2, `int`.
    Integer(i64),
    /// Type 2 beyond 64 bits, as decimal text.
    BigInteger(Box<str>),
    /// Type 3, `float`.
    Float(f64),
    /// Type 4, `datetime`.
    Datetime(Timestamp),
}

impl TraitValue {
    /// The number that stands for the type.
    #[must_use]
    pub const fn dtype(&self) -> i64 {
        match self {
            Self::Untyped(_) => 0,
            Self::Text(_) => 1,
            Self::Integer(_) | Self::BigInteger(_) => 2,
            Self::Float(_) => 3,
            Self::Datetime(_) => 4,
        }
    }

    /// The value as it crosses the wire: times as ISO 8601 text without zone.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Untyped(text) | Self::Text(text) => text.clone().into(),
            Self::Integer(number) => Value::Int(*number),
            Self::BigInteger(digits) => Value::BigInt(digits.clone()),
            Self::Float(number) => Value::Float(*number),
            Self::Datetime(time) => time.to_iso().into(),
        }
    }

    fn write(&self, form: Form, out: &mut Vec<u8>) {
        match self {
            Self::Untyped(text) | Self::Text(text) => form.text(text, out),
            Self::Integer(number) => write_integer(*number, out),
            Self::BigInteger(digits) => out.extend_from_slice(digits.as_bytes()),
            Self::Float(number) => write_float(*number, form.specials(), out),
            Self::Datetime(time) => form.time(*time, out),
        }
    }
}

/// The two printed forms of the model: Python's `repr` and `json.dumps(..., default=str)`.
#[derive(Clone, Copy)]
enum Form {
    Python,
    Json,
}

impl Form {
    fn text(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Python => write_text_repr(text, out),
            Self::Json => write_string(text, out),
        }
    }

    fn value(self, value: &Value, out: &mut Vec<u8>) {
        match self {
            Self::Python => write_repr(value, out),
            Self::Json => write_json_value(value, out),
        }
    }

    const fn specials(self) -> Specials {
        match self {
            Self::Python => Specials::Repr,
            Self::Json => Specials::Json,
        }
    }

    fn time(self, time: Timestamp, out: &mut Vec<u8>) {
        match self {
            Self::Python => time.write_repr(out),
            Self::Json => {
                out.push(b'"');
                time.write_str(out);
                out.push(b'"');
            }
        }
    }

    /// Opens (`{`) or continues (`, `) a map with a key.
    fn key(self, before: &str, key: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(before.as_bytes());
        let quote = match self {
            Self::Python => b'\'',
            Self::Json => b'"',
        };
        out.push(quote);
        out.extend_from_slice(key.as_bytes());
        out.push(quote);
        out.extend_from_slice(b": ");
    }
}

impl Event {
    /// Appends Python's text of the model: a line of the file publisher's plain form. Traits are maps, times are
    /// `datetime.datetime(...)`.
    pub fn write_pytext(&self, out: &mut Vec<u8>) {
        self.write_model(Form::Python, out);
    }

    /// Appends the JSON text of the model: a line of the file publisher's json form. Traits are maps, times are
    /// `"2026-07-21 13:56:12.123456"`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write_model(Form::Json, out);
    }

    fn write_model(&self, form: Form, out: &mut Vec<u8>) {
        form.key("{", "message_id", out);
        form.value(&self.message_id, out);
        form.key(", ", "event_type", out);
        form.text(&self.event_type, out);
        form.key(", ", "generated", out);
        form.time(self.generated, out);
        form.key(", ", "traits", out);
        out.push(b'[');
        for (place, entry) in self.traits.iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(b", ");
            }
            form.key("{", "name", out);
            form.text(&entry.name, out);
            form.key(", ", "dtype", out);
            write_integer(entry.value.dtype(), out);
            form.key(", ", "value", out);
            entry.value.write(form, out);
            out.push(b'}');
        }
        out.push(b']');
        form.key(", ", "raw", out);
        form.value(&self.raw, out);
        out.push(b'}');
    }

    /// The serialized form of the http and notifier publishers: traits are `[name, type, value]`, times are ISO 8601
    /// texts without zone.
    #[must_use]
    pub fn to_serialized(&self) -> Map {
        let traits = self
            .traits
            .iter()
            .map(|entry| {
                Value::List(vec![
                    Value::from(&*entry.name),
                    Value::Int(entry.value.dtype()),
                    entry.value.to_value(),
                ])
            })
            .collect();
        Map::from_pairs(vec![
            ("message_id".into(), self.message_id.clone()),
            ("event_type".into(), self.event_type.clone().into()),
            ("generated".into(), self.generated.to_iso().into()),
            ("traits".into(), Value::List(traits)),
            ("raw".into(), self.raw.clone()),
        ])
    }

    /// The message of the bus: the serialized form, signed with `secret` (unsigned when that is empty).
    #[must_use]
    pub fn to_wire(&self, secret: &str) -> Map {
        let mut message = self.to_serialized();
        let signature = signature::compute(&message, secret);
        message.insert(MESSAGE_SIGNATURE, signature);
        message
    }

    /// The trait of that name.
    #[must_use]
    pub fn find_trait(&self, name: &str) -> Option<&TraitValue> {
        self.traits.iter().find(|entry| &*entry.name == name).map(|entry| &entry.value)
    }

    /// About how many bytes of memory it takes, for the budgets of queues and buffers.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let traits: usize = self
            .traits
            .iter()
            .map(|entry| {
                let held = match &entry.value {
                    TraitValue::Untyped(text) | TraitValue::Text(text) => text_bytes(text),
                    TraitValue::BigInteger(digits) => digits.len(),
                    TraitValue::Integer(_) | TraitValue::Float(_) | TraitValue::Datetime(_) => 0,
                };
                size_of::<Trait>() + held
            })
            .sum();
        size_of::<Self>()
            + text_bytes(&self.event_type)
            + traits
            + self.message_id.approximate_bytes()
            + self.raw.approximate_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(raw: Value) -> Event {
        let entry = |name: &str, value| Trait { name: name.into(), value };
        Event {
            message_id: "mid".into(),
            event_type: "compute.instance.create.end".into(),
            generated: Timestamp::parse("2026-07-21T13:56:12.123456").unwrap(),
            traits: vec![
                entry("service", TraitValue::Text("compute".into())),
                entry("memory_mb", TraitValue::Integer(512)),
                entry("launched_at", TraitValue::Datetime(Timestamp::parse("2026-07-21T13:56:10").unwrap())),
                entry("f", TraitValue::Float(1.5)),
            ],
            raw,
        }
    }

    #[test]
    fn wire_form_and_its_signature() {
        let wire = event(Map::new().into()).to_wire("change this for valid signing");
        assert_eq!(
            crate::json::to_string(&wire.into()),
            r#"{"message_id": "mid", "event_type": "compute.instance.create.end", "generated": "2026-07-21T13:56:12.123456", "traits": [["service", 1, "compute"], ["memory_mb", 2, 512], ["launched_at", 4, "2026-07-21T13:56:10"], ["f", 3, 1.5]], "raw": {}, "message_signature": "d0b4fbf8c2db38b8020cc03843bdeedc69c06327b2054e5c3740e35b6f50facb"}"#
        );
    }

    #[test]
    fn printed_forms() {
        let event = event([("payload", Value::Null)].into_iter().collect::<Map>().into());
        let mut json = Vec::new();
        event.write_json(&mut json);
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"message_id": "mid", "event_type": "compute.instance.create.end", "generated": "2026-07-21 13:56:12.123456", "traits": [{"name": "service", "dtype": 1, "value": "compute"}, {"name": "memory_mb", "dtype": 2, "value": 512}, {"name": "launched_at", "dtype": 4, "value": "2026-07-21 13:56:10"}, {"name": "f", "dtype": 3, "value": 1.5}], "raw": {"payload": null}}"#
        );
        let mut plain = Vec::new();
        event.write_pytext(&mut plain);
        assert_eq!(
            String::from_utf8(plain).unwrap(),
            "{'message_id': 'mid', 'event_type': 'compute.instance.create.end', 'generated': \
             datetime.datetime(2026, 7, 21, 13, 56, 12, 123456), 'traits': [{'name': 'service', 'dtype': 1, 'value': \
             'compute'}, {'name': 'memory_mb', 'dtype': 2, 'value': 512}, {'name': 'launched_at', 'dtype': 4, \
             'value': datetime.datetime(2026, 7, 21, 13, 56, 10)}, {'name': 'f', 'dtype': 3, 'value': 1.5}], 'raw': \
             {'payload': None}}"
        );
        assert_eq!(event.find_trait("memory_mb"), Some(&TraitValue::Integer(512)));
    }
}
