//! One connection to a file: settings, statements, errors.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi, params_from_iter};

use super::File;
use crate::{Constraint, Error, Row, Statement, Value};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
}

/// `NEPH`, in the file's header: marks our files.
const APPLICATION_ID: i64 = 0x4e45_5048;
/// Statements that are kept prepared.
const PREPARED: usize = 256;

/// - WAL with full synchronisation: a commit returns when the log is on the disk; readers never wait for the writer.
/// - LIKE counts case, as PostgreSQL's does.
const SETTINGS: &str = "PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA case_sensitive_like = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -8192;
    PRAGMA journal_size_limit = 67108864;";

/// Opens the file; the writer creates it when it is absent.
pub(super) fn open(file: &File, role: Role) -> Result<Connection, Error> {
    let path = &file.path;
    if role == Role::Writer {
        let unusable = |error: std::io::Error| Error::File { path: path.clone(), message: error.to_string() };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(unusable)?;
        }
        // SQLite would make it with the process's mask alone.
        OpenOptions::new().create(true).append(true).mode(0o640).open(path).map_err(unusable)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failure(file, "", error))?;
    prepare(&connection, file, role).map_err(|error| match error {
        Failed::Ours(error) => error,
        Failed::Sqlite(error) => failure(file, "", error),
    })?;
    Ok(connection)
}

enum Failed {
    Ours(Error),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(connection: &Connection, file: &File, role: Role) -> Result<(), Failed> {
    connection.busy_timeout(file.lock_patience)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    let application_id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    // Reads the header, which a file that is something else fails at.
    let tables: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application_id != APPLICATION_ID {
        if application_id != 0 || tables != 0 {
            return Err(Failed::Ours(Error::Foreign { path: file.path.clone(), application_id }));
        }
        connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let message = "SQLite cannot keep a write-ahead log there; use a local disk".to_owned();
        return Err(Failed::Ours(Error::File { path: file.path.clone(), message }));
    }
    connection.execute_batch(SETTINGS)?;
    if role == Role::Reader {
        connection.execute_batch("PRAGMA query_only = ON")?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
            Self::Uuid(value) => ValueRef::Blob(value.as_bytes()),
            Self::Bool(value) => ValueRef::Integer(i64::from(*value)),
        }))
    }
}

/// Runs one statement: its rows, and how many it changed.
pub(super) fn run(
    connection: &Connection,
    file: &File,
    statement: Statement,
) -> Result<(Vec<Row>, u64), Error> {
    let (text, values) = statement.into_parts();
    fetch(connection, &text, &values).map_err(|error| failure(file, &text, error))
}

fn fetch(connection: &Connection, text: &str, values: &[Value]) -> rusqlite::Result<(Vec<Row>, u64)> {
    let mut prepared = connection.prepare_cached(&numbered(text))?;
    let columns = prepared.column_count();
    if columns == 0 {
        let changed = prepared.execute(params_from_iter(values))?;
        return Ok((Vec::new(), changed as u64));
    }
    let statement: Arc<str> = text.into();
    let mut found = prepared.query(params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let values =
            (0..columns).map(|column| Ok(value(row.get_ref(column)?))).collect::<rusqlite::Result<_>>()?;
        rows.push(Row { statement: Arc::clone(&statement), values });
    }
    let changed = rows.len() as u64;
    Ok((rows, changed))
}

/// Runs a statement for each list of values and counts what it changed.
pub(super) fn many(
    connection: &Connection,
    file: &File,
    text: &str,
    rows: &[Vec<Value>],
) -> Result<u64, Error> {
    let run = || {
        let mut prepared = connection.prepare_cached(&numbered(text))?;
        let mut changed = 0;
        for values in rows {
            changed += prepared.execute(params_from_iter(values))? as u64;
        }
        Ok(changed)
    };
    run().map_err(|error| failure(file, text, error))
}

/// Runs statements without parameters.
pub(super) fn batch(connection: &Connection, file: &File, text: &str) -> Result<(), Error> {
    connection.execute_batch(text).map_err(|error| failure(file, text, error))
}

fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// SQLite's numbered parameters are `?1`; `$1` would be a name there.
fn numbered(text: &str) -> String {
    let mut quoted = false;
    let mut numbered = String::with_capacity(text.len());
    for character in text.chars() {
        quoted ^= character == '\'';
        numbered.push(if character == '$' && !quoted { '?' } else { character });
    }
    numbered
}

/// What SQLite's error means to us.
#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failure(file: &File, statement: &str, error: rusqlite::Error) -> Error {
    let path = || file.path.clone();
    let message = error.to_string();
    let (code, extended) = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => (failure.code, failure.extended_code),
        rusqlite::Error::SqlInputError { error, .. } => (error.code, error.extended_code),
        _ => return Error::Statement { message, statement: statement.to_owned() },
    };
    match code {
        ErrorCode::NotADatabase => Error::NotADatabase { path: path() },
        ErrorCode::DatabaseCorrupt => Error::Damaged { path: path(), message },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Error::Locked { path: path(), waited: file.lock_patience }
        }
        ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::NoLargeFileSupport => Error::File { path: path(), message },
        ErrorCode::ConstraintViolation => {
            let kind = match extended {
                ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Constraint::ForeignKey,
                ffi::SQLITE_CONSTRAINT_NOTNULL => Constraint::NotNull,
                ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_ROWID => Constraint::Unique,
                _ => Constraint::Check,
            };
            Error::Constraint { kind, message }
        }
        _ => Error::Statement { message, statement: statement.to_owned() },
    }
}

/// Whether a statement was interrupted.
pub(super) fn is_interrupted(error: &Error) -> bool {
    matches!(error, Error::Statement { message, .. } if message.contains("interrupted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_outside_of_texts_are_parameters() {
        assert_eq!(numbered("a = $1 AND b = '$2' AND c = $3"), "a = ?1 AND b = '$2' AND c = ?3");
    }
}
