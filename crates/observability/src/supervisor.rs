//! The one place that spawns tasks.
//!
//! A supervised task has a name and a [`Policy`]. When it fails or panics this is logged and counted, and the task is
//! started again after a jittered pause that grows, or the whole role is told to stop. At the end the role's tasks
//! are told to stop together and get a common deadline; who does not keep it is named.

mod backoff;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::causes;
use crate::clock::Clock;
use crate::metrics::{CauseCounter, Component, CounterFamily, Gauge};

pub use backoff::Backoff;

causes! {
    /// How a supervised task ended when it should not have.
    pub enum Failure {
        /// It returned an error.
        Error => "error",
        /// It panicked.
        Panic => "panic",
        /// It did not end within the drain's deadline and was aborted.
        Undrained => "undrained",
    }
}

/// What happens after a failure of a task.
#[derive(Debug, Clone)]
pub enum Policy {
    /// It is started again, after a pause.
    Restart(Backoff),
    /// The role cannot do without it: [`Supervisor::fatal`] wakes up.
    Fatal,
}

impl Policy {
    /// Restart with the usual back-off.
    pub fn restart() -> Self {
        Self::Restart(Backoff::default())
    }
}

/// A task of policy [`Policy::Fatal`] has failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("task {task} failed: {reason}")]
pub struct FatalFailure {
    /// The task's name.
    pub task: String,
    /// Its error, or the panic's message.
    pub reason: String,
}

/// What the supervisor counts.
#[derive(Debug, Clone)]
pub struct SupervisorMetrics {
    /// Tasks that run now.
    pub running: Gauge,
    /// Failures by cause.
    pub failures: CauseCounter<Failure>,
    /// Restarts by task.
    pub restarts: CounterFamily<1>,
}

impl SupervisorMetrics {
    /// Registers the metrics under the component's name.
    pub fn register(component: &Component) -> Self {
        Self {
            running: component.gauge("running_tasks", "Supervised tasks that run now"),
            failures: component
                .counter_by_cause("task_failures", "Ends of supervised tasks that should not have been"),
            restarts: component.counter_family("task_restarts", ["task"], "Restarts of supervised tasks"),
        }
    }
}

/// Spawns, restarts and drains tasks. Cheap to clone; clones supervise the same tasks.
#[derive(Debug, Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
    token: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    metrics: SupervisorMetrics,
    tasks: Mutex<Tasks>,
    /// Carries the number of live tasks, so that a drain can wait for zero.
    live: watch::Sender<usize>,
    fatal: watch::Sender<Option<FatalFailure>>,
}

#[derive(Debug, Default)]
struct Tasks {
    next: u64,
    live: BTreeMap<u64, Live>,
}

#[derive(Debug)]
struct Live {
    name: Arc<str>,
    abort: Option<tokio::task::AbortHandle>,
}

/// How a drain ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "tasks that did not end should be reported"]
pub struct Drained {
    /// Names of the tasks that did not end in time and were aborted, sorted.
    pub aborted: Vec<String>,
}

impl Drained {
    /// Whether every task ended by itself.
    pub fn is_clean(&self) -> bool {
        self.aborted.is_empty()
    }
}

impl Supervisor {
    /// A supervisor without tasks.
    pub fn new(clock: Clock, metrics: SupervisorMetrics) -> Self {
        let shared = Shared {
            clock,
            metrics,
            tasks: Mutex::default(),
            live: watch::Sender::new(0),
            fatal: watch::Sender::new(None),
        };
        Self { shared: Arc::new(shared), token: CancellationToken::new() }
    }

