//! Where a value came from, and what is wrong with it.

use std::fmt;
use std::path::{Path, PathBuf};

/// The place that a value, or a complaint about it, came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The default that the option table declares.
    Default,
    /// A default that an environment variable of another name supplies, for example
    /// `OS_REGION_NAME`.
    DefaultFromEnv(String),
    /// A configuration file. Line and column count from 1; columns count characters.
    File {
        /// The file as it was opened.
        path: PathBuf,
        /// Line of the key (or of the fault).
        line: u32,
        /// Column of the key (or of the fault).
        column: u32,
    },
    /// A file or directory as a whole, for example one that does not exist.
    Path(PathBuf),
    /// The environment variable `OS_<GROUP>__<OPTION>`.
    Env(String),
    /// The command line, with the flag as it was written.
    CommandLine(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::DefaultFromEnv(name) => write!(f, "default from environment variable {name}"),
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::CommandLine(flag) => write!(f, "command line {flag}"),
        }
    }
}

/// An error or a warning about the configuration, ready to be shown to an operator.
///
/// It reads `path:line:column: message`, followed by a line with the hint, if there is one. A
/// secret option's value never appears in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What is wrong: lower case, values included, no full stop.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The file, if a file is at fault.
    pub fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File { path, .. } | Origin::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The line, counted from 1, if a place in a file is at fault.
    pub fn line(&self) -> Option<u32> {
        match self.origin {
            Origin::File { line, .. } => Some(line),
            _ => None,
        }
    }

    /// The column, counted in characters from 1, if a place in a file is at fault.
    pub fn column(&self) -> Option<u32> {
        match self.origin {
            Origin::File { column, .. } => Some(column),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}
