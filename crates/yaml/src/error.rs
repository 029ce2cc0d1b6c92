//! [`Error`]: why a text is not the YAML that we accept, and where.

use std::fmt;

use crate::node::Span;

/// What sort of trouble an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not YAML.
    Syntax,
    /// The text is YAML, but a value does not fit its tag, a tag is unknown, or an alias has no anchor.
    Value,
    /// One of the bounds in [`crate::limits`] is exceeded.
    Limit,
}

/// What was being read when the problem was found, and where that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// For example `while parsing a block mapping`.
    pub text: String,
    /// Where it began.
    pub span: Span,
}

/// Why a text could not be read, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (line {}, column {}){}", span.line, span.column, Tail(context.as_deref()))]
pub struct Error {
    /// The sort of trouble.
    pub kind: ErrorKind,
    /// What is wrong, for example `found duplicate anchor "a"`.
    pub problem: String,
    /// The place of the problem.
    pub span: Span,
    /// What was being read, if that helps.
    pub context: Option<Box<Context>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, span: Span, problem: impl Into<String>) -> Self {
        Self { kind, problem: problem.into(), span, context: None }
    }

    pub(crate) fn syntax(span: Span, problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Syntax, span, problem)
    }

    pub(crate) fn value(span: Span, problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Value, span, problem)
    }

    pub(crate) fn limit(span: Span, problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, span, problem)
    }

    pub(crate) fn within(mut self, text: impl Into<String>, span: Span) -> Self {
        self.context = Some(Box::new(Context { text: text.into(), span }));
        self
    }

    /// The line of the problem, counted from 1.
    pub fn line(&self) -> u32 {
        self.span.line
    }

    /// The column of the problem in characters, counted from 1.
    pub fn column(&self) -> u32 {
        self.span.column
    }
}

/// The end of an error's text: the context, if there is one.
struct Tail<'a>(Option<&'a Context>);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(context) => {
                let Span { line, column } = context.span;
                write!(f, ", {} (line {line}, column {column})", context.text)
            }
            None => Ok(()),
        }
    }
}
