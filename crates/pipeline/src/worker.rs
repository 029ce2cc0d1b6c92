//! One worker per publisher: takes batches from a bounded queue and offers them until they are accepted.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::disk::BufferOptions;
use crate::metrics::PublisherMetrics;
use crate::publisher::{BuildError, Publisher, Refusals};
use crate::refused::{Origin, RecordLetters, RefusedCount};
use crate::spill::{BufferState, Drained, PRESSURE, Secured, Spill};
use crate::{Batch, PublishError, Records, RecordsKind};

/// The bounds of one publisher's queue and of one call to it.
#[derive(Debug, Clone, Copy)]
pub struct WorkerLimits {
    /// Batches that wait at most.
    pub queue_batches: usize,
    /// Bytes that wait or are being published at most; one larger batch still passes, alone.
    pub queue_bytes: u32,
    /// Batches handed to the publisher in one call at most.
    pub group_batches: usize,
    /// How long a batch waits for others to be published with it, so that a call that costs the same for one record
    /// and for a hundred, such as a sync of the disk, is made seldom. Zero: not at all.
    pub linger: Duration,
    /// As many records are published without waiting for more. The input must be able to have so many under way.
    pub enough_records: usize,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            queue_batches: 256,
            queue_bytes: 64 << 20,
            group_batches: 256,
            linger: Duration::from_millis(5),
            enough_records: 25,
        }
    }
}

/// How long to wait before records are offered again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The first wait; each further one is twice as long.
    pub initial: Duration,
    /// The longest wait.
    pub maximum: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { initial: Duration::from_millis(100), maximum: Duration::from_secs(30) }
    }
}

impl RetryPolicy {
    /// The wait before attempt `attempt` (1 = the first repetition), between half and all of its full
    /// length, so that publishers that failed together do not return together. `random` is in `0.0..1.0`.
    pub(crate) fn wait(self, attempt: u32, random: f64) -> Duration {
        let full =
            self.initial.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(self.maximum);
        full.mul_f64(0.5 + random / 2.0)
    }
}

/// How a publisher fares; for `/readyz` and the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkState {
    /// The last attempt was accepted, or there was none yet.
    Working,
    /// Attempts fail; records are kept and offered again.
    Failing {
        /// Attempts in a row.
        attempts: u32,
        /// What the last one said.
        error: String,
    },
}

/// Makes the publisher; called again after a panic or when it was unavailable.
pub(crate) type Build = Box<dyn Fn() -> Result<Box<dyn Publisher>, BuildError> + Send + Sync>;

/// The sending end of a worker's queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    batches: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    capacity_bytes: u32,
    /// Told while the input waits for room.
    pressure: Arc<Notify>,
    metrics: Arc<PublisherMetrics>,
    pub(crate) state: watch::Receiver<SinkState>,
}

/// A batch in a publisher's queue.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) batch: Batch,
    since: Instant,
    /// Given back when the batch is resolved.
    room: tokio::sync::OwnedSemaphorePermit,
}

impl Queued {
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.room.num_permits() as u64
    }
}

impl Queue {
    /// Whether nothing waits, in memory or on disk, or is being published.
    pub(crate) fn is_idle(&self) -> bool {
        self.room.available_permits() == self.capacity_bytes as usize && self.metrics.disk.records.get() == 0
    }

    /// Waits for room and queues the batch. When the worker is gone the batch's token is dropped, which
    /// says "not delivered".
    pub(crate) async fn send(&self, batch: Batch) {
        let bytes = u32::try_from(batch.records.approximate_bytes()).unwrap_or(u32::MAX);
        let bytes = bytes.clamp(1, self.capacity_bytes);
        let acquired = Arc::clone(&self.room).acquire_many_owned(bytes);
        let Ok(room) = self.under_pressure(acquired).await else { return };
        let records = batch.records.len() as u64;
        if self.under_pressure(self.batches.send(Queued { batch, since: Instant::now(), room })).await.is_ok()
        {
            self.metrics.queued.inc_by(records);
            self.metrics.memory.add(records, u64::from(bytes));
        }
    }

