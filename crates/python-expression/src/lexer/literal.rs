//! Numbers and texts.

use num_bigint::BigInt;

use crate::ast::Literal;
use crate::error::Fault;
use crate::limits::MAX_INTEGER_BITS;

/// Python refuses to read longer integers in decimal.
const MAX_DIGITS: usize = 4300;
/// Words that may follow a number without a space.
const AFTER_NUMBERS: [&str; 8] = ["and", "else", "for", "if", "in", "is", "not", "or"];

/// The letters before a text's first quote, if one begins here.
pub(super) fn text_prefix(rest: &str) -> Option<&str> {
    let quote = rest.bytes().take(3).position(|byte| byte == b'"' || byte == b'\'')?;
    let prefix = rest.get(..quote)?;
    let lower = prefix.to_ascii_lowercase();
    matches!(lower.as_str(), "" | "r" | "u" | "b" | "f" | "br" | "rb" | "fr" | "rf").then_some(prefix)
}

/// How many bytes stand before the closing quote.
pub(super) fn body_length(body: &str, quote: &str) -> Option<usize> {
    let mut place = 0;
    loop {
        let rest = body.get(place..)?;
        if rest.starts_with(quote) {
            return Some(place);
        }
        let mut characters = rest.chars();
        place += match characters.next()? {
            '\\' => 1 + characters.next()?.len_utf8(),
            '\n' if quote.len() == 1 => return None,
            other => other.len_utf8(),
        };
    }
}

/// The text that `body` means, which begins at the byte `at` of the expression.
pub(crate) fn unescaped(body: &str, at: usize) -> Result<String, Fault> {
    let mut text = String::with_capacity(body.len());
    let mut place = 0;
    while let Some(rest) = body.get(place..) {
        let mut characters = rest.chars();
        match (characters.next(), characters.next()) {
            (None, _) => break,
            (Some('\\'), Some(escaped)) => {
                let after = rest.get(1 + escaped.len_utf8()..).unwrap_or_default();
                let (character, more) =
                    escape(escaped, after).map_err(|message| Fault::new(at + place, message))?;
                match character {
                    Some(character) => text.push(character),
                    None if escaped == '\n' => {}
                    None => text.extend(['\\', escaped]),
                }
                place += 1 + escaped.len_utf8() + more;
            }
            (Some('\r'), next) => {
                text.push('\n');
                place += if next == Some('\n') { 2 } else { 1 };
            }
            (Some(character), _) => {
                text.push(character);
                place += character.len_utf8();
            }
        }
    }
    Ok(text)
}

