//! Plain, quoted and block scalars.

use super::{Scanner, TokenKind, is_break, is_break_or_end, is_gap, shown};
use crate::error::Error;
use crate::node::Span;

/// What happens to the line breaks at the end of a block scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chomping {
    /// Without a sign: one stays.
    Clip,
    /// `-`: none stays.
    Strip,
    /// `+`: all stay.
    Keep,
}

impl Scanner {
    pub(super) fn plain_scalar(&mut self) {
        let start = self.here();
        let mut end = start;
        let indent = self.indent + 1;
        let mut text = String::new();
        let mut spaces = String::new();
        while self.at(0) != '#' {
            let length = self.plain_word();
            if length == 0 {
                break;
            }
            self.simple_key_allowed = false;
            text.push_str(&spaces);
            let word = self.text(length);
            text.push_str(&word);
            end = self.here();
            spaces = self.plain_spaces();
            let left_block =
                self.flow_level == 0 && i64::try_from(self.column).is_ok_and(|column| column < indent);
            if spaces.is_empty() || left_block {
                break;
            }
        }
        let kind = TokenKind::Scalar(text, true);
        self.tokens.push_back(super::Token { kind, start, end });
    }

    /// The length of a plain scalar's part without blanks.
    fn plain_word(&self) -> usize {
        let in_flow = self.flow_level != 0;
        let mut length = 0;
        loop {
            let character = self.at(length);
            let next = self.at(length + 1);
            let ends = is_gap(character)
                || (character == ':'
                    && (is_gap(next) || (in_flow && matches!(next, ',' | '[' | ']' | '{' | '}'))))
                || (in_flow && matches!(character, ',' | '?' | '[' | ']' | '{' | '}'));
            if ends {
                return length;
            }
            length += 1;
        }
    }

    /// Blanks and line breaks inside a plain scalar, folded; empty where the scalar must end.
    fn plain_spaces(&mut self) -> String {
        let length = self.run(|character| character == ' ');
        let blanks = self.text(length);
        if !is_break(self.at(0)) {
            return blanks;
        }
        let first = self.line_break();
        self.simple_key_allowed = true;
        if self.is_document_marker() {
            return String::new();
        }
        let mut breaks = String::new();
        loop {
            if self.at(0) == ' ' {
                self.forward(1);
            } else if let Some(next) = self.line_break() {
                breaks.push(next);
                if self.is_document_marker() {
                    return String::new();
                }
            } else {
                return folded(first, &breaks);
            }
        }
    }

    pub(super) fn quoted_scalar(&mut self, quote: char) -> Result<(), Error> {
        let start = self.here();
        self.forward(1);
        let mut text = String::new();
        self.quoted_word(quote, start, &mut text)?;
        while self.at(0) != quote {
            self.quoted_spaces(start, &mut text)?;
            self.quoted_word(quote, start, &mut text)?;
        }
        self.forward(1);
        self.push(TokenKind::Scalar(text, false), start);
        Ok(())
    }

    fn in_quotes(error: Error, start: Span) -> Error {
        error.within("while reading a quoted text", start)
    }

