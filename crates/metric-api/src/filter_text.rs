//! Searches as text: `host = "a" and (vcpus > 2 or not name like "test%")`, read into the tree that bodies have.

use model::{Map, Value};

/// How deep parentheses and `not` may nest.
const MAX_DEPTH: usize = 64;

/// Why a text is no search.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter: Expected {expected}, found {found:?}  (at char {place}), (line:1, col:{})", .place + 1)]
pub(crate) struct FilterError {
    expected: &'static str,
    found: String,
    place: usize,
}

/// Operators, longer spellings first.
const OPERATORS: [&str; 16] =
    [">=", "<=", "!=", ">", "<", "=", "eq", "ne", "lt", "gt", "ge", "le", "in", "like", "≠", "≥"];

/// Reads a search.
pub(crate) fn parse(text: &str) -> Result<Value, FilterError> {
    let mut reader = Reader { text, place: 0 };
    let tree = reader.either(MAX_DEPTH)?;
    reader.blanks();
    if reader.rest().is_empty() { Ok(tree) } else { Err(reader.expected("end of text")) }
}

struct Reader<'t> {
    text: &'t str,
    place: usize,
}

fn of(operator: &str, operand: Value) -> Value {
    let mut map = Map::new();
    map.insert(operator, operand);
    map.into()
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.place..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.place += rest.len() - rest.trim_start().len();
    }

    fn expected(&self, expected: &'static str) -> FilterError {
        let found = self.rest().chars().take(20).collect();
        let place = self.text.get(..self.place).unwrap_or_default().chars().count();
        FilterError { expected, found, place }
    }

    fn sign(&mut self, sign: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(sign);
        if found {
            self.place += sign.len();
        }
        found
    }

    /// A word that ends where no identifier goes on.
    fn word(&mut self, word: &str) -> bool {
        self.blanks();
        let tail = self.rest().strip_prefix(word);
        let found = tail
            .is_some_and(|tail| !tail.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_'));
        if found {
            self.place += word.len();
        }
        found
    }

    fn either(&mut self, depth: usize) -> Result<Value, FilterError> {
        let mut parts = vec![self.both(depth)?];
        while self.word("or") || self.sign("∨") {
            parts.push(self.both(depth)?);
        }
        Ok(Self::joined("or", parts))
    }

    fn both(&mut self, depth: usize) -> Result<Value, FilterError> {
        let mut parts = vec![self.one(depth)?];
        while self.word("and") || self.sign("∧") {
            parts.push(self.one(depth)?);
        }
        Ok(Self::joined("and", parts))
    }

    fn joined(operator: &str, mut parts: Vec<Value>) -> Value {
        if parts.len() == 1 { parts.pop().unwrap_or_default() } else { of(operator, Value::List(parts)) }
    }

    fn one(&mut self, depth: usize) -> Result<Value, FilterError> {
        let Some(depth) = depth.checked_sub(1) else { return Err(self.expected("fewer parentheses")) };
        if self.word("not") {
            return Ok(of("not", self.one(depth)?));
        }
        if self.sign("(") {
            let tree = self.either(depth)?;
            return if self.sign(")") { Ok(tree) } else { Err(self.expected("')'")) };
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<Value, FilterError> {
        let left = self.term()?;
        let operator = self.operator()?;
        let right = self.term()?;
        let mut operand = Map::new();
        operand.insert(model::pytext::to_str(&left), right);
        Ok(of(operator, operand.into()))
    }

    fn operator(&mut self) -> Result<&'static str, FilterError> {
        self.blanks();
        let found = OPERATORS.iter().chain(&["≤"]).find(|operator| {
            let is_word = operator.bytes().all(|byte| byte.is_ascii_alphabetic());
            let tail = self.rest().strip_prefix(**operator);
            tail.is_some_and(|tail| {
                !is_word || !tail.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
            })
        });
        let operator = *found.ok_or_else(|| self.expected("an operator"))?;
        self.place += operator.len();
        Ok(operator)
    }

    fn term(&mut self) -> Result<Value, FilterError> {
        self.blanks();
        let rest = self.rest();
        if self.sign("[") {
            let mut items = Vec::new();
            if self.sign("]") {
                return Ok(Value::List(items));
            }
            loop {
                items.push(self.term()?);
                if self.sign("]") {
                    return Ok(Value::List(items));
                }
                if !self.sign(",") {
                    return Err(self.expected("']'"));
                }
            }
        }
        if let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'')) {
            let inside = rest.get(1..).unwrap_or_default();
            let end = inside.find(quote).ok_or_else(|| self.expected("a closing quote"))?;
            self.place += end + 2;
            return Ok(inside.get(..end).unwrap_or_default().into());
        }
        let end = rest
            .find(|next: char| !(next.is_ascii_alphanumeric() || "_-+.".contains(next)))
            .unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let value = match word {
            "None" | "none" | "null" => Value::Null,
            "True" | "true" => Value::Bool(true),
            "False" | "false" => Value::Bool(false),
            word => {
                if let Some(id) = metric_index::parse_uuid(word).filter(|_| is_uuid(word)) {
                    id.to_string().into()
                } else if is_identifier(word) {
                    word.into()
                } else if is_number(word) {
                    Value::Float(word.parse().map_err(|_| self.expected("a number"))?)
                } else {
                    return Err(self.expected("a value"));
                }
            }
        };
        self.place += end;
        Ok(value)
    }
}

fn is_uuid(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The words for nothing, truth and falsehood begin no other word.
fn is_identifier(word: &str) -> bool {
    let reserved = ["None", "none", "null", "True", "true", "False", "false"];
    word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !reserved.iter().any(|reserved| word.starts_with(reserved))
}

fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches() {
        for (text, expected) in [
            ("a = 1", r#"{"=": {"a": 1.0}}"#),
            ("a='x' and b != null", r#"{"and": [{"=": {"a": "x"}}, {"!=": {"b": null}}]}"#),
            (
                "not a eq True or b like \"%x\"",
                r#"{"or": [{"not": {"eq": {"a": true}}}, {"like": {"b": "%x"}}]}"#,
            ),
            ("a in [1, 'b']", r#"{"in": {"a": [1.0, "b"]}}"#),
            (
                "(a ≥ -1.5e3 or b=c) ∧ d<2",
                r#"{"and": [{"or": [{"\u2265": {"a": -1500.0}}, {"=": {"b": "c"}}]}, {"<": {"d": 2.0}}]}"#,
            ),
            (
                "id=5a8df9a14e23568586fbd4d184a6b844",
                r#"{"=": {"id": "5a8df9a1-4e23-5685-86fb-d4d184a6b844"}}"#,
            ),
            ("order = 1 and android=2", r#"{"and": [{"=": {"order": 1.0}}, {"=": {"android": 2.0}}]}"#),
        ] {
            assert_eq!(
                parse(text).map(|tree| model::json::to_string(&tree)),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "a",
            "a =",
            "a = noneya",
            "a AND b",
            "a = 'x",
            "(a=1",
            "a=1 b",
            "a = 2012-01",
            "a in [",
            "1a=2",
        ] {
            assert!(parse(text).unwrap_err().to_string().starts_with("Invalid filter: Expected "), "{text}");
        }
    }
}
