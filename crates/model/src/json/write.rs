//! The writers: Python's `json.dumps` text, and a compact one for our own files.

use super::words::{HIGH, ONES, special};
use crate::Value;
use crate::pytext::{Specials, write_float, write_integer};

/// The two texts differ in separators and in what they escape.
#[derive(Clone, Copy)]
struct Style {
    comma: &'static [u8],
    colon: &'static [u8],
    ascii: bool,
}

const PYTHON: Style = Style { comma: b", ", colon: b": ", ascii: true };
const COMPACT: Style = Style { comma: b",", colon: b":", ascii: false };

/// Appends the text that Python's `json.dumps(value)` gives: `", "` and `": "`, ASCII only, floats by their shortest
/// text, `NaN` and `Infinity` as such.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    write_value(value, PYTHON, out);
}

/// Appends the shortest JSON text: no blanks, UTF-8 as it is. [`parse`](super::parse) reads it back unchanged.
pub fn write_compact(value: &Value, out: &mut Vec<u8>) {
    write_value(value, COMPACT, out);
}

/// The text of [`write()`].
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut out = Vec::new();
    write(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// The text of [`write_compact`].
#[must_use]
pub fn to_compact_string(value: &Value) -> String {
    let mut out = Vec::new();
    write_compact(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends one text in double quotes, as `json.dumps` does.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    write_text(text, true, out);
}

/// Appends what [`write()`] wrote as it stands inside a JSON text: a message within a message.
pub fn quote(json: &[u8], out: &mut Vec<u8>) {
    out.reserve(json.len() + json.len() / 4);
    // It has no control characters, and nothing beyond ASCII.
    for part in json.split_inclusive(|byte| matches!(byte, b'"' | b'\\')) {
        match part.split_last() {
            Some((last @ (b'"' | b'\\'), before)) => {
                out.extend_from_slice(before);
                out.extend_from_slice(&[b'\\', *last]);
            }
            _ => out.extend_from_slice(part),
        }
    }
}

fn write_value(value: &Value, style: Style, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => write_integer(*number, out),
        Value::BigInt(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Float(number) => write_float(*number, Specials::Json, out),
        Value::Str(text) => write_text(text, style.ascii, out),
        Value::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(style.comma);
                }
                write_value(item, style, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (place, (key, item)) in map.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(style.comma);
                }
                write_text(key, style.ascii, out);
                out.extend_from_slice(style.colon);
                write_value(item, style, out);
            }
            out.push(b'}');
        }
    }
}

/// Whether a byte stands for itself in both texts.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

/// Whether each of eight bytes stands for itself in both texts; now and then `false` although they do.
fn all_plain(word: [u8; 8]) -> bool {
    let word = u64::from_le_bytes(word);
    // One of 0x7f or more makes the high bit of byte | (byte + 1).
    special(word) | ((word | word.wrapping_add(ONES)) & HIGH) == 0
}

fn write_text(text: &str, ascii: bool, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut place = 0;
    loop {
        while let Some(Ok(word)) = bytes.get(place..place + 8).map(<[u8; 8]>::try_from)
            && all_plain(word)
        {
            place += 8;
        }
        let Some(&byte) = bytes.get(place) else { break };
        if PLAIN[usize::from(byte)] || (!ascii && byte >= 0x7f) {
            place += 1;
            continue;
        }
        out.extend_from_slice(bytes.get(start..place).unwrap_or_default());
        place += escape(text, place, out);
        start = place;
    }
    out.extend_from_slice(bytes.get(start..).unwrap_or_default());
    out.push(b'"');
}

/// Writes the character at `place` escaped and returns its length in bytes.
fn escape(text: &str, place: usize, out: &mut Vec<u8>) -> usize {
    let Some(character) = text.get(place..).and_then(|rest| rest.chars().next()) else { return 1 };
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(b"0123456789abcdef"[usize::from(*unit >> shift & 0xf)]);
                }
            }
            return character.len_utf8();
        }
    };
    out.extend_from_slice(&[b'\\', short]);
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn text_is_that_of_json_dumps() {
        for (text, dumped) in [
            (r#"{"a":[1,2.0,null,true],"b":{}}"#, r#"{"a": [1, 2.0, null, true], "b": {}}"#),
            (
                r#"["é😀","\u007f\u0000\b\f\n\r\t\"\\/"]"#,
                r#"["\u00e9\ud83d\ude00", "\u007f\u0000\b\f\n\r\t\"\\/"]"#,
            ),
            ("[NaN,Infinity,-Infinity,1e16,1e-5,-0.0]", "[NaN, Infinity, -Infinity, 1e+16, 1e-05, -0.0]"),
            ("[]", "[]"),
        ] {
            assert_eq!(to_string(&parse(text).unwrap()), dumped);
        }
    }

    #[test]
    fn eight_bytes_are_plain_if_each_is() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = *b"a ~Z0}[#";
                word[place] = byte;
                assert_eq!(all_plain(word), PLAIN[usize::from(byte)], "{word:?}");
            }
        }
    }

    #[test]
    fn compact_text_has_no_blanks_and_keeps_utf8() {
        let text = r#"{"a":[1,"é\u0001\"",null],"b":{}}"#;
        assert_eq!(to_compact_string(&parse(text).unwrap()), text);
    }
}
