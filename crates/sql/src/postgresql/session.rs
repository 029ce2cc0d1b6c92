//! One connection: prepared statements, errors.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement as Prepared};

use super::tls::Connector;
use crate::url::{Server, with_causes};
use crate::{Constraint, Error, Row, Statement, Value};

/// Statements that are kept prepared; when there are more, all are let go.
const PREPARED: usize = 256;

/// A connection and the task that drives it.
pub(super) struct Session {
    client: Client,
    prepared: Mutex<HashMap<String, Prepared>>,
    address: String,
    /// Ends with the connection.
    _driver: JoinSet<()>,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) async fn connect(
        server: &Server,
        connector: Connector,
        limit: Duration,
    ) -> Result<Self, Error> {
        let address = server.shown.clone();
        let (client, connection) = server
            .config
            .connect(connector)
            .await
            .map_err(|error| Error::Unreachable { address: address.clone(), message: with_causes(&error) })?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %with_causes(&error), "a connection to PostgreSQL ended");
            }
        });
        let session = Self { client, prepared: Mutex::default(), address, _driver: driver };
        let milliseconds = limit.as_millis();
        // The server gives up with us, also when we cannot tell it any more.
        let settings = format!(
            "SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; \
             SET idle_in_transaction_session_timeout = {milliseconds}; SET client_encoding = 'UTF8'"
        );
        session.batch(&settings).await?;
        Ok(session)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn batch(&self, text: &str) -> Result<(), Error> {
        self.client.batch_execute(text).await.map_err(|error| self.failure(text, &error))
    }

    pub(super) async fn run(&self, statement: Statement) -> Result<(Vec<Row>, u64), Error> {
        let (text, values) = statement.into_parts();
        let prepared = self.prepared(&text).await?;
        let failed = |error| self.failure(&text, &error);
        let parameters = parameters(&values);
        if prepared.columns().is_empty() {
            let changed = self.client.execute(&prepared, &parameters).await.map_err(failed)?;
            return Ok((Vec::new(), changed));
        }
        let found = self.client.query(&prepared, &parameters).await.map_err(failed)?;
        let shared: Arc<str> = text.as_str().into();
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            let values =
                (0..row.len()).map(|column| row.try_get(column)).collect::<Result<_, _>>().map_err(failed)?;
            rows.push(Row { statement: Arc::clone(&shared), values });
        }
        let changed = rows.len() as u64;
        Ok((rows, changed))
    }

    /// All are sent before the first is answered.
    pub(super) async fn many(&self, text: &str, rows: Vec<Vec<Value>>) -> Result<u64, Error> {
        let prepared = self.prepared(text).await?;
        let prepared = &prepared;
        let run = rows.iter().map(|values| async move {
            let parameters = parameters(values);
            self.client.execute(prepared, &parameters).await
        });
        let changed = try_join_all(run).await.map_err(|error| self.failure(text, &error))?;
        Ok(changed.into_iter().sum())
    }

    async fn prepared(&self, text: &str) -> Result<Prepared, Error> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        if let Some(prepared) = known {
            return Ok(prepared);
        }
        let prepared = self.client.prepare(text).await.map_err(|error| self.failure(text, &error))?;
        let mut all = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= PREPARED {
            all.clear();
        }
        all.insert(text.to_owned(), prepared.clone());
        Ok(prepared)
    }

    /// What the server's error means to us.
    fn failure(&self, statement: &str, error: &tokio_postgres::Error) -> Error {
        let address = self.address.clone();
        let Some(refusal) = error.as_db_error() else {
            let message = with_causes(error);
            return if error.is_closed() || self.client.is_closed() || is_broken(error) {
                Error::Lost { address, message }
            } else {
                Error::Statement { message, statement: statement.to_owned() }
            };
        };
        let mut message = refusal.message().to_owned();
        if let Some(detail) = refusal.detail() {
            message = format!("{message}: {detail}");
        }
        let constraint = |kind| Error::Constraint { kind, message: message.clone() };
        let code = refusal.code();
        if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED {
            return Error::Conflict { message };
        }
        // Tables were changed under a transaction that had read how they were.
        if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::FEATURE_NOT_SUPPORTED]
            .contains(code)
        {
            self.prepared.lock().unwrap_or_else(PoisonError::into_inner).clear();
            return Error::Conflict { message: format!("{message} in: {statement}") };
        }
        match *code {
            SqlState::UNIQUE_VIOLATION => constraint(Constraint::Unique),
            SqlState::FOREIGN_KEY_VIOLATION | SqlState::RESTRICT_VIOLATION => {
                constraint(Constraint::ForeignKey)
            }
            SqlState::CHECK_VIOLATION => constraint(Constraint::Check),
            SqlState::NOT_NULL_VIOLATION => constraint(Constraint::NotNull),
            SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => Error::Conflict { message },
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Error::Lost { address, message },
            _ => Error::Statement { message, statement: statement.to_owned() },
        }
    }
}

fn is_broken(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}
