//! [`Letter`] and its line in a file.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest id, in bytes; those that are made here are shorter.
const ID_BYTES_MAX: usize = 64;

/// The publisher whose peer refused a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused {
    /// Its URL, without secrets and options.
    pub publisher: String,
    /// What tells it from others with the same such URL.
    pub publisher_key: String,
    /// What it takes: `samples` or `events`.
    pub kind: String,
    /// The sample's meter, or the event's type.
    pub name: String,
}

/// A message that could not be processed, or a record that a publisher could not deliver, with everything that is needed
/// to send it again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letter {
    /// When it was given up.
    pub time: Timestamp,
    /// Short name of the cause, the same as in the metrics, for example `not_json`.
    pub cause: String,
    /// What was wrong, in words.
    pub message: String,
    /// Name of the listener that received it.
    pub listener: String,
    /// Queue that it came from.
    pub queue: String,
    /// Exchange that it was published to.
    pub exchange: String,
    /// Routing key that it was published with.
    pub routing_key: String,
    /// The broker had delivered it before.
    pub redelivered: bool,
    /// How often it was tried here, this time included.
    pub attempts: u64,
    /// `content_type` property, when set.
    pub content_type: Option<String>,
    /// `content_encoding` property, when set.
    pub content_encoding: Option<String>,
    /// `compression` header, when set.
    pub compression: Option<String>,
    /// The notification's `message_id`, when it could be read.
    pub message_id: Option<String>,
    /// The notification's `event_type`, when it could be read.
    pub event_type: Option<String>,
    /// Set for a record; a message has none, and a record none of what only messages have.
    pub refused: Option<Refused>,
    /// The body of a message as received, or a record's bytes.
    pub body: Vec<u8>,
}

/// Names a letter: the file that it was written to, and its number there. The text sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId(String);

impl LetterId {
    pub(super) fn new(stem: &str, number: usize) -> Self {
        Self(format!("{stem}-{number}"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is no letter's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of a letter: ids have letters, digits and hyphens, and are shown by `list`")]
pub struct NoId(String);

impl FromStr for LetterId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let is_good = !text.is_empty()
            && text.len() <= ID_BYTES_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_good { Ok(Self(text.to_owned())) } else { Err(NoId(text.chars().take(ID_BYTES_MAX).collect())) }
    }
}

/// Why a line is no letter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("not a letter: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Id(#[from] NoId),
    #[error("time {0:?} cannot be read")]
    Time(String),
    #[error("body_base64 cannot be read: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("there is no body, or there are two")]
    Body,
    #[error("the body does not have the checksum that was written with it")]
    Checksum,
}

/// The line as it is written: what a person looks for first comes first.
#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    id: Cow<'a, str>,
    time: Cow<'a, str>,
    cause: Cow<'a, str>,
    message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher_key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing_key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redelivered: Option<bool>,
    attempts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<Cow<'a, str>>,
    /// Size of the body; for the reader, and not read back.
    #[serde(default)]
    bytes: usize,
    /// FNV-1a of the body, in hexadecimal.
    checksum: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<Cow<'a, str>>,
}

impl Letter {
    /// The letter as one line of JSON, as it stands in a file, without the line's end.
    #[must_use]
    pub fn to_json(&self, id: &LetterId) -> String {
        serde_json::to_string(&self.line(id, true)).unwrap_or_default()
    }

    /// The same without the body.
    #[must_use]
    pub fn summary_json(&self, id: &LetterId) -> String {
        serde_json::to_string(&self.line(id, false)).unwrap_or_default()
    }

    /// Appends the line, its end included.
    pub(super) fn write_line(&self, id: &LetterId, out: &mut Vec<u8>) {
        // Texts and numbers written to memory cannot fail.
        let _ = serde_json::to_writer(&mut *out, &self.line(id, true));
        out.push(b'\n');
    }

