//! S-expressions, as pyparsing's `nestedExpr` reads them.

use super::parse::{MAX_DEPTH, MAX_NODES, MAX_REFERENCES, REFERENCE_NODES, Term};

/// More lists and atoms than any operation may have.
const TOO_MANY: usize = MAX_NODES + MAX_REFERENCES * REFERENCE_NODES;

/// Why a text is no s-expression; in pyparsing's words, which Gnocchi hands on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Expected '{expected}'{found}  (at char {offset}), (line:{line}, col:{column})")]
pub struct TextError {
    expected: char,
    found: String,
    offset: usize,
    line: usize,
    column: usize,
}

struct Reader<'t> {
    text: &'t [char],
    position: usize,
    nodes: usize,
}

/// The first parenthesised group of a text.
pub(super) fn parse(text: &str) -> Result<Term, TextError> {
    let text: Vec<char> = text.chars().collect();
    let mut reader = Reader { text: &text, position: 0, nodes: 0 };
    reader.skip_blanks();
    if reader.peek() != Some('(') {
        return Err(reader.error('('));
    }
    reader.group(0)
}

/// What pyparsing skips between tokens.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.position).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.position += 1;
        }
    }

    fn group(&mut self, depth: usize) -> Result<Term, TextError> {
        let mut items = Vec::new();
        self.position += 1;
        loop {
            self.skip_blanks();
            match self.peek() {
                // What is too large for an operation is cut here, and refused there.
                _ if depth > MAX_DEPTH || self.nodes > TOO_MANY => return Ok(Term::List(items)),
                None => return Err(self.error(')')),
                Some('(') => items.push(self.group(depth + 1)?),
                Some(')') => {
                    self.position += 1;
                    return Ok(Term::List(items));
                }
                Some(_) => items.push(Term::Text(self.atom())),
            }
            self.nodes += 1;
        }
    }

    /// A quoted text with its quotes, or what comes before a blank, a parenthesis or a quoted text.
    fn atom(&mut self) -> String {
        let start = self.position;
        if let Some(end) = self.quoted_end() {
            self.position = end;
        } else {
            while self.peek().is_some_and(|next| !is_blank(next) && next != '(' && next != ')') {
                if self.position > start && self.quoted_end().is_some() {
                    break;
                }
                self.position += 1;
            }
        }
        self.text.get(start..self.position).unwrap_or_default().iter().collect()
    }

    /// Where a quoted text that begins here ends. It does not span lines; a backslash guards the next character, and
    /// two quotes stand for one.
    fn quoted_end(&self) -> Option<usize> {
        let quote = self.peek().filter(|quote| matches!(quote, '"' | '\''))?;
        let mut position = self.position + 1;
        loop {
            match *self.text.get(position)? {
                '\\' => position += 2,
                '\n' | '\r' => return None,
                next if next == quote => {
                    if self.text.get(position + 1) != Some(&quote) {
                        return Some(position + 1);
                    }
                    position += 2;
                }
                _ => position += 1,
            }
        }
    }

    fn error(&self, expected: char) -> TextError {
        let before = self.text.get(..self.position).unwrap_or_default();
        let line_start = before.iter().rposition(|next| *next == '\n').map_or(0, |newline| newline + 1);
        let rest = self.text.get(self.position..).unwrap_or_default();
        let word: String = if rest.first().is_some_and(|first| *first == ')') {
            ")".into()
        } else {
            rest.iter().take_while(|next| !is_blank(**next) && !matches!(next, '(' | ')')).collect()
        };
        let found = match (self.text.is_empty(), word.is_empty()) {
            (true, _) => String::new(),
            (_, true) => ", found end of text".to_owned(),
            _ => format!(", found '{word}'"),
        };
        TextError {
            expected,
            found,
            offset: self.position,
            line: before.iter().filter(|next| **next == '\n').count() + 1,
            column: self.position - line_start + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(term: &Term) -> String {
        match term {
            Term::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join("|")),
            Term::Text(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn groups_atoms_and_quotes() {
        for (text, expected) in [
            ("(a b))", "[a|b]"),
            (" ()", "[]"),
            ("(a (b c) d) (e", "[a|[b|c]|d]"),
            ("(a \"b c\" d)", "[a|\"b c\"|d]"),
            ("(a'x y'b)", "[a|'x y'|b]"),
            ("(a \"b)", "[a|\"b]"),
            ("(a ' b)", "[a|'|b]"),
            ("((a))", "[[a]]"),
            ("(a\n\"x\\\"y\" b)", "[a|\"x\\\"y\"|b]"),
            ("(é ≥ 1)", "[é|≥|1]"),
        ] {
            assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn errors_say_what_pyparsing_says() {
        for (text, expected) in [
            ("", "Expected '('  (at char 0), (line:1, col:1)"),
            (" ", "Expected '(', found end of text  (at char 1), (line:1, col:2)"),
            ("abc", "Expected '(', found 'abc'  (at char 0), (line:1, col:1)"),
            (")(", "Expected '(', found ')'  (at char 0), (line:1, col:1)"),
            ("(a b", "Expected ')', found end of text  (at char 4), (line:1, col:5)"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn endless_nesting_ends() {
        assert!(parse(&"(".repeat(1_000_000)).is_ok());
    }
}
