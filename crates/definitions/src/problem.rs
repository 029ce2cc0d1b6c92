//! [`Problem`]: something in a definition file that its author should know.

use std::fmt;
use std::sync::Arc;

use yaml::{Node, Span};

/// A definition file.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// How messages name it.
    pub path: &'s str,
    /// What it holds.
    pub text: &'s str,
}

/// Where a definition is written; printed as `path:line`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as messages name it.
    pub path: Arc<str>,
    /// The line, from 1; 0 for what is in no file.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The place of `node` in the file `path`.
    pub(crate) fn of(node: &Node, path: &Arc<str>) -> Self {
        Self { path: Arc::clone(path), line: node.span.line, column: node.span.column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.path),
            line => write!(f, "{}:{line}", self.path),
        }
    }
}

/// What a problem means for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, but perhaps not as meant.
    Warning,
    /// The definition is left out; the others work.
    Error,
    /// The file is of no use. Upstream does not start with it, and neither should we.
    Fatal,
}

/// Something wrong or doubtful in a definition file, with its place and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong, with the value.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Problem {
    /// Line and column.
    pub(crate) const fn place(&self) -> (u32, u32) {
        (self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.path, self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// A problem found while a definition is compiled, before file and severity are known.
#[derive(Debug)]
pub(crate) struct Fault {
    span: Span,
    message: String,
    hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(at: &Node, message: impl Into<String>) -> Self {
        Self { span: at.span, message: message.into(), hint: None }
    }

    /// At a definition that was compiled before.
    pub(crate) fn at(place: &Place, message: impl Into<String>) -> Self {
        let span = Span { line: place.line, column: place.column };
        Self { span, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn into_problem(self, severity: Severity, path: &str) -> Problem {
        Problem {
            severity,
            path: path.to_owned(),
            line: self.span.line,
            column: self.span.column,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// Reads the YAML of a file; an error in it is fatal.
pub(crate) fn parse_yaml(source: Source<'_>) -> Result<Node, Problem> {
    yaml::parse(source.text).map_err(|error| Problem {
        severity: Severity::Fatal,
        path: source.path.to_owned(),
        line: error.line(),
        column: error.column(),
        message: format!("not valid yaml: {}", error.problem),
        hint: None,
    })
}
