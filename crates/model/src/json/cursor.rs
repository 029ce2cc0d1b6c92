//! [`Cursor`]: a text read piece by piece, without building anything.

use std::borrow::Cow;

use super::parse::Parser;
use crate::pytext::float_of;

/// A place in a text, for readers that know what it should hold, and take another way when it holds something else: what
/// is wrong is not said, and the place is lost then.
pub struct Cursor<'t> {
    parser: Parser<'t, false>,
}

impl<'t> Cursor<'t> {
    /// Before the first piece of a text.
    pub fn new(text: &'t str) -> Self {
        Self { parser: Parser::new(text) }
    }

    /// Moves over a byte that begins, divides or ends lists and maps, if it comes next.
    pub fn take(&mut self, byte: u8) -> bool {
        self.parser.take(byte)
    }

    /// The next key of a map, with its colon.
    pub fn key(&mut self) -> Option<Cow<'t, str>> {
        self.parser.key().ok()
    }

    /// Whether a text comes next.
    pub fn is_text(&mut self) -> bool {
        self.parser.skip_blanks();
        self.parser.peek() == Some(b'"')
    }

    /// The text that comes next.
    pub fn text(&mut self) -> Option<Cow<'t, str>> {
        if self.is_text() { self.parser.string().ok() } else { None }
    }

    /// The number that comes next, as Python's `float` has it; `None` also if it is too large for that.
    pub fn number(&mut self) -> Option<f64> {
        self.parser.skip_blanks();
        match self.parser.peek()? {
            b'-' | b'0'..=b'9' | b'N' | b'I' => float_of(&self.parser.value(0).ok()?).ok(),
            _ => None,
        }
    }

    /// Whether nothing follows.
    pub fn is_at_end(&mut self) -> bool {
        self.parser.end().is_ok()
    }
}

impl std::fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_one_after_the_other() {
        let mut cursor = Cursor::new(r#" {"a" : [1, -2.5e1 , "\n", NaN, -Infinity]} "#);
        assert!(!cursor.take(b'[') && cursor.take(b'{'));
        assert_eq!(cursor.key().as_deref(), Some("a"));
        assert!(cursor.take(b'['));
        assert_eq!((cursor.number(), cursor.take(b',')), (Some(1.0), true));
        assert_eq!((cursor.number(), cursor.take(b',')), (Some(-25.0), true));
        assert!(cursor.is_text() && cursor.number().is_none());
        assert_eq!((cursor.text().as_deref(), cursor.take(b',')), (Some("\n"), true));
        assert!(!cursor.is_text() && cursor.text().is_none());
        assert!(cursor.number().is_some_and(f64::is_nan) && cursor.take(b','));
        assert_eq!((cursor.number(), cursor.take(b']')), (Some(f64::NEG_INFINITY), true));
        assert!(!cursor.is_at_end() && cursor.take(b'}') && cursor.is_at_end());
    }

    #[test]
    fn what_is_none_of_it_is_nothing() {
        for text in ["", "x", "01 1", "{}", "[", "true", "\"a", &format!("1{}", "0".repeat(400))] {
            let mut cursor = Cursor::new(text);
            assert!(cursor.number().is_none_or(|_| !cursor.is_at_end()), "{text}");
        }
        assert_eq!(Cursor::new("a: 1").key(), None);
        assert_eq!(Cursor::new("\"a\" 1").key(), None);
        assert_eq!(Cursor::new("\"a").text(), None);
    }
}
