//! [`Error`]: why a policy cannot be used, and where that stands.

use std::fmt;
use std::path::PathBuf;

/// A place in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: u32,
    /// Its column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rule cannot be read.
    #[error("{}rule \"{rule}\": {problem}", At(place.as_ref()))]
    Rule {
        /// Where it stands; nowhere, if it is a default.
        place: Option<Place>,
        /// Its name.
        rule: String,
        /// What is wrong with it, and what to write instead.
        problem: String,
    },
    /// A file is no policy file.
    #[error("{place}: {problem}")]
    File {
        /// Where.
        place: Place,
        /// What is wrong with it.
        problem: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {problem}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        problem: String,
    },
}

struct At<'a>(Option<&'a Place>);

impl fmt::Display for At<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(place) => write!(formatter, "{place}: "),
            None => Ok(()),
        }
    }
}
