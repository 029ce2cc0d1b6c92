//! [`Spill`]: what a worker does when memory does not suffice.
//!
//! While the publisher keeps up, nothing here runs but a timer. When the batches in hand have not been accepted for
//! `spill_after`, or the input has been waiting for room for [`PRESSURE`], they are appended to the log; once that is
//! durable their tokens are accepted, and the attempts to publish them go on. From then on everything new is appended
//! behind them ([`Intake`]), and the worker publishes from the log, until the log is empty and memory is enough again.
//! So the order of a publisher's records is that in which they came, whatever happens.
//!
//! A log that is full or fails holds the input back: its batches stay where they are, and are tried again.

mod intake;

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use buffer::segment_log::{Damage, Found};
use tokio::sync::{Notify, mpsc, watch};

use crate::disk::BufferOptions;
use crate::metrics::{Drop, PublisherMetrics, as_gauge};
use crate::refused::RefusedCount;
use crate::store::{self, Stock, Store, StoreError};
use crate::worker::{Delivery, Queued, SinkState};
use crate::{Publisher, Records, RecordsKind, RetryPolicy};

use intake::Intake;

/// How long the input waits for room in memory before records go to disk. A publisher that is merely slower than its
/// input gives room much sooner.
pub(crate) const PRESSURE: Duration = Duration::from_secs(1);
/// The waits after failures of the log. Room is given back in steps, so there is no use in long ones.
const RETRY: RetryPolicy =
    RetryPolicy { initial: Duration::from_millis(200), maximum: Duration::from_secs(10) };
/// How often the age of the oldest record is looked at.
const TICK: Duration = Duration::from_secs(1);

/// How a publisher's buffer on disk fares; for `/readyz` and the logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BufferState {
    /// Why records cannot be written to it or read from it now; the input is held back.
    pub problem: Option<String>,
    /// Set when its oldest record is older than the alarm allows: how old, in whole minutes.
    pub old_minutes: Option<u64>,
}

/// The buffer on disk of one publisher.
#[derive(Debug)]
pub(crate) struct Spill {
    name: String,
    options: Arc<BufferOptions>,
    directory: PathBuf,
    kind: RecordsKind,
    metrics: Arc<PublisherMetrics>,
    pressure: Arc<Notify>,
    state: watch::Sender<BufferState>,
    stock: Stock,
    store: Option<Store>,
    /// Failures in a row.
    failures: u32,
    /// Whether the last attempt to read failed.
    reading_fails: bool,
}

/// How the time on disk ended.
#[derive(Debug)]
pub(crate) enum Drained {
    /// Memory is enough again; these batches came and were not written.
    Memory(Vec<Queued>),
    /// The queue is closed, and what is left is safe.
    Closed,
}

impl Spill {
    pub(crate) fn new(
        name: String,
        options: Arc<BufferOptions>,
        directory: PathBuf,
        kind: RecordsKind,
        metrics: Arc<PublisherMetrics>,
        pressure: Arc<Notify>,
    ) -> (Self, watch::Receiver<BufferState>) {
        let (state, states) = watch::channel(BufferState::default());
        let (stock, store, failures, reading_fails) = (Stock::default(), None, 0, false);
        (
            Self {
                name,
                options,
                directory,
                kind,
                metrics,
                pressure,
                state,
                stock,
                store,
                failures,
                reading_fails,
            },
            states,
        )
    }

    /// Opens the log, however often it takes, and delivers what an earlier run left.
    pub(crate) async fn resume(
        &mut self,
        delivery: &Delivery,
        publisher: &mut Option<Box<dyn Publisher>>,
        batches: &mut mpsc::Receiver<Queued>,
    ) -> Drained {
        let store = loop {
            match Store::open(&self.options, &self.directory, self.kind).await {
                Ok((store, recovery, stock)) => {
                    self.works_again();
                    let left = recovery.records + recovery.found.missing_records;
                    if left > 0 {
                        tracing::info!(
                            publisher = %self.name, records = recovery.records, directory = %self.directory.display(),
                            "records that an earlier run buffered are delivered first"
                        );
                    }
                    self.metrics.recovered.inc_by(left);
                    self.report(&recovery.found);
                    self.set_stock(stock);
                    break store;
                }
                Err(error) => {
                    let wait = self.failed(&error);
                    tokio::time::sleep(wait).await;
                }
            }
        };
        self.store = Some(store.clone());
        if self.stock.records == 0 {
            return Drained::Memory(Vec::new());
        }
        self.drain(Intake::new(store), delivery, publisher, batches).await
    }

