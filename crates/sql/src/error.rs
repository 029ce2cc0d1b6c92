//! What can go wrong with a database.

use std::path::PathBuf;
use std::time::Duration;

use nephoscope_http::TlsError;

use crate::UrlError;

/// Which kind of rule a change would have broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// A key that must be unique exists already.
    Unique,
    /// What is referred to does not exist, or what is to go is still referred to.
    ForeignKey,
    /// A condition on the values of a row.
    Check,
    /// A column that must have a value.
    NotNull,
}

/// Why a database cannot do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The TLS settings cannot be used.
    #[error("TLS to the database")]
    Tls(#[from] TlsError),
    /// The file is something else.
    #[error(
        "{} is not a SQLite database; move it away to start with an empty one, or put a backup in its place",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a SQLite database of another program.
    #[error(
        "{} is a SQLite database, but not one of ours (application id {application_id}); name another file",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// SQLite's `application_id` in it.
        application_id: i64,
    },
    /// The file is damaged.
    #[error(
        "{} is damaged ({message}); put a backup in its place, or save what is left with `sqlite3 FILE .recover`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite or the check found.
        message: String,
    },
    /// Another program has kept the file locked.
    #[error(
        "{} has been locked by another program for {} s; end that program, or name another file",
        path.display(),
        waited.as_secs()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file cannot be opened, read or written.
    #[error("cannot use the database file {}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        message: String,
    },
    /// The server cannot be reached, or refuses us.
    #[error("cannot connect to the database {address}: {message}")]
    Unreachable {
        /// Where it should be; holds no password.
        address: String,
        /// The reason.
        message: String,
    },
    /// The connection broke. Nothing of the transaction has been done, unless it was being committed.
    #[error("lost the connection to the database {address}: {message}")]
    Lost {
        /// Where it is.
        address: String,
        /// The reason.
        message: String,
    },
    /// The connection broke while the transaction was being committed: it is not known whether it was.
    #[error(
        "lost the connection to the database {address} while committing; the change may have been made: {message}"
    )]
    Uncertain {
        /// Where it is.
        address: String,
        /// The reason.
        message: String,
    },
    /// The database was written by a newer version of the program.
    #[error(
        "the database has version {found} of the schema {schema}, and this program knows up to {known}; use the program \
         that wrote it, or put a backup of before in its place"
    )]
    Newer {
        /// Which schema.
        schema: &'static str,
        /// The version in the database.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// It took too long.
    #[error("the database did not answer within {} ms", limit.as_millis())]
    Deadline {
        /// The time it had.
        limit: Duration,
    },
    /// Another transaction was quicker; this one was undone and can be tried again.
    #[error("another change came between: {message}")]
    Conflict {
        /// The engine's words.
        message: String,
    },
    /// A rule of a table forbids the change.
    #[error("constraint: {message}")]
    Constraint {
        /// Which kind of rule.
        kind: Constraint,
        /// The engine's words.
        message: String,
    },
    /// A column has another type than what was asked for.
    #[error("column {column} is {found} and not {expected} in: {statement}")]
    Column {
        /// Its position.
        column: usize,
        /// What was asked for.
        expected: &'static str,
        /// What it is.
        found: &'static str,
        /// The statement.
        statement: String,
    },
    /// Any other failure of a statement.
    #[error("{message} in: {statement}")]
    Statement {
        /// The engine's words.
        message: String,
        /// The statement, without its values.
        statement: String,
    },
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
    /// Not with this engine.
    #[error("{what} is for SQLite; for PostgreSQL use pg_dump and pg_restore")]
    SqliteOnly {
        /// What was asked for.
        what: &'static str,
    },
}

impl Error {
    /// Whether the same transaction may well succeed when it is run again at once.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether the database is away, and the same transaction may succeed when it is back.
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Lost { .. })
    }
}
