//! A database, and transactions on it.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::postgresql::{self, PostgreSql};
use crate::sqlite::{self, Sqlite};
use crate::{Address, Dialect, Error, Row, Statement, Value};

/// How a database is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long a transaction may take, waiting for a connection and all attempts included.
    pub deadline: Duration,
    /// How long another program may keep a SQLite file locked.
    pub lock_patience: Duration,
    /// How many connections to PostgreSQL are kept at most.
    pub connections: usize,
    /// How many threads read SQLite beside the one that writes.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            lock_patience: Duration::from_secs(5),
            connections: 8,
            readers: 2,
        }
    }
}

/// How often a transaction is tried when others come between or the server is away.
const ATTEMPTS: u32 = 12;
/// The pause before the second attempt; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Reading one state of everything.
    Read,
    /// Changing rows; fails as a conflict when others have changed them.
    Write,
    /// Changing tables, one at a time: every statement sees the newest state.
    Schema,
}

/// An open database. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    address: Address,
    options: Options,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Sqlite),
    PostgreSql(Box<PostgreSql>),
}

impl Database {
    /// Opens a file, creating it when it is absent, or connects to a server.
    pub async fn open(url: &str, options: Options) -> Result<Self, Error> {
        Self::open_address(Address::parse(url)?, options).await
    }

    /// As [`Self::open`], with a URL that was read before.
    pub async fn open_address(address: Address, options: Options) -> Result<Self, Error> {
        let engine = match &address {
            Address::Sqlite(path) => Engine::Sqlite(Sqlite::open(path, &options).await?),
            Address::PostgreSql(server) => {
                Engine::PostgreSql(Box::new(PostgreSql::open((**server).clone(), &options).await?))
            }
        };
        Ok(Self { inner: Arc::new(Inner { engine, address, options }) })
    }

    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self.inner.engine {
            Engine::Sqlite(_) => Dialect::Sqlite,
            Engine::PostgreSql(_) => Dialect::PostgreSql,
        }
    }

    /// Where it is; shows no password.
    pub fn address(&self) -> &Address {
        &self.inner.address
    }

    /// Runs `work` on one state of the database, without changing it.
    ///
    /// `work` gets a handle of the transaction and may be run again from its beginning when the server was away.
    pub async fn read<T, E, F, R>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(Transaction) -> R,
        R: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        self.run(Mode::Read, work).await
    }

    /// Runs `work` and commits what it did, all or nothing.
    ///
    /// When `work` fails because another transaction came between (also by a unique key or a reference that appeared or
    /// went meanwhile), or because the server was away, it is run again from its beginning. It should therefore look
    /// before it changes, and make errors of its own of what it sees. A change that returned is durable.
    pub async fn write<T, E, F, R>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(Transaction) -> R,
        R: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        self.run(Mode::Write, work).await
    }

    /// As [`Self::write`], for definitions of tables: only one such transaction with this `lock` runs at a time, on all
    /// machines.
    pub async fn change_schema<T, E, F, R>(&self, lock: &str, mut work: F) -> Result<T, E>
    where
        F: FnMut(Transaction) -> R,
        R: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let key = lock_key(lock);
        self.run(Mode::Schema, |transaction| {
            let guarded = transaction.clone();
            let work = work(transaction);
            async move {
                if guarded.dialect() == Dialect::PostgreSql {
                    guarded.query(Statement::new("SELECT pg_advisory_xact_lock($1)").bind(key)).await?;
                }
                work.await
            }
        })
        .await
    }

    async fn run<T, E, F, R>(&self, mode: Mode, mut work: F) -> Result<T, E>
    where
        F: FnMut(Transaction) -> R,
        R: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let deadline = Instant::now() + self.inner.options.deadline;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let (result, again) = self.attempt(mode, deadline, &mut work).await;
            let jittered = pause.mul_f64(0.5 + fastrand::f64());
            if again == Again::No || attempt >= ATTEMPTS || Instant::now() + jittered >= deadline {
                return result;
            }
            tracing::debug!(attempt, ?again, "a transaction is tried again");
            sleep(jittered).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(Error::Deadline { limit: self.inner.options.deadline }.into())
    }

    async fn attempt<T, E, F, R>(&self, mode: Mode, deadline: Instant, work: &mut F) -> (Result<T, E>, Again)
    where
        F: FnMut(Transaction) -> R,
        R: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let transaction = match self.begin(mode, deadline).await {
            Ok(transaction) => transaction,
            Err(error) => {
                let again = Again::of(&error);
                return (Err(error.into()), again);
            }
        };
        match work(transaction.clone()).await {
            Ok(value) => match transaction.commit().await {
                Ok(()) => (Ok(value), Again::No),
                Err(error) => {
                    let again = Again::of(&error);
                    (Err(error.into()), again)
                }
            },
            Err(error) => {
                let again = transaction.again();
                transaction.rollback().await;
                (Err(error), again)
            }
        }
    }

    async fn begin(&self, mode: Mode, deadline: Instant) -> Result<Transaction, Error> {
        let session = match &self.inner.engine {
            Engine::Sqlite(sqlite) => Session::Sqlite(sqlite.lease(mode, deadline).await?),
            Engine::PostgreSql(server) => Session::PostgreSql(Box::new(server.lease(mode, deadline).await?)),
        };
        let open = Open { session, dialect: self.dialect(), deadline, again: AtomicU8::new(Again::No as u8) };
        Ok(Transaction(Arc::new(open)))
    }

    /// What is wrong with the file, as far as SQLite can tell; reads all of it. PostgreSQL looks after itself.
    pub async fn check(&self) -> Result<Vec<String>, Error> {
        match &self.inner.engine {
            Engine::PostgreSql(_) => Ok(Vec::new()),
            Engine::Sqlite(sqlite) => sqlite.check().await,
        }
    }

    /// Copies a SQLite database into a new file while it is in use.
    pub async fn backup(&self, target: &Path) -> Result<(), Error> {
        match &self.inner.engine {
            Engine::PostgreSql(_) => Err(Error::SqliteOnly { what: "a backup into a file" }),
            Engine::Sqlite(sqlite) => sqlite.backup(target).await,
        }
    }

    /// Ends all connections; SQLite's file is whole without its log afterwards. Later transactions fail.
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::PostgreSql(server) => server.close(),
            Engine::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}

