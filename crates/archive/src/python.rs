//! Numbers as Python reads them.

/// As Python's `float()` of a text.
pub(crate) fn float(text: &str) -> Option<f64> {
    without_underscores(text.trim())?.parse().ok()
}

/// As Python's `int()` of a text.
pub(crate) fn integer(text: &str) -> Option<i64> {
    without_underscores(text.trim())?.parse().ok()
}

/// Underscores may stand between digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit =
        |index: Option<usize>| index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_digit);
    let lonely = (0..bytes.len())
        .filter(|index| bytes.get(*index) == Some(&b'_'))
        .any(|index| !digit(index.checked_sub(1)) || !digit(index.checked_add(1)));
    (!lonely).then(|| text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        for (text, expected) in
            [("1", 1.0), (" 2.5\n", 2.5), ("1_000", 1000.0), ("-1e3", -1000.0), (".5", 0.5), ("5.", 5.0)]
        {
            assert_eq!(float(text), Some(expected), "{text}");
        }
        assert_eq!(float("Infinity"), Some(f64::INFINITY));
        assert!(float("NaN").is_some_and(f64::is_nan));
        for text in ["", "_1", "1_", "1__0", "1e", "0x10", "one", "1 0", "1_.5"] {
            assert_eq!(float(text), None, "{text}");
        }
        assert_eq!((integer("7"), integer("7.0"), integer(" +1_0 ")), (Some(7), None, Some(10)));
    }
}
