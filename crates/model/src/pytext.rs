//! Python's `str()` and `repr()` of values: the plain form of the file publisher, text traits and signatures
//! are made of them.

mod number;
mod tables;
mod text;

use crate::Value;

pub use number::{NumberError, float_of, integer_of, strip, write_float, write_integer};
pub use text::{casefold, crop, is_printable, write_bytes_repr, write_text_repr};

/// How `NaN` and the infinities are spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specials {
    /// `NaN`, `Infinity`, as `json` writes them.
    Json,
    /// `nan`, `inf`, as `repr` does.
    Repr,
}

/// Appends `str(value)`: a text as it is, everything else as [`write_repr`].
pub fn write_str(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        other => write_repr(other, out),
    }
}

/// Appends `repr(value)`.
pub fn write_repr(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"None"),
        Value::Bool(true) => out.extend_from_slice(b"True"),
        Value::Bool(false) => out.extend_from_slice(b"False"),
        Value::Int(number) => write_integer(*number, out),
        Value::BigInt(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Float(number) => write_float(*number, Specials::Repr, out),
        Value::Str(text) => write_text_repr(text, out),
        Value::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(b", ");
                }
                write_repr(item, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (place, (key, item)) in map.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(b", ");
                }
                write_text_repr(key, out);
                out.extend_from_slice(b": ");
                write_repr(item, out);
            }
            out.push(b'}');
        }
    }
}

/// `str(value)`.
#[must_use]
pub fn to_str(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        other => to_repr(other),
    }
}

/// `repr(value)`.
#[must_use]
pub fn to_repr(value: &Value) -> String {
    let mut out = Vec::new();
    write_repr(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn dict_text() {
        let value = parse(r#"{"a": [null, true, 1.0, "x"], "it's": {"k": "\u00e9\n"}, "b": 1e400}"#).unwrap();
        assert_eq!(to_repr(&value), r#"{'a': [None, True, 1.0, 'x'], "it's": {'k': 'é\n'}, 'b': inf}"#);
        assert_eq!(to_str(&Value::from("é'")), "é'");
    }
}