/// The number of an advisory lock (FNV-1a of its name).
fn lock_key(name: &str) -> i64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

/// Whether a transaction that failed should be run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Again {
    No = 0,
    Conflict = 1,
    Outage = 2,
}

impl Again {
    const fn of(error: &Error) -> Self {
        match error {
            Error::Constraint { .. } => Self::Conflict,
            _ if error.is_conflict() => Self::Conflict,
            _ if error.is_outage() => Self::Outage,
            _ => Self::No,
        }
    }
}

#[derive(Debug)]
enum Session {
    Sqlite(sqlite::Lease),
    PostgreSql(Box<postgresql::Lease>),
}

#[derive(Debug)]
struct Open {
    session: Session,
    dialect: Dialect,
    deadline: Instant,
    again: AtomicU8,
}

/// A transaction that is being worked on. Clones are handles of the same one; when the last is dropped without a commit,
/// everything is undone.
#[derive(Debug, Clone)]
pub struct Transaction(Arc<Open>);

impl Transaction {
    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// Runs a statement and returns its rows.
    pub async fn query(&self, statement: impl Into<Statement>) -> Result<Vec<Row>, Error> {
        self.noted(self.run(statement.into()).await).map(|(rows, _)| rows)
    }

    /// Runs a statement whose first row is all that is of interest.
    pub async fn query_one(&self, statement: impl Into<Statement>) -> Result<Option<Row>, Error> {
        Ok(self.query(statement).await?.into_iter().next())
    }

    /// Runs a statement and returns how many rows it changed.
    pub async fn execute(&self, statement: impl Into<Statement>) -> Result<u64, Error> {
        self.noted(self.run(statement.into()).await).map(|(_, changed)| changed)
    }

    /// Runs a statement once for each list of values, in one go, and returns how many rows it changed.
    pub async fn execute_many(&self, text: &str, rows: Vec<Vec<Value>>) -> Result<u64, Error> {
        if rows.is_empty() {
            return Ok(0);
        }
        let done = match &self.0.session {
            Session::Sqlite(lease) => lease.many(text.to_owned(), rows, self.0.deadline).await,
            Session::PostgreSql(lease) => lease.many(text, rows, self.0.deadline).await,
        };
        self.noted(done)
    }

    /// Runs statements without parameters, separated by semicolons.
    pub async fn batch(&self, text: &str) -> Result<(), Error> {
        let done = match &self.0.session {
            Session::Sqlite(lease) => lease.batch(text.to_owned(), self.0.deadline).await,
            Session::PostgreSql(lease) => lease.batch(text, self.0.deadline).await,
        };
        self.noted(done)
    }

    async fn run(&self, statement: Statement) -> Result<(Vec<Row>, u64), Error> {
        match &self.0.session {
            Session::Sqlite(lease) => lease.run(statement, self.0.deadline).await,
            Session::PostgreSql(lease) => lease.run(statement, self.0.deadline).await,
        }
    }

    fn noted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            let again = Again::of(error);
            if again != Again::No {
                self.0.again.store(again as u8, Ordering::Relaxed);
            }
        }
        result
    }

    fn again(&self) -> Again {
        match self.0.again.load(Ordering::Relaxed) {
            1 => Again::Conflict,
            2 => Again::Outage,
            _ => Again::No,
        }
    }

    async fn commit(&self) -> Result<(), Error> {
        match &self.0.session {
            Session::Sqlite(lease) => lease.commit(self.0.deadline).await,
            Session::PostgreSql(lease) => lease.commit(self.0.deadline).await,
        }
    }

    async fn rollback(&self) {
        match &self.0.session {
            Session::Sqlite(lease) => lease.rollback(self.0.deadline).await,
            Session::PostgreSql(lease) => lease.rollback(self.0.deadline).await,
        }
    }
}
