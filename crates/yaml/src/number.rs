//! Integers, floats and base 64 as PyYAML's constructors read them.

use std::fmt::Write;

use crate::limits::MAX_INTEGER_DIGITS;
use crate::node::Kind;

/// An unsigned integer of any size, as base 10⁹ digits, least first.
struct Natural(Vec<u32>);

impl Natural {
    const BASE: u64 = 1_000_000_000;

    /// `self × factor + addend`; `false` when that would be longer than [`MAX_INTEGER_DIGITS`].
    fn push(&mut self, factor: u32, addend: u32) -> bool {
        let mut carry = u64::from(addend);
        for digit in &mut self.0 {
            let sum = u64::from(*digit) * u64::from(factor) + carry;
            // Both are below 10⁹ × 2³², so the casts lose nothing.
            *digit = u32::try_from(sum % Self::BASE).unwrap_or(0);
            carry = sum / Self::BASE;
        }
        while carry > 0 {
            self.0.push(u32::try_from(carry % Self::BASE).unwrap_or(0));
            carry /= Self::BASE;
        }
        self.0.len() <= MAX_INTEGER_DIGITS / 9 + 1
    }

    fn into_kind(self, negative: bool) -> Kind {
        let mut text = String::new();
        for (place, digit) in self.0.iter().rev().enumerate() {
            // The first digit is never zero, so no leading zeros need removing.
            let width = if place == 0 { 0 } else { 9 };
            let _ = write!(text, "{digit:0width$}");
        }
        if text.is_empty() {
            return Kind::Int(0);
        }
        if negative {
            text.insert(0, '-');
        }
        text.parse().map_or(Kind::BigInt(text), Kind::Int)
    }
}

const TOO_LONG: &str = "the integer is too long";

fn positional(digits: &str, radix: u32, negative: bool) -> Result<Kind, &'static str> {
    let digits = digits.trim_matches(|c: char| c.is_whitespace());
    if digits.is_empty() {
        return Err("an integer needs digits");
    }
    let mut number = Natural(Vec::new());
    for (place, character) in digits.chars().enumerate() {
        if place >= MAX_INTEGER_DIGITS && radix == 10 {
            return Err(TOO_LONG);
        }
        let digit = character.to_digit(radix).ok_or("not a digit of an integer")?;
        if !number.push(radix, digit) {
            return Err(TOO_LONG);
        }
    }
    Ok(number.into_kind(negative))
}

/// Reads the text of a scalar tagged `!!int`.
pub(crate) fn parse_int(text: &str) -> Result<Kind, &'static str> {
    let text = text.replace('_', "");
    let (negative, body) = match text.as_bytes().first() {
        None => return Err("an integer needs digits"),
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        Some(_) => (false, &*text),
    };
    if let Some(digits) = body.strip_prefix("0b") {
        return positional(digits, 2, negative);
    }
    if let Some(digits) = body.strip_prefix("0x") {
        return positional(digits, 16, negative);
    }
    if body.starts_with('0') {
        let digits = body.strip_prefix("0o").or_else(|| body.strip_prefix("0O")).unwrap_or(body);
        return positional(digits, 8, negative);
    }
    if body.contains(':') {
        let mut number = Natural(Vec::new());
        for part in body.split(':') {
            let part = part.trim().strip_prefix('+').unwrap_or(part.trim());
            let digit: u32 = part.parse().map_err(|_| "not a part of a base 60 integer")?;
            if !number.push(60, digit) {
                return Err(TOO_LONG);
            }
        }
        return Ok(number.into_kind(negative));
    }
    // Python's int() takes a sign of its own, and the sign above is only looked for once.
    match body.trim_start().as_bytes().first() {
        Some(b'-') => positional(&body.trim_start()[1..], 10, !negative),
        Some(b'+') => positional(&body.trim_start()[1..], 10, negative),
        _ => positional(body, 10, negative),
    }
}

/// Reads the text of a scalar tagged `!!float`.
pub(crate) fn parse_float(text: &str) -> Result<f64, &'static str> {
    const NOT: &str = "not a float";
    let text = text.replace('_', "").to_lowercase();
    let (sign, body) = match text.as_bytes().first() {
        None => return Err(NOT),
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        Some(_) => (1.0, &*text),
    };
    match body {
        ".inf" => return Ok(sign * f64::INFINITY),
        ".nan" => return Ok(f64::NAN),
        _ => {}
    }
    if body.contains(':') {
        // From the last part on, in the order of PyYAML's additions, so that rounding agrees.
        let (mut value, mut base) = (0.0, 1.0);
        for part in body.rsplit(':') {
            value += part.trim().parse::<f64>().map_err(|_| NOT)? * base;
            base *= 60.0;
        }
        return Ok(sign * value);
    }
    body.trim().parse::<f64>().map(|number| sign * number).map_err(|_| NOT)
}

/// Decodes base 64 as leniently as Python's `base64.decodebytes`: foreign characters are skipped.
pub(crate) fn decode_base64(text: &str) -> Result<Vec<u8>, &'static str> {
    if !text.is_ascii() {
        return Err("base 64 must be ASCII");
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut filled, mut left, mut pads) = (0_u8, 0_u8, 0_u8);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                if filled >= 2 {
                    pads += 1;
                    if filled + pads >= 4 {
                        // Whatever follows complete padding is ignored.
                        return Ok(bytes);
                    }
                }
                continue;
            }
            _ => continue,
        };
        pads = 0;
        match filled {
            0 => left = value,
            1 => {
                bytes.push(left << 2 | value >> 4);
                left = value & 0x0f;
            }
            2 => {
                bytes.push(left << 4 | value >> 2);
                left = value & 0x03;
            }
            _ => bytes.push(left << 6 | value),
        }
        filled = (filled + 1) % 4;
    }
    match filled {
        0 => Ok(bytes),
        1 => Err("base 64 data may not end in a single character of a group"),
        _ => Err("base 64 data lacks its padding"),
    }
}
