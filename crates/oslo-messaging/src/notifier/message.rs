//! A notification's bytes.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::batch::Delivery;
use crate::envelope::Version;
use crate::options::Compression;

/// kombu's name for a zlib stream.
const GZIP: &str = "application/x-gzip";
/// Persistent.
const DELIVERY_MODE: u8 = 2;

/// A notification to be sent.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// Who sends, for example `ceilometer.polling`.
    pub publisher_id: &'a str,
    /// What it is, for example `telemetry.polling`.
    pub event_type: &'a str,
    /// Priority in upper case, for example `SAMPLE`; in lower case it ends the routing key.
    pub priority: &'a str,
    /// The payload's JSON.
    pub payload: &'a RawValue,
    /// Context; each becomes a key `_context_<name>`.
    pub context: &'a [(&'a str, &'a RawValue)],
    /// When it was made.
    pub timestamp: Timestamp,
    /// `message_id`; a fresh one if `None`.
    pub message_id: Option<Uuid>,
}

/// The inner map, in oslo's order.
struct Inner<'a>(&'a Outgoing<'a>, Uuid);

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(notification, message_id) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("message_id", &message_id.hyphenated().to_string())?;
        map.serialize_entry("publisher_id", notification.publisher_id)?;
        map.serialize_entry("event_type", notification.event_type)?;
        map.serialize_entry("priority", notification.priority)?;
        map.serialize_entry("payload", notification.payload)?;
        map.serialize_entry("timestamp", &time_text(notification.timestamp))?;
        map.serialize_entry("_unique_id", &Uuid::new_v4().simple().to_string())?;
        for (name, value) in notification.context {
            map.serialize_entry(&format!("_context_{name}"), value)?;
        }
        map.end()
    }
}

/// As Python's `str(datetime)`: a blank between date and time, microseconds, no zone.
fn time_text(timestamp: Timestamp) -> String {
    timestamp.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

impl Outgoing<'_> {
    /// The body with its content type, encoding and compression. Its `_unique_id` is fresh: listeners drop a message
    /// whose `_unique_id` they have seen, so a notification that goes to two topics needs two, and one message id.
    pub(super) fn encode(
        &self,
        message_id: Uuid,
        version: Version,
        compression: Option<Compression>,
    ) -> Delivery {
        // Strings and checked JSON cannot fail to serialise.
        let inner = ascii(&serde_json::to_string(&Inner(self, message_id)).unwrap_or_default());
        let body = match version {
            Version::V1 => inner.into_bytes(),
            Version::V2 => {
                let text = serde_json::to_string(&inner).unwrap_or_default();
                format!("{{\"oslo.version\": \"2.0\", \"oslo.message\": {text}}}").into_bytes()
            }
        };
        let mut message = Delivery {
            content_type: Some("application/json".to_owned()),
            content_encoding: Some("utf-8".to_owned()),
            body,
            ..Delivery::default()
        };
        if compression == Some(Compression::Gzip)
            && let Ok(body) = compress(&message.body)
        {
            message.body = body;
            message.compression = Some(GZIP.to_owned());
        }
        message
    }
}

fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

/// JSON text with everything beyond ASCII escaped, as Python's encoder writes it. Such characters occur in strings
/// only, so each may be replaced where it stands.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// AMQP properties of an encoded message.
pub(super) fn properties(message: &Delivery) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(compression) = &message.compression {
        headers.insert("compression".into(), AMQPValue::LongString(LongString::from(compression.as_str())));
    }
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(headers)
        .with_delivery_mode(DELIVERY_MODE)
        .with_priority(0)
}
