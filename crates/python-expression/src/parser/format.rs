//! Texts, which stand together without an operator, and f-strings.

use std::sync::Arc;

use crate::ast::{Expr, Kind, Literal, Piece};
use crate::error::Fault;
use crate::lexer::{TokenKind, unescaped};

use super::{Parser, node};

/// f-strings may be nested so deeply, format specifications included.
const MAX_NESTED: usize = 2;

impl Parser<'_> {
    /// One text, or several that are one.
    pub(super) fn texts(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let mut pieces: Vec<Piece> = Vec::new();
        let mut inner = 0;
        loop {
            match self.kind().clone() {
                TokenKind::Text(text) => pieces.push(Piece::Text(text)),
                TokenKind::Format { body, at, is_raw } => {
                    inner = inner.max(self.pieces(body, at, is_raw, 0, &mut pieces)?);
                }
                _ => break,
            }
            self.next += 1;
        }
        let is_plain = pieces.iter().all(|piece| matches!(piece, Piece::Text(_)));
        if !is_plain {
            return node(Kind::Format(pieces), at, inner);
        }
        let mut texts = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Field { .. } => None,
        });
        let first: Arc<str> = texts.next().unwrap_or_else(|| "".into());
        let text = texts.fold(first, |all, text| format!("{all}{text}").into());
        node(Kind::Literal(Literal::Str(text)), at, 0)
    }

    /// The parts of an f-string's body, which begins at the byte `at`; gives the height of the highest.
    fn pieces(
        &self,
        body: &str,
        at: usize,
        is_raw: bool,
        nested: usize,
        pieces: &mut Vec<Piece>,
    ) -> Result<usize, Fault> {
        let mut highest = 0;
        let mut place = 0;
        let mut literal = 0;
        let text_of = |from: usize, to: usize| -> Result<Piece, Fault> {
            let text = body.get(from..to).unwrap_or_default();
            let text = if is_raw { text.to_owned() } else { unescaped(text, at + from)? };
            Ok(Piece::Text(text.into()))
        };
        while let Some(rest) = body.get(place..) {
            let Some(first) = rest.chars().next() else { break };
            if first == '\\' && !is_raw {
                // \N{…} is the only escape with a brace, and is refused with the text.
                place += 1 + rest.chars().nth(1).map_or(0, char::len_utf8);
            } else if nested == 0 && (rest.starts_with("{{") || rest.starts_with("}}")) {
                pieces.push(text_of(literal, place + 1)?);
                place += 2;
                literal = place;
            } else if first == '{' {
                pieces.push(text_of(literal, place)?);
                let (piece, height, length) = self.field(rest, at + place, is_raw, nested)?;
                highest = highest.max(height);
                pieces.push(piece);
                place += length;
                literal = place;
            } else if first == '}' {
                return Err(Fault::new(at + place, "a single } in an f-string").hint("write }}"));
            } else {
                place += first.len_utf8();
            }
        }
        pieces.push(text_of(literal, body.len())?);
        Ok(highest)
    }

    /// A field, which begins with its brace; gives its height and length, too.
    fn field(
        &self,
        rest: &str,
        at: usize,
        is_raw: bool,
        nested: usize,
    ) -> Result<(Piece, usize, usize), Fault> {
        if nested >= MAX_NESTED {
            return Err(Fault::new(at, "f-strings are nested too deeply"));
        }
        let wrong = |place: usize, message: &str| Fault::new(at + place, message);
        let end = expression_end(rest)
            .ok_or_else(|| wrong(0, "this brace is not closed").hint("write {{ for {"))?;
        let text = rest.get(1..end).unwrap_or_default();
        if text.trim().is_empty() {
            return Err(wrong(0, "an f-string's field is empty"));
        }
        if text.contains('\\') {
            return Err(wrong(0, "a backslash in an f-string's field is not supported"));
        }
        if text.trim_end().ends_with('=') {
            return Err(wrong(0, "= in an f-string's field is not supported"));
        }
        let mut parser = Parser::new(self.text, at + 1, at + end, true, self.depth)?;
        let value = parser.whole()?;
        parser.end()?;
        let mut place = end;
        let mut conversion = None;
        if rest.get(place..).is_some_and(|rest| rest.starts_with('!')) {
            conversion = rest.get(place + 1..).and_then(|rest| rest.chars().next());
            if !matches!(conversion, Some('r' | 's' | 'a')) {
                return Err(wrong(place, "the conversions are !s, !r and !a"));
            }
            place += 2;
        }
        let mut spec = Vec::new();
        let mut height = value.height;
        if rest.get(place..).is_some_and(|rest| rest.starts_with(':')) {
            let body = rest.get(place + 1..).unwrap_or_default();
            let length = spec_length(body).ok_or_else(|| wrong(0, "this brace is not closed"))?;
            let body = body.get(..length).unwrap_or_default();
            height = height.max(self.pieces(body, at + place + 1, is_raw, nested + 1, &mut spec)?);
            place += 1 + length;
        }
        if !rest.get(place..).is_some_and(|rest| rest.starts_with('}')) {
            return Err(wrong(place, "} is missing"));
        }
        Ok((Piece::Field { value, conversion, spec }, height, place + 1))
    }
}

/// Where the expression of a field ends: at `}`, `:` or `!` outside of brackets and texts.
fn expression_end(rest: &str) -> Option<usize> {
    let mut brackets = 0_usize;
    let mut quote: Option<char> = None;
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((place, character)) = characters.next() {
        match (quote, character) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != character),
            (None, '\'' | '"') => quote = Some(character),
            (None, '(' | '[' | '{') => brackets += 1,
            (None, '}' | ':') if brackets == 0 => return Some(place),
            (None, '!') if brackets == 0 => match characters.peek() {
                Some((_, '=')) => {
                    characters.next();
                }
                _ => return Some(place),
            },
            (None, ')' | ']' | '}') => brackets = brackets.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// How long a format specification is, fields in it included.
fn spec_length(body: &str) -> Option<usize> {
    let mut brackets = 0_usize;
    for (place, character) in body.char_indices() {
        match character {
            '{' => brackets += 1,
            '}' if brackets == 0 => return Some(place),
            '}' => brackets -= 1,
            _ => {}
        }
    }
    None
}
