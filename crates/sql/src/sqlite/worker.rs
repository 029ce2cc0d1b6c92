//! A thread that owns a connection.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::File;
use super::connection::{self, Role};
use crate::{Error, Row, Statement, Value};

/// What a thread is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Begins a transaction, after undoing one that was left open.
    Begin(String),
    Run(Statement),
    Many(String, Vec<Vec<Value>>),
    Batch(String),
    /// Undoes what is open, if anything is.
    Rollback,
}

type Answer = Result<(Vec<Row>, u64), Error>;

struct Request {
    job: Job,
    /// Nobody waits for the answer when a transaction was dropped.
    reply: Option<oneshot::Sender<Answer>>,
}

/// One transaction asks for one thing at a time; more fits so that a rollback never has to wait.
const REQUESTS: usize = 8;
/// How long an interrupted statement may take to notice.
const INTERRUPT: Duration = Duration::from_secs(10);

/// The hand that holds a thread; dropped, the thread ends.
pub(super) struct Worker {
    requests: mpsc::Sender<Request>,
    interrupt: Arc<InterruptHandle>,
    thread: thread::JoinHandle<()>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worker").field("thread", &self.thread.thread().name()).finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a thread and opens the file on it.
    pub(super) async fn start(path: PathBuf, role: Role, lock_patience: Duration) -> Result<Self, Error> {
        let (requests, received) = mpsc::channel(REQUESTS);
        let (opened, outcome) = oneshot::channel();
        let file = File { path: path.clone(), lock_patience };
        let name = if role == Role::Writer { "sqlite-writer" } else { "sqlite-reader" };
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || match connection::open(&file, role) {
                Ok(connection) => {
                    if opened.send(Ok(connection.get_interrupt_handle())).is_ok() {
                        serve(&connection, &file, received);
                    }
                }
                Err(error) => drop(opened.send(Err(error))),
            })
            .map_err(|error| Error::File { path, message: format!("no thread for it: {error}") })?;
        let interrupt = outcome.await.map_err(|_| Error::Closed)??;
        Ok(Self { requests, interrupt: Arc::new(interrupt), thread })
    }

    /// Has something done. One that takes too long is interrupted.
    pub(super) async fn ask(&self, job: Job, deadline: Instant, limit: Duration) -> Answer {
        let (reply, mut answer) = oneshot::channel();
        let request = Request { job, reply: Some(reply) };
        let late = || Error::Deadline { limit };
        timeout_at(deadline, self.requests.send(request))
            .await
            .map_err(|_| late())?
            .map_err(|_| Error::Closed)?;
        if let Ok(answer) = timeout_at(deadline, &mut answer).await {
            return answer.map_err(|_| Error::Closed)?;
        }
        self.interrupt.interrupt();
        match timeout(INTERRUPT, answer).await {
            // It was done at the very last moment.
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(error))) if !connection::is_interrupted(&error) => Err(error),
            Ok(Err(_)) => Err(Error::Closed),
            _ => Err(late()),
        }
    }

    /// Undoes what was left open as soon as the thread comes to it.
    pub(super) fn roll_back_later(&self) {
        // When no room is left, the next transaction's beginning does it.
        let _ = self.requests.try_send(Request { job: Job::Rollback, reply: None });
    }

    /// Ends the thread and waits until its connection is closed.
    pub(super) async fn close(self) {
        let Self { requests, thread, .. } = self;
        drop(requests);
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

fn serve(connection: &Connection, file: &File, mut requests: mpsc::Receiver<Request>) {
    while let Some(Request { job, reply }) = requests.blocking_recv() {
        let answer = perform(connection, file, job);
        if let Some(reply) = reply {
            let _ = reply.send(answer);
        }
    }
}

fn perform(connection: &Connection, file: &File, job: Job) -> Answer {
    let nothing = |()| (Vec::new(), 0);
    match job {
        Job::Run(statement) => connection::run(connection, file, statement),
        Job::Many(text, rows) => {
            connection::many(connection, file, &text, &rows).map(|changed| (Vec::new(), changed))
        }
        Job::Batch(text) => connection::batch(connection, file, &text).map(nothing),
        Job::Begin(text) => {
            undo(connection, file)?;
            connection::batch(connection, file, &text).map(nothing)
        }
        Job::Rollback => undo(connection, file).map(nothing),
    }
}

fn undo(connection: &Connection, file: &File) -> Result<(), Error> {
    // SQLite itself has undone a transaction after some errors.
    if connection.is_autocommit() { Ok(()) } else { connection::batch(connection, file, "ROLLBACK") }
}
