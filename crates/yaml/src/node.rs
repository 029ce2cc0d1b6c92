//! [`Node`]: a value of a YAML document with its place.

use crate::timestamp::Timestamp;

/// A place in a text; both numbers count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// A value and the place where it is written.
///
/// A value that comes from an alias has the place of its anchor.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: Kind,
    /// Where it is written.
    pub span: Span,
}

/// What PyYAML's safe loader would build.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `None`.
    Null,
    /// `True` or `False`.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// An integer beyond 64 bits, as decimal text with sign.
    BigInt(String),
    /// A double, perhaps infinite or not a number.
    Float(f64),
    /// A text.
    Str(String),
    /// A date, or a date and time.
    Timestamp(Timestamp),
    /// Bytes (`!!binary`).
    Binary(Vec<u8>),
    /// A list.
    Seq(Vec<Node>),
    /// A map in the order of its keys' first appearance; keys are unique in Python's sense (`1`, `1.0`
    /// and `true` are one key) and the last value of equal keys was kept.
    Map(Vec<(Node, Node)>),
    /// A set (`!!set`), in the order of first appearance.
    Set(Vec<Node>),
    /// A list of pairs (`!!omap` and `!!pairs`); keys may repeat.
    Pairs(Vec<(Node, Node)>),
}

impl Node {
    /// The value under the text key `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The key node and the value under the text key `key`, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        let entries = self.as_map()?;
        entries.iter().find(|(known, _)| known.as_str() == Some(key)).map(|(known, value)| (known, value))
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            Kind::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    /// The integer, if this is one that fits 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.kind {
            Kind::Int(number) => Some(number),
            _ => None,
        }
    }

    /// The number as a double, if this is an integer or a float; a huge integer is rounded.
    pub fn as_f64(&self) -> Option<f64> {
        match &self.kind {
            #[allow(clippy::cast_precision_loss, reason = "rounding is what Python's float() does too")]
            Kind::Int(number) => Some(*number as f64),
            Kind::BigInt(digits) => digits.parse().ok(),
            Kind::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries in order, if this is a map.
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Python's truth test: null, `false`, zero and everything empty are false.
    pub fn is_truthy(&self) -> bool {
        match &self.kind {
            Kind::Null => false,
            Kind::Bool(truth) => *truth,
            Kind::Int(number) => *number != 0,
            Kind::BigInt(_) | Kind::Timestamp(_) => true,
            Kind::Float(number) => *number != 0.0,
            Kind::Str(text) => !text.is_empty(),
            Kind::Binary(bytes) => !bytes.is_empty(),
            Kind::Seq(items) | Kind::Set(items) => !items.is_empty(),
            Kind::Map(entries) | Kind::Pairs(entries) => !entries.is_empty(),
        }
    }

    /// What this is, in words that fit an error message: `a text`, `a list`.
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) | Kind::BigInt(_) => "an integer",
            Kind::Float(_) => "a float",
            Kind::Str(_) => "a text",
            Kind::Timestamp(stamp) if stamp.time.is_none() => "a date",
            Kind::Timestamp(_) => "a timestamp",
            Kind::Binary(_) => "binary data",
            Kind::Seq(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Set(_) => "a set",
            Kind::Pairs(_) => "a list of pairs",
        }
    }
}
