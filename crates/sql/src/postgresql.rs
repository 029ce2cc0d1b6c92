//! PostgreSQL through a small pool of connections.

mod session;
mod tls;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::database::Mode;
use crate::pool::Pool;
use crate::url::Server;
use crate::{Error, Options, Row, Statement, Value};
use session::Session;
use tls::Connector;

/// A server that connections are made to when they are needed.
#[derive(Debug)]
pub(crate) struct PostgreSql {
    server: Server,
    connector: Connector,
    pool: Arc<Pool<Session>>,
    limit: Duration,
}

impl PostgreSql {
    /// Makes the first connection, so that wrong settings are told at once.
    pub(crate) async fn open(mut server: Server, options: &Options) -> Result<Self, Error> {
        let connector = Connector::new(&server.tls)?;
        server.config.application_name("nephoscope");
        let pool = Arc::new(Pool::new(options.connections.max(1), Vec::new()));
        let opened = Self { server, connector, pool, limit: options.deadline };
        let session = opened.connect(Instant::now() + options.deadline).await?;
        opened.pool.put(session);
        Ok(opened)
    }

    async fn connect(&self, deadline: Instant) -> Result<Session, Error> {
        let connecting = Session::connect(&self.server, self.connector.clone(), self.limit);
        timeout_at(deadline, connecting).await.unwrap_or_else(|_| {
            Err(Error::Unreachable {
                address: self.server.shown.clone(),
                message: "no answer in time".to_owned(),
            })
        })
    }

    pub(crate) async fn lease(&self, mode: Mode, deadline: Instant) -> Result<Lease, Error> {
        let permit = self.pool.permit(deadline).await.ok_or_else(|| {
            if self.pool.is_closed() { Error::Closed } else { Error::Deadline { limit: self.limit } }
        })?;
        // Connections that ended while nobody used them are of no interest.
        let idle = std::iter::from_fn(|| self.pool.take()).find(|session| !session.is_closed());
        let session = match idle {
            Some(session) => session,
            None => self.connect(deadline).await?,
        };
        let lease = Lease {
            session: Some(session),
            pool: Arc::clone(&self.pool),
            clean: AtomicBool::new(true),
            limit: self.limit,
            permit: Some(permit),
        };
        let begin = match mode {
            Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Mode::Write => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            // What was committed while it waited for the lock must be seen.
            Mode::Schema => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        lease.batch(begin, deadline).await?;
        Ok(lease)
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// A connection that works for one transaction.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Taken when the lease ends.
    session: Option<Session>,
    pool: Arc<Pool<Session>>,
    /// Whether no transaction is open and no answer outstanding.
    clean: AtomicBool,
    limit: Duration,
    /// Given back after the connection.
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    async fn bounded<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.clean.store(false, Ordering::Relaxed);
        timeout_at(deadline, work).await.unwrap_or(Err(Error::Deadline { limit: self.limit }))
    }

    fn session(&self) -> Result<&Session, Error> {
        self.session.as_ref().ok_or(Error::Closed)
    }

    pub(crate) async fn run(
        &self,
        statement: Statement,
        deadline: Instant,
    ) -> Result<(Vec<Row>, u64), Error> {
        self.bounded(deadline, self.session()?.run(statement)).await
    }

    pub(crate) async fn many(
        &self,
        text: &str,
        rows: Vec<Vec<Value>>,
        deadline: Instant,
    ) -> Result<u64, Error> {
        self.bounded(deadline, self.session()?.many(text, rows)).await
    }

    pub(crate) async fn batch(&self, text: &str, deadline: Instant) -> Result<(), Error> {
        self.bounded(deadline, self.session()?.batch(text)).await
    }

    pub(crate) async fn commit(&self, deadline: Instant) -> Result<(), Error> {
        match self.batch("COMMIT", deadline).await {
            Ok(()) => {
                self.clean.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(Error::Lost { address, message }) => Err(Error::Uncertain { address, message }),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn rollback(&self, deadline: Instant) {
        if self.batch("ROLLBACK", deadline).await.is_ok() {
            self.clean.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // One in the middle of something is closed; the server then undoes what was open.
            if self.clean.load(Ordering::Relaxed) && !session.is_closed() {
                self.pool.put(session);
            }
        }
        drop(self.permit.take());
    }
}
