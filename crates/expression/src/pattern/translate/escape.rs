//! What a backslash begins.

use super::class::shorthand;
use super::{Flags, Item, Translator, Width, literal};
use crate::pattern::PatternError;
use crate::pattern::template::{octal, octal_digits};

/// An escape that matches one character.
#[derive(Debug, Clone, Copy)]
pub(super) enum Escaped {
    Literal(char),
    /// The inside of a class.
    Class(&'static str),
}

impl Translator<'_> {
    /// An escape outside a class.
    pub(super) fn escape(&mut self, flags: Flags) -> Result<Item, PatternError> {
        let start = self.place;
        let Some(character) = self.peek(1) else {
            return Err(self.fail(start, "a backslash at the end of the pattern"));
        };
        let word = if flags.ascii { "[a-zA-Z0-9_]" } else { r"[\p{L}\p{N}_]" };
        let assertion = match character {
            'A' => Some(r"\A".to_owned()),
            'Z' => Some(r"\z".to_owned()),
            'b' => Some(format!("(?:(?<={word})(?!{word})|(?<!{word})(?={word}))")),
            // Before Python 3.14 an empty text has no such place.
            'B' => Some(format!(r"(?:(?<={word})(?={word})|(?<!{word})(?!{word})(?!\A\z))")),
            _ => None,
        };
        if let Some(assertion) = assertion {
            self.place += 2;
            return Ok(Item::assertion(&assertion));
        }
        if let '1'..='9' = character {
            return self.numbered(start);
        }
        if character == '0' {
            self.place += 2;
            let digits = octal_digits(&self.characters, self.place, 2);
            self.place += digits.len();
            return self.octal_literal(&digits, start);
        }
        Ok(match self.common_escape(flags)? {
            Escaped::Literal(character) => Item::new(literal(character), Width::ONE),
            Escaped::Class(inside) => Item::new(format!("[{inside}]"), Width::ONE),
        })
    }

    fn octal_literal(&self, digits: &str, start: usize) -> Result<Item, PatternError> {
        match octal(digits) {
            Some(character) => Ok(Item::new(literal(character), Width::ONE)),
            None => Err(self.fail(start, "octal escape value outside of range 0-0o377")),
        }
    }

    /// `\1` to `\99` are references to groups, three octal digits a character.
    fn numbered(&mut self, start: usize) -> Result<Item, PatternError> {
        let octal = octal_digits(&self.characters, start + 1, 3);
        if octal.len() == 3 {
            self.place = start + 4;
            return self.octal_literal(&octal, start);
        }
        self.place = start + 1;
        let digits: String = self
            .characters
            .iter()
            .skip(self.place)
            .take(2)
            .take_while(|digit| digit.is_ascii_digit())
            .collect();
        self.place += digits.len();
        let number = digits.parse().unwrap_or(0);
        self.reference(number, start)
    }

    /// A reference to a group that must be closed already.
    pub(super) fn reference(&mut self, number: usize, start: usize) -> Result<Item, PatternError> {
        let Some(group) = number.checked_sub(1).and_then(|place| self.groups.get(place)).copied() else {
            return Err(self.fail(start, format!("invalid group reference {number}")));
        };
        let Some(width) = group.width else {
            return Err(self.fail(start, "cannot refer to an open group"));
        };
        self.check_lookbehind(number, start)?;
        Ok(Item::new(format!(r"(?:\{number})"), width))
    }

    pub(super) fn check_lookbehind(&self, number: usize, start: usize) -> Result<(), PatternError> {
        match self.lookbehind {
            Some(before) if number > before => {
                Err(self.fail(start, "cannot refer to group defined in the same lookbehind subpattern"))
            }
            _ => Ok(()),
        }
    }

    /// An escape inside a class.
    pub(super) fn class_escape(&mut self, flags: Flags) -> Result<Escaped, PatternError> {
        let start = self.place;
        match self.peek(1) {
            None => Err(self.fail(start, "unterminated character set")),
            Some('b') => {
                self.place += 2;
                Ok(Escaped::Literal('\x08'))
            }
            Some('0'..='7') => {
                let digits = octal_digits(&self.characters, start + 1, 3);
                self.place = start + 1 + digits.len();
                match octal(&digits) {
                    Some(character) => Ok(Escaped::Literal(character)),
                    None => Err(self.fail(start, "octal escape value outside of range 0-0o377")),
                }
            }
            Some(_) => self.common_escape(flags),
        }
    }

    /// An escape that means the same inside and outside a class.
    fn common_escape(&mut self, flags: Flags) -> Result<Escaped, PatternError> {
        let start = self.place;
        let Some(character) = self.peek(1) else {
            return Err(self.fail(start, "a backslash at the end of the pattern"));
        };
        if let Some(inside) = shorthand(character, flags) {
            self.place += 2;
            return Ok(Escaped::Class(inside));
        }
        let (value, length) = match character {
            'a' => ('\x07', 2),
            'f' => ('\x0c', 2),
            'n' => ('\n', 2),
            'r' => ('\r', 2),
            't' => ('\t', 2),
            'v' => ('\x0b', 2),
            'x' => (self.hexadecimal(2)?, 4),
            'u' => (self.hexadecimal(4)?, 6),
            'U' => (self.hexadecimal(8)?, 10),
            'N' => return Err(self.fail(start, r"\N{…} is not supported: write the character itself")),
            letter if letter.is_ascii_alphanumeric() => {
                return Err(self.fail(start, format!(r"bad escape \{letter}")));
            }
            other => (other, 2),
        };
        self.place += length;
        Ok(Escaped::Literal(value))
    }

    /// The character whose code is the `count` digits after the escape's letter.
    fn hexadecimal(&self, count: usize) -> Result<char, PatternError> {
        let digits: String = self
            .characters
            .iter()
            .skip(self.place + 2)
            .take(count)
            .take_while(|digit| digit.is_ascii_hexdigit())
            .collect();
        if digits.len() != count {
            return Err(
                self.fail(self.place, format!("incomplete escape: {count} hexadecimal digits needed"))
            );
        }
        let code = u32::from_str_radix(&digits, 16).ok();
        code.and_then(char::from_u32)
            .ok_or_else(|| self.fail(self.place, format!("{digits} is not the code of a character")))
    }
}
