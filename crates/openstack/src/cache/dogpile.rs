//! Keys and values as dogpile.cache (1.5) writes them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pickle::{self, Object};

/// The version of dogpile's values.
const VERSION: i64 = 2;
const MODULE: &str = "dogpile.cache.api";
const CLASS: &str = "CachedValue";

/// The key under which oslo.cache keeps an entry.
pub(super) fn mangled(key: &str) -> String {
    sha1_smol::Sha1::from(key).digest().to_string()
}

/// A cached text and when it was cached, in seconds since 1970.
#[derive(Debug, PartialEq)]
pub(super) struct Cached {
    pub(super) value: String,
    pub(super) created_seconds: f64,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    ct: f64,
    v: i64,
}

impl Cached {
    pub(super) fn new(value: &str, now: Timestamp) -> Self {
        Self { value: value.to_owned(), created_seconds: now.as_duration().as_secs_f64() }
    }

    /// Whether it is no older than `expiration`.
    pub(super) fn holds(&self, expiration: std::time::Duration, now: Timestamp) -> bool {
        now.as_duration().as_secs_f64() - self.created_seconds <= expiration.as_secs_f64()
    }

    /// As back ends with a serializer keep it (Redis): `{"ct": …, "v": 2}|` and a pickled text.
    pub(super) fn to_serialized(&self) -> Vec<u8> {
        let mut out = format!("{{\"ct\": {:?}, \"v\": {VERSION}}}|", self.created_seconds).into_bytes();
        pickle::Writer::new(&mut out).text(&self.value).stop();
        out
    }

    /// Reads what [`to_serialized`](Self::to_serialized) writes, or dogpile. `None`: something else, which is a miss.
    pub(super) fn from_serialized(bytes: &[u8]) -> Option<Self> {
        let bar = bytes.iter().position(|byte| *byte == b'|')?;
        let (metadata, payload) = (bytes.get(..bar)?, bytes.get(bar + 1..)?);
        let metadata: Metadata = serde_json::from_slice(metadata).ok()?;
        match pickle::read(payload)? {
            Object::Text(value) if metadata.v == VERSION => {
                Some(Self { value, created_seconds: metadata.ct })
            }
            _ => None,
        }
    }

    /// As back ends without a serializer keep it (memcached): the pickled object.
    pub(super) fn to_pickled(&self) -> Vec<u8> {
        let mut out = Vec::new();
        pickle::Writer::new(&mut out)
            .class(MODULE, CLASS)
            .text(&self.value)
            .map(|map| map.text("ct").float(self.created_seconds).text("v").small(2))
            .new_with_two()
            .stop();
        out
    }

    /// Reads what [`to_pickled`](Self::to_pickled) writes, or Python. `None`: something else, which is a miss.
    pub(super) fn from_pickled(bytes: &[u8]) -> Option<Self> {
        let Object::Made { class, arguments } = pickle::read(bytes)? else { return None };
        if class != (MODULE.to_owned(), CLASS.to_owned()) {
            return None;
        }
        let mut arguments = arguments.into_iter();
        let (Some(Object::Text(value)), Some(Object::Map(metadata)), None) =
            (arguments.next(), arguments.next(), arguments.next())
        else {
            return None;
        };
        let entry = |name: &str| {
            let entry = metadata.iter().find(|(key, _)| matches!(key, Object::Text(key) if key == name));
            entry.map(|(_, value)| value)
        };
        match (entry("ct")?, entry("v")?) {
            (Object::Float(created_seconds), Object::Integer(VERSION)) => {
                Some(Self { value, created_seconds: *created_seconds })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cached(value: &str) -> Cached {
        Cached { value: value.to_owned(), created_seconds: 1_700_000_000.25 }
    }

    #[test]
    fn keys_are_mangled_as_oslo_cache_mangles_them() {
        assert_eq!(mangled("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(mangled(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }

    #[test]
    fn what_python_has_written_is_read() {
        let metadata = br#"{"ct": 1700000000.25, "v": 2}|"#;
        let expected = Some(cached("admin"));
        for payload in [
            &b"\x80\x04\x95\x09\0\0\0\0\0\0\0\x8c\x05admin\x94."[..],
            b"\x80\x05\x95\x09\0\0\0\0\0\0\0\x8c\x05admin\x94.",
            b"\x80\x02X\x05\0\0\0adminq\0.",
        ] {
            assert_eq!(Cached::from_serialized(&[metadata, payload].concat()), expected);
        }
        // `None` is what upstream caches for a name that was not found.
        assert_eq!(Cached::from_serialized(&[metadata, &b"\x80\x04N."[..]].concat()), None);
        for pickled in [
            &b"\x80\x02cdogpile.cache.api\nCachedValue\nq\0X\x05\0\0\0adminq\x01}q\x02(X\x02\0\0\0ctq\x03GA\xd9T\xfc@\x10\0\0X\x01\0\0\0vq\x04K\x02u\x86q\x05\x81q\x06."[..],
            b"\x80\x04\x95I\0\0\0\0\0\0\0\x8c\x11dogpile.cache.api\x94\x8c\x0bCachedValue\x94\x93\x94\x8c\x05admin\x94}\x94(\x8c\x02ct\x94GA\xd9T\xfc@\x10\0\0\x8c\x01v\x94K\x02u\x86\x94\x81\x94.",
            b"ccopy_reg\n_reconstructor\np0\n(cdogpile.cache.api\nCachedValue\np1\nc__builtin__\ntuple\np2\n(Vadmin\np3\n(dp4\nVct\np5\nF1700000000.25\nsVv\np6\nI2\nstp7\ntp8\nRp9\n.",
        ] {
            assert_eq!(Cached::from_pickled(pickled), expected);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for value in ["", "admin", "Düsseldorf \u{1F600}\n|", &"x".repeat(70_000)] {
            let cached = cached(value);
            assert_eq!(Cached::from_serialized(&cached.to_serialized()).as_ref(), Some(&cached));
            assert_eq!(Cached::from_pickled(&cached.to_pickled()).as_ref(), Some(&cached));
        }
    }

    #[test]
    fn anything_else_is_a_miss() {
        let good = cached("admin");
        for whole in [good.to_serialized(), good.to_pickled()] {
            for end in 0..whole.len() {
                assert_eq!(Cached::from_serialized(&whole[..end]), None);
                assert_eq!(Cached::from_pickled(&whole[..end]), None);
            }
        }
        assert_eq!(Cached::from_pickled(b"\x80\x02cos\nsystem\nX\x02\0\0\0idX\x01\0\0\0x\x86\x81."), None);
    }

    #[test]
    fn age_is_told_by_the_time_of_caching() {
        let cached = cached("x");
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(cached.holds(Duration::from_mins(10), at(1_700_000_600)));
        assert!(!cached.holds(Duration::from_mins(10), at(1_700_000_601)));
    }
}
