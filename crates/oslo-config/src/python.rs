//! Behaviour of Python's built-in types that shows through in oslo.config.

use std::fmt::Write;

/// Python's `str.isspace` for one character: Unicode white space and the four separators
/// U+001C to U+001F.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Python's `str.strip`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Lines with the newline conventions of a Python text file: `\n`, `\r\n` and a lone `\r`.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest.filter(|text| !text.is_empty())?;
        let end = current.find(['\n', '\r']);
        match end {
            None => {
                rest = None;
                Some(current)
            }
            Some(at) => {
                let width = if current[at..].starts_with("\r\n") { 2 } else { 1 };
                rest = Some(&current[at + width..]);
                Some(&current[..at])
            }
        }
    })
}

/// Digits without the underscores that Python allows between them, or `None` where Python would
/// not accept one.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('_') {
        let before = at.checked_sub(1).and_then(|index| bytes.get(index));
        let after = bytes.get(at + 1);
        if !before.is_some_and(u8::is_ascii_digit) || !after.is_some_and(u8::is_ascii_digit) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

/// Python's `int(text)` for numbers that fit 64 bits and are written with ASCII digits.
pub(crate) fn int(text: &str) -> Option<i64> {
    without_underscores(strip(text))?.parse().ok()
}

/// Python's `float(text)` for ASCII digits.
pub(crate) fn float(text: &str) -> Option<f64> {
    without_underscores(strip(text))?.parse().ok()
}

/// Python's `repr` of a float.
pub(crate) fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        // Rust writes `1e-5`; Python writes a sign and at least two digits of exponent.
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    let text = value.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

/// Python's `repr` of a list of strings.
pub(crate) fn list_repr(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| str_repr(item)).collect();
    format!("[{}]", items.join(", "))
}

/// Python's `repr` of a string, except that every character beyond ASCII counts as printable.
fn str_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => {
                out.push('\\');
                out.push(character);
            }
            _ if u32::from(character) < 0x20 || character == '\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_prints_them() {
        for (value, expected) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (1e16, "1e+16"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.5e300, "1.5e+300"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(float_repr(value), expected);
        }
    }

    #[test]
    fn underscores_only_stand_between_digits() {
        assert_eq!(int("1_000"), Some(1000));
        assert_eq!(int(" +7 "), Some(7));
        for bad in ["_1", "1_", "1__0", "", "1.0", "0x1", "- 1"] {
            assert_eq!(int(bad), None, "{bad}");
        }
        assert_eq!(float("1_0.5"), Some(10.5));
        assert_eq!(float("1_.5"), None);
    }

    #[test]
    fn lines_end_as_in_a_python_text_file() {
        let all: Vec<&str> = lines("a\r\nb\rc\n\nd").collect();
        assert_eq!(all, ["a", "b", "c", "", "d"]);
        assert_eq!(lines("").count(), 0);
        assert_eq!(lines("x\n").count(), 1);
    }
}