/// What a backslash and `escaped` mean, and how many bytes of `after` belong to it.
fn escape(escaped: char, after: &str) -> Result<(Option<char>, usize), String> {
    let simple = |character| Ok((Some(character), 0));
    let hexadecimal = |digits: usize| {
        let number = after.get(..digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = number.and_then(|number| u32::from_str_radix(number, 16).ok());
        let Some(number) = number else {
            return Err(format!("\\{escaped} needs {digits} hexadecimal digits"));
        };
        let character = char::from_u32(number);
        let character = character.ok_or_else(|| format!("\\{escaped}{number:x} is no character"))?;
        Ok((Some(character), digits))
    };
    match escaped {
        '\\' | '\'' | '"' => simple(escaped),
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        '0'..='7' => {
            let more = after.bytes().take(2).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let digits = after.get(..more).unwrap_or_default();
            let number = digits.bytes().fold(u32::from(escaped) - u32::from('0'), |number, digit| {
                number * 8 + u32::from(digit - b'0')
            });
            Ok((char::from_u32(number), more))
        }
        'x' => hexadecimal(2),
        'u' => hexadecimal(4),
        'U' => hexadecimal(8),
        'N' => Err("\\N{…} is not supported: write the character".to_owned()),
        _ => Ok((None, 0)),
    }
}

/// The number at the beginning of `rest`, and its length.
pub(super) fn number(rest: &str) -> Result<(Literal, usize), String> {
    let lower = rest.get(..2).unwrap_or_default().to_ascii_lowercase();
    let radix = match lower.as_str() {
        "0x" => 16,
        "0o" => 8,
        "0b" => 2,
        _ => return decimal(rest),
    };
    let digits = rest.get(2..).unwrap_or_default();
    let length = digits.find(|character: char| character != '_' && !character.is_digit(radix));
    let length = length.unwrap_or(digits.len());
    let digits = digits.get(..length).unwrap_or_default();
    let plain = without_underscores(digits, true).ok_or("this is no number")?;
    end_of_number(rest, 2 + length)?;
    Ok((integer(&plain, radix)?, 2 + length))
}

fn decimal(rest: &str) -> Result<(Literal, usize), String> {
    let digits = |from: usize| {
        let rest = rest.get(from..).unwrap_or_default();
        rest.find(|character: char| character != '_' && !character.is_ascii_digit()).unwrap_or(rest.len())
    };
    let byte = |place: usize| rest.as_bytes().get(place).copied();
    let whole = digits(0);
    let mut end = whole;
    let mut is_float = false;
    if byte(end) == Some(b'.') {
        is_float = true;
        end += 1;
        end += digits(end);
    }
    if matches!(byte(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(byte(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            is_float = true;
            end += 1 + sign + exponent;
        }
    }
    if matches!(byte(end), Some(b'j' | b'J')) {
        return Err("complex numbers are not supported".to_owned());
    }
    end_of_number(rest, end)?;
    let text = rest.get(..end).unwrap_or_default();
    if is_float {
        let parts = text.split(['.', 'e', 'E']).map(|part| part.trim_start_matches(['+', '-']));
        for part in parts.filter(|part| !part.is_empty()) {
            without_underscores(part, false).ok_or("this is no number")?;
        }
        let number = text.replace('_', "").parse().map_err(|_| "this is no number")?;
        return Ok((Literal::Float(number), end));
    }
    let plain = without_underscores(text, false).ok_or("this is no number")?;
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|digit| digit != b'0') {
        return Err("an integer does not begin with 0".to_owned());
    }
    if plain.len() > MAX_DIGITS {
        return Err(format!("an integer has {MAX_DIGITS} digits at most"));
    }
    Ok((integer(&plain, 10)?, end))
}

fn integer(digits: &str, radix: u32) -> Result<Literal, String> {
    if let Ok(small) = i64::from_str_radix(digits, radix) {
        return Ok(Literal::Int(small));
    }
    let number = BigInt::parse_bytes(digits.as_bytes(), radix).ok_or("this is no number")?;
    if number.bits() > MAX_INTEGER_BITS {
        return Err(format!("an integer has {MAX_INTEGER_BITS} bits at most"));
    }
    Ok(Literal::Big(number))
}

/// The digits, if single underscores alone stand between them (and, behind a radix, before them).
fn without_underscores(digits: &str, may_lead: bool) -> Option<String> {
    let inner = if may_lead { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    let is_wrong = inner.is_empty() || inner.starts_with('_') || inner.ends_with('_') || inner.contains("__");
    (!is_wrong).then(|| inner.replace('_', ""))
}

/// What stands behind a number must not look like a part of it.
fn end_of_number(rest: &str, end: usize) -> Result<(), String> {
    let after = rest.get(end..).unwrap_or_default();
    let word = after.find(|character: char| character != '_' && !character.is_alphanumeric());
    let word = after.get(..word.unwrap_or(after.len())).unwrap_or_default();
    if word.is_empty() || AFTER_NUMBERS.contains(&word) {
        return Ok(());
    }
    Err(format!("{}{word} is neither a number nor a name", rest.get(..end).unwrap_or_default()))
}

/// What remains of `rest` behind white space and comments.
pub(super) fn without_comments(mut rest: &str) -> &str {
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
        if !rest.starts_with('#') {
            return rest;
        }
        rest = rest.get(rest.find('\n').unwrap_or(rest.len())..).unwrap_or_default();
    }
}
