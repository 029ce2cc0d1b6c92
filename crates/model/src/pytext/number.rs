//! Numbers: their texts, and `int()` and `float()` of values.

use std::fmt::{self, Write as _};

use super::Specials;
use super::tables::ZEROS;
use crate::Value;
use crate::json::MAX_INTEGER_DIGITS;

/// Why a value is not a number in Python's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// A text that does not spell a number (Python's `ValueError`).
    #[error("the text is not a number")]
    Text,
    /// An integer text of more digits than [`MAX_INTEGER_DIGITS`] (`ValueError`).
    #[error("more than {MAX_INTEGER_DIGITS} digits")]
    Digits,
    /// NaN or an infinity has no integer (`ValueError`, `OverflowError`).
    #[error("not a finite number")]
    NotFinite,
    /// An integer beyond the range of a double (`OverflowError`).
    #[error("too large for a floating point number")]
    TooLarge,
    /// `None`, a list or a map (`TypeError`).
    #[error("not a number or text")]
    Kind,
}

/// Appends a decimal integer.
pub fn write_integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut place = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        place -= 1;
        digits[place] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(place..).unwrap_or_default());
}

/// Decimal exponents from here on are written with `e`.
const LARGE_EXPONENT: i32 = 16;
/// Decimal exponents below this are written with `e`.
const SMALL_EXPONENT: i32 = -4;

/// Appends Python's text of a double: the shortest digits that read back the same, with an exponent when it is
/// below -4 or at least 16.
pub fn write_float(number: f64, specials: Specials, out: &mut Vec<u8>) {
    if !number.is_finite() {
        let text = match (specials, number.is_nan(), number < 0.0) {
            (Specials::Json, true, _) => "NaN",
            (Specials::Json, _, false) => "Infinity",
            (Specials::Json, _, true) => "-Infinity",
            (Specials::Repr, true, _) => "nan",
            (Specials::Repr, _, false) => "inf",
            (Specials::Repr, _, true) => "-inf",
        };
        out.extend_from_slice(text.as_bytes());
        return;
    }
    if let Some((digits, places)) = short_decimal(number.abs()) {
        if number.is_sign_negative() {
            out.push(b'-');
        }
        write_decimal(digits, places, out);
        return;
    }
    write_shortest(number, out);
}

/// Any finite number.
fn write_shortest(number: f64, out: &mut Vec<u8>) {
    // `{:e}` gives the shortest digits as d.ddde-N; only their arrangement differs from Python's.
    let mut shortest = Scientific::default();
    let _ = write!(shortest, "{number:e}");
    // Halfway between two equally short texts Rust rounds up, Python to the even digit, as formatting with a
    // precision does. It takes all of a double's digits to be there.
    if shortest.digits().count() >= ALL_DIGITS || number.is_subnormal() {
        let mut even = Scientific::default();
        let _ = write!(even, "{number:.*e}", shortest.digits().count().saturating_sub(1));
        if even.text() != shortest.text() && even.text().parse() == Ok(number) {
            shortest = even;
        }
    }
    let mut digits = [0_u8; 20];
    let mut count = 0;
    for (digit, slot) in shortest.digits().zip(&mut digits) {
        *slot = digit;
        count += 1;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    arrange(digits.get(..count).unwrap_or_default(), shortest.exponent(), out);
}

/// Powers of ten that [`short_decimal`] tries.
const POWERS: [f64; 7] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
/// From here on an integer has more than 15 digits.
const LONG: f64 = 1e15;

/// A number that is an integer of 15 digits at most by 10^places, with the fewest places; most that meters report are.
///
/// No other decimal of 15 digits or fewer is as near to the same double, so its digits are the shortest. Small numbers,
/// which are written with an exponent, are left out.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is below 10^15 and not negative"
)]
#[expect(clippy::cast_precision_loss, reason = "2^53 is more than 10^15")]
fn short_decimal(number: f64) -> Option<(u64, usize)> {
    if number != 0.0 && number < 1e-4 {
        return None;
    }
    POWERS.iter().enumerate().find_map(|(places, power)| {
        let scaled = number * power;
        if scaled >= LONG {
            return None;
        }
        let integer = (scaled + 0.5) as u64;
        // Both are exact, so the quotient is the double next to the decimal.
        ((integer as f64 / power).to_bits() == number.to_bits()).then_some((integer, places))
    })
}

