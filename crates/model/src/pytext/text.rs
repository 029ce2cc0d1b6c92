//! Texts and byte strings.

use super::tables::{FOLDS, HIDDEN};

/// Whether Python prints `character` as it is in a `repr`.
#[must_use]
pub fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let code = u32::from(character);
    let after = HIDDEN.partition_point(|(first, _)| *first <= code);
    after.checked_sub(1).and_then(|place| HIDDEN.get(place)).is_none_or(|(_, last)| *last < code)
}

/// The quote that Python chooses: single, unless that would need escaping and double would not.
fn quote_for(bytes: &[u8]) -> u8 {
    if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' }
}

/// The short escape of a byte, if it has one.
const fn short_escape(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        _ => None,
    }
}

fn write_hex(number: u32, digits: u32, out: &mut Vec<u8>) {
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (4 * place) & 0xf) as usize]);
    }
}

/// Appends `repr(text)`.
pub fn write_text_repr(text: &str, out: &mut Vec<u8>) {
    let quote = quote_for(text.as_bytes());
    out.reserve(text.len() + 2);
    out.push(quote);
    let mut rest = text;
    loop {
        // Most texts are plain throughout, so runs of plain characters are copied whole.
        let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != quote && *byte != b'\\';
        let run = rest.bytes().position(|byte| !plain(&byte)).unwrap_or(rest.len());
        let (before, after) = rest.split_at_checked(run).unwrap_or((rest, ""));
        out.extend_from_slice(before.as_bytes());
        let mut characters = after.chars();
        let Some(character) = characters.next() else { break };
        rest = characters.as_str();
        write_special(character, quote, out);
    }
    out.push(quote);
}

/// Appends a character that is not plain ASCII, escaped if it must be.
fn write_special(character: char, quote: u8, out: &mut Vec<u8>) {
    let code = u32::from(character);
    if let Some(byte) = u8::try_from(code).ok().filter(u8::is_ascii) {
        if let Some(short) = short_escape(byte) {
            out.extend_from_slice(&[b'\\', short]);
        } else if byte == quote {
            out.extend_from_slice(&[b'\\', quote]);
        } else {
            out.extend_from_slice(b"\\x");
            write_hex(code, 2, out);
        }
    } else if is_printable(character) {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let (mark, digits) = match code {
            ..0x100 => (b'x', 2),
            0x100..0x1_0000 => (b'u', 4),
            _ => (b'U', 8),
        };
        out.extend_from_slice(&[b'\\', mark]);
        write_hex(code, digits, out);
    }
}

/// Appends `repr(bytes)`, with its leading `b`.
pub fn write_bytes_repr(bytes: &[u8], out: &mut Vec<u8>) {
    let quote = quote_for(bytes);
    out.extend_from_slice(&[b'b', quote]);
    for &byte in bytes {
        if let Some(short) = short_escape(byte) {
            out.extend_from_slice(&[b'\\', short]);
        } else if byte == quote {
            out.extend_from_slice(&[b'\\', quote]);
        } else if matches!(byte, b' '..=b'~') {
            out.push(byte);
        } else {
            out.extend_from_slice(b"\\x");
            write_hex(u32::from(byte), 2, out);
        }
    }
    out.push(quote);
}

/// `text.casefold()`.
#[must_use]
pub fn casefold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match FOLDS.binary_search_by_key(&u32::from(character), |(code, _)| *code) {
            Ok(place) => folded.push_str(FOLDS.get(place).map_or("", |(_, fold)| fold)),
            Err(_) => folded.extend(character.to_lowercase()),
        }
    }
    folded
}

/// `text[:length]`: the first `length` characters.
#[must_use]
pub fn crop(text: &str, length: usize) -> &str {
    if text.len() <= length {
        return text;
    }
    match text.char_indices().nth(length) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repr(text: &str) -> String {
        let mut out = Vec::new();
        write_text_repr(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_and_escapes() {
        for (text, expected) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("it's \"x\"", "'it\\'s \"x\"'"),
            ("\\ \t\n\r\u{0}\u{7f}", r"'\\ \t\n\r\x00\x7f'"),
            ("é\u{a0}\u{ad}\u{200b}😀\u{e0001}", r"'é\xa0\xad\u200b😀\U000e0001'"),
        ] {
            assert_eq!(repr(text), expected);
        }
    }

    #[test]
    fn byte_strings() {
        let mut out = Vec::new();
        write_bytes_repr("a'b é\n".as_bytes(), &mut out);
        assert_eq!(out, br#"b"a'b \xc3\xa9\n""#);
    }

    #[test]
    fn folds_and_crops() {
        assert_eq!(casefold("Straße ΣΑΣ"), "strasse σασ");
        assert_eq!(crop("äöü", 2), "äö");
        assert_eq!(crop("äöü", 3), "äöü");
        assert_eq!(crop("", 0), "");
        assert_eq!(crop("ab", 0), "");
    }
}
