//! One pass over a JSON map that keeps what a header is made of and leaves the rest raw.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{Notification, Parsed, Rejection, shorten, usual};

const CONTEXT_PREFIX: &str = "_context_";

/// The text of `oslo.message` if this is an envelope, `None` if it is a message of version 1.
pub(super) fn inner_text(text: &str) -> Result<Option<Cow<'_, str>>, Rejection> {
    if let Some(message) = usual::inner_text(text) {
        return Ok(Some(Cow::Owned(message)));
    }
    let outer: Outer<'_> = match serde_json::from_str(text) {
        Ok(outer) => outer,
        Err(error) if error.classify() == Category::Data && !text.trim_start().starts_with('{') => {
            return Err(Rejection::NotAMap);
        }
        // Not JSON in serde's eyes: version 1 with something Python-like in it, for the tolerant parser to judge.
        Err(_) => return Ok(None),
    };
    let (Some(version), Some(message)) = (outer.version, outer.message) else { return Ok(None) };
    let Scalar::Text(version) = version else { return Err(Rejection::Envelope) };
    if !is_supported(&version) {
        return Err(Rejection::Version { version: shorten(&version) });
    }
    match message {
        Scalar::Text(message) => Ok(Some(message)),
        Scalar::Null | Scalar::Other => Err(Rejection::Envelope),
    }
}

/// Whether a consumer of 2.0 may read `version`: same major, no higher minor, no higher revision.
fn is_supported(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.trim().parse::<u32>().ok());
    let (major, minor, revision) = (parts.next().flatten(), parts.next().flatten(), parts.next());
    // A revision counts only if there is one; an unreadable one is an error, as upstream.
    major == Some(2) && minor == Some(0) && matches!(revision, None | Some(Some(0)))
}

/// Reads a notification's header.
pub(super) fn parse(text: &str) -> Result<Parsed<'_>, Rejection> {
    match serde_json::from_str::<Header<'_>>(text) {
        Ok(Header { plain: true, notification }) => Ok(Parsed::Notification(notification)),
        Err(error) if error.classify() == Category::Data && !text.trim_start().starts_with('{') => {
            Err(Rejection::NotAMap)
        }
        Ok(Header { plain: false, .. }) | Err(_) => Ok(Parsed::NeedsTolerantParse(text)),
    }
}

/// A map's key, borrowed when it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// A header's value: text, null, or something that does not belong there.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Null,
    Other,
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Null)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

#[derive(Default)]
struct Outer<'a> {
    version: Option<Scalar<'a>>,
    message: Option<Scalar<'a>>,
}

impl<'de> Deserialize<'de> for Outer<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OuterVisitor;
        impl<'de> Visitor<'de> for OuterVisitor {
            type Value = Outer<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outer<'de>, A::Error> {
                let mut outer = Outer::default();
                while let Some(Key(key)) = map.next_key()? {
                    match &*key {
                        "oslo.version" => outer.version = Some(map.next_value()?),
                        "oslo.message" => outer.message = Some(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(outer)
            }
        }
        deserializer.deserialize_map(OuterVisitor)
    }
}

struct Header<'a> {
    notification: Notification<'a>,
    /// Every header value is text or null.
    plain: bool,
}

impl<'de> Deserialize<'de> for Header<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'de>, A::Error> {
                let mut header = Header { notification: Notification::default(), plain: true };
                while let Some(Key(key)) = map.next_key()? {
                    let notification = &mut header.notification;
                    let field = match &*key {
                        "message_id" => &mut notification.message_id,
                        "publisher_id" => &mut notification.publisher_id,
                        "event_type" => &mut notification.event_type,
                        "priority" => &mut notification.priority,
                        "timestamp" => &mut notification.timestamp,
                        "_unique_id" => &mut notification.unique_id,
                        "payload" => {
                            notification.payload = Some(map.next_value()?);
                            continue;
                        }
                        _ => {
                            if let Some(name) = strip_prefix(key) {
                                let value = map.next_value()?;
                                // Of a repeated key the last value holds.
                                notification.context.push((name, value));
                            } else {
                                map.next_value::<IgnoredAny>()?;
                            }
                            continue;
                        }
                    };
                    *field = match map.next_value()? {
                        Scalar::Text(text) => Some(text),
                        Scalar::Null => None,
                        Scalar::Other => {
                            header.plain = false;
                            None
                        }
                    };
                }
                keep_last(&mut header.notification.context);
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

fn strip_prefix(key: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match key {
        Cow::Borrowed(key) => key.strip_prefix(CONTEXT_PREFIX).map(Cow::Borrowed),
        Cow::Owned(key) => key.strip_prefix(CONTEXT_PREFIX).map(|name| Cow::Owned(name.to_owned())),
    }
}

/// Removes all but the last of each repeated key, in one pass whatever the number of keys.
fn keep_last<'a>(context: &mut Vec<(Cow<'a, str>, &'a RawValue)>) {
    let mut seen = std::collections::HashSet::with_capacity(context.len());
    let before = context.len();
    let keep: Vec<bool> = context.iter().rev().map(|(key, _)| seen.insert(key.clone())).collect();
    if seen.len() == before {
        return;
    }
    let mut keep = keep.into_iter().rev();
    context.retain(|_| keep.next().unwrap_or(true));
}
