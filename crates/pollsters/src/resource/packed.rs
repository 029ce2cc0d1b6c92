//! [`PackedObject`]: an object that waits for its pollster.

use std::fmt;

use model::codec::{DecodeError, read_value, write_value};
use model::{Map, Text, Value};
use observability::secret::Secret;

use super::Object;

/// What stands for an attribute that the service does not say; no value begins with it.
const ABSENT: u8 = 0xff;

/// An [`Object`] in as few bytes as possible: a cloud has tens of thousands, and all that a discovery has found wait at the
/// same time.
pub struct PackedObject {
    pub(super) kind: &'static str,
    pub(super) id: Box<str>,
    /// The attributes whose values it has; empty: they stand with the values, in a map.
    names: &'static [&'static str],
    values: Box<[u8]>,
    pub(super) python_text: Option<Secret<String>>,
}

impl PackedObject {
    /// Of the object's attributes those in `names`, or all if there are none. `room` is for the caller to keep for the next.
    pub(crate) fn new(
        kind: &'static str,
        id: String,
        names: &'static [&'static str],
        attributes: Map,
        room: &mut Vec<u8>,
    ) -> Self {
        room.clear();
        if names.is_empty() {
            write_value(&Value::Map(attributes), room);
        } else {
            for name in names {
                match attributes.get(name) {
                    Some(value) => write_value(value, room),
                    None => room.push(ABSENT),
                }
            }
        }
        Self { kind, id: id.into(), names, values: room.as_slice().into(), python_text: None }
    }

    /// With what Python's `str` makes of it in Ceilometer.
    pub(crate) fn with_python_text(self, text: Option<String>) -> Self {
        Self { python_text: text.map(Into::into), ..self }
    }

    pub(super) fn object(&self) -> Object {
        let attributes = self.attributes().unwrap_or_else(|error| {
            // Nobody but `new` writes them.
            tracing::error!(kind = self.kind, id = &*self.id, "attributes are damaged: {error}");
            Map::new()
        });
        let python_text = self.python_text.clone();
        Object { kind: self.kind, id: self.id.as_ref().to_owned(), attributes, python_text }
    }

    fn attributes(&self) -> Result<Map, DecodeError> {
        let mut bytes = &*self.values;
        if self.names.is_empty() {
            return Ok(match read_value(&mut bytes)? {
                Value::Map(map) => map,
                _ => Map::new(),
            });
        }
        let mut pairs = Vec::with_capacity(self.names.len());
        for name in self.names {
            match bytes.split_first() {
                Some((&ABSENT, rest)) => bytes = rest,
                _ => pairs.push((Text::new_static(name), read_value(&mut bytes)?)),
            }
        }
        Ok(Map::from_pairs(pairs))
    }
}

impl fmt::Debug for PackedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.object(), f)
    }
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    #[test]
    fn an_object_is_unpacked_as_it_was() {
        let text = r#"{"id": "v1", "size": 3, "name": null, "tags": ["a", {"b": 1.5}], "é": true}"#;
        let Value::Map(attributes) = json::parse(text).unwrap() else { unreachable!() };
        let mut room = b"of another".to_vec();
        for (names, expected) in [
            (&[][..], text),
            (
                &["size", "owner", "name", "tags"][..],
                r#"{"size": 3, "name": null, "tags": ["a", {"b": 1.5}]}"#,
            ),
            (&["owner"][..], "{}"),
        ] {
            let packed = PackedObject::new("volume", "v1".into(), names, attributes.clone(), &mut room);
            let object = packed.object();
            assert_eq!((object.kind, object.id.as_str()), ("volume", "v1"));
            let Value::Map(expected) = json::parse(expected).unwrap() else { unreachable!() };
            assert_eq!(object.attributes, expected);
            assert_eq!(format!("{packed:?}"), format!("{object:?}"));
        }
    }
}
