//! The interval of a source: what Python's `int()` makes of it.

use yaml::{Kind, Node};

/// The seconds of an interval, or what is wrong with it.
pub(super) fn seconds(node: &Node) -> Result<u64, &'static str> {
    const NOT_MORE: &str = "which is not more than 0";
    const TOO_MUCH: &str = "which is more than a clock can count";
    let seconds = match &node.kind {
        Kind::Int(number) => *number,
        Kind::Bool(truth) => i64::from(*truth),
        Kind::Float(number) if number.is_nan() => return Err("which is no number"),
        Kind::Float(number) if number.trunc() < 1.0 => return Err(NOT_MORE),
        Kind::Float(number) => whole(*number).ok_or(TOO_MUCH)?,
        Kind::Str(text) => integer(text).ok_or("which is no whole number")?,
        Kind::BigInt(digits) if digits.starts_with('-') => return Err(NOT_MORE),
        Kind::BigInt(_) => return Err(TOO_MUCH),
        _ => return Err("which is no number"),
    };
    match u64::try_from(seconds) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(NOT_MORE),
    }
}

/// The whole part, if 64 bits hold it.
fn whole(number: f64) -> Option<i64> {
    format!("{:.0}", number.trunc()).parse().ok()
}

/// `int(text)`: blanks around, a sign, digits with single underscores between them.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_well_formed = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit())
        && !digits.contains("__")
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if !is_well_formed {
        return None;
    }
    // More digits than 64 bits hold are an interval that nobody waits for.
    text.replace('_', "").parse().ok()
}
