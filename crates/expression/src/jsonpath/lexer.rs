//! Tokens of a path, cut as jsonpath-rw-ext's lexer cuts them.

use super::{MAX_PATH_BYTES, MAX_TOKENS, ParseError};

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A bare or quoted name.
    Id(String),
    /// An integer's text.
    Number(String),
    Float(f64),
    Bool(bool),
    /// What stands between backquotes.
    Operator(String),
    Where,
    DoubleDot,
    /// A comparison operator of a filter.
    Comparison(&'static str),
    /// `/` (ascending) or `\` (descending), with the comma before it.
    Sort {
        descending: bool,
    },
    /// Any other single character.
    Sign(char),
}

/// A token and the column where it begins, in characters from 1.
#[derive(Debug, Clone)]
pub(super) struct Located {
    pub(super) token: Token,
    pub(super) column: usize,
}

/// The characters that are tokens by themselves.
const SIGNS: &str = "*.[]()$,:|&?@+/-";

/// The end of an error message for whatever the dialect has no token for.
fn fail(path: &str, column: usize, problem: impl Into<String>) -> ParseError {
    ParseError { column, problem: problem.into(), path: path.to_owned() }
}

fn is_name_start(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '@' | '-')
}

/// A path that is being cut.
struct Lexer<'a> {
    path: &'a str,
    characters: Vec<char>,
    place: usize,
}

/// Cuts a path into tokens.
pub(super) fn tokens(path: &str) -> Result<Vec<Located>, ParseError> {
    if path.len() > MAX_PATH_BYTES {
        return Err(fail("", 1, format!("the path is longer than {MAX_PATH_BYTES} bytes")));
    }
    let mut lexer = Lexer { path, characters: path.chars().collect(), place: 0 };
    let mut tokens = Vec::new();
    loop {
        while matches!(lexer.peek(0), Some(' ' | '\t' | '\n')) {
            // A line break may only be skipped if it does not belong to a sort direction, and there
            // skipping it changes nothing.
            lexer.place += 1;
        }
        let column = lexer.place + 1;
        let Some(token) = lexer.token()? else { return Ok(tokens) };
        if tokens.len() >= MAX_TOKENS {
            return Err(fail(path, column, format!("the path has more than {MAX_TOKENS} tokens")));
        }
        tokens.push(Located { token, column });
    }
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.place + ahead).copied()
    }

    fn starts_with(&self, word: &str) -> bool {
        word.chars().enumerate().all(|(ahead, character)| self.peek(ahead) == Some(character))
    }

    fn fail(&self, column: usize, problem: impl Into<String>) -> ParseError {
        fail(self.path, column, problem)
    }

    fn token(&mut self) -> Result<Option<Token>, ParseError> {
        let Some(first) = self.peek(0) else { return Ok(None) };
        // `true` and `false` are cut off even where a longer name begins with them.
        for (word, truth) in [("true", true), ("false", false)] {
            if self.starts_with(word) {
                self.place += word.len();
                return Ok(Some(Token::Bool(truth)));
            }
        }
        if let Some(descending) = self.sort_direction() {
            return Ok(Some(Token::Sort { descending }));
        }
        if is_name_start(first) || (first == '@' && self.peek(1).is_some_and(is_name_start)) {
            let start = self.place;
            self.place += 1;
            while self.peek(0).is_some_and(is_name) {
                self.place += 1;
            }
            let name: String = self.characters.get(start..self.place).unwrap_or_default().iter().collect();
            return Ok(Some(if name == "where" { Token::Where } else { Token::Id(name) }));
        }
        if first.is_ascii_digit() || (first == '-' && self.peek(1).is_some_and(|c| c.is_ascii_digit())) {
            return Ok(Some(self.number()));
        }
        match first {
            '\'' | '"' => return self.quoted(first).map(|text| Some(Token::Id(text))),
            '`' => return self.quoted(first).map(|text| Some(Token::Operator(text))),
            '.' if self.peek(1) == Some('.') => {
                self.place += 2;
                return Ok(Some(Token::DoubleDot));
            }
            _ => {}
        }
        for operator in ["==", "<=", ">=", "!=", "=", "<", ">", "~"] {
            if self.starts_with(operator) {
                self.place += operator.len();
                return Ok(Some(Token::Comparison(operator)));
            }
        }
        if SIGNS.contains(first) {
            self.place += 1;
            return Ok(Some(Token::Sign(first)));
        }
        Err(self.fail(self.place + 1, format!("unexpected character {first:?}")))
    }

    /// `/` or `\`, with a comma and blanks before it.
    fn sort_direction(&mut self) -> Option<bool> {
        let mut ahead = usize::from(self.peek(0) == Some(','));
        while self.peek(ahead).is_some_and(char::is_whitespace) {
            ahead += 1;
        }
        let descending = match self.peek(ahead)? {
            '/' => false,
            '\\' => true,
            _ => return None,
        };
        self.place += ahead + 1;
        Some(descending)
    }

    fn number(&mut self) -> Token {
        let start = self.place;
        self.place += 1;
        let digits = |lexer: &mut Self| {
            while lexer.peek(0).is_some_and(|character| character.is_ascii_digit()) {
                lexer.place += 1;
            }
        };
        digits(self);
        let is_float = self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit());
        if is_float {
            self.place += 1;
            digits(self);
        }
        let text: String = self.characters.get(start..self.place).unwrap_or_default().iter().collect();
        // The text has the shape of a float, so it parses.
        if is_float { Token::Float(text.parse().unwrap_or(f64::NAN)) } else { Token::Number(text) }
    }

    /// Text between two of `quote`; a backslash takes the next character as it is.
    fn quoted(&mut self, quote: char) -> Result<String, ParseError> {
        let start = self.place + 1;
        self.place += 1;
        let mut text = String::new();
        loop {
            match self.peek(0) {
                None => return Err(self.fail(start, format!("the {quote} here is never closed"))),
                Some(character) if character == quote => {
                    self.place += 1;
                    return Ok(text);
                }
                Some('\\') => match self.peek(1) {
                    None | Some('\n') => {
                        return Err(self.fail(self.place + 1, "a backslash needs a character after it"));
                    }
                    Some(character) => {
                        text.push(character);
                        self.place += 2;
                    }
                },
                Some(character) => {
                    text.push(character);
                    self.place += 1;
                }
            }
        }
    }
}