    /// Waits until the batches in hand should go to disk.
    pub(crate) async fn due(&self) {
        let mut pressed = pin!(self.pressure.notified());
        // A notice of earlier times says nothing about now.
        if pressed.as_mut().enable() {
            pressed.set(self.pressure.notified());
        }
        tokio::select! {
            () = tokio::time::sleep(self.options.spill_after) => {}
            () = pressed => {}
        }
    }

    /// Makes the batches in hand durable while `delivering` goes on with them, and then what comes behind them. Returns
    /// when they are accepted.
    pub(crate) async fn secure(
        &mut self,
        mut delivering: Pin<&mut impl Future<Output = RefusedCount>>,
        in_hand: &mut Vec<Queued>,
        sink: &watch::Receiver<SinkState>,
        batches: &mut mpsc::Receiver<Queued>,
    ) -> Secured {
        let Some(store) = self.store.clone() else {
            return Secured::InMemory(delivering.await);
        };
        let mut delivered: Option<RefusedCount> = None;
        let records = in_hand.iter().map(|queued| queued.batch.records.len() as u64).sum();
        let end = loop {
            let groups = in_hand.iter().map(|queued| queued.batch.records.clone()).collect();
            let mut append = store.append(groups, true);
            let appended = loop {
                tokio::select! {
                    biased;
                    appended = &mut append => break appended,
                    refused = &mut delivering, if delivered.is_none() => delivered = Some(refused),
                }
            };
            match store::flat(appended) {
                Ok(appended) => {
                    self.appended(in_hand.drain(..), appended.stock);
                    break appended.end;
                }
                Err(error) => {
                    let wait = self.failed(&error);
                    if delivered.is_none() {
                        tokio::select! {
                            biased;
                            refused = &mut delivering => delivered = Some(refused),
                            () = tokio::time::sleep(wait) => {}
                        }
                    }
                    if let Some(refused) = delivered {
                        self.works_again();
                        return Secured::InMemory(refused);
                    }
                }
            }
        };
        tracing::info!(publisher = %self.name, "records go to the buffer on disk until the publisher has caught up");
        let mut intake = Intake::new(store);
        let refused = match delivered {
            Some(refused) => refused,
            None => match intake.during(self, sink, batches, delivering).await {
                Some(refused) => refused,
                None => return Secured::Closed,
            },
        };
        self.delivered(records, &refused);
        self.commit(intake.store(), end).await;
        Secured::OnDisk(intake)
    }

    /// Publishes what the log holds until it is empty.
    pub(crate) async fn drain(
        &mut self,
        mut intake: Intake,
        delivery: &Delivery,
        publisher: &mut Option<Box<dyn Publisher>>,
        batches: &mut mpsc::Receiver<Queued>,
    ) -> Drained {
        let sink = delivery.state();
        loop {
            match intake.store().read().await {
                Ok(group) => {
                    if std::mem::take(&mut self.reading_fails) && !intake.is_refused() {
                        self.works_again();
                    }
                    self.report(&group.found);
                    self.set_stock(group.stock);
                    let Some(end) = group.end else {
                        // The log is empty; but perhaps something is on its way there.
                        if intake.is_appending() {
                            intake.step(self, batches).await;
                            continue;
                        }
                        // What the log refused goes by memory now.
                        self.works_again();
                        tracing::info!(publisher = %self.name, "the buffer on disk is empty, memory is enough again");
                        return Drained::Memory(intake.into_held());
                    };
                    let records = group.records.len() as u64;
                    if records > 0 {
                        let groups: Arc<[Records]> = Arc::new([group.records]);
                        let delivering = delivery.deliver(publisher, &groups);
                        let Some(refused) = intake.during(self, &sink, batches, delivering).await else {
                            return Drained::Closed;
                        };
                        self.delivered(records, &refused);
                    }
                    self.metrics.dropped.add(Drop::Expired, group.expired);
                    self.metrics.dropped.add(Drop::Damaged, group.undecodable);
                    self.commit(intake.store(), end).await;
                    if intake.is_closed() {
                        return Drained::Closed;
                    }
                }
                Err(error) => {
                    self.reading_fails = true;
                    let wait = self.failed(&error);
                    if intake.during(self, &sink, batches, tokio::time::sleep(wait)).await.is_none() {
                        return Drained::Closed;
                    }
                }
            }
        }
    }

