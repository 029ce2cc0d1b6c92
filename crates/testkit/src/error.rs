//! What can go wrong with a fixture.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why a fixture could not do what a test asked of it.
///
/// `Debug` prints the whole chain in plain text, log tails included, so that `unwrap` in a test is readable.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Starting a process or talking to it failed.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The fixture said no; the text is its own, with the tail of the server's log where there is one.
    #[error("{what}: {reason}")]
    Refused {
        /// What was being done.
        what: String,
        /// The fixture's reason.
        reason: String,
    },
    /// Something did not happen in time.
    #[error("{what}: not within {limit:?}")]
    Late {
        /// What was awaited.
        what: String,
        /// How long it was awaited.
        limit: Duration,
    },
    /// A fixture answered in a form that we do not understand.
    #[error("{what}: unexpected answer: {answer}")]
    Answer {
        /// What was being done.
        what: String,
        /// The answer's text.
        answer: String,
    },
    /// Something that `scripts/provision` brings is missing on this machine.
    #[error("{what} is missing: run `scripts/provision test`")]
    Missing {
        /// What is missing.
        what: String,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    pub(crate) fn refused(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), reason: reason.into() }
    }

    pub(crate) fn answer(what: impl Into<String>, answer: impl fmt::Display) -> Self {
        Self::Answer { what: what.into(), answer: answer.to_string() }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(out, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
