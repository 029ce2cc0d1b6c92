//! The parser: one pass over the bytes, no recursion deeper than [`MAX_DEPTH`].

use std::borrow::Cow;

use super::words::special;
use super::{MAX_DEPTH, MAX_INTEGER_DIGITS};
use crate::{Map, Text, Value};

/// Why a text is not JSON; offsets count bytes from the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes are not UTF-8.
    #[error("not valid utf-8 at byte {offset}")]
    Encoding {
        /// The first bad byte.
        offset: usize,
    },
    /// The text ends inside a value.
    #[error("the text ends at byte {offset} where {expected} was expected")]
    End {
        /// The length of the text.
        offset: usize,
        /// What should have come.
        expected: &'static str,
    },
    /// Something else stands where `expected` should.
    #[error("expected {expected} at byte {offset}, found {found:?}")]
    Unexpected {
        /// Where.
        offset: usize,
        /// The character found.
        found: char,
        /// What should have come.
        expected: &'static str,
    },
    /// Lists and maps nest deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels at byte {offset}")]
    Depth {
        /// Where.
        offset: usize,
    },
    /// An integer has more digits than [`MAX_INTEGER_DIGITS`].
    #[error("integer of {digits} digits at byte {offset}, at most {MAX_INTEGER_DIGITS} are allowed")]
    Digits {
        /// Where it starts.
        offset: usize,
        /// How many digits it has.
        digits: usize,
    },
}

/// A parsed text and what had to be repaired in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// How many lone surrogates were replaced by U+FFFD.
    pub replaced_surrogates: usize,
}

/// Parses a text; see the [module](super) for the dialect.
pub fn parse(text: impl AsRef<[u8]>) -> Result<Value, ParseError> {
    parse_document(text.as_ref()).map(|document| document.value)
}

/// Parses a text and reports repairs.
pub fn parse_document(bytes: &[u8]) -> Result<Document, ParseError> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| ParseError::Encoding { offset: error.valid_up_to() })?;
    let mut parser = Parser::<false>::new(text);
    let value = parser.value(0)?;
    parser.end()?;
    Ok(Document { value, replaced_surrogates: parser.replaced })
}

/// `ESCAPED`: the text stands inside a text itself, with a backslash before each quote; a text with other escapes in it is
/// an error then.
pub(super) struct Parser<'t, const ESCAPED: bool> {
    text: &'t str,
    bytes: &'t [u8],
    /// The next byte to read; always on a character boundary.
    place: usize,
    replaced: usize,
    /// What is in the maps and lists that are open; a closed one takes its part off the end, in one allocation of the
    /// right size.
    pairs: Vec<(Text, Value)>,
    items: Vec<Value>,
}

