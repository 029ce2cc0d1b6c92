//! A notification's bytes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString};
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
    /// The payload.
    pub payload: Payload<'a>,
    /// Context; each becomes a key `_context_<name>`.
    pub context: &'a [(&'a str, &'a RawValue)],
    /// When it was made.
    pub timestamp: Timestamp,
    /// `message_id`; a fresh one if `None`.
    pub message_id: Option<Uuid>,
}

/// The payload of a notification.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// JSON.
    Json(&'a RawValue),
    /// JSON as it stands inside a JSON text, where the envelope has it: ASCII, with `"` and `\` behind a `\`. Nobody looks
    /// at it again.
    Quoted(&'a [u8]),
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
        let (before, behind) = self.around_payload(message_id);
        let body = match version {
            Version::V1 => {
                let payload = match self.payload {
                    Payload::Json(json) => ascii(json.get()).into_owned().into_bytes(),
                    Payload::Quoted(text) => unquoted(text),
                };
                [before.as_bytes(), &payload, behind.as_bytes()].concat()
            }
            Version::V2 => {
                let payload = match self.payload {
                    Payload::Json(json) => Cow::Owned(quoted(&ascii(json.get())).into_bytes()),
                    Payload::Quoted(text) => Cow::Borrowed(text),
                };
                let (before, behind) = (quoted(&before), quoted(&behind));
                let beginning: &[u8] = b"{\"oslo.version\": \"2.0\", \"oslo.message\": \"";
                [beginning, before.as_bytes(), &payload, behind.as_bytes(), b"\"}"].concat()
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

    /// The inner map before and behind the payload, in oslo's order.
    fn around_payload(&self, message_id: Uuid) -> (String, String) {
        let before = format!(
            "{{\"message_id\":\"{}\",\"publisher_id\":{},\"event_type\":{},\"priority\":{},\"payload\":",
            message_id.hyphenated(),
            json_text(self.publisher_id),
            json_text(self.event_type),
            json_text(self.priority),
        );
        let time = time_text(self.timestamp);
        let mut behind = format!(",\"timestamp\":\"{time}\",\"_unique_id\":\"{}\"", Uuid::new_v4().simple());
        for (name, value) in self.context {
            // Writing to a string cannot fail.
            let _ = write!(behind, ",{}:{}", json_text(&format!("_context_{name}")), ascii(value.get()));
        }
        behind.push('}');
        (before, behind)
    }
}

/// A text in double quotes.
fn json_text(text: &str) -> String {
    // A text cannot fail to serialise.
    ascii(&serde_json::to_string(text).unwrap_or_default()).into_owned()
}

/// JSON as it stands inside a JSON text, without the quotes around it.
fn quoted(json: &str) -> String {
    let text = serde_json::to_string(json).unwrap_or_default();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map(str::to_owned).unwrap_or_default()
}

/// What [`Payload::Quoted`] stands for.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        json.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    json
}

fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

/// JSON text with everything beyond ASCII escaped, as Python's encoder writes it. Such characters occur in strings
/// only, so each may be replaced where it stands.
fn ascii(json: &str) -> Cow<'_, str> {
    if json.is_ascii() {
        return json.into();
    }
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
    out.into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_is_quoted_already_makes_the_same_message() {
        let json = r#"{"samples": [{"name": "a \"b\" \\ \u00e9", "n": 1.5}], "empty": ""}"#;
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let quoted = quoted(json);
        let one = RawValue::from_string("\"é\"".to_owned()).unwrap();
        let context: [(&str, &RawValue); 1] = [("user", &one)];
        let body = |payload, version| {
            let outgoing = Outgoing {
                publisher_id: "p\"é",
                event_type: "e",
                priority: "SAMPLE",
                payload,
                context: &context,
                timestamp: "2026-11-22T09:31:27.000959Z".parse().unwrap(),
                message_id: None,
            };
            let body = outgoing.encode(Uuid::nil(), version, None).body;
            let mut text = String::from_utf8(body).unwrap();
            let unique = text.find("_unique_id").unwrap() + "_unique_id".len();
            let digits = text[unique..].find(|byte: char| byte.is_ascii_hexdigit()).unwrap() + unique;
            text.replace_range(digits..digits + 32, "");
            text
        };
        for version in [Version::V1, Version::V2] {
            let text = body(Payload::Json(&raw), version);
            assert!(text.is_ascii());
            assert_eq!(body(Payload::Quoted(quoted.as_bytes()), version), text);
            let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
            if let Some(inner) = value["oslo.message"].as_str() {
                value = serde_json::from_str(inner).unwrap();
            }
            assert_eq!(value["payload"], serde_json::from_str::<serde_json::Value>(json).unwrap());
            assert_eq!((&value["publisher_id"], &value["_context_user"]), (&"p\"é".into(), &"é".into()));
        }
    }
}
