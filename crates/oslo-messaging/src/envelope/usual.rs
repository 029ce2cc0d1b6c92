//! The envelope as oslo.messaging itself writes it, taken off in one quick pass.
//!
//! `json.dumps` escapes every quote of the inner text, so that a backslash stands at every eighth byte or so. Anything
//! that is not written just so is left to the general way.

/// What stands before the inner text.
const BEFORE: &str = r#"{"oslo.version": "2.0", "oslo.message": ""#;
/// What stands behind it.
const BEHIND: &str = r#""}"#;

/// The inner text with its escapes, if the envelope looks like one that is written in the usual way.
pub(super) fn escaped_text(text: &str) -> Option<&str> {
    text.strip_prefix(BEFORE)?.strip_suffix(BEHIND)
}

/// The inner text, if the envelope is written in the usual way.
pub(super) fn inner_text(text: &str) -> Option<String> {
    unescape(escaped_text(text)?)
}

/// Undoes the escapes of a JSON text; `None` when it holds anything but the simple ones, or ends before its end.
fn unescape(escaped: &str) -> Option<String> {
    const WORD: usize = 8;
    let bytes = escaped.as_bytes();
    // Eight bytes are copied in one go, wanted or not, so that there must be room for eight behind the last.
    let mut plain = vec![0; bytes.len() + WORD];
    let (mut from, mut to) = (0, 0);
    loop {
        while let Some(word) = bytes.get(from..from + WORD).and_then(|word| <[u8; WORD]>::try_from(word).ok())
            && let Some(place) = plain.get_mut(to..to + WORD)
        {
            place.copy_from_slice(&word);
            let odd = first_odd(word);
            from += odd;
            to += odd;
            if odd < WORD {
                break;
            }
        }
        let Some(&byte) = bytes.get(from) else { break };
        from += 1;
        let byte = if byte == b'\\' {
            let escape = *bytes.get(from)?;
            from += 1;
            match escape {
                b'"' | b'\\' | b'/' => escape,
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                _ => return None,
            }
        } else if byte == b'"' || byte < 0x20 {
            return None;
        } else {
            byte
        };
        *plain.get_mut(to)? = byte;
        to += 1;
    }
    plain.truncate(to);
    String::from_utf8(plain).ok()
}

/// The place of the first quote, backslash or control character among eight bytes; 8 if there is none.
fn first_odd(word: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(word);
    // A byte below n makes the high bit of (byte - n) & !byte. A false one may follow a true one, never precede it.
    let below = |value: u64, bound: u64| value.wrapping_sub(ONES * bound) & !value & HIGH;
    let hits = below(word, 0x20)
        | below(word ^ (ONES * u64::from(b'"')), 1)
        | below(word ^ (ONES * u64::from(b'\\')), 1);
    (hits.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_a_json_parser_reads_or_nothing() {
        for text in [
            "",
            "a",
            "abcdefgh",
            "abcdefghi",
            r#"{\"a\": \"b\"}"#,
            r#"\"\"\"\"\"\"\"\"\""#,
            r"\\u00e9 \\\\ \/ \n\r\t",
            r"abcdefg\\",
            "é😀é😀é😀é😀",
            r"1234567\n",
        ] {
            let expected: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(unescape(text).as_deref(), Some(&*expected), "{text}");
        }
        for other in [r"\u0041", r"\b", r"\x", r"\", r"abcdefgh\", "\"", "a\nb", "abcdefgh\u{1}"] {
            assert_eq!(unescape(other), None, "{other}");
        }
        assert_eq!(
            inner_text(r#"{"oslo.version": "2.0", "oslo.message": "{\"a\": 1}"}"#).as_deref(),
            Some(r#"{"a": 1}"#)
        );
        for other in [
            r#"{"oslo.version": "2.1", "oslo.message": "{}"}"#,
            r#"{"oslo.message": "{}", "oslo.version": "2.0"}"#,
            r#"{"oslo.version": "2.0", "oslo.message": "a", "x": "b"}"#,
            r#"{"oslo.version": "2.0", "oslo.message": ""#,
        ] {
            assert_eq!(inner_text(other), None, "{other}");
        }
    }
}
