//! SQLite on threads of its own: one writes, some only read.

mod connection;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::database::Mode;
use crate::pool::Pool;
use crate::{Error, Options, Row, Statement, Value};
use connection::Role;
use worker::{Job, Worker};

/// An open file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    /// The only one that writes, so that no two transactions wait for each other inside of SQLite.
    writer: Arc<Pool<Worker>>,
    readers: Arc<Pool<Worker>>,
    limit: Duration,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let open = |role| Worker::start(path.to_owned(), role, options.lock_patience);
        let writer = open(Role::Writer).await?;
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            readers.push(open(Role::Reader).await?);
        }
        let readers = Pool::new(readers.len(), readers);
        let writer = Arc::new(Pool::new(1, vec![writer]));
        Ok(Self { writer, readers: Arc::new(readers), limit: options.deadline })
    }

    pub(crate) async fn lease(&self, mode: Mode, deadline: Instant) -> Result<Lease, Error> {
        let (pool, text) = match mode {
            Mode::Read => (&self.readers, "BEGIN"),
            // Takes the lock now: one that reads first could find its state overtaken when it wants to write.
            Mode::Write | Mode::Schema => (&self.writer, "BEGIN IMMEDIATE"),
        };
        let lease = self.borrow(pool, deadline).await?;
        lease.begin(text, deadline).await?;
        Ok(lease)
    }

    async fn borrow(&self, pool: &Arc<Pool<Worker>>, deadline: Instant) -> Result<Lease, Error> {
        let permit = pool.permit(deadline).await.ok_or_else(|| {
            if pool.is_closed() { Error::Closed } else { Error::Deadline { limit: self.limit } }
        })?;
        let worker = pool.take().ok_or(Error::Closed)?;
        Ok(Lease {
            worker: Some(worker),
            pool: Arc::clone(pool),
            clean: AtomicBool::new(true),
            limit: self.limit,
            permit: Some(permit),
        })
    }

    /// Has no deadline: the whole file is read.
    pub(crate) async fn check(&self) -> Result<Vec<String>, Error> {
        let far = Instant::now() + FAR;
        let lease = self.borrow(&self.readers, far).await?;
        let mut found = Vec::new();
        let (rows, _) = lease.run(Statement::new("PRAGMA integrity_check(100)"), far).await?;
        for row in rows {
            let words = row.text(0)?;
            if words != "ok" {
                found.push(words.to_owned());
            }
        }
        let (rows, _) = lease.run(Statement::new("PRAGMA foreign_key_check"), far).await?;
        for row in rows {
            found.push(format!(
                "a row of {} refers to a row of {} that does not exist",
                row.text(0)?,
                row.text(2)?
            ));
        }
        Ok(found)
    }

    pub(crate) async fn backup(&self, target: &Path) -> Result<(), Error> {
        let far = Instant::now() + FAR;
        let lease = self.borrow(&self.readers, far).await?;
        let target = target.to_string_lossy().into_owned();
        // The other file counts as well.
        lease.batch("PRAGMA query_only = OFF".to_owned(), far).await?;
        let copied = lease.run(Statement::new("VACUUM INTO $1").bind(target), far).await;
        lease.batch("PRAGMA query_only = ON".to_owned(), far).await?;
        copied.map(drop)
    }

    pub(crate) async fn close(&self) {
        let mut workers = Vec::new();
        for pool in [&self.readers, &self.writer] {
            while let Some(worker) = pool.take() {
                workers.push(worker);
            }
            pool.close();
        }
        for worker in workers {
            worker.close().await;
        }
    }
}

/// For what reads or copies the whole file.
const FAR: Duration = Duration::from_hours(24);

/// A thread that works for one transaction.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Taken when the lease ends.
    worker: Option<Worker>,
    pool: Arc<Pool<Worker>>,
    /// Whether no transaction is open.
    clean: AtomicBool,
    limit: Duration,
    /// Given back after the worker.
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    async fn ask(&self, job: Job, deadline: Instant) -> Result<(Vec<Row>, u64), Error> {
        let worker = self.worker.as_ref().ok_or(Error::Closed)?;
        worker.ask(job, deadline, self.limit).await
    }

    async fn begin(&self, text: &str, deadline: Instant) -> Result<(), Error> {
        self.clean.store(false, Ordering::Relaxed);
        self.ask(Job::Begin(text.to_owned()), deadline).await.map(drop)
    }

    pub(crate) async fn run(
        &self,
        statement: Statement,
        deadline: Instant,
    ) -> Result<(Vec<Row>, u64), Error> {
        self.ask(Job::Run(statement), deadline).await
    }

    pub(crate) async fn many(
        &self,
        text: String,
        rows: Vec<Vec<Value>>,
        deadline: Instant,
    ) -> Result<u64, Error> {
        self.ask(Job::Many(text, rows), deadline).await.map(|(_, changed)| changed)
    }

    pub(crate) async fn batch(&self, text: String, deadline: Instant) -> Result<(), Error> {
        self.ask(Job::Batch(text), deadline).await.map(drop)
    }

    pub(crate) async fn commit(&self, deadline: Instant) -> Result<(), Error> {
        self.batch("COMMIT".to_owned(), deadline).await?;
        self.clean.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn rollback(&self, deadline: Instant) {
        if self.ask(Job::Rollback, deadline).await.is_ok() {
            self.clean.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            if !self.clean.load(Ordering::Relaxed) {
                worker.roll_back_later();
            }
            self.pool.put(worker);
        }
        drop(self.permit.take());
    }
}

/// The file and how long it was waited for, for errors.
#[derive(Debug, Clone)]
struct File {
    path: PathBuf,
    lock_patience: Duration,
}