    fn works_again(&mut self) {
        self.failures = 0;
        self.set_problem(None);
    }

    fn delivered(&self, records: u64, refused: &RefusedCount) {
        self.metrics.count_delivered(records, refused);
        self.metrics.drained.inc_by(records.saturating_sub(refused.total()));
    }

    /// Takes note that batches are durable, and accepts their tokens.
    fn appended(&mut self, batches: impl Iterator<Item = Queued>, stock: Stock) {
        self.works_again();
        self.set_stock(stock);
        for queued in batches {
            let records = queued.batch.records.len() as u64;
            self.metrics.spilled.inc_by(records);
            self.metrics.memory.subtract(records, queued.bytes());
            queued.batch.token.accept();
        }
    }

    async fn commit(&mut self, store: &Store, end: u64) {
        let (stock, committed) = store.commit(end).await;
        self.set_stock(stock);
        if let Err(error) = committed {
            // The records are delivered; only after a crash before the next commit they would be once more.
            self.metrics.count_buffer_failure(error.cause);
            tracing::warn!(publisher = %self.name, "cannot note that buffered records were delivered: {}", error.message);
        }
    }

    /// Takes note of a failure and says how long to wait.
    fn failed(&mut self, error: &StoreError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.metrics.count_buffer_failure(error.cause);
        let wait = RETRY.wait(self.failures, fastrand::f64());
        tracing::warn!(
            publisher = %self.name, cause = error.cause, retry_in_seconds = wait.as_secs_f64(),
            "the buffer on disk does not take or give records, the input is held back: {}", error.message
        );
        self.set_problem(Some(&error.message));
        wait
    }

    fn set_problem(&self, problem: Option<&str>) {
        self.state.send_if_modified(|state| {
            let changed = state.problem.as_deref() != problem;
            state.problem = problem.map(str::to_owned);
            changed
        });
    }

    fn set_stock(&mut self, stock: Stock) {
        self.stock = stock;
        self.metrics.disk.set(stock.records, stock.bytes);
        self.look_at_the_age();
    }

    /// Brings the age of the oldest record up to date, and the alarm.
    fn look_at_the_age(&self) {
        let now = self.options.clock.now().as_microsecond();
        let age =
            self.stock.oldest_microseconds.map_or(0, |oldest| now.saturating_sub(oldest).max(0) / 1_000_000);
        let age = age.unsigned_abs();
        self.metrics.oldest_age.set(as_gauge(age));
        let is_old =
            self.options.age_alarm.is_some_and(|alarm| age >= alarm.as_secs()) && self.stock.records > 0;
        let old_minutes = is_old.then_some(age / 60);
        let was_old = self.state.borrow().old_minutes.is_some();
        if is_old && !was_old {
            tracing::warn!(
                publisher = %self.name, age_seconds = age, records = self.stock.records,
                "the oldest buffered record has waited longer than buffer_age_alarm_seconds; it is kept"
            );
        }
        self.state.send_if_modified(|state| {
            let changed = state.old_minutes != old_minutes;
            state.old_minutes = old_minutes;
            changed
        });
    }

    /// Counts and logs what could not be read.
    fn report(&self, found: &Found) {
        self.metrics.dropped.add(Drop::Damaged, found.missing_records);
        let described = found.damage.len() as u64;
        for damage in &found.damage {
            self.metrics.count_quarantined(damage.kind.as_str(), 1);
            self.log_damage(damage);
        }
        if found.damage_count > described {
            self.metrics.count_quarantined("not_described", found.damage_count - described);
        }
        if found.missing_records > 0 {
            tracing::error!(
                publisher = %self.name, records = found.missing_records, directory = %self.directory.display(),
                "buffered records are lost: their places in the buffer are damaged or missing"
            );
        }
    }

    fn log_damage(&self, damage: &Damage) {
        tracing::warn!(publisher = %self.name, directory = %self.directory.display(), "damage in the buffer: {damage}");
    }
}

/// What became of the batches in hand.
#[derive(Debug)]
pub(crate) enum Secured {
    /// The publisher accepted them, but for those that it refused, before they were on disk; their tokens are still to be
    /// accepted.
    InMemory(RefusedCount),
    /// They were written, their tokens accepted, and then the publisher accepted them. Others may have come behind.
    OnDisk(Intake),
    /// They were written, and the queue was closed.
    Closed,
}
