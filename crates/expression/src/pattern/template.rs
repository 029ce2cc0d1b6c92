//! Replacements of Python's `re.sub`.

use super::translate::Translation;

/// A part of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Group(usize),
}

/// Reads a replacement; `None` where Python raises.
pub(super) fn parse_template(template: &str, pattern: &Translation) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let characters: Vec<char> = template.chars().collect();
    let mut place = 0;
    let group = |pieces: &mut Vec<Piece>, text: &mut String, number: usize| {
        if number > pattern.groups {
            return None;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(text)));
        }
        pieces.push(Piece::Group(number));
        Some(())
    };
    while let Some(&character) = characters.get(place) {
        place += 1;
        if character != '\\' {
            text.push(character);
            continue;
        }
        let escaped = *characters.get(place)?;
        place += 1;
        match escaped {
            'g' => {
                let rest = characters.get(place..)?;
                let length = rest.iter().position(|&character| character == '>')?;
                let name: String = rest.strip_prefix(&['<'])?.get(..length.checked_sub(1)?)?.iter().collect();
                place += length + 1;
                let number = if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
                    name.parse().ok()?
                } else {
                    pattern.group_named(&name)?
                };
                group(&mut pieces, &mut text, number)?;
            }
            '0' => {
                let digits = octal_digits(&characters, place, 2);
                place += digits.len();
                text.push(octal(&digits)?);
            }
            '1'..='9' => {
                let mut number = String::from(escaped);
                if let Some(&second) = characters.get(place).filter(|next| next.is_ascii_digit()) {
                    number.push(second);
                    place += 1;
                    if let Some(&third) = characters.get(place)
                        && [escaped, second, third].iter().all(|digit| digit.is_digit(8))
                    {
                        place += 1;
                        text.push(octal(&format!("{number}{third}"))?);
                        continue;
                    }
                }
                group(&mut pieces, &mut text, number.parse().ok()?)?;
            }
            'a' => text.push('\x07'),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\x0b'),
            '\\' => text.push('\\'),
            letter if letter.is_ascii_alphabetic() => return None,
            other => text.extend(['\\', other]),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Some(pieces)
}

/// At most `most` octal digits from `place` on.
pub(super) fn octal_digits(characters: &[char], place: usize, most: usize) -> String {
    characters.iter().skip(place).take(most).take_while(|digit| digit.is_digit(8)).collect()
}

/// The character with an octal code up to 0o377; no digits at all are zero.
pub(super) fn octal(digits: &str) -> Option<char> {
    if digits.is_empty() {
        return Some('\0');
    }
    u8::from_str_radix(digits, 8).ok().map(char::from)
}
