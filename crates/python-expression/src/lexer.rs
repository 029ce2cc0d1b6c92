//! From text to tokens.

mod literal;

use std::sync::Arc;

use crate::ast::Literal;
use crate::error::Fault;

/// A token and where it begins, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Token<'t> {
    pub(crate) kind: TokenKind<'t>,
    pub(crate) at: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum TokenKind<'t> {
    Name(&'t str),
    Operator(&'static str),
    Number(Literal),
    Text(Arc<str>),
    /// An f-string: what stands between its quotes, and whether backslashes mean themselves.
    Format {
        body: &'t str,
        at: usize,
        is_raw: bool,
    },
    End,
}

/// The operators, longer ones first.
const OPERATORS: &[&str] = &[
    "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "->", ":=", "+=",
    "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<",
    ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", "=", ";",
];

/// Reads `text` from the byte `start` to `end` of it; `is_inside` brackets a line's end means nothing.
pub(crate) fn tokens(text: &str, start: usize, end: usize, is_inside: bool) -> Result<Vec<Token<'_>>, Fault> {
    let mut lexer = Lexer { text, place: start, end, brackets: usize::from(is_inside), tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t str,
    place: usize,
    end: usize,
    brackets: usize,
    tokens: Vec<Token<'t>>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.place..self.end).unwrap_or_default()
    }

    fn push(&mut self, kind: TokenKind<'t>, bytes: usize) {
        self.tokens.push(Token { kind, at: self.place });
        self.place += bytes;
    }

    fn run(&mut self) -> Result<(), Fault> {
        loop {
            self.skip_space()?;
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                self.push(TokenKind::End, 0);
                return Ok(());
            };
            if let Some(prefix) = literal::text_prefix(rest) {
                self.string(prefix)?;
            } else if first.is_ascii_digit() || is_fraction(rest) {
                let (number, bytes) =
                    literal::number(rest).map_err(|message| Fault::new(self.place, message))?;
                self.push(TokenKind::Number(number), bytes);
            } else if is_name_start(first) {
                let bytes = rest.find(|character| !is_name_part(character)).unwrap_or(rest.len());
                let name = rest.get(..bytes).unwrap_or_default();
                self.push(TokenKind::Name(name), bytes);
            } else {
                self.operator(rest, first)?;
            }
        }
    }

    fn operator(&mut self, rest: &str, first: char) -> Result<(), Fault> {
        let known = OPERATORS.iter().copied().find(|text| rest.starts_with(text));
        let Some(operator) = known else {
            return Err(Fault::new(self.place, format!("{first:?} is not part of Python's expressions")));
        };
        match operator {
            "(" | "[" | "{" => self.brackets += 1,
            ")" | "]" | "}" => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        self.push(TokenKind::Operator(operator), operator.len());
        Ok(())
    }

    /// Skips white space and comments. A line's end outside of brackets ends the expression.
    fn skip_space(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return Ok(()) };
            match first {
                ' ' | '\t' | '\u{c}' => self.place += 1,
                '\n' | '\r' if self.brackets > 0 => self.place += 1,
                '\n' | '\r' => {
                    let after = literal::without_comments(rest);
                    if !after.is_empty() {
                        let at = self.end - after.len();
                        return Err(Fault::new(at, "an expression ends with its line")
                            .hint("put it in parentheses to go on in the next"));
                    }
                    self.place = self.end;
                }
                '#' => self.place += rest.find('\n').unwrap_or(rest.len()),
                '\\' if rest.starts_with("\\\n") => self.place += 2,
                _ => return Ok(()),
            }
        }
    }

    fn string(&mut self, prefix: &str) -> Result<(), Fault> {
        let rest = self.rest();
        let is = |letter: char| prefix.chars().any(|own| own.eq_ignore_ascii_case(&letter));
        let after = rest.get(prefix.len()..).unwrap_or_default();
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| after.starts_with(quote));
        let quote = quote.unwrap_or("'");
        let body = after.get(quote.len()..).unwrap_or_default();
        let Some(length) = literal::body_length(body, quote) else {
            return Err(Fault::new(self.place, "this text has no end").hint(format!("close it with {quote}")));
        };
        let body = body.get(..length).unwrap_or_default();
        let at = self.place + prefix.len() + quote.len();
        let bytes = prefix.len() + 2 * quote.len() + length;
        if is('b') {
            return Err(Fault::new(self.place, "bytes are not supported").hint("leave the b out"));
        }
        let kind = if is('f') {
            TokenKind::Format { body, at, is_raw: is('r') }
        } else {
            let text = if is('r') { body.to_owned() } else { literal::unescaped(body, at)? };
            TokenKind::Text(text.into())
        };
        self.push(kind, bytes);
        Ok(())
    }
}

pub(crate) use literal::unescaped;

fn is_fraction(rest: &str) -> bool {
    let mut characters = rest.chars();
    characters.next() == Some('.') && characters.next().is_some_and(|second| second.is_ascii_digit())
}

fn is_name_start(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

fn is_name_part(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}
