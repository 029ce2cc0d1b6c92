//! From a message's bytes to a notification's header, with the payload left unparsed.
//!
//! Two forms exist. Version 2 is a JSON map with exactly `oslo.version` and `oslo.message`, the latter being JSON *text*;
//! version 1 is that inner map itself. The header tells whether anybody wants the notification at all, so the payload
//! and the context's values stay raw JSON until then.
//!
//! ```text
//! let document = open(&delivery)?;              // decompressed, envelope taken off; owns its text
//! match document.notification()? {              // borrows from the document
//!     Parsed::Notification(n) => …,             // n.event_type, n.payload: &RawValue
//!     Parsed::NeedsTolerantParse(text) => …,    // Python wrote what JSON does not know: NaN, a numeric event_type, …
//! }
//! ```
//!
//! Source of behaviour: oslo.messaging 18.3 `_drivers/common.py` (`deserialize_msg`), `_drivers/amqp.py`
//! (`unpack_context`), kombu's `compression` header.

mod decompress;
mod header;
mod recent;
mod usual;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::batch::Delivery;

pub use self::decompress::DECOMPRESSED_BYTES_MAX;
pub use self::recent::{RECENT_IDS, RecentIds};

/// Why a message can never be processed. Each has a short name for a metric's label.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The body, or the text inside it, is not UTF-8.
    #[error("body is not UTF-8")]
    NotUtf8,
    /// JSON, but not a map.
    #[error("body is not a JSON map")]
    NotAMap,
    /// `oslo.version` is not 2.0.
    #[error("envelope version {version:?} is not supported (2.0 is)")]
    Version {
        /// As written, shortened.
        version: String,
    },
    /// `oslo.version` or `oslo.message` is not a string.
    #[error("envelope has no text in oslo.message")]
    Envelope,
    /// A compression that we do not undo.
    #[error("compression {name:?} is not supported (gzip and zstd are)")]
    Compression {
        /// As written, shortened.
        name: String,
    },
    /// The compressed body is damaged.
    #[error("{name} body is damaged")]
    Damaged {
        /// Compression.
        name: &'static str,
        /// Reason.
        #[source]
        source: std::io::Error,
    },
    /// More than [`DECOMPRESSED_BYTES_MAX`] bytes come out.
    #[error("body decompresses to more than {DECOMPRESSED_BYTES_MAX} bytes")]
    TooLarge,
    /// A character set other than UTF-8.
    #[error("character set {name:?} is not supported (utf-8 is)")]
    Charset {
        /// As written, shortened.
        name: String,
    },
}

impl Rejection {
    /// Short name of the cause, for a metric's label and [`crate::Receipt::reject_one`].
    pub fn cause(&self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::NotAMap => "not_a_map",
            Self::Version { .. } => "envelope_version",
            Self::Envelope => "envelope",
            Self::Compression { .. } => "compression_unsupported",
            Self::Damaged { .. } => "compression_damaged",
            Self::TooLarge => "too_large",
            Self::Charset { .. } => "charset",
        }
    }
}

/// Form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A bare map.
    V1,
    /// JSON text in an envelope.
    V2,
}

/// A message without its envelope.
#[derive(Debug)]
pub struct Document<'a> {
    text: Cow<'a, str>,
    version: Version,
}

/// A notification's header. Fields are absent when the message has none, or a null.
#[derive(Debug, Default)]
pub struct Notification<'a> {
    /// `message_id`.
    pub message_id: Option<Cow<'a, str>>,
    /// `publisher_id`.
    pub publisher_id: Option<Cow<'a, str>>,
    /// `event_type`.
    pub event_type: Option<Cow<'a, str>>,
    /// `priority`, as written (usually upper case).
    pub priority: Option<Cow<'a, str>>,
    /// `timestamp`, as written.
    pub timestamp: Option<Cow<'a, str>>,
    /// `_unique_id`.
    pub unique_id: Option<Cow<'a, str>>,
    /// The keys that begin with `_context_`, without that prefix, in the order of the message. Of a repeated key the
    /// last one holds.
    pub context: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// `payload`; its syntax is checked, but numbers and surrogates in it may be beyond what serde_json reads.
    pub payload: Option<&'a RawValue>,
}

/// What [`Document::notification`] found.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// A notification.
    Notification(Notification<'a>),
    /// Text that is not plain JSON, or whose header has values that are neither text nor null: to be parsed as
    /// Python's `json` would, and rejected if that fails too.
    NeedsTolerantParse(&'a str),
}

/// Undoes compression and takes the envelope off.
pub fn open(delivery: &Delivery) -> Result<Document<'_>, Rejection> {
    open_parts(&delivery.body, delivery.content_encoding.as_deref(), delivery.compression.as_deref())
}

/// The text in the envelope as it stands there, escapes included, if the body is not compressed and looks like what
/// oslo.messaging itself writes. Whoever reads it must expect anything: only [`open`] says whether it is a message.
pub fn escaped_text(delivery: &Delivery) -> Option<&str> {
    if delivery.content_encoding.as_deref().is_some_and(|name| !name.eq_ignore_ascii_case("utf-8"))
        || delivery.compression.is_some()
    {
        return None;
    }
    usual::escaped_text(std::str::from_utf8(&delivery.body).ok()?)
}

/// [`open`] for the parts of a message: body, `content_encoding` property, `compression` header.
pub fn open_parts<'a>(
    body: &'a [u8],
    content_encoding: Option<&str>,
    compression: Option<&str>,
) -> Result<Document<'a>, Rejection> {
    let body = decompress::undo(body, content_encoding, compression)?;
    let body = match body {
        Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| Rejection::NotUtf8)?),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_err(|_| Rejection::NotUtf8)?),
    };
    // The two cases are the same but for what may be borrowed.
    let inner = match &body {
        Cow::Borrowed(text) => header::inner_text(text)?,
        Cow::Owned(text) => header::inner_text(text)?.map(|text| Cow::Owned(text.into_owned())),
    };
    Ok(match inner {
        Some(text) => Document { text, version: Version::V2 },
        None => Document { text: body, version: Version::V1 },
    })
}

impl Document<'_> {
    /// The notification's JSON text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which form the message had.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Reads the header.
    pub fn notification(&self) -> Result<Parsed<'_>, Rejection> {
        header::parse(&self.text)
    }
}

/// The beginning of a hostile string, for an error message.
fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}