    /// Waits for room, and tells the worker when that takes long.
    async fn under_pressure<T>(&self, room: impl Future<Output = T>) -> T {
        let mut room = std::pin::pin!(room);
        if let Some(at_once) = room.as_mut().now_or_never() {
            return at_once;
        }
        loop {
            match tokio::time::timeout(PRESSURE, room.as_mut()).await {
                Ok(given) => return given,
                Err(_elapsed) => self.pressure.notify_one(),
            }
        }
    }
}

/// The receiving end: runs until the queue is closed and empty, or until it is cancelled.
pub(crate) struct Worker {
    pub(crate) name: String,
    batches: mpsc::Receiver<Queued>,
    delivery: Delivery,
    limits: WorkerLimits,
    metrics: Arc<PublisherMetrics>,
    pressure: Arc<Notify>,
    spill: Option<Spill>,
}

/// What offers records to a publisher.
pub(crate) struct Delivery {
    name: String,
    build: Build,
    retry: RetryPolicy,
    metrics: Arc<PublisherMetrics>,
    state: watch::Sender<SinkState>,
    /// Where refused records go, and under whose name.
    letters: RecordLetters,
    origin: Origin,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A queue and the worker behind it.
pub(crate) fn queue(
    name: String,
    origin: Origin,
    build: Build,
    limits: WorkerLimits,
    retry: RetryPolicy,
    metrics: Arc<PublisherMetrics>,
) -> (Queue, Worker) {
    let (sender, batches) = mpsc::channel(limits.queue_batches);
    let (state, states) = watch::channel(SinkState::Working);
    let room = Arc::new(Semaphore::new(limits.queue_bytes as usize));
    let pressure = Arc::new(Notify::new());
    let queue = Queue {
        batches: sender,
        room,
        capacity_bytes: limits.queue_bytes,
        pressure: Arc::clone(&pressure),
        metrics: Arc::clone(&metrics),
        state: states,
    };
    let letters = RecordLetters::default();
    let delivery =
        Delivery { name: name.clone(), build, retry, metrics: Arc::clone(&metrics), state, letters, origin };
    (queue, Worker { name, batches, delivery, limits, metrics, pressure, spill: None })
}

impl Worker {
    /// Lets the queue go on in `directory` when memory does not suffice.
    pub(crate) fn with_buffer(
        &mut self,
        options: &Arc<BufferOptions>,
        directory: PathBuf,
        kind: RecordsKind,
    ) -> watch::Receiver<BufferState> {
        let (options, metrics, pressure) =
            (Arc::clone(options), Arc::clone(&self.metrics), Arc::clone(&self.pressure));
        let (spill, states) = Spill::new(self.name.clone(), options, directory, kind, metrics, pressure);
        self.spill = Some(spill);
        states
    }

    /// Keeps what the publisher's peer refuses in `letters`.
    pub(crate) fn with_dead_letters(&mut self, letters: &RecordLetters) {
        self.delivery.letters = letters.clone();
    }

