//! The signature of metering messages: HMAC-SHA-256 over a walk of the message (Ceilometer's
//! `publisher.utils.compute_signature`).

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::pytext::{write_bytes_repr, write_repr, write_str};
use crate::{Map, Value, json};

/// The key of a message that holds its signature, which is not signed itself.
pub const MESSAGE_SIGNATURE: &str = "message_signature";

/// Signs messages with one secret: what depends on the secret alone is done once.
#[derive(Clone)]
pub struct Signer {
    /// None: nothing is signed.
    mac: Option<Hmac<Sha256>>,
    /// What is signed; kept, so that its memory is.
    text: Vec<u8>,
    /// The last time of the monotonic clock, and its text: a whole batch has the same.
    seconds: Option<(u64, String)>,
}

impl Signer {
    /// With an empty secret, signatures are empty.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        // HMAC takes keys of any length, so this never fails.
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok().filter(|_| !secret.is_empty());
        Self { mac, text: Vec::new(), seconds: None }
    }

    /// The JSON of seconds that are known or not; the same as Python's text of a number that is finite.
    pub(crate) fn seconds(&mut self, seconds: Option<f64>) -> &str {
        let Some(seconds) = seconds else { return "null" };
        let bits = seconds.to_bits();
        match &mut self.seconds {
            Some((known, _)) if *known == bits => {}
            other => *other = Some((bits, json::to_string(&seconds.into()))),
        }
        self.seconds.as_ref().map_or("null", |(_, text)| text)
    }

    /// The signature, as lower-case hexadecimal digits, of what `write` writes; it is given the text of the last
    /// [`seconds`](Self::seconds).
    pub(crate) fn sign(&mut self, write: impl FnOnce(&str, &mut Vec<u8>)) -> Signature {
        let Some(mut mac) = self.mac.clone() else { return Signature(None) };
        self.text.clear();
        write(self.seconds.as_ref().map_or("", |(_, text)| text), &mut self.text);
        mac.update(&self.text);
        let digest: [u8; DIGEST_BYTES] = mac.finalize().into_bytes().into();
        let mut digits = [0; 2 * DIGEST_BYTES];
        for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(digest) {
            *pair = [byte >> 4, byte & 0xf].map(|half| HEXADECIMAL[usize::from(half)]);
        }
        Signature(Some(digits))
    }
}

/// Bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;
const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

/// A signature, as lower-case hexadecimal digits; none with an empty secret.
pub(crate) struct Signature(Option<[u8; 2 * DIGEST_BYTES]>);

impl Signature {
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref().and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default()
    }
}

/// Without the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("signs", &self.mac.is_some()).finish_non_exhaustive()
    }
}

/// The signature of `message` as lower-case hexadecimal digits; empty when the secret is empty.
#[must_use]
pub fn compute(message: &Map, secret: &str) -> String {
    Signer::new(secret).sign(|_, text| write_walk(message, text)).as_str().to_owned()
}

