//! From samples and events to bytes.

use super::{VERSION, kind, tag, trait_tag};
use crate::{Event, MeterKind, Sample, TraitValue, Value};

/// Appends the bytes of a sample.
pub fn write_sample(sample: &Sample, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, kind::SAMPLE]);
    text(&sample.name, out);
    out.push(match sample.kind {
        MeterKind::Gauge => 0,
        MeterKind::Delta => 1,
        MeterKind::Cumulative => 2,
    });
    for field in [
        &sample.unit,
        &sample.volume,
        &sample.user_id,
        &sample.user_name,
        &sample.project_id,
        &sample.project_name,
        &sample.resource_id,
        &sample.timestamp,
        &sample.resource_metadata,
        &sample.source,
    ] {
        value(field, out);
    }
    sample.id.with_text(|id| text(id, out));
    match sample.monotonic_time {
        None => out.push(0),
        Some(seconds) => {
            out.push(1);
            out.extend_from_slice(&seconds.to_bits().to_le_bytes());
        }
    }
}

/// Appends the bytes of an event.
pub fn write_event(event: &Event, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, kind::EVENT]);
    value(&event.message_id, out);
    text(&event.event_type, out);
    signed(event.generated.microseconds(), out);
    number(event.traits.len() as u64, out);
    for entry in &event.traits {
        text(&entry.name, out);
        match &entry.value {
            TraitValue::Untyped(held) => tagged_text(trait_tag::UNTYPED, held, out),
            TraitValue::Text(held) => tagged_text(trait_tag::TEXT, held, out),
            TraitValue::BigInteger(digits) => tagged_text(trait_tag::BIG_INTEGER, digits, out),
            TraitValue::Integer(held) => {
                out.push(trait_tag::INTEGER);
                signed(*held, out);
            }
            TraitValue::Float(held) => {
                out.push(trait_tag::FLOAT);
                out.extend_from_slice(&held.to_bits().to_le_bytes());
            }
            TraitValue::Datetime(time) => {
                out.push(trait_tag::DATETIME);
                signed(time.microseconds(), out);
            }
        }
    }
    value(&event.raw, out);
}

/// Appends the bytes of a value alone, without version and kind: for what stays in the process.
pub fn write_value(held: &Value, out: &mut Vec<u8>) {
    value(held, out);
}

fn value(held: &Value, out: &mut Vec<u8>) {
    match held {
        Value::Null => out.push(tag::NULL),
        Value::Bool(false) => out.push(tag::FALSE),
        Value::Bool(true) => out.push(tag::TRUE),
        Value::Int(integer) => {
            out.push(tag::INT);
            signed(*integer, out);
        }
        Value::BigInt(digits) => tagged_text(tag::BIG_INT, digits, out),
        Value::Float(float) => {
            out.push(tag::FLOAT);
            out.extend_from_slice(&float.to_bits().to_le_bytes());
        }
        Value::Str(held) => tagged_text(tag::TEXT, held, out),
        Value::List(list) => {
            out.push(tag::LIST);
            number(list.len() as u64, out);
            for item in list {
                value(item, out);
            }
        }
        Value::Map(map) => {
            out.push(tag::MAP);
            number(map.len() as u64, out);
            for (key, item) in map.iter() {
                text(key, out);
                value(item, out);
            }
        }
    }
}

fn tagged_text(tag: u8, held: &str, out: &mut Vec<u8>) {
    out.push(tag);
    text(held, out);
}

fn text(held: &str, out: &mut Vec<u8>) {
    number(held.len() as u64, out);
    out.extend_from_slice(held.as_bytes());
}

fn number(mut held: u64, out: &mut Vec<u8>) {
    loop {
        let low = held.to_le_bytes()[0] & 0x7f;
        held >>= 7;
        if held == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn signed(held: i64, out: &mut Vec<u8>) {
    number((held << 1 ^ held >> 63).cast_unsigned(), out);
}
