//! What is wrong with an expression, and where.

use std::fmt;

/// A place in an expression; both numbers count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Position {
    /// The place of the byte `offset` of `text`.
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Self { line: count(line), column: count(column) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is not taken for an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Where.
    pub position: Position,
    /// What is wrong, with the text.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// The exception that Python raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exception {
    /// `TypeError`.
    Type,
    /// `ValueError`.
    Value,
    /// `KeyError`.
    Key,
    /// `IndexError`.
    Index,
    /// `ZeroDivisionError`.
    ZeroDivision,
    /// `OverflowError`.
    Overflow,
    /// `AttributeError`.
    Attribute,
    /// `StopIteration`.
    StopIteration,
    /// None of Python's: the expression takes more than it may.
    Limit,
}

impl Exception {
    /// Python's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "TypeError",
            Self::Value => "ValueError",
            Self::Key => "KeyError",
            Self::Index => "IndexError",
            Self::ZeroDivision => "ZeroDivisionError",
            Self::Overflow => "OverflowError",
            Self::Attribute => "AttributeError",
            Self::StopIteration => "StopIteration",
            Self::Limit => "limit",
        }
    }
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", exception.name())]
pub struct EvalError {
    /// What Python raises.
    pub exception: Exception,
    /// What is wrong, with the value.
    pub message: String,
    /// Where.
    pub position: Position,
}

/// A [`SyntaxError`] before lines are counted.
#[derive(Debug)]
pub(crate) struct Fault {
    at: usize,
    message: String,
    hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn into_error(self, text: &str) -> SyntaxError {
        SyntaxError { position: Position::of(text, self.at), message: self.message, hint: self.hint }
    }
}

/// An [`EvalError`] on its way out.
#[derive(Debug)]
pub(crate) struct Raised {
    pub(crate) exception: Exception,
    message: String,
    /// The innermost part of the expression that has it.
    at: Option<usize>,
}

impl Raised {
    pub(crate) fn or_at(mut self: Box<Self>, at: usize) -> Box<Self> {
        self.at.get_or_insert(at);
        self
    }

    pub(crate) fn into_error(self, text: &str) -> EvalError {
        let position = Position::of(text, self.at.unwrap_or(0));
        EvalError { exception: self.exception, message: self.message, position }
    }
}

/// What a part of an evaluation comes to. Boxed, so that the good case stays small.
pub(crate) type Outcome<T> = Result<T, Box<Raised>>;

pub(crate) fn raise(exception: Exception, message: impl Into<String>) -> Box<Raised> {
    Box::new(Raised { exception, message: message.into(), at: None })
}

pub(crate) fn type_error(message: impl Into<String>) -> Box<Raised> {
    raise(Exception::Type, message)
}

pub(crate) fn value_error(message: impl Into<String>) -> Box<Raised> {
    raise(Exception::Value, message)
}
