//! A queue's consumer on one channel: the loop in which everything happens.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::{Channel, Consumer};
use observability::metrics::{Counter, Gauge};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::PollSender;

use super::change::{Change, answered};
use super::intake::Pending;
use super::settle::REQUEUE;
use super::{End, Session};
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::budget::Meter;
use crate::ledger::Ledger;
use crate::listener::Shared;
use crate::prefetch::Prefetch;
use crate::topology::QueueSpec;

/// While messages stream in, they are looked for this often. To be woken for each of them would cost more than to take it:
/// the broker writes two or three at a time.
const BREATH: Duration = Duration::from_millis(2);

/// An answer of the broker that is on its way.
pub(super) type Answer<T> = Pin<Box<dyn Future<Output = lapin::Result<T>> + Send>>;

/// The counters that every message touches, looked up once.
pub(super) struct Counters {
    pub(super) received: Counter,
    pub(super) received_bytes: Counter,
    pub(super) redelivered: Counter,
    pub(super) acknowledged: Counter,
    pub(super) prefetch: Gauge,
}

/// The state of one channel.
pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared,
    pub(super) meter: &'a Meter,
    pub(super) queue: Arc<str>,
    pub(super) channel: Channel,
    pub(super) output: PollSender<Batch>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) counters: Counters,
    pub(super) stop: watch::Receiver<Option<Instant>>,

    pub(super) consumer: Option<Consumer>,
    pub(super) consumers_started: u64,
    pub(super) prefetch: Prefetch,
    pub(super) change: Change,
    /// What the prefetch is to become, while it changes.
    pub(super) wanted: u16,
    /// When an answer that is awaited becomes overdue.
    pub(super) answer_by: Instant,
    /// Whether the meter counts this worker as busy.
    pub(super) busy: bool,

    pub(super) pending: VecDeque<Pending>,
    pub(super) pending_bytes: u64,
    /// Tag of the first pending delivery.
    pub(super) pending_first: u64,
    pub(super) linger_until: Option<Instant>,
    /// A delivery was taken since the loop last waited.
    pub(super) took: bool,
    /// A place in the output is reserved.
    pub(super) reserved: bool,

    pub(super) flushing: Option<Answer<()>>,
    pub(super) flush_at: Option<Instant>,
    /// Since when accepted messages have been held up by an unresolved one.
    pub(super) stuck_since: Option<Instant>,
    pub(super) requeue: Vec<u64>,
    pub(super) requeue_at: Option<Instant>,
    pub(super) requeue_backoff: Backoff,
    pub(super) requeue_calm_at: Option<Instant>,
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.ledger.close();
        self.set_busy(false);
        self.end_consumer();
        self.counters.prefetch.set(0);
    }
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        session: &'a Session,
        queue: &QueueSpec,
        channel: Channel,
        output: mpsc::Sender<Batch>,
    ) -> Self {
        let shared = &*session.shared;
        let (peer, metrics) = (shared.name.as_str(), &shared.metrics);
        Self {
            shared,
            meter: &session.meter,
            queue: queue.name.as_str().into(),
            channel,
            output: PollSender::new(output),
            ledger: Arc::new(Ledger::new()),
            counters: Counters {
                received: metrics.received.with([peer, &queue.name]),
                received_bytes: metrics.received_bytes.with([peer]),
                redelivered: metrics.redelivered.with([peer]),
                acknowledged: metrics.acknowledged.with([peer]),
                prefetch: metrics.prefetch.with([peer, &queue.name]),
            },
            stop: shared.stop.clone(),
            consumer: None,
            consumers_started: 0,
            prefetch: Prefetch::new(shared.profile.options.prefetch(), shared.prefetch_share_bytes),
            change: Change::Steady,
            wanted: 0,
            answer_by: Instant::now(),
            busy: false,
            pending: VecDeque::new(),
            pending_bytes: 0,
            pending_first: 1,
            linger_until: None,
            took: false,
            reserved: false,
            flushing: None,
            flush_at: None,
            stuck_since: None,
            requeue: Vec::new(),
            requeue_at: None,
            requeue_backoff: Backoff::new(REQUEUE.0, REQUEUE.1),
            requeue_calm_at: None,
        }
    }

    pub(super) async fn work(&mut self) -> End {
        match self.work_until_stopped().await {
            Ok(deadline) => self.finish(deadline).await,
            Err(end) => end,
        }
    }

    /// The main loop. Returns the deadline for finishing once the listener is to stop.
    async fn work_until_stopped(&mut self) -> Result<Instant, End> {
        loop {
            self.take_at_hand()?;
            self.hand_out()?;
            self.settle();
            self.adjust_prefetch()?;
            if let Some(deadline) = *self.stop.borrow() {
                return Ok(deadline);
            }
            // After a quiet breath, the next one is waited for.
            let breathes = std::mem::take(&mut self.took);
            let breath = breathes.then(|| Instant::now() + BREATH);
            let timer = self.next_timer().into_iter().chain(breath).min();
            let wants_place = !self.reserved && self.batch_is_due();
            let Self { consumer, change, ledger, flushing, output, stop, .. } = &mut *self;
            tokio::select! {
                item = next_delivery(consumer), if !breathes => {
                    if let Some(item) = item {
                        self.set_busy(true);
                        self.take(item?)?;
                    } else {
                        self.stream_ended()?;
                    }
                }
                answer = answered(change) => {
                    if let Some(consumer) = answer? {
                        let prefetch = self.wanted;
                        self.consumer_started(consumer, prefetch);
                    }
                }
                () = ledger.changed() => {}
                result = flushed(flushing) => {
                    self.flushing = None;
                    result?;
                }
                place = futures_util::future::poll_fn(|cx| output.poll_reserve(cx)), if wants_place => {
                    if place.is_err() {
                        return Err(End::Stopped);
                    }
                    self.reserved = true;
                }
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {}
                changed = stop.changed() => {
                    if changed.is_err() {
                        return Err(End::Stopped);
                    }
                }
            }
        }
    }

    /// Lets what was handed out be resolved, until `deadline`.
    async fn finish(&mut self, deadline: Instant) -> End {
        self.output.abort_send();
        self.reserved = false;
        // Not handed out: the broker keeps them. The same for what comes until the consumer has ended.
        let mut kept = self.pending.len();
        self.pending.clear();
        self.pending_bytes = 0;
        if matches!(self.change, Change::Steady) {
            self.cancel();
        }
        loop {
            self.settle_now(true);
            let standing = self.ledger.standing();
            let under_way = standing.out.saturating_sub(kept);
            if under_way == 0 && standing.accepted == 0 && standing.rejected == 0 && self.flushing.is_none() {
                return End::Stopped;
            }
            let Self { consumer, change, ledger, flushing, .. } = &mut *self;
            tokio::select! {
                item = next_delivery(consumer) => match item {
                    Some(Ok(message)) => {
                        if !ledger.delivered(message.delivery_tag) {
                            return End::Stopped;
                        }
                        kept += 1;
                    }
                    Some(Err(error)) => return error.into(),
                    None => self.end_consumer(),
                },
                answer = answered(change) => match answer {
                    Ok(_) => self.change = Change::Draining,
                    Err(error) => return error.into(),
                },
                () = ledger.changed() => {}
                result = flushed(flushing) => {
                    self.flushing = None;
                    if let Err(error) = result {
                        return error.into();
                    }
                }
                () = sleep_until(deadline) => {
                    tracing::warn!(
                        listener = self.shared.name, queue = &*self.queue, messages = under_way,
                        "stopped with messages unresolved: the broker delivers them again"
                    );
                    return End::Stopped;
                }
            }
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let linger = if self.pending.is_empty() || self.batch_is_due() { None } else { self.linger_until };
        let flush = if self.flushing.is_some() { None } else { self.flush_at };
        let requeue = if self.flushing.is_some() { None } else { self.requeue_at };
        let answer = match self.change {
            Change::Cancelling(_) | Change::Starting(_) => Some(self.answer_by),
            Change::Steady | Change::Draining => None,
        };
        [linger, flush, requeue, answer].into_iter().flatten().min()
    }
}

async fn next_delivery(consumer: &mut Option<Consumer>) -> Option<lapin::Result<lapin::message::Delivery>> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => std::future::pending().await,
    }
}

async fn flushed(flushing: &mut Option<Answer<()>>) -> lapin::Result<()> {
    match flushing {
        Some(flush) => flush.await,
        None => std::future::pending().await,
    }
}
