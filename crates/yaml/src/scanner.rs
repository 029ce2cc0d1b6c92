//! Tokens of YAML 1.1, cut where PyYAML cuts them.
//!
//! The rules are those of YAML 1.1 with PyYAML's readings of them: a tab separates nothing outside quotes,
//! a simple key is at most 1024 characters long and on one line, `?` ends a plain scalar inside brackets,
//! and U+0085, U+2028 and U+2029 are line breaks.

mod indicators;
mod scalars;

use std::collections::{BTreeMap, VecDeque};

use crate::error::Error;
use crate::node::Span;

/// The longest simple key, in characters, colon excluded.
const MAX_SIMPLE_KEY_CHARS: usize = 1024;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    StreamEnd,
    /// `%YAML major.minor`; the major version's digits.
    VersionDirective(String),
    /// `%TAG handle prefix`
    TagDirective(String, String),
    /// Any other directive, which is ignored.
    OtherDirective,
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    /// Handle (`None` for a verbatim or the non-specific tag) and suffix.
    Tag(Option<String>, String),
    /// Text, and whether it was plain.
    Scalar(String, bool),
}

/// A token with its places.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: Span,
    pub(crate) end: Span,
}

/// A token that turns out to be a key when a colon follows it.
#[derive(Debug, Clone)]
struct SimpleKey {
    /// The number of the token, counted over the whole text.
    number: usize,
    /// In a block, something at the mapping's own indent can be nothing but a key.
    required: bool,
    index: usize,
    line: u32,
    column: usize,
    span: Span,
}

/// A text that is being cut.
#[derive(Debug)]
pub(crate) struct Scanner {
    characters: Vec<char>,
    index: usize,
    /// From 0.
    line: u32,
    /// From 0.
    column: usize,
    tokens: VecDeque<Token>,
    taken: usize,
    done: bool,
    /// How many brackets are open; below zero after a surplus closing one, which the parser then rejects.
    flow_level: i64,
    /// The column of the innermost block; -1 outside all.
    indent: i64,
    indents: Vec<i64>,
    simple_key_allowed: bool,
    /// At most one candidate for each flow level.
    simple_keys: BTreeMap<i64, SimpleKey>,
}

pub(crate) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A line break, or the end of the text.
fn is_break_or_end(character: char) -> bool {
    character == '\0' || is_break(character)
}

/// A blank, a line break, or the end of the text.
fn is_gap(character: char) -> bool {
    matches!(character, ' ' | '\t') || is_break_or_end(character)
}

/// A gap, but for the tab.
fn is_gap_without_tab(character: char) -> bool {
    character == ' ' || is_break_or_end(character)
}

/// A character for an error message.
fn shown(character: char) -> String {
    if character == '\0' { "the end of the text".to_owned() } else { format!("{character:?}") }
}

