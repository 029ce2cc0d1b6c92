//! [`Metadata`]: what is known of a resource, shared by all samples of it.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::{Value, json, signature};

/// Its name in a message.
pub(crate) const RESOURCE_METADATA: &str = "resource_metadata";

/// What is known of a resource: a map, unless a received sample has something else. Its copies share it, with what has been
/// worked out of it: a cycle of polling sends the same metadata dozens of times, and every cycle again.
#[derive(Clone)]
pub struct Metadata(Arc<Shared>);

struct Shared {
    value: Value,
    /// [`Value::approximate_bytes`], once somebody has asked; 0 before.
    bytes: AtomicUsize,
    /// Made for metadata that has copies only: nobody would ask a second time of another.
    texts: OnceLock<Texts>,
}

/// What messages have of it.
struct Texts {
    json: Box<[u8]>,
    signed: Box<[u8]>,
    /// The JSON as it stands inside a JSON text.
    quoted: OnceLock<Box<[u8]>>,
    is_finite: bool,
}

impl Metadata {
    /// Whether both are copies of one.
    #[must_use]
    pub fn is_copy_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// About how many bytes of memory it takes, as if it were not shared.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let shared = &*self.0;
        let known = shared.bytes.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let bytes = shared.value.approximate_bytes();
        shared.bytes.store(bytes, Ordering::Relaxed);
        bytes
    }

    /// Appends it as JSON, as `json.dumps` writes it.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match self.0.texts.get() {
            Some(texts) => out.extend_from_slice(&texts.json),
            None => json::write(&self.0.value, out),
        }
    }

    /// Appends what a message's signature is made of, its name included.
    pub(crate) fn write_signed(&self, out: &mut Vec<u8>) {
        if Arc::strong_count(&self.0) == 1 {
            return signature::write_entry(RESOURCE_METADATA, &self.0.value, out);
        }
        let texts = self.0.texts.get_or_init(|| {
            let (mut json, mut signed) = (Vec::new(), Vec::new());
            json::write(&self.0.value, &mut json);
            signature::write_entry(RESOURCE_METADATA, &self.0.value, &mut signed);
            Texts {
                json: json.into(),
                signed: signed.into(),
                quoted: OnceLock::new(),
                is_finite: self.0.value.is_finite(),
            }
        });
        out.extend_from_slice(&texts.signed);
    }

    /// Appends it as JSON, as it stands inside a JSON text.
    pub(crate) fn write_quoted(&self, out: &mut Vec<u8>) {
        let quote = || {
            let (mut text, mut quoted) = (Vec::new(), Vec::new());
            self.write_json(&mut text);
            json::quote(&text, &mut quoted);
            quoted
        };
        match self.0.texts.get() {
            Some(texts) => out.extend_from_slice(texts.quoted.get_or_init(|| quote().into())),
            None => out.append(&mut quote()),
        }
    }

    /// Whether every number in it is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.0.texts.get().map_or_else(|| self.0.value.is_finite(), |texts| texts.is_finite)
    }
}

impl Deref for Metadata {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0.value
    }
}

impl<T: Into<Value>> From<T> for Metadata {
    fn from(value: T) -> Self {
        Self(Arc::new(Shared { value: value.into(), bytes: AtomicUsize::new(0), texts: OnceLock::new() }))
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        // Not by identity: a number that is none differs from itself.
        self.0.value == other.0.value
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_there() {
        let value = json::parse(r#"{"b": {"x": [1, "\u00e9"], "a": null}, "a": 1.5}"#).unwrap();
        let written = |metadata: &Metadata| {
            let (mut json, mut signed, mut quoted) = (Vec::new(), Vec::new(), Vec::new());
            metadata.write_signed(&mut signed);
            metadata.write_json(&mut json);
            metadata.write_quoted(&mut quoted);
            let json = String::from_utf8(json).unwrap();
            let text = serde_json::to_string(&json).unwrap();
            assert_eq!(String::from_utf8(quoted).unwrap(), text[1..text.len() - 1]);
            assert!(metadata.is_finite());
            (json, String::from_utf8(signed).unwrap())
        };
        let alone = Metadata::from(value.clone());
        let expected = written(&alone);
        assert!(alone.0.texts.get().is_none(), "nobody asks again");
        assert_eq!(expected.0, json::to_string(&value));
        assert!(expected.1.starts_with("resource_metadata:a1.5"), "{expected:?}");
        let copy = alone.clone();
        for _ in 0..2 {
            assert_eq!(written(&copy), expected);
        }
        assert!(alone.0.texts.get().is_some() && copy.is_copy_of(&alone));
        for _ in 0..2 {
            assert_eq!(alone.approximate_bytes(), value.approximate_bytes());
        }
        let other = Metadata::from(value);
        assert!(other == alone && !other.is_copy_of(&alone));
    }
}