    fn line<'a>(&'a self, id: &'a LetterId, with_body: bool) -> Line<'a> {
        fn optional(text: Option<&String>) -> Option<Cow<'_, str>> {
            text.map(|text| Cow::from(text.as_str()))
        }
        let text = readable(&self.body);
        let refused = self.refused.as_ref();
        let of_record = |text: fn(&Refused) -> &String| optional(refused.map(text));
        let of_message = |text: &'a String| refused.is_none().then(|| Cow::from(text.as_str()));
        Line {
            id: Cow::from(id.as_str()),
            time: self.time.to_string().into(),
            cause: Cow::from(&self.cause),
            message: Cow::from(&self.message),
            event_type: optional(self.event_type.as_ref()),
            message_id: optional(self.message_id.as_ref()),
            publisher: of_record(|refused| &refused.publisher),
            publisher_key: of_record(|refused| &refused.publisher_key),
            kind: of_record(|refused| &refused.kind),
            name: of_record(|refused| &refused.name),
            listener: of_message(&self.listener),
            queue: of_message(&self.queue),
            exchange: of_message(&self.exchange),
            routing_key: of_message(&self.routing_key),
            redelivered: refused.is_none().then_some(self.redelivered),
            attempts: self.attempts,
            content_type: optional(self.content_type.as_ref()),
            content_encoding: optional(self.content_encoding.as_ref()),
            compression: optional(self.compression.as_ref()),
            bytes: self.body.len(),
            checksum: checksum(&self.body).into(),
            body: text.filter(|_| with_body).map(Cow::from),
            body_base64: (with_body && text.is_none()).then(|| BASE64.encode(&self.body).into()),
        }
    }

    /// Reads a line, with or without its end.
    pub(crate) fn parse(line: &[u8]) -> Result<(LetterId, Self), LineError> {
        let line: Line<'_> = serde_json::from_slice(line)?;
        let body = match (line.body, line.body_base64) {
            (Some(text), None) => text.into_owned().into_bytes(),
            (None, Some(text)) => BASE64.decode(text.as_bytes())?,
            _ => return Err(LineError::Body),
        };
        if line.checksum != checksum(&body) {
            return Err(LineError::Checksum);
        }
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let or_empty = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).unwrap_or_default();
        let refused = line.publisher.map(|publisher| Refused {
            publisher: publisher.into_owned(),
            publisher_key: or_empty(line.publisher_key),
            kind: or_empty(line.kind),
            name: or_empty(line.name),
        });
        let letter = Self {
            time: line
                .time
                .parse()
                .map_err(|_| LineError::Time(line.time.chars().take(ID_BYTES_MAX).collect()))?,
            cause: line.cause.into_owned(),
            message: line.message.into_owned(),
            listener: or_empty(line.listener),
            queue: or_empty(line.queue),
            exchange: or_empty(line.exchange),
            routing_key: or_empty(line.routing_key),
            redelivered: line.redelivered.unwrap_or_default(),
            attempts: line.attempts,
            content_type: owned(line.content_type),
            content_encoding: owned(line.content_encoding),
            compression: owned(line.compression),
            message_id: owned(line.message_id),
            event_type: owned(line.event_type),
            refused,
            body,
        };
        Ok((line.id.parse()?, letter))
    }
}

/// The body as text, unless it is none, or escaping it would make far more of it than base64 does.
fn readable(body: &[u8]) -> Option<&str> {
    let added: usize = body
        .iter()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
            0..0x20 => 5,
            _ => 0,
        })
        .sum();
    std::str::from_utf8(body).ok().filter(|_| added <= body.len())
}

/// 64-bit FNV-1a: enough against bits that flip on a disk, and it needs nothing.
fn checksum(body: &[u8]) -> String {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(body: &[u8]) -> Letter {
        Letter {
            time: "2026-11-25T22:45:01.123456Z".parse().unwrap(),
            cause: "not_json".into(),
            queue: "notifications.info".into(),
            attempts: 1,
            compression: Some("application/x-gzip".into()),
            body: body.to_vec(),
            ..Letter::default()
        }
    }

    #[test]
    fn a_line_reads_back_equal_whatever_the_body() {
        let id: LetterId = "20261125T224501123-00ff-7".parse().unwrap();
        for body in [
            &b""[..],
            b"{\"a\": 1}\n",
            "üü\0\u{1b}\u{2028} and more text".as_bytes(),
            &[0, 255, 10, 13],
            &[0x80; 100],
        ] {
            let letter = letter(body);
            let line = letter.to_json(&id);
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Letter::parse(line.as_bytes()).unwrap(), (id.clone(), letter));
        }
        assert!(letter(b"plain").to_json(&id).contains(r#""body":"plain""#));
    }

    #[test]
    fn a_record_reads_back_equal_and_has_nothing_of_a_message() {
        let id: LetterId = "s-1".parse().unwrap();
        let refused = Refused {
            publisher: "gnocchi://".into(),
            publisher_key: "samples-gnocchi-0011".into(),
            kind: "samples".into(),
            name: "cpu".into(),
        };
        let record = Letter { queue: String::new(), refused: Some(refused), ..letter(&[1, 1, 0, 255]) };
        let line = record.to_json(&id);
        for (name, is_there) in
            [("publisher", true), ("kind", true), ("queue", false), ("redelivered", false)]
        {
            assert_eq!(line.contains(&format!("\"{name}\":")), is_there, "{name}: {line}");
        }
        assert_eq!(Letter::parse(line.as_bytes()).unwrap(), (id, record));
    }

    #[test]
    fn a_body_is_readable_unless_that_costs_too_much() {
        let line = |body: &[u8]| letter(body).to_json(&LetterId::new("s", 1));
        assert!(line(br#"{"a": "{\"b\": 1}"}"#).contains(r#""body":"#));
        for body in [&[1; 3000][..], &[0x80; 3000]] {
            let line = line(body);
            assert!(line.contains(r#""body_base64":"#) && line.len() < 4500, "{}", line.len());
        }
    }

    #[test]
    fn what_is_damaged_is_refused_with_a_reason() {
        let line = letter(b"body").to_json(&LetterId::new("s", 1));
        for (from, to, reason) in [
            ("\"body\":\"body\"", "\"body\":\"bodx\"", "checksum"),
            ("\"body\":\"body\"", "\"body_base64\":\"!\"", "body_base64"),
            (",\"body\":\"body\"", "", "no body"),
            ("\"s-1\"", "\"../s\"", "is not the id"),
            ("22:45:01", "22:99:01", "time"),
            ("\"attempts\":1", "\"attempts\":-1", "not a letter"),
            ("{", "", "not a letter"),
        ] {
            let damaged = line.replacen(from, to, 1);
            assert_ne!(damaged, line, "{from}");
            let error = Letter::parse(damaged.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{damaged}: {error}");
        }
    }

    #[test]
    fn an_id_is_a_short_word() {
        for bad in ["", "a/b", "a b", "..", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<LetterId>().is_err(), "{bad}");
        }
    }
}