impl Scanner {
    /// Prepares a text; it may not contain control characters.
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        let scanner = Self {
            characters: text.chars().collect(),
            index: 0,
            line: 0,
            column: 0,
            tokens: VecDeque::new(),
            taken: 0,
            done: false,
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            simple_key_allowed: true,
            simple_keys: BTreeMap::new(),
        };
        scanner.check_printable()?;
        Ok(scanner)
    }

    fn check_printable(&self) -> Result<(), Error> {
        let (mut line, mut column) = (1, 1);
        for &character in &self.characters {
            let printable = matches!(
                character,
                '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
                    | '\u{10000}'..='\u{10ffff}'
            );
            if !printable {
                let problem = format!("the character {character:?} is not allowed in YAML");
                return Err(Error::syntax(Span { line, column }, problem));
            }
            if character == '\n' {
                (line, column) = (line + 1, 1);
            } else {
                column += 1;
            }
        }
        Ok(())
    }

    /// The next token, left in place.
    pub(crate) fn peek(&mut self) -> Result<&Token, Error> {
        while self.needs_more()? {
            self.fetch()?;
        }
        if self.tokens.is_empty() {
            // Past the end there is only the end.
            let here = self.here();
            self.tokens.push_back(Token { kind: TokenKind::StreamEnd, start: here, end: here });
        }
        match self.tokens.front() {
            Some(token) => Ok(token),
            None => Err(Error::syntax(Span { line: 1, column: 1 }, "no token")),
        }
    }

    /// Takes the next token.
    pub(crate) fn take(&mut self) -> Result<Token, Error> {
        let end = self.peek()?.end;
        self.taken += 1;
        Ok(self.tokens.pop_front().unwrap_or(Token { kind: TokenKind::StreamEnd, start: end, end }))
    }

    /// Whether the first token may still change: as long as it can become a key.
    fn needs_more(&mut self) -> Result<bool, Error> {
        if self.done {
            return Ok(false);
        }
        if self.tokens.is_empty() {
            return Ok(true);
        }
        self.drop_stale_keys()?;
        Ok(self.simple_keys.values().map(|key| key.number).min() == Some(self.taken))
    }

    fn at(&self, ahead: usize) -> char {
        self.characters.get(self.index + ahead).copied().unwrap_or('\0')
    }

    fn here(&self) -> Span {
        Span {
            line: self.line.saturating_add(1),
            column: u32::try_from(self.column).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    fn forward(&mut self, count: usize) {
        for _ in 0..count {
            let character = self.at(0);
            self.index += 1;
            match character {
                '\r' if self.at(0) == '\n' => self.column += 1,
                '\u{feff}' => {}
                _ if is_break(character) => {
                    self.line = self.line.saturating_add(1);
                    self.column = 0;
                }
                _ => self.column += 1,
            }
        }
    }

    /// Takes `count` characters.
    fn text(&mut self, count: usize) -> String {
        let text = self.characters.iter().skip(self.index).take(count).collect();
        self.forward(count);
        text
    }

    /// How many characters from here on belong together.
    fn run(&self, belongs: impl Fn(char) -> bool) -> usize {
        let mut length = 0;
        while self.index + length < self.characters.len() && belongs(self.at(length)) {
            length += 1;
        }
        length
    }

    fn skip_spaces(&mut self) {
        let spaces = self.run(|character| character == ' ');
        self.forward(spaces);
    }

    fn skip_comment(&mut self) {
        if self.at(0) == '#' {
            let length = self.run(|character| !is_break(character));
            self.forward(length);
        }
    }

    /// Takes a line break, if there is one; what it means as content.
    fn line_break(&mut self) -> Option<char> {
        match (self.at(0), self.at(1)) {
            ('\r', '\n') => {
                self.forward(2);
                Some('\n')
            }
            ('\r' | '\n' | '\u{85}', _) => {
                self.forward(1);
                Some('\n')
            }
            (other @ ('\u{2028}' | '\u{2029}'), _) => {
                self.forward(1);
                Some(other)
            }
            _ => None,
        }
    }

    /// Whether `---` or `...` stands here, with a gap behind it.
    fn is_document_marker(&self) -> bool {
        let mark = self.at(0);
        matches!(mark, '-' | '.') && self.at(1) == mark && self.at(2) == mark && is_gap(self.at(3))
    }

    fn skip_to_token(&mut self) {
        if self.index == 0 && self.at(0) == '\u{feff}' {
            self.forward(1);
        }
        loop {
            self.skip_spaces();
            self.skip_comment();
            if self.line_break().is_none() {
                return;
            }
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    fn push(&mut self, kind: TokenKind, start: Span) {
        let end = self.here();
        self.tokens.push_back(Token { kind, start, end });
    }

    /// Reads one more token, or several where blocks end.
    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        self.drop_stale_keys()?;
        let column = i64::try_from(self.column).unwrap_or(i64::MAX);
        self.unwind(column);
        let in_block = self.flow_level == 0;
        match self.at(0) {
            '\0' => self.end_of_stream(),
            '%' if self.column == 0 => self.directive(),
            mark @ ('-' | '.') if self.column == 0 && self.is_document_marker() => {
                self.unwind(-1);
                self.drop_key()?;
                self.simple_key_allowed = false;
                let start = self.here();
                self.forward(3);
                let kind = if mark == '-' { TokenKind::DocumentStart } else { TokenKind::DocumentEnd };
                self.push(kind, start);
                Ok(())
            }
            '[' => self.open(TokenKind::FlowSequenceStart),
            '{' => self.open(TokenKind::FlowMappingStart),
            ']' => self.close(TokenKind::FlowSequenceEnd),
            '}' => self.close(TokenKind::FlowMappingEnd),
            ',' => {
                self.simple_key_allowed = true;
                self.drop_key()?;
                self.sign(TokenKind::FlowEntry);
                Ok(())
            }
            '-' if is_gap(self.at(1)) => self.block_entry(),
            '?' if !in_block || is_gap(self.at(1)) => self.explicit_key(),
            ':' if !in_block || is_gap(self.at(1)) => self.value(),
            sign @ ('*' | '&') => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.anchor(sign)
            }
            '!' => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.tag()
            }
            sign @ ('|' | '>') if in_block => {
                self.simple_key_allowed = true;
                self.drop_key()?;
                self.block_scalar(sign == '>')
            }
            quote @ ('\'' | '"') => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.quoted_scalar(quote)
            }
            character if self.begins_plain(character) => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.plain_scalar();
                Ok(())
            }
            '\t' => Err(Error::syntax(self.here(), "a tab cannot stand here: indent with spaces")
                .within("while looking for the next token", self.here())),
            character => {
                let problem = format!("{} cannot begin a value: put it in quotes", shown(character));
                Err(Error::syntax(self.here(), problem)
                    .within("while looking for the next token", self.here()))
            }
        }
    }

    fn begins_plain(&self, character: char) -> bool {
        let indicator = matches!(
            character,
            '-' | '?'
                | ':'
                | ','
                | '['
                | ']'
                | '{'
                | '}'
                | '#'
                | '&'
                | '*'
                | '!'
                | '|'
                | '>'
                | '\''
                | '"'
                | '%'
                | '@'
                | '`'
        );
        if !indicator {
            return !is_gap(character);
        }
        let harmless = character == '-' || (self.flow_level == 0 && matches!(character, '?' | ':'));
        harmless && !is_gap(self.at(1))
    }

    fn end_of_stream(&mut self) -> Result<(), Error> {
        self.unwind(-1);
        self.drop_key()?;
        self.simple_key_allowed = false;
        self.simple_keys.clear();
        let here = self.here();
        self.push(TokenKind::StreamEnd, here);
        self.done = true;
        Ok(())
    }

    /// A token of one character.
    fn sign(&mut self, kind: TokenKind) {
        let start = self.here();
        self.forward(1);
        self.push(kind, start);
    }

    fn open(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.save_key()?;
        self.flow_level += 1;
        self.simple_key_allowed = true;
        self.sign(kind);
        Ok(())
    }

    fn close(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.drop_key()?;
        self.flow_level -= 1;
        self.simple_key_allowed = false;
        self.sign(kind);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(Error::syntax(self.here(), "a list entry cannot stand here"));
            }
            if self.indent_to(self.column) {
                let here = self.here();
                self.push(TokenKind::BlockSequenceStart, here);
            }
        }
        self.simple_key_allowed = true;
        self.drop_key()?;
        self.sign(TokenKind::BlockEntry);
        Ok(())
    }

    fn explicit_key(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(Error::syntax(self.here(), "a mapping key cannot stand here"));
            }
            if self.indent_to(self.column) {
                let here = self.here();
                self.push(TokenKind::BlockMappingStart, here);
            }
        }
        self.simple_key_allowed = self.flow_level == 0;
        self.drop_key()?;
        self.sign(TokenKind::Key);
        Ok(())
    }

    fn value(&mut self) -> Result<(), Error> {
        if let Some(key) = self.simple_keys.remove(&self.flow_level) {
            // What was read as some token is now known to be a key: say so before it.
            let place = key.number.saturating_sub(self.taken).min(self.tokens.len());
            let token = |kind| Token { kind, start: key.span, end: key.span };
            self.tokens.insert(place, token(TokenKind::Key));
            if self.flow_level == 0 && self.indent_to(key.column) {
                self.tokens.insert(place, token(TokenKind::BlockMappingStart));
            }
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    let problem = "a mapping value cannot stand here: is a text with a colon meant? quote it";
                    return Err(Error::syntax(self.here(), problem));
                }
                if self.indent_to(self.column) {
                    let here = self.here();
                    self.push(TokenKind::BlockMappingStart, here);
                }
            }
            self.simple_key_allowed = self.flow_level == 0;
            self.drop_key()?;
        }
        self.sign(TokenKind::Value);
        Ok(())
    }

    /// Ends the blocks that are indented further than `column`.
    fn unwind(&mut self, column: i64) {
        if self.flow_level != 0 {
            return;
        }
        while self.indent > column {
            let here = self.here();
            self.indent = self.indents.pop().unwrap_or(-1);
            self.push(TokenKind::BlockEnd, here);
        }
    }

    /// Begins a block, if `column` is further in than the current one.
    fn indent_to(&mut self, column: usize) -> bool {
        let column = i64::try_from(column).unwrap_or(i64::MAX);
        let deeper = self.indent < column;
        if deeper {
            self.indents.push(self.indent);
            self.indent = column;
        }
        deeper
    }

    /// Notes that a key may begin here.
    fn save_key(&mut self) -> Result<(), Error> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let at_indent = i64::try_from(self.column).is_ok_and(|column| column == self.indent);
        self.drop_key()?;
        let key = SimpleKey {
            number: self.taken + self.tokens.len(),
            required: self.flow_level == 0 && at_indent,
            index: self.index,
            line: self.line,
            column: self.column,
            span: self.here(),
        };
        self.simple_keys.insert(self.flow_level, key);
        Ok(())
    }

    fn missing_colon(&self, key: &SimpleKey) -> Error {
        Error::syntax(self.here(), "no ':' after a mapping key")
            .within("while reading a mapping key", key.span)
    }

    /// Gives up the candidate of this level.
    fn drop_key(&mut self) -> Result<(), Error> {
        match self.simple_keys.remove(&self.flow_level) {
            Some(key) if key.required => Err(self.missing_colon(&key)),
            _ => Ok(()),
        }
    }

    /// Gives up candidates on earlier lines or too far behind.
    fn drop_stale_keys(&mut self) -> Result<(), Error> {
        let (line, index) = (self.line, self.index);
        let is_stale = |key: &SimpleKey| key.line != line || index - key.index > MAX_SIMPLE_KEY_CHARS;
        if let Some(key) = self.simple_keys.values().find(|key| key.required && is_stale(key)) {
            return Err(self.missing_colon(key));
        }
        self.simple_keys.retain(|_, key| !is_stale(key));
        Ok(())
    }
}