    /// Everything up to a blank, a line break or the closing quote.
    fn quoted_word(&mut self, quote: char, start: Span, text: &mut String) -> Result<(), Error> {
        loop {
            match self.at(0) {
                character if is_gap(character) => return Ok(()),
                '\'' if quote == '\'' && self.at(1) == '\'' => {
                    text.push('\'');
                    self.forward(2);
                }
                character if character == quote => return Ok(()),
                '\\' if quote == '"' => {
                    self.forward(1);
                    self.escape(start, text)?;
                }
                character => {
                    text.push(character);
                    self.forward(1);
                }
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, start: Span, text: &mut String) -> Result<(), Error> {
        let replacement = match self.at(0) {
            '0' => '\0',
            'a' => '\x07',
            'b' => '\x08',
            't' | '\t' => '\t',
            'n' => '\n',
            'v' => '\x0b',
            'f' => '\x0c',
            'r' => '\r',
            'e' => '\x1b',
            same @ (' ' | '"' | '\\' | '/') => same,
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => return self.escaped_code(2, start, text),
            'u' => return self.escaped_code(4, start, text),
            'U' => return self.escaped_code(8, start, text),
            character if is_break(character) => {
                self.line_break();
                let breaks = self.quoted_breaks(start)?;
                text.push_str(&breaks);
                return Ok(());
            }
            other => {
                let problem =
                    format!("{} after a backslash is no escape: double the backslash?", shown(other));
                return Err(Self::in_quotes(Error::syntax(self.here(), problem), start));
            }
        };
        text.push(replacement);
        self.forward(1);
        Ok(())
    }

    fn escaped_code(&mut self, length: usize, start: Span, text: &mut String) -> Result<(), Error> {
        self.forward(1);
        let here = self.here();
        let mut code = 0;
        for ahead in 0..length {
            if let Some(digit) = self.at(ahead).to_digit(16) {
                code = code << 4 | digit;
            } else {
                let found = shown(self.at(ahead));
                let problem = format!("expected {length} hexadecimal digits, found {found}");
                return Err(Self::in_quotes(Error::syntax(here, problem), start));
            }
        }
        if let Some(character) = char::from_u32(code) {
            text.push(character);
        } else {
            let problem = format!("{code:#x} is not the code of a character");
            return Err(Self::in_quotes(Error::value(here, problem), start));
        }
        self.forward(length);
        Ok(())
    }

    fn quoted_spaces(&mut self, start: Span, text: &mut String) -> Result<(), Error> {
        let length = self.run(|character| matches!(character, ' ' | '\t'));
        let blanks = self.text(length);
        if self.at(0) == '\0' {
            return Err(Self::in_quotes(Error::syntax(self.here(), "the closing quote is missing"), start));
        }
        match self.line_break() {
            None => text.push_str(&blanks),
            first => {
                let breaks = self.quoted_breaks(start)?;
                text.push_str(&folded(first, &breaks));
            }
        }
        Ok(())
    }

    /// Further line breaks, with the blanks between them dropped.
    fn quoted_breaks(&mut self, start: Span) -> Result<String, Error> {
        let mut breaks = String::new();
        loop {
            if self.is_document_marker() {
                let problem = "a document marker inside a quoted text: is the closing quote missing?";
                return Err(Self::in_quotes(Error::syntax(self.here(), problem), start));
            }
            let length = self.run(|character| matches!(character, ' ' | '\t'));
            self.forward(length);
            match self.line_break() {
                Some(next) => breaks.push(next),
                None => return Ok(breaks),
            }
        }
    }

    pub(super) fn block_scalar(&mut self, fold: bool) -> Result<(), Error> {
        let start = self.here();
        self.forward(1);
        let (chomping, increment) = self.block_header(start)?;
        self.rest_of_line("a block text", start)?;
        let least = usize::try_from(self.indent.saturating_add(1)).unwrap_or(0).max(1);
        let (indent, mut breaks) = match increment {
            None => {
                let (breaks, deepest) = self.block_indentation();
                (least.max(deepest), breaks)
            }
            Some(increment) => {
                let indent = least + increment - 1;
                let breaks = self.block_breaks(indent);
                (indent, breaks)
            }
        };
        let mut text = String::new();
        let mut last_break = None;
        while self.column == indent && self.at(0) != '\0' {
            text.push_str(&breaks);
            let flush = !matches!(self.at(0), ' ' | '\t');
            let length = self.run(|character| !is_break_or_end(character));
            let line = self.text(length);
            text.push_str(&line);
            last_break = self.line_break();
            breaks = self.block_breaks(indent);
            if self.column != indent || self.at(0) == '\0' {
                break;
            }
            // Lines are joined only between two that begin without blanks.
            if fold && last_break == Some('\n') && flush && !matches!(self.at(0), ' ' | '\t') {
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.extend(last_break);
            }
        }
        if chomping != Chomping::Strip {
            text.extend(last_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        self.push(TokenKind::Scalar(text, false), start);
        Ok(())
    }

    /// The signs behind `|` or `>`: chomping and indentation, in either order.
    fn block_header(&mut self, start: Span) -> Result<(Chomping, Option<usize>), Error> {
        let (mut chomping, mut increment) = (None, None);
        for _ in 0..2 {
            match self.at(0) {
                sign @ ('+' | '-') if chomping.is_none() => {
                    chomping = Some(if sign == '+' { Chomping::Keep } else { Chomping::Strip });
                }
                digit @ '0'..='9' if increment.is_none() => {
                    let number = usize::try_from(digit.to_digit(10).unwrap_or(0)).unwrap_or(0);
                    if number == 0 {
                        let problem = "the indentation of a block text is a digit from 1 to 9";
                        return Err(
                            Error::syntax(self.here(), problem).within("while reading a block text", start)
                        );
                    }
                    increment = Some(number);
                }
                _ => break,
            }
            self.forward(1);
        }
        if !super::is_gap_without_tab(self.at(0)) {
            let problem = format!("expected '+', '-' or an indentation digit, found {}", shown(self.at(0)));
            return Err(Error::syntax(self.here(), problem).within("while reading a block text", start));
        }
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    /// Empty lines before the first line of content, and the deepest column reached.
    fn block_indentation(&mut self) -> (String, usize) {
        let mut breaks = String::new();
        let mut deepest = 0;
        loop {
            if self.at(0) == ' ' {
                self.forward(1);
                deepest = deepest.max(self.column);
            } else if let Some(next) = self.line_break() {
                breaks.push(next);
            } else {
                return (breaks, deepest);
            }
        }
    }

    /// Empty lines before the next line of content.
    fn block_breaks(&mut self, indent: usize) -> String {
        let mut breaks = String::new();
        loop {
            while self.column < indent && self.at(0) == ' ' {
                self.forward(1);
            }
            match self.line_break() {
                Some(next) => breaks.push(next),
                None => return breaks,
            }
        }
    }
}

/// A line break and those after it as content: a single one becomes a space.
fn folded(first: Option<char>, breaks: &str) -> String {
    match first {
        Some('\n') if breaks.is_empty() => " ".to_owned(),
        Some('\n') | None => breaks.to_owned(),
        Some(other) => format!("{other}{breaks}"),
    }
}
