//! SQL text with the values bound to it.

use std::fmt::Write as _;

use crate::Value;

/// SQL text in which `$1`, `$2`, … stand for bound values. It is put together of fixed texts and
/// [`push_bind`](Self::push_bind); a value never becomes part of the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statement {
    text: String,
    values: Vec<Value>,
}

impl Statement {
    /// A statement of this text, to which values are bound with [`bind`](Self::bind).
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// Binds the value of the next parameter that the text already names.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a parameter and binds its value.
    pub fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let _ = write!(self.text, "${}", self.values.len());
        self
    }

    /// Appends parameters with commas between them.
    pub fn push_list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        for (position, value) in values.into_iter().enumerate() {
            if position > 0 {
                self.push(", ");
            }
            self.push_bind(value);
        }
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is bound.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    pub(crate) fn into_parts(self) -> (String, Vec<Value>) {
        (self.text, self.values)
    }
}

impl From<&str> for Statement {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Statement {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_as_they_are_bound() {
        let mut statement = Statement::new("SELECT a FROM t WHERE b = $1").bind(1_i64);
        statement.push(" AND c IN (").push_list(["x", "y"]).push(") AND d = ").push_bind(true);
        assert_eq!(statement.text(), "SELECT a FROM t WHERE b = $1 AND c IN ($2, $3) AND d = $4");
        assert_eq!(statement.values(), [Value::from(1_i64), "x".into(), "y".into(), true.into()]);
    }
}
