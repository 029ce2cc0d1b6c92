//! Character classes: `[…]` and the shorthands.

use std::fmt::Write;

use super::escape::Escaped;
use super::{Flags, Item, Translator, Width};
use crate::pattern::PatternError;

/// A shorthand such as `\d`, as the inside of a class of the target syntax.
///
/// Python's `\w` is letters and numbers of all kinds; its `\s` knows four separators more than Unicode's
/// white space.
pub(super) fn shorthand(letter: char, flags: Flags) -> Option<&'static str> {
    Some(match (letter, flags.ascii) {
        ('d', false) => r"\p{Nd}",
        ('D', false) => r"\P{Nd}",
        ('w', false) => r"\p{L}\p{N}_",
        ('W', false) => r"[^\p{L}\p{N}_]",
        ('s', false) => r"\s\x{1c}-\x{1f}",
        ('S', false) => r"[^\s\x{1c}-\x{1f}]",
        ('d', true) => "0-9",
        ('D', true) => "[^0-9]",
        ('w', true) => "a-zA-Z0-9_",
        ('W', true) => "[^a-zA-Z0-9_]",
        ('s', true) => r"\x{20}\t\n\r\x{b}\x{c}",
        ('S', true) => r"[^\x{20}\t\n\r\x{b}\x{c}]",
        _ => return None,
    })
}

impl Translator<'_> {
    /// A class, from its opening bracket on.
    pub(super) fn class(&mut self, flags: Flags) -> Result<Item, PatternError> {
        let start = self.place;
        self.place += 1;
        let mut regex = String::from("[");
        if self.take('^') {
            regex.push('^');
        }
        let mut empty = true;
        loop {
            let place = self.place;
            let Some(character) = self.peek(0) else {
                return Err(self.fail(start, "unterminated character set"));
            };
            if character == ']' && !empty {
                self.place += 1;
                regex.push(']');
                return Ok(Item::new(regex, Width::ONE));
            }
            empty = false;
            let low = self.class_member(flags)?;
            if self.peek(0) != Some('-') || self.peek(1) == Some(']') {
                // A hyphen right before the end is taken as a member in the next round.
                push(&mut regex, &low);
                continue;
            }
            self.place += 1;
            if self.peek(0).is_none() {
                return Err(self.fail(start, "unterminated character set"));
            }
            let high = self.class_member(flags)?;
            match (low, high) {
                (Escaped::Literal(low), Escaped::Literal(high)) if low <= high => {
                    push(&mut regex, &Escaped::Literal(low));
                    regex.push('-');
                    push(&mut regex, &Escaped::Literal(high));
                }
                _ => return Err(self.fail(place, "bad character range")),
            }
        }
    }

    fn class_member(&mut self, flags: Flags) -> Result<Escaped, PatternError> {
        match self.peek(0) {
            Some('\\') => self.class_escape(flags),
            Some(character) => {
                self.place += 1;
                Ok(Escaped::Literal(character))
            }
            None => Err(self.fail(self.place, "unterminated character set")),
        }
    }
}

fn push(regex: &mut String, member: &Escaped) {
    match member {
        Escaped::Literal(character) => {
            let _ = write!(regex, r"\x{{{:x}}}", u32::from(*character));
        }
        Escaped::Class(inside) => regex.push_str(inside),
    }
}
