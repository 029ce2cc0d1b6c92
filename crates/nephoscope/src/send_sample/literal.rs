//! Python literals and JSON, as metadata are written on the command line.

use model::{Map, Text, Value, json};

/// How deep lists and dictionaries may nest.
const MAX_DEPTH: usize = 64;

/// Where the text is no literal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what} at character {place}")]
pub(super) struct LiteralError {
    what: &'static str,
    /// From 1.
    place: usize,
}

/// Reads a text as Python's `ast.literal_eval` would: dictionaries, lists, tuples (which become lists), texts, numbers,
/// `True`, `False` and `None`. JSON is read as well.
///
/// # Errors
/// What is neither. Sets, bytes and complex numbers have no place in a sample.
pub(super) fn parse(text: &str) -> Result<Value, LiteralError> {
    if let Ok(value) = json::parse(text) {
        return Ok(value);
    }
    let mut reader = Reader { characters: text.chars().collect(), place: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    if reader.place < reader.characters.len() {
        return Err(reader.error("something behind the end"));
    }
    Ok(value)
}

struct Reader {
    characters: Vec<char>,
    place: usize,
}

impl Reader {
    fn error(&self, what: &'static str) -> LiteralError {
        LiteralError { what, place: self.place + 1 }
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.place).copied()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.place += 1;
        Some(character)
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.place += 1;
        }
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.blanks();
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.place += 1;
        }
        is_there
    }

    fn value(&mut self, depth: usize) -> Result<Value, LiteralError> {
        if depth > MAX_DEPTH {
            return Err(self.error("too many levels"));
        }
        self.blanks();
        match self.peek() {
            Some('{') => self.dictionary(depth),
            Some('[') => Ok(self.sequence(']', depth)?.0.into()),
            Some('(') => {
                let (mut items, has_comma) = self.sequence(')', depth)?;
                // A tuple of one has a comma; without it the brackets only group.
                match (items.len(), has_comma) {
                    (1, false) => Ok(items.pop().unwrap_or_default()),
                    _ => Ok(items.into()),
                }
            }
            Some('\'' | '"') => {
                let mut text = self.text()?;
                // Texts beside each other are one.
                loop {
                    self.blanks();
                    if !matches!(self.peek(), Some('\'' | '"')) {
                        return Ok(text.into());
                    }
                    text.push_str(&self.text()?);
                }
            }
            Some(character) if character.is_ascii_alphabetic() => self.word(),
            Some(_) => self.number(),
            None => Err(self.error("nothing")),
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Value, LiteralError> {
        self.place += 1;
        let mut pairs: Vec<(Text, Value)> = Vec::new();
        while !self.takes('}') {
            let key = match self.value(depth + 1)? {
                Value::List(_) | Value::Map(_) => return Err(self.error("a key that is no scalar")),
                Value::Str(text) => text,
                // What becomes of such keys in JSON.
                scalar => json::to_string(&scalar).into(),
            };
            if !self.takes(':') {
                return Err(self.error("no colon"));
            }
            pairs.push((key, self.value(depth + 1)?));
            if !self.takes(',') {
                if self.takes('}') {
                    break;
                }
                return Err(self.error("neither comma nor closing brace"));
            }
        }
        Ok(Map::from_pairs(pairs).into())
    }

    fn sequence(&mut self, end: char, depth: usize) -> Result<(Vec<Value>, bool), LiteralError> {
        self.place += 1;
        let (mut items, mut has_comma) = (Vec::new(), false);
        while !self.takes(end) {
            items.push(self.value(depth + 1)?);
            if self.takes(',') {
                has_comma = true;
            } else if self.takes(end) {
                break;
            } else {
                return Err(self.error("neither comma nor closing bracket"));
            }
        }
        Ok((items, has_comma))
    }

    fn word(&mut self) -> Result<Value, LiteralError> {
        let start = self.place;
        while self.peek().is_some_and(|character| character.is_ascii_alphanumeric() || character == '_') {
            self.place += 1;
        }
        let word: String = self.characters.iter().skip(start).take(self.place - start).collect();
        match word.as_str() {
            "True" => Ok(Value::Bool(true)),
            "False" => Ok(Value::Bool(false)),
            "None" => Ok(Value::Null),
            _ => {
                self.place = start;
                Err(self.error("a word that is neither True, False nor None"))
            }
        }
    }

    fn number(&mut self) -> Result<Value, LiteralError> {
        let start = self.place;
        while self
            .peek()
            .is_some_and(|character| character.is_ascii_alphanumeric() || "+-._".contains(character))
        {
            self.place += 1;
        }
        let text: String = self.characters.iter().skip(start).take(self.place - start).collect();
        let text = text.replace('_', "");
        let number = text.strip_prefix('+').unwrap_or(&text);
        let digits = number.strip_prefix('-').unwrap_or(number);
        let is_number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
        // Python writes floats without a digit on one side of the point; JSON's reader wants both.
        let parsed = json::parse(number).ok().filter(|_| is_number);
        let parsed = parsed.or_else(|| number.parse().ok().filter(|_| is_number).map(Value::Float));
        parsed.ok_or_else(|| {
            self.place = start;
            self.error("no value")
        })
    }

    fn text(&mut self) -> Result<String, LiteralError> {
        let Some(quote) = self.next() else { return Err(self.error("no text")) };
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.error("a text without end")),
                Some(character) if character == quote => return Ok(text),
                Some('\\') => self.escape(&mut text)?,
                Some(character) => text.push(character),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), LiteralError> {
        let plain = match self.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('0') => '\0',
            Some(same @ ('\\' | '\'' | '"')) => same,
            Some('x') => self.code(2)?,
            Some('u') => self.code(4)?,
            Some('U') => self.code(8)?,
            _ => return Err(self.error("an escape that is not known")),
        };
        text.push(plain);
        Ok(())
    }

    fn code(&mut self, digits: usize) -> Result<char, LiteralError> {
        let mut code: u32 = 0;
        for _ in 0..digits {
            let digit = self.next().and_then(|character| character.to_digit(16));
            let digit = digit.ok_or_else(|| self.error("an escape that is cut short"))?;
            code = code.wrapping_mul(16).wrapping_add(digit);
        }
        char::from_u32(code).ok_or_else(|| self.error("an escape that is no character"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_python_and_json() {
        for (text, expected) in [
            ("{}", "{}"),
            ("{'k': 'v'}", r#"{"k": "v"}"#),
            (r#"{"k": null, "t": true}"#, r#"{"k": null, "t": true}"#),
            (
                "{'a': None, 'b': True, 'c': [1, -2.5, .5], 'd': (1,), 'e': (1), 'f': ()}",
                r#"{"a": null, "b": true, "c": [1, -2.5, 0.5], "d": [1], "e": 1, "f": []}"#,
            ),
            ("{1: 'x', None: 2,}", r#"{"1": "x", "null": 2}"#),
            (r"{'q': 'it\'s \x41\u00e9\n', 'two' : 'a' 'b'}", r#"{"q": "it's A\u00e9\n", "two": "ab"}"#),
            ("1_000", "1000"),
        ] {
            assert_eq!(parse(text).map(|value| json::to_string(&value)).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none_says_where() {
        for (text, place) in [
            ("", 1),
            ("{'a'}", 5),
            ("{'a': b}", 7),
            ("{'a': 1", 8),
            ("{'a': 'x}", 10),
            ("{'a': 1} 2", 10),
            ("{[]: 1}", 4),
            (r"'\q'", 4),
            ("__import__('os')", 1),
            ("-inf", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().place, place, "{text}");
        }
        assert!(parse(&"[".repeat(5000)).is_err());
    }
}
