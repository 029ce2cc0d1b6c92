//! One queue on one connection: declare, consume, batch, acknowledge; again after a channel error.

mod change;
mod consumer;
mod intake;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use self::consumer::Worker;
use super::Shared;
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::budget::Meter;
use crate::connection::Link;
use crate::state::chain;
use crate::topology::{Exchanges, QueueSpec, cause, declare};

/// Wait for the broker's answer to one command. Long, because answers stand in line behind deliveries.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);
/// First and longest wait before a queue is tried again after a channel error.
const CHANNEL_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Wait before a queue that was deleted under us is declared again.
const CANCEL_RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// A working consumer for this long means that the queue is healthy again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// What the workers of one connection share.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Link,
    pub(super) meter: Arc<Meter>,
    pub(super) exchanges: Exchanges,
}

/// Why serving a channel ended.
enum End {
    /// The listener stops, or nobody takes batches.
    Stopped,
    /// The broker cancelled the consumer: the queue was deleted, or its node failed.
    Cancelled,
    /// The channel is unusable.
    Channel { cause: &'static str, error: String },
}

impl From<lapin::Error> for End {
    fn from(error: lapin::Error) -> Self {
        Self::Channel { cause: cause(&error), error: chain(&error) }
    }
}

/// Updates the gauges that are looked at from time to time.
pub(super) fn report(shared: &Shared) {
    let peer = shared.name.as_str();
    let held = i64::try_from(shared.budget.held_bytes()).unwrap_or(i64::MAX);
    shared.metrics.held_bytes.with([peer]).set(held);
    let pauses = shared.metrics.read_pauses.with([peer]);
    pauses.inc_by(shared.budget.pauses().saturating_sub(pauses.get()));
}

/// Consumes one queue until the connection ends or the listener stops.
pub(super) async fn run(session: Arc<Session>, queue: QueueSpec, output: mpsc::Sender<Batch>) {
    let shared = Arc::clone(&session.shared);
    let mut errors = Backoff::new(CHANNEL_RETRY.0, CHANNEL_RETRY.1);
    let mut cancels = Backoff::new(CANCEL_RETRY.0, CANCEL_RETRY.1);
    let mut stop = shared.stop.clone();
    while shared.stopping().is_none() {
        let began = Instant::now();
        let end = serve(&session, &queue, &output).await;
        if began.elapsed() >= HEALTHY_AFTER {
            errors.reset();
            cancels.reset();
        }
        let (wait, error) = match end {
            End::Stopped => return,
            // The supervisor sees to a lost connection.
            _ if !session.link.connection.status().connected() => return,
            End::Cancelled => {
                shared.metrics.cancelled.with([&shared.name]).inc();
                // Whoever deleted the queue may have deleted exchanges as well.
                session.exchanges.forget().await;
                (cancels.next(), "the broker cancelled the consumer; was the queue deleted?".to_owned())
            }
            End::Channel { cause, error } => {
                let counter = &shared.metrics.channel_errors;
                counter.with([&shared.name, cause]).inc();
                session.exchanges.forget().await;
                (errors.next(), error)
            }
        };
        tracing::warn!(
            listener = shared.name,
            queue = queue.name,
            error,
            seconds = wait.as_secs_f32(),
            "queue is not consumed: trying again"
        );
        shared.update(|state| state.last_error = Some(format!("queue {}: {error}", queue.name)));
        tokio::select! {
            () = sleep(wait) => {}
            _ = stop.wait_for(Option::is_some) => {}
        }
    }
}

/// Counts this queue among the consumed ones until dropped.
struct Consumed<'a>(&'a Shared);

impl<'a> Consumed<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.update(|state| {
            state.consumers += 1;
            if state.consumers == state.queues {
                state.last_error = None;
            }
        });
        Self(shared)
    }
}

impl Drop for Consumed<'_> {
    fn drop(&mut self) {
        self.0.update(|state| state.consumers = state.consumers.saturating_sub(1));
    }
}

async fn command<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, End> {
    match timeout(COMMAND_TIMEOUT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(End::Channel {
            cause: "timeout",
            error: format!("no answer within {} s", COMMAND_TIMEOUT.as_secs()),
        }),
    }
}

async fn serve(session: &Session, queue: &QueueSpec, output: &mpsc::Sender<Batch>) -> End {
    let shared = &*session.shared;
    let declared =
        command(declare(&session.link.connection, &session.exchanges, queue, &shared.profile.options));
    let channel = match declared.await {
        Ok(channel) => channel,
        Err(end) => return end,
    };
    let mut worker = Worker::new(session, queue, channel.clone(), output.clone());
    let end = match worker.consume().await {
        Ok(()) => {
            let consumed = Consumed::new(shared);
            let end = worker.work().await;
            drop(consumed);
            end
        }
        Err(end) => end,
    };
    drop(worker);
    // Gives back whatever is not settled, in case the channel outlived the worker.
    if channel.status().connected() {
        let close = channel.close(200, "bye".into());
        if !matches!(timeout(COMMAND_TIMEOUT / 12, close).await, Ok(Ok(()))) {
            tracing::debug!(queue = queue.name, "channel was not closed in order");
        }
    }
    end
}