    /// Publishes until the queue ends or `cancelled`; what is not accepted by then is "not delivered".
    pub(crate) async fn run(mut self, cancelled: CancellationToken) {
        let mut publisher = None;
        self.delivery.prepare(&mut publisher).await;
        let mut gathered = Vec::with_capacity(self.limits.group_batches);
        let mut spill = self.spill.take();
        if let Some(spill) = &mut spill {
            let drained = tokio::select! {
                biased;
                drained = spill.resume(&self.delivery, &mut publisher, &mut self.batches) => drained,
                () = cancelled.cancelled() => return,
            };
            match drained {
                Drained::Memory(left) => gathered = left,
                Drained::Closed => return,
            }
        }
        // How often in a row what the publisher holds back was tried while nothing else came.
        let mut idle_attempts = 0;
        loop {
            let linger = publisher.as_ref().and_then(|publisher| publisher.linger());
            let linger = linger.unwrap_or(self.limits.linger);
            let holds_back = publisher.as_ref().is_some_and(|publisher| publisher.holds_back());
            let received = tokio::select! {
                biased;
                () = cancelled.cancelled() => return,
                received = gather(&mut self.batches, self.limits, &mut gathered, linger) => Some(received),
                () = self.delivery.turn(holds_back, &mut idle_attempts) => None,
            };
            if received.is_none_or(|received| received == 0) {
                tokio::select! {
                    biased;
                    () = cancelled.cancelled() => return,
                    () = Delivery::go_on(&mut publisher) => {}
                }
                if received.is_some() {
                    return;
                }
                continue;
            }
            idle_attempts = 0;
            let groups: Arc<[Records]> =
                gathered.iter_mut().map(|queued| queued.batch.records.take()).collect();
            let secured = {
                let mut delivering = std::pin::pin!(self.delivery.deliver(&mut publisher, &groups));
                let delivered = tokio::select! {
                    biased;
                    refused = &mut delivering => Some(refused),
                    () = cancelled.cancelled() => return,
                    () = due(spill.as_ref()) => None,
                };
                match (delivered, &mut spill) {
                    (Some(refused), _) => Secured::InMemory(refused),
                    // Without a disk it is never due.
                    (None, None) => return,
                    (None, Some(spill)) => {
                        for (queued, records) in gathered.iter_mut().zip(&*groups) {
                            queued.batch.records = records.clone();
                        }
                        let sink = self.delivery.state();
                        tokio::select! {
                            biased;
                            secured = spill.secure(delivering, &mut gathered, &sink, &mut self.batches) => secured,
                            () = cancelled.cancelled() => return,
                        }
                    }
                }
            };
            match (secured, &mut spill) {
                // Only a buffer brings anything to disk.
                (Secured::Closed, _) | (Secured::OnDisk(_), None) => return,
                (Secured::OnDisk(intake), Some(spill)) => {
                    let drained = tokio::select! {
                        biased;
                        drained = spill.drain(intake, &self.delivery, &mut publisher, &mut self.batches) => drained,
                        () = cancelled.cancelled() => return,
                    };
                    match drained {
                        Drained::Memory(left) => gathered = left,
                        Drained::Closed => return,
                    }
                }
                (Secured::InMemory(refused), _) => {
                    let records = groups.iter().map(Records::len).sum::<usize>() as u64;
                    self.metrics.count_delivered(records, &refused);
                    for (queued, records) in gathered.drain(..).zip(&*groups) {
                        self.metrics.memory.subtract(records.len() as u64, queued.bytes());
                        queued.batch.token.accept();
                    }
                }
            }
        }
    }
}

impl Delivery {
    pub(crate) fn state(&self) -> watch::Receiver<SinkState> {
        self.state.subscribe()
    }

    /// Makes the publisher before there are records. What fails is tried again, and said, with the first of them.
    async fn prepare(&self, publisher: &mut Option<Box<dyn Publisher>>) {
        if let Ok(mut ready) = (self.build)() {
            // What a panic leaves behind is not to be trusted.
            if AssertUnwindSafe(ready.prepare()).catch_unwind().await.is_ok() {
                *publisher = Some(ready);
            }
        }
    }

    /// Waits until it is time to try again what the publisher holds back; if there is nothing, for ever.
    async fn turn(&self, holds_back: bool, attempts: &mut u32) {
        if !holds_back {
            return std::future::pending().await;
        }
        tokio::time::sleep(self.retry.wait(attempts.saturating_add(1), fastrand::f64())).await;
        *attempts = attempts.saturating_add(1);
    }

    /// Lets the publisher try what it holds back.
    async fn go_on(publisher: &mut Option<Box<dyn Publisher>>) {
        let Some(ready) = publisher.as_mut().filter(|ready| ready.holds_back()) else { return };
        if AssertUnwindSafe(ready.go_on()).catch_unwind().await.is_err() {
            // What a panic leaves behind is not to be trusted.
            *publisher = None;
        }
    }