/// Whether `message` carries the signature that [`compute`] gives it; always, when the secret is empty.
///
/// The comparison takes the same time wherever the two differ, so that an answer's delay tells nothing.
#[must_use]
pub fn verify(message: &Map, secret: &str) -> bool {
    if secret.is_empty() {
        return true;
    }
    let expected = compute(message, secret);
    let given = message.get(MESSAGE_SIGNATURE).and_then(Value::as_str).unwrap_or_default();
    given.len() == expected.len()
        && given.bytes().zip(expected.bytes()).fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

/// Appends the text that is signed: names and values, sorted by name on each level, without separators.
pub fn write_walk(message: &Map, out: &mut Vec<u8>) {
    walk(message, &mut String::new(), out);
}

fn sorted(map: &Map) -> Vec<(&str, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    // UTF-8 sorts as code points do.
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

fn walk(map: &Map, prefix: &mut String, out: &mut Vec<u8>) {
    for (key, value) in sorted(map) {
        if !(prefix.is_empty() && key == MESSAGE_SIGNATURE) || value.as_map().is_some() {
            entry(key, value, prefix, out);
        }
    }
}

/// Appends one name with its value.
fn entry(key: &str, value: &Value, prefix: &mut String, out: &mut Vec<u8>) {
    if let Value::Map(inner) = value {
        let length = prefix.len();
        prefix.push_str(key);
        prefix.push(':');
        walk(inner, prefix, out);
        prefix.truncate(length);
        return;
    }
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(key.as_bytes());
    match value {
        Value::List(_) => write_decoded(value, out),
        scalar => write_str(scalar, out),
    }
}

/// Appends what is signed of one of a message's own names with its value.
pub(crate) fn write_entry(key: &str, value: &Value, out: &mut Vec<u8>) {
    entry(key, value, &mut String::new(), out);
}

/// Appends the text of a value inside a list, where texts have become byte strings and maps are sorted.
fn write_decoded(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => write_bytes_repr(text.as_bytes(), out),
        Value::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(b", ");
                }
                write_decoded(item, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (place, (key, item)) in sorted(map).into_iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(b", ");
                }
                write_bytes_repr(key.as_bytes(), out);
                out.extend_from_slice(b": ");
                write_decoded(item, out);
            }
            out.push(b'}');
        }
        scalar => write_repr(scalar, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    const SECRET: &str = "change this for valid signing";

    fn map(text: &str) -> Map {
        match parse(text).unwrap() {
            Value::Map(map) => map,
            other => panic!("{other:?}"),
        }
    }

    fn message(volume: &str, metadata: &str, monotonic: &str) -> Map {
        map(&format!(
            r#"{{"source": "openstack", "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns",
            "counter_volume": {volume}, "user_id": "u1", "user_name": null, "project_id": "p1", "project_name": null,
            "resource_id": "r1", "timestamp": "2026-07-21T13:56:12.123456", "resource_metadata": {metadata},
            "message_id": "11111111-2222-3333-4444-555555555555", "monotonic_time": {monotonic}}}"#
        ))
    }

    #[test]
    fn vectors() {
        let plain = message("123456789", "{}", "null");
        let mut text = Vec::new();
        write_walk(&plain, &mut text);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "counter_namecpucounter_typecumulativecounter_unitnscounter_volume123456789message_id\
             11111111-2222-3333-4444-555555555555monotonic_timeNoneproject_idp1project_nameNoneresource_idr1\
             sourceopenstacktimestamp2026-07-21T13:56:12.123456user_idu1user_nameNone"
        );
        assert_eq!(
            compute(&plain, SECRET),
            "b45a27dad0eda3a3437fe70b02b186228dd67168cef20e25eb4a30dedd7d50be"
        );
        let rich = message(
            "0.5",
            r#"{"b": true, "a": {"y": ["x", {"k": "é", "z": 1}], "x": 1.0}, "n": null, "e": {}, "l": [],
                "t": [["a'b", 2]]}"#,
            "12345.678901234",
        );
        assert_eq!(
            compute(&rich, SECRET),
            "98e208a6d735e6ef8e4764cd0871d9662d9e466717200017def3c1675b795b10"
        );
    }

    #[test]
    fn the_signature_itself_is_skipped_and_no_secret_signs_nothing() {
        let mut signed = message("1", "{}", "null");
        let signature = compute(&signed, SECRET);
        signed.insert(MESSAGE_SIGNATURE, "whatever");
        assert_eq!(compute(&signed, SECRET), signature);
        assert_eq!(compute(&signed, ""), "");
    }

    #[test]
    fn verification() {
        let mut message = message("0.5", r#"{"a": ["x", 1.0]}"#, "1.25");
        assert!(!verify(&message, SECRET), "unsigned");
        message.insert(MESSAGE_SIGNATURE, compute(&message, SECRET));
        assert!(verify(&message, SECRET));
        assert!(!verify(&message, "another secret"));
        message.insert("counter_volume", Value::Int(1));
        assert!(!verify(&message, SECRET), "changed");
        for signature in [Value::Null, Value::Int(5), "".into(), "é".repeat(32).into()] {
            message.insert(MESSAGE_SIGNATURE, signature);
            assert!(!verify(&message, SECRET));
            assert!(verify(&message, ""));
        }
    }
}