impl<'t, const ESCAPED: bool> Parser<'t, ESCAPED> {
    /// What a text begins with.
    const QUOTE: u8 = if ESCAPED { b'\\' } else { b'"' };

    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, bytes: text.as_bytes(), place: 0, replaced: 0, pairs: Vec::new(), items: Vec::new() }
    }

    pub(super) fn end(&mut self) -> Result<(), ParseError> {
        self.skip_blanks();
        if self.place < self.bytes.len() { Err(self.unexpected("the end of the text")) } else { Ok(()) }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.place).copied()
    }

    pub(super) fn skip_blanks(&mut self) {
        // Inside a text the others stand as escapes.
        while self
            .peek()
            .is_some_and(|byte| byte == b' ' || (!ESCAPED && matches!(byte, b'\n' | b'\r' | b'\t')))
        {
            self.place += 1;
        }
    }

    #[cold]
    pub(super) fn unexpected(&self, expected: &'static str) -> ParseError {
        match self.text.get(self.place..).and_then(|rest| rest.chars().next()) {
            Some(found) => ParseError::Unexpected { offset: self.place, found, expected },
            None => ParseError::End { offset: self.place, expected },
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn keyword(&mut self, word: &'static str, value: Value) -> Result<Value, ParseError> {
        if self.bytes.get(self.place..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.place += word.len();
            Ok(value)
        } else {
            Err(self.unexpected("a value"))
        }
    }

    /// Moves over `byte` if it comes next, blanks before it included.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let comes = self.peek() == Some(byte);
        self.place += usize::from(comes);
        comes
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.skip_blanks();
        match self.peek() {
            Some(quote) if quote == Self::QUOTE => self.string().map(|text| Value::Str(text.into())),
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.keyword("true", Value::Bool(true)),
            Some(b'f') => self.keyword("false", Value::Bool(false)),
            Some(b'n') => self.keyword("null", Value::Null),
            Some(b'N') => self.keyword("NaN", Value::Float(f64::NAN)),
            Some(b'I') => self.keyword("Infinity", Value::Float(f64::INFINITY)),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, ParseError> {
        if depth >= MAX_DEPTH { Err(ParseError::Depth { offset: self.place }) } else { Ok(depth + 1) }
    }

    fn list(&mut self, depth: usize) -> Result<Value, ParseError> {
        let depth = self.deeper(depth)?;
        self.place += 1;
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.place += 1;
            return Ok(Value::List(Vec::new()));
        }
        let first = self.items.len();
        loop {
            let item = self.value(depth)?;
            self.items.push(item);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.place += 1,
                Some(b']') => {
                    self.place += 1;
                    return Ok(Value::List(self.items.drain(first..).collect()));
                }
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.map_of(depth, |_| true)
    }

    /// A value; if it is a map, without the entries whose keys `keeps` does not want.
    pub(super) fn value_of(
        &mut self,
        depth: usize,
        keeps: impl Fn(&str) -> bool,
    ) -> Result<Value, ParseError> {
        self.skip_blanks();
        if self.peek() == Some(b'{') { self.map_of(depth, keeps) } else { self.value(depth) }
    }

    #[inline]
    fn map_of(&mut self, depth: usize, keeps: impl Fn(&str) -> bool) -> Result<Value, ParseError> {
        let depth = self.deeper(depth)?;
        self.place += 1;
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.place += 1;
            return Ok(Value::Map(Map::new()));
        }
        let first = self.pairs.len();
        loop {
            let key = self.key()?;
            if keeps(&key) {
                let key = key.into();
                let value = self.value(depth)?;
                self.pairs.push((key, value));
            } else {
                self.skip(depth)?;
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.place += 1,
                Some(b'}') => {
                    self.place += 1;
                    return Ok(Value::Map(Map::from_pairs(self.pairs.drain(first..).collect())));
                }
                _ => return Err(self.unexpected("',' or '}'")),
            }
        }
    }

    /// Gives each item of a list to `each`; of those that are maps, without the entries whose keys `keeps` does not want.
    /// False, and moved over, if it is no list.
    pub(super) fn items(
        &mut self,
        depth: usize,
        keeps: impl Fn(&str) -> bool,
        mut each: impl FnMut(Value),
    ) -> Result<bool, ParseError> {
        self.skip_blanks();
        if self.peek() != Some(b'[') {
            return self.skip(depth).map(|()| false);
        }
        let depth = self.deeper(depth)?;
        self.place += 1;
        if self.take(b']') {
            return Ok(true);
        }
        loop {
            each(self.value_of(depth, &keeps)?);
            if self.take(b']') {
                return Ok(true);
            }
            if !self.take(b',') {
                return Err(self.unexpected("',' or ']'"));
            }
        }
    }

    /// Moves over a value.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), ParseError> {
        self.skip_blanks();
        let (end, expected) = match self.peek() {
            Some(quote) if quote == Self::QUOTE => return self.string().map(drop),
            Some(b'{') => (b'}', "',' or '}'"),
            Some(b'[') => (b']', "',' or ']'"),
            _ => return self.value(depth).map(drop),
        };
        let depth = self.deeper(depth)?;
        self.place += 1;
        if self.take(end) {
            return Ok(());
        }
        loop {
            if end == b'}' {
                self.key()?;
            }
            self.skip(depth)?;
            if self.take(end) {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.unexpected(expected));
            }
        }
    }

    /// A key and the colon behind it.
    pub(super) fn key(&mut self) -> Result<Cow<'t, str>, ParseError> {
        self.skip_blanks();
        if self.peek() != Some(Self::QUOTE) {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.string()?;
        if self.take(b':') { Ok(key) } else { Err(self.unexpected("':'")) }
    }

    /// Moves over ordinary text up to a quote, a backslash or a control character.
    fn skip_plain(&mut self) {
        while let Some(Ok(chunk)) = self.bytes.get(self.place..self.place + 8).map(<[u8; 8]>::try_from) {
            let hits = special(u64::from_le_bytes(chunk));
            if hits != 0 {
                self.place += (hits.trailing_zeros() / 8) as usize;
                return;
            }
            self.place += 8;
        }
        while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.place += 1;
        }
    }

    /// Moves over a backslash and a quote.
    fn escaped_quote(&mut self) -> Result<(), ParseError> {
        if self.bytes.get(self.place..).is_some_and(|rest| rest.starts_with(br#"\""#)) {
            self.place += 2;
            Ok(())
        } else {
            Err(self.unexpected("an escaped quote"))
        }
    }

    pub(super) fn string(&mut self) -> Result<Cow<'t, str>, ParseError> {
        if ESCAPED {
            self.escaped_quote()?;
            let start = self.place;
            self.skip_plain();
            let text = self.slice(start, self.place);
            return self.escaped_quote().map(|()| Cow::Borrowed(text));
        }
        self.place += 1;
        let start = self.place;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = self.slice(start, self.place);
            self.place += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = String::with_capacity(self.place - start + 16);
        text.push_str(self.slice(start, self.place));
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.place += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.place += 1;
                    self.escape(&mut text)?;
                }
                Some(byte) if byte >= 0x20 => {
                    let start = self.place;
                    self.skip_plain();
                    text.push_str(self.slice(start, self.place));
                }
                _ => return Err(self.unexpected("the rest of a text")),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), ParseError> {
        let plain = match self.peek() {
            Some(b'u') => {
                self.place += 1;
                return self.unicode_escape(text);
            }
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.unexpected("one of \" \\ / b f n r t u")),
        };
        self.place += 1;
        text.push(plain);
        Ok(())
    }

    fn unicode_escape(&mut self, text: &mut String) -> Result<(), ParseError> {
        let first = self.four_digits()?;
        if let Some(plain) = char::from_u32(first) {
            text.push(plain);
            return Ok(());
        }
        // A high half followed by a low half is one character; anything else leaves a lone half.
        if first < 0xdc00 && self.bytes.get(self.place..).is_some_and(|rest| rest.starts_with(b"\\u")) {
            let before = self.place;
            self.place += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second)
                && let Some(pair) = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            {
                text.push(pair);
                return Ok(());
            }
            self.place = before;
        }
        self.replaced += 1;
        text.push(char::REPLACEMENT_CHARACTER);
        Ok(())
    }

    fn four_digits(&mut self) -> Result<u32, ParseError> {
        let mut number = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return Err(self.unexpected("four hexadecimal digits"));
            };
            number = number * 16 + digit;
            self.place += 1;
        }
        Ok(number)
    }

    fn digits(&mut self) -> usize {
        let start = self.place;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.place += 1;
        }
        self.place - start
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let start = self.place;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.place += 1;
        }
        match self.peek() {
            Some(b'0') => self.place += 1,
            Some(b'1'..=b'9') => {
                self.digits();
            }
            Some(b'I') if negative => return self.keyword("Infinity", Value::Float(f64::NEG_INFINITY)),
            _ => return Err(self.unexpected("a digit")),
        }
        let whole_end = self.place;
        if self.peek() == Some(b'.') {
            self.place += 1;
            if self.digits() == 0 {
                self.place = whole_end;
                return Err(self.unexpected("a digit on both sides of the point"));
            }
        }
        let mantissa_end = self.place;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.place += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.place += 1;
            }
            if self.digits() == 0 {
                self.place = mantissa_end;
                return Err(self.unexpected("a digit in the exponent"));
            }
        }
        let text = self.slice(start, self.place);
        if self.place > whole_end {
            // Never fails: the grammar above is a subset of what `f64` reads.
            return Ok(Value::Float(text.parse().unwrap_or(f64::NAN)));
        }
        if let Ok(number) = text.parse::<i64>() {
            return Ok(Value::Int(number));
        }
        let digits = text.len() - usize::from(negative);
        if digits > MAX_INTEGER_DIGITS {
            return Err(ParseError::Digits { offset: start, digits });
        }
        Ok(Value::BigInt(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_python_reads() {
        for (text, value) in [
            ("null", Value::Null),
            (" [true, false]\n", Value::List(vec![true.into(), false.into()])),
            ("-0", Value::Int(0)),
            ("-0.0", Value::Float(-0.0)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("9223372036854775808", Value::BigInt("9223372036854775808".into())),
            ("-9223372036854775809", Value::BigInt("-9223372036854775809".into())),
            ("1e400", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
            ("0.1", Value::Float(0.1)),
            (r#""\u00e9\ud83d\ude00\/\n""#, Value::from("é😀/\n")),
            (r#"{"a": 1, "b": 2, "a": 3}"#, [("a", 3), ("b", 2)].into_iter().collect::<Map>().into()),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        assert!(matches!(parse("NaN"), Ok(Value::Float(number)) if number.is_nan()));
    }

    #[test]
    fn lone_surrogates_are_replaced_and_counted() {
        for (text, value, count) in [
            (r#""\ud800""#, "\u{fffd}", 1),
            (r#""\ud800A""#, "\u{fffd}A", 1),
            (r#""\ud800\u0041\udc00""#, "\u{fffd}A\u{fffd}", 2),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}😀", 1),
        ] {
            let document = parse_document(text.as_bytes()).unwrap();
            assert_eq!((document.value, document.replaced_surrogates), (Value::from(value), count), "{text}");
        }
    }

    #[test]
    fn refuses_with_the_place() {
        for (text, offset) in [
            ("", 0),
            ("{", 1),
            ("{'a': 1}", 1),
            ("[1,]", 3),
            ("01", 1),
            ("1.", 1),
            ("1e", 1),
            ("-", 1),
            ("+1", 0),
            ("\"a\nb\"", 2),
            ("\"abcdefghijkl\u{1}\"", 13),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 5),
            ("nul", 0),
            ("1 2", 2),
            ("\"abc", 4),
        ] {
            let found = match parse(text) {
                Err(ParseError::End { offset, .. } | ParseError::Unexpected { offset, .. }) => offset,
                other => panic!("{text:?}: {other:?}"),
            };
            assert_eq!(found, offset, "{text:?}");
        }
        assert_eq!(parse(b"[\"\xff\"]"), Err(ParseError::Encoding { offset: 2 }));
    }

    #[test]
    fn limits_hold() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(nested(MAX_DEPTH + 1)), Err(ParseError::Depth { offset: MAX_DEPTH }));
        assert!(parse("9".repeat(MAX_INTEGER_DIGITS)).is_ok());
        let digits = MAX_INTEGER_DIGITS + 1;
        assert_eq!(parse("9".repeat(digits)), Err(ParseError::Digits { offset: 0, digits }));
    }
}