    /// Offers `groups` until they are accepted; what is refused for good is durable among the dead letters by then.
    pub(crate) async fn deliver(
        &self,
        publisher: &mut Option<Box<dyn Publisher>>,
        groups: &Arc<[Records]>,
    ) -> RefusedCount {
        let mut attempts: u32 = 0;
        // What the publisher answered; from then on only the letters are tried again.
        let mut answered: Option<Refusals> = None;
        loop {
            let outcome = match &answered {
                Some(refusals) => self.keep(refusals, groups, attempts).await,
                None => match self.attempt(publisher, groups).await {
                    Ok(refusals) if refusals.is_empty() => Ok(RefusedCount::default()),
                    Ok(refusals) => self.keep(answered.insert(refusals), groups, attempts).await,
                    Err(error) => Err(error),
                },
            };
            let error = match outcome {
                Err(error) => error,
                Ok(refused) => {
                    if attempts > 0 {
                        tracing::info!(publisher = %self.name, attempts, "the publisher accepts records again");
                    }
                    self.state.send_if_modified(|state| {
                        let changed = *state != SinkState::Working;
                        *state = SinkState::Working;
                        changed
                    });
                    return refused;
                }
            };
            attempts = attempts.saturating_add(1);
            self.metrics.count_failure(error.cause);
            let wait = self.retry.wait(attempts, fastrand::f64());
            tracing::warn!(
                publisher = %self.name, attempts, cause = error.cause, retry_in_seconds = wait.as_secs_f64(),
                "records not accepted, kept and offered again: {error}"
            );
            self.state.send_replace(SinkState::Failing { attempts, error: error.message });
            tokio::time::sleep(wait).await;
        }
    }

    /// Brings refused records to the dead letters.
    async fn keep(
        &self,
        refusals: &Refusals,
        groups: &[Records],
        attempts: u32,
    ) -> Result<RefusedCount, PublishError> {
        let kept = self.letters.keep(&self.origin, refusals, groups, u64::from(attempts) + 1).await;
        kept.map_err(|message| PublishError { cause: "dead_letter_unwritten", message })
    }

    async fn attempt(
        &self,
        publisher: &mut Option<Box<dyn Publisher>>,
        groups: &Arc<[Records]>,
    ) -> Result<Refusals, PublishError> {
        let ready = match publisher {
            Some(ready) => ready,
            None => publisher.insert(
                (self.build)()
                    .map_err(|error| PublishError { cause: "unavailable", message: error.to_string() })?,
            ),
        };
        let attempt = AssertUnwindSafe(ready.publish(Arc::clone(groups))).catch_unwind().await;
        attempt.unwrap_or_else(|panic| {
            // What a panic leaves behind is not to be trusted: the next attempt starts from a new publisher.
            *publisher = None;
            Err(PublishError {
                cause: "panic",
                message: format!("the publisher panicked: {}", panic_text(&*panic)),
            })
        })
    }
}

/// Waits for batches, and then until there is enough to publish, or the first has waited as long as `linger`; returns
/// how many there are, zero at the queue's end. What came is kept in `gathered` also when this is given up.
async fn gather(
    batches: &mut mpsc::Receiver<Queued>,
    limits: WorkerLimits,
    gathered: &mut Vec<Queued>,
    linger: Duration,
) -> usize {
    let limit = limits.group_batches;
    // Batches may be left over from a time on disk.
    let mut received = gathered.len();
    if received == 0 {
        received = batches.recv_many(gathered, limit).await;
    }
    // What came while the batches before were published has waited already.
    let until = gathered.first().map_or_else(Instant::now, |queued| queued.since) + linger;
    let mut records: usize = gathered.iter().map(|queued| queued.batch.records.len()).sum();
    while received > 0 && gathered.len() < limit && records < limits.enough_records {
        let more = batches.recv_many(gathered, limit - gathered.len());
        match tokio::time::timeout_at(until, more).await {
            Ok(0) | Err(_) => break,
            Ok(more) => {
                received += more;
                let newest = gathered.iter().rev().take(more);
                records += newest.map(|queued| queued.batch.records.len()).sum::<usize>();
            }
        }
    }
    received
}

/// Waits until it is time to bring what is in hand to disk; without a disk it never is.
async fn due(spill: Option<&Spill>) {
    match spill {
        Some(spill) => spill.due().await,
        None => std::future::pending().await,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