/// Writes `digits / 10^places`, with one decimal place at least.
fn write_decimal(digits: u64, places: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; 24];
    let mut rest = digits;
    let mut place = text.len();
    let mut put = |byte: u8| {
        place = place.saturating_sub(1);
        if let Some(slot) = text.get_mut(place) {
            *slot = byte;
        }
    };
    if places == 0 {
        put(b'0');
    }
    for written in 0.. {
        if written == places {
            put(b'.');
        }
        if written > places && rest == 0 {
            break;
        }
        put(b'0' + u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
    }
    out.extend_from_slice(text.get(place..).unwrap_or_default());
}

/// From so many digits on, two texts can be equally near to a double.
const ALL_DIGITS: usize = 16;

/// A number's text in scientific notation: at most 17 digits, a sign, a point and a four character exponent.
#[derive(Default)]
struct Scientific {
    bytes: [u8; 32],
    length: usize,
}

impl Scientific {
    fn text(&self) -> &str {
        self.bytes.get(..self.length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn parts(&self) -> (&str, &str) {
        self.text().split_once('e').unwrap_or_default()
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.parts().0.bytes().filter(u8::is_ascii_digit)
    }

    fn exponent(&self) -> i32 {
        self.parts().1.parse().unwrap_or(0)
    }
}

impl fmt::Write for Scientific {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Writes `0.DIGITS × 10^(exponent + 1)` in Python's form.
fn arrange(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let Some((first, others)) = digits.split_first() else { return };
    if !(SMALL_EXPONENT..LARGE_EXPONENT).contains(&exponent) {
        out.push(*first);
        if !others.is_empty() {
            out.push(b'.');
            out.extend_from_slice(others);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.push(b'0');
        }
        write_integer(i64::from(exponent.abs()), out);
        return;
    }
    match usize::try_from(exponent + 1) {
        Ok(whole) if whole > 0 => {
            let (before, after) = digits.split_at(whole.min(digits.len()));
            out.extend_from_slice(before);
            out.resize(out.len() + (whole - before.len()), b'0');
            out.push(b'.');
            out.extend_from_slice(if after.is_empty() { b"0" } else { after });
        }
        _ => {
            out.extend_from_slice(b"0.");
            let zeros = usize::try_from(-(exponent + 1)).unwrap_or(0);
            out.resize(out.len() + zeros, b'0');
            out.extend_from_slice(digits);
        }
    }
}

/// `text.strip()`: without Python's white space at both ends.
#[must_use]
pub fn strip(text: &str) -> &str {
    // Python counts the four information separators as white space, Unicode's property does not.
    text.trim_matches(|character: char| character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}'))
}

/// The text with every Unicode decimal digit as an ASCII one; `None` if another non-ASCII character remains.
fn ascii_digits(text: &str) -> Option<String> {
    text.chars()
        .map(|character| {
            if character.is_ascii() {
                return Some(character);
            }
            let code = u32::from(character);
            let zero = *ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?)?;
            char::from_digit(code - zero, 10)
        })
        .collect()
}

/// Removes underscores that stand between two digits; `None` for any other underscore.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit =
        |place: Option<usize>| place.and_then(|place| bytes.get(place)).is_some_and(u8::is_ascii_digit);
    for (place, byte) in bytes.iter().enumerate() {
        if *byte == b'_' && !(digit(place.checked_sub(1)) && digit(Some(place + 1))) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

/// A number text in ASCII, without blanks around it or underscores in it.
fn plain_number(text: &str) -> Result<String, NumberError> {
    // Here, unlike in `str.strip`, the information separators are no white space.
    ascii_digits(text.trim()).as_deref().and_then(without_underscores).ok_or(NumberError::Text)
}

/// `int(value)`.
///
/// # Errors
/// Where Python raises; the variants name its exceptions.
pub fn integer_of(value: &Value) -> Result<Value, NumberError> {
    match value {
        Value::Bool(truth) => Ok(Value::Int(i64::from(*truth))),
        Value::Int(_) | Value::BigInt(_) => Ok(value.clone()),
        Value::Float(number) if !number.is_finite() => Err(NumberError::NotFinite),
        // The text of a double without decimals is exact, and so is that of the integer.
        Value::Float(number) => parse_integer(&format!("{:.0}", number.trunc())),
        Value::Str(text) => parse_integer(&plain_number(text)?),
        Value::Null | Value::List(_) | Value::Map(_) => Err(NumberError::Kind),
    }
}

fn parse_integer(text: &str) -> Result<Value, NumberError> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", text.get(1..).unwrap_or_default()),
        Some(b'+') => ("", text.get(1..).unwrap_or_default()),
        _ => ("", text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::Text);
    }
    if digits.len() > MAX_INTEGER_DIGITS {
        return Err(NumberError::Digits);
    }
    let significant = match digits.trim_start_matches('0') {
        "" => return Ok(Value::Int(0)),
        significant => format!("{sign}{significant}"),
    };
    Ok(significant.parse().map_or_else(|_| Value::BigInt(significant.into()), Value::Int))
}

/// `float(value)`.
///
/// # Errors
/// Where Python raises; the variants name its exceptions.
pub fn float_of(value: &Value) -> Result<f64, NumberError> {
    match value {
        Value::Bool(truth) => Ok(f64::from(u8::from(*truth))),
        // Both round to the nearest double, ties to even.
        #[expect(clippy::cast_precision_loss, reason = "Python rounds here as well")]
        Value::Int(number) => Ok(*number as f64),
        Value::BigInt(digits) => match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(NumberError::TooLarge),
        },
        Value::Float(number) => Ok(*number),
        Value::Str(text) => {
            let text = plain_number(text)?;
            // Rust's grammar of floats is Python's: sign, digits, exponent, inf, infinity, nan in any case.
            text.parse().map_err(|_| NumberError::Text)
        }
        Value::Null | Value::List(_) | Value::Map(_) => Err(NumberError::Kind),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_as_python_writes_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.5, "0.5"),
            (123.456, "123.456"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (781_140_076_165.781_2, "781140076165.7812"),
            (28.999_999_999_999_996, "28.999999999999996"),
            (5e-324, "5e-324"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let mut out = Vec::new();
            write_float(number, Specials::Repr, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    fn check_short(number: f64) {
        for number in [number, -number] {
            let (mut short, mut shortest) = (Vec::new(), Vec::new());
            write_float(number, Specials::Repr, &mut short);
            write_shortest(number, &mut shortest);
            assert_eq!(String::from_utf8(short), String::from_utf8(shortest), "{number:e}");
        }
    }

    proptest! {
        #[test]
        fn short_decimals_are_written_as_any(digits in 0_u64..1_000_000_000_000_000_000, by in 0_u32..19, places in 0_i32..20) {
            let digits = digits / 10_u64.pow(by);
            check_short(format!("{digits}e-{places}").parse().unwrap());
            // One that is next to it.
            check_short(f64::from_bits(format!("{digits}e-{places}").parse::<f64>().unwrap().to_bits() + 1));
        }

        #[test]
        fn other_numbers_are_written_as_any(bits in 0..f64::INFINITY.to_bits(), number in 0.0..1e6) {
            check_short(f64::from_bits(bits));
            check_short(number);
        }
    }

    #[test]
    fn integers() {
        for number in [0, 7, -7, 10, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            write_integer(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    #[test]
    fn conversions() {
        for (value, integer, float) in [
            (Value::from(" 1_000 "), Ok(Value::Int(1000)), Ok(1000.0)),
            (Value::from("+0012"), Ok(Value::Int(12)), Ok(12.0)),
            (Value::from("-0"), Ok(Value::Int(0)), Ok(-0.0)),
            (Value::from("1.5"), Err(NumberError::Text), Ok(1.5)),
            (Value::from("٤٢"), Ok(Value::Int(42)), Ok(42.0)),
            (Value::from("1__0"), Err(NumberError::Text), Err(NumberError::Text)),
            (Value::from(""), Err(NumberError::Text), Err(NumberError::Text)),
            (Value::from("inf"), Err(NumberError::Text), Ok(f64::INFINITY)),
            (Value::from("\u{b}7\u{a0}"), Ok(Value::Int(7)), Ok(7.0)),
            (Value::from("\u{1f}7"), Err(NumberError::Text), Err(NumberError::Text)),
            (Value::Float(-1.9), Ok(Value::Int(-1)), Ok(-1.9)),
            (Value::Float(1e22), Ok(Value::BigInt("10000000000000000000000".into())), Ok(1e22)),
            (Value::Float(f64::INFINITY), Err(NumberError::NotFinite), Ok(f64::INFINITY)),
            (Value::Bool(true), Ok(Value::Int(1)), Ok(1.0)),
            (Value::Null, Err(NumberError::Kind), Err(NumberError::Kind)),
            (
                Value::BigInt("9".repeat(400).into()),
                Ok(Value::BigInt("9".repeat(400).into())),
                Err(NumberError::TooLarge),
            ),
        ] {
            assert_eq!(integer_of(&value), integer, "{value:?}");
            assert_eq!(float_of(&value), float, "{value:?}");
        }
    }
}