    /// A handle whose tasks can be told to stop on their own; they stop with this one's, too, and are drained with
    /// them.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), token: self.token.child_token() }
    }

    /// Cancelled when the tasks shall stop.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The clock that back-off waits on.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Spawns a task that can be started again: `start` makes each attempt's future and hands it the token at which
    /// it must end. An attempt that returns `Ok` has done its work and is not started again.
    ///
    /// Must run inside a tokio runtime.
    pub fn spawn<F, R, E>(&self, name: impl Into<Arc<str>>, policy: Policy, mut start: F)
    where
        F: FnMut(CancellationToken) -> R + Send + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let name: Arc<str> = name.into();
        let shared = Arc::clone(&self.shared);
        let token = self.token.clone();
        let seat = Seat::take(&self.shared, Arc::clone(&name));
        let id = seat.id;
        let task = async move {
            let seat = seat;
            let mut backoff = match &policy {
                Policy::Restart(backoff) => Some(backoff.clone()),
                Policy::Fatal => None,
            };
            while !token.is_cancelled() {
                let started = shared.clock.monotonic();
                let Some(failed) = attempt(start(token.clone())).await else { break };
                shared.metrics.failures.increment(failed.cause);
                let Some(backoff) = &mut backoff else {
                    shared.fail_fatally(&seat.name, failed);
                    break;
                };
                if token.is_cancelled() {
                    let (task, reason) = (&seat.name, &failed.reason);
                    tracing::warn!(%task, %reason, "a task failed while it was stopping");
                    break;
                }
                let pause = backoff.next_pause(shared.clock.elapsed(started));
                let (task, reason) = (&seat.name, &failed.reason);
                tracing::error!(%task, %reason, cause = %failed.cause, pause_seconds = pause.as_secs_f64(), "a task failed and will be started again");
                tokio::select! {
                    () = token.cancelled() => break,
                    () = shared.clock.sleep(pause) => {}
                }
                shared.metrics.restarts.with([&seat.name]).inc();
            }
        };
        let handle = spawn_unsupervised(task);
        self.shared.lock().remember(id, &handle);
    }

    /// Spawns a task that cannot be started again, because it owns what it works on. A failure is logged and counted.
    pub fn spawn_once<R, E>(&self, name: impl Into<Arc<str>>, future: R)
    where
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let seat = Seat::take(&self.shared, name.into());
        let id = seat.id;
        let handle = spawn_unsupervised(async move {
            if let Some(failed) = attempt(future).await {
                shared.metrics.failures.increment(failed.cause);
                let (task, reason) = (&seat.name, &failed.reason);
                tracing::error!(%task, %reason, cause = %failed.cause, "a task failed");
            }
        });
        self.shared.lock().remember(id, &handle);
    }

    /// Waits until a task of policy [`Policy::Fatal`] has failed. Never returns otherwise.
    pub async fn fatal(&self) -> FatalFailure {
        let mut fatal = self.shared.fatal.subscribe();
        match fatal.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
            Ok(Some(failure)) => failure,
            // The sender lives as long as `self`, and `None` was excluded.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Names of the tasks that run now, sorted.
    pub fn running(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.shared.lock().live.values().map(|task| task.name.to_string()).collect();
        names.sort();
        names
    }

    /// Tells every task to stop and waits until all have ended, at most for `deadline`. Tasks that are left then are
    /// logged, counted and aborted. Call it on the first handle, not on a [`Supervisor::child`], whose token would
    /// stop only some of the tasks.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        self.token.cancel();
        let mut live = self.shared.live.subscribe();
        let ended = live.wait_for(|live| *live == 0);
        if tokio::time::timeout(deadline, ended).await.is_ok() {
            return Drained::default();
        }
        let mut aborted = Vec::new();
        for task in self.shared.lock().live.values() {
            aborted.push(task.name.to_string());
            self.shared.metrics.failures.increment(Failure::Undrained);
            if let Some(abort) = &task.abort {
                abort.abort();
            }
        }
        aborted.sort();
        if !aborted.is_empty() {
            let seconds = deadline.as_secs_f64();
            tracing::error!(
                tasks = aborted.join(", "),
                seconds,
                "tasks did not end in time and were aborted"
            );
        }
        Drained { aborted }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail_fatally(&self, task: &str, failed: Failed) {
        tracing::error!(task, reason = failed.reason, cause = %failed.cause, "a task failed that the role cannot do without");
        let failure = FatalFailure { task: task.to_owned(), reason: failed.reason };
        // The first failure is the one to report; what follows is often its consequence.
        self.fatal.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(failure);
            is_first
        });
    }
}

impl Tasks {
    fn remember<T>(&mut self, id: u64, handle: &JoinHandle<T>) {
        // The task may have ended already; then its seat is gone.
        if let Some(task) = self.live.get_mut(&id) {
            task.abort = Some(handle.abort_handle());
        }
    }
}

/// A task's place in the list of the living; given up when the task's future is dropped, however it ended.
struct Seat {
    shared: Arc<Shared>,
    name: Arc<str>,
    id: u64,
}

impl Seat {
    fn take(shared: &Arc<Shared>, name: Arc<str>) -> Self {
        let mut tasks = shared.lock();
        let id = tasks.next;
        tasks.next += 1;
        tasks.live.insert(id, Live { name: Arc::clone(&name), abort: None });
        shared.publish(&tasks);
        Self { shared: Arc::clone(shared), name, id }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut tasks = self.shared.lock();
        tasks.live.remove(&self.id);
        self.shared.publish(&tasks);
    }
}

impl Shared {
    fn publish(&self, tasks: &Tasks) {
        let live = tasks.live.len();
        self.metrics.running.set(i64::try_from(live).unwrap_or(i64::MAX));
        self.live.send_replace(live);
    }
}

/// Why one attempt ended.
struct Failed {
    cause: Failure,
    reason: String,
}

/// Runs one attempt as a task of its own, so that a panic ends it and nothing else. Dropping the attempt aborts it.
async fn attempt<R, E>(future: R) -> Option<Failed>
where
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let mut handle = AbortOnDrop(spawn_unsupervised(future));
    match (&mut handle.0).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(Failed { cause: Failure::Error, reason: error.to_string() }),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => Some(Failed { cause: Failure::Panic, reason: panic_message(panic.as_ref()) }),
            // Aborted with the runtime: there is nobody left to restart it.
            Err(_) => None,
        },
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The text of a panic, as far as it has one.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "panic without a message".to_owned()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that spawns; the callers above supervise")]
fn spawn_unsupervised<R>(future: R) -> JoinHandle<R::Output>
where
    R: Future + Send + 'static,
    R::Output: Send + 'static,
{
    tokio::spawn(future)
}

#[cfg(test)]
mod tests;
