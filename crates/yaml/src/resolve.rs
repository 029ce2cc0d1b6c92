//! What a plain scalar is: the implicit tags of YAML 1.1 in PyYAML's reading of them.

/// The prefix of YAML's own tags.
pub(crate) const YAML: &str = "tag:yaml.org,2002:";

/// The tags that a plain scalar can have without saying so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Implicit {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    Merge,
    Value,
    Str,
}

impl Implicit {
    /// The name behind [`YAML`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Timestamp => "timestamp",
            Self::Merge => "merge",
            Self::Value => "value",
            Self::Str => "str",
        }
    }
}

/// Decides what a plain scalar means.
pub(crate) fn resolve(text: &str) -> Implicit {
    if text.is_empty() {
        return Implicit::Null;
    }
    // Python's `$` also matches before a newline at the end.
    let whole = text;
    let text = text.strip_suffix('\n').unwrap_or(text);
    match whole.as_bytes().first() {
        Some(b'~') if text == "~" => Implicit::Null,
        Some(b'n' | b'N') if matches!(text, "null" | "Null" | "NULL") => Implicit::Null,
        Some(b'<') if text == "<<" => Implicit::Merge,
        Some(b'=') if text == "=" => Implicit::Value,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O') if is_bool(text) => {
            Implicit::Bool
        }
        Some(b'-' | b'+' | b'.' | b'0'..=b'9') => {
            let bytes = text.as_bytes();
            if is_float(bytes) {
                Implicit::Float
            } else if is_int(bytes) {
                Implicit::Int
            } else if is_timestamp(bytes) {
                Implicit::Timestamp
            } else {
                Implicit::Str
            }
        }
        _ => Implicit::Str,
    }
}

fn is_bool(text: &str) -> bool {
    matches!(
        text,
        "yes"
            | "Yes"
            | "YES"
            | "no"
            | "No"
            | "NO"
            | "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
            | "on"
            | "On"
            | "ON"
            | "off"
            | "Off"
            | "OFF"
    )
}

fn unsigned(bytes: &[u8]) -> &[u8] {
    match bytes.split_first() {
        Some((b'-' | b'+', rest)) => rest,
        _ => bytes,
    }
}

/// Splits off the longest prefix of bytes that `belongs` accepts.
fn span(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| !belongs(byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

fn digit_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

/// `[eE][-+][0-9]+`, or nothing: in YAML 1.1 an exponent must have its sign.
fn is_exponent_or_end(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [b'e' | b'E', b'-' | b'+', digits @ ..] => {
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// Reads `(:[0-5]?[0-9])+` greedily; `None` if there is not even one such part.
fn sexagesimal_parts(mut bytes: &[u8]) -> Option<&[u8]> {
    let mut any = false;
    loop {
        bytes = match bytes {
            [b':', b'0'..=b'5', b'0'..=b'9', rest @ ..] | [b':', b'0'..=b'9', rest @ ..] => rest,
            _ => return any.then_some(bytes),
        };
        any = true;
    }
}

fn is_float(bytes: &[u8]) -> bool {
    if let [b'.', rest @ ..] = bytes {
        if matches!(rest, b"nan" | b"NaN" | b"NAN" | b"inf" | b"Inf" | b"INF") {
            return true;
        }
        let (fraction, exponent) = span(rest, digit_or_underscore);
        return fraction.first().is_some_and(u8::is_ascii_digit) && is_exponent_or_end(exponent);
    }
    let body = unsigned(bytes);
    if matches!(body, b".inf" | b".Inf" | b".INF") {
        return true;
    }
    let (whole, rest) = span(body, digit_or_underscore);
    if !whole.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    if let [b'.', rest @ ..] = rest {
        return is_exponent_or_end(span(rest, digit_or_underscore).1);
    }
    match sexagesimal_parts(rest) {
        Some([b'.', rest @ ..]) => rest.iter().all(|&byte| digit_or_underscore(byte)),
        _ => false,
    }
}

fn is_int(bytes: &[u8]) -> bool {
    match unsigned(bytes) {
        [b'0'] => true,
        [b'0', b'b', rest @ ..] => {
            !rest.is_empty() && rest.iter().all(|byte| matches!(byte, b'0' | b'1' | b'_'))
        }
        [b'0', b'x', rest @ ..] => {
            !rest.is_empty() && rest.iter().all(|&byte| byte.is_ascii_hexdigit() || byte == b'_')
        }
        [b'0', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'0'..=b'7' | b'_')),
        [b'1'..=b'9', rest @ ..] => {
            let tail = span(rest, digit_or_underscore).1;
            tail.is_empty() || sexagesimal_parts(tail).is_some_and(<[u8]>::is_empty)
        }
        _ => false,
    }
}

fn is_timestamp(bytes: &[u8]) -> bool {
    fn digits(bytes: &[u8], at_least: usize, at_most: usize) -> Option<&[u8]> {
        let count = bytes.iter().take(at_most).take_while(|byte| byte.is_ascii_digit()).count();
        if count < at_least { None } else { bytes.get(count..) }
    }
    fn literal(bytes: &[u8], byte: u8) -> Option<&[u8]> {
        bytes.strip_prefix(&[byte])
    }
    fn date(bytes: &[u8], at_least: usize) -> Option<&[u8]> {
        let rest = literal(digits(bytes, 4, 4)?, b'-')?;
        let rest = literal(digits(rest, at_least, 2)?, b'-')?;
        digits(rest, at_least, 2)
    }
    fn blank(byte: u8) -> bool {
        matches!(byte, b' ' | b'\t')
    }
    fn date_and_time(bytes: &[u8]) -> Option<&[u8]> {
        let rest = date(bytes, 1)?;
        let rest = match rest {
            [b'T' | b't', rest @ ..] => rest,
            _ => match span(rest, blank) {
                ([], _) => return None,
                (_, rest) => rest,
            },
        };
        let rest = literal(digits(rest, 1, 2)?, b':')?;
        let rest = literal(digits(rest, 2, 2)?, b':')?;
        let mut rest = digits(rest, 2, 2)?;
        if let [b'.', fraction @ ..] = rest {
            rest = span(fraction, |byte| byte.is_ascii_digit()).1;
        }
        if rest.is_empty() {
            return Some(rest);
        }
        match span(rest, blank).1 {
            [b'-' | b'+', rest @ ..] => {
                let rest = digits(rest, 1, 2)?;
                match rest {
                    [b':', rest @ ..] => digits(rest, 2, 2),
                    _ => Some(rest),
                }
            }
            [b'Z', rest @ ..] | rest => Some(rest),
        }
    }
    date(bytes, 2).is_some_and(<[u8]>::is_empty) || date_and_time(bytes).is_some_and(<[u8]>::is_empty)
}
