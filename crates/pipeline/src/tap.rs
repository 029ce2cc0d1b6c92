//! [`Tap`]: lets somebody look at records as they enter the pipelines, without a part in their delivery.
//!
//! Nothing waits for a subscriber: what does not fit into its queue is skipped and counted, and the queue says how many
//! were skipped in that place. While nobody looks, a batch costs one load of an atomic number.

mod filter;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use model::{Event, Sample};
use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, Gauge};
use tokio::sync::Notify;

use crate::Records;

pub use filter::{MAX_PATTERN_BYTES, MAX_PATTERNS, TapFilter, TapFilterError, TapQuery};

/// Subscribers at once.
pub const MAX_SUBSCRIBERS: usize = 16;
/// Records that wait for one subscriber at most.
pub const MAX_WAITING_RECORDS: usize = 1024;
/// Bytes of records that wait for one subscriber at most, about.
pub const MAX_WAITING_BYTES: usize = 4 << 20;

causes! {
    /// Why a subscriber does not see a record that its filter selects.
    pub(crate) enum Skipped {
        /// Its queue is full: it does not take records as fast as they come.
        Slow => "slow",
        /// It went away before it had taken the record.
        Gone => "gone",
    }
}

/// What taps count.
#[derive(Debug, Clone)]
pub(crate) struct TapMetrics {
    subscribers: Gauge,
    records: Counter,
    skipped: CauseCounter<Skipped>,
}

impl TapMetrics {
    pub(crate) fn register(component: &Component) -> Self {
        Self {
            subscribers: component.gauge("tap_subscribers", "Those who look at records with a tap now"),
            records: component.counter("tap_records", "Records that the filters of taps selected"),
            skipped: component.counter_by_cause("tap_records_skipped", "Records that a tap left out"),
        }
    }
}

/// Where subscribers come, and records pass. Cheap to clone; clones are the same tap.
#[derive(Debug, Clone)]
pub struct Tap(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    /// How many subscribers there are, for a look without a lock.
    watched: AtomicUsize,
    subscribers: RwLock<Vec<Arc<Subscriber>>>,
    metrics: TapMetrics,
}

#[derive(Debug)]
struct Subscriber {
    filter: TapFilter,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<(Seen, usize)>,
    records: usize,
    bytes: usize,
}

/// What a subscriber sees.
#[derive(Debug, Clone)]
pub enum Seen {
    /// A sample, and the publishers that it goes to.
    Sample(Arc<Sample>, Destinations),
    /// An event, and the publishers that it goes to.
    Event(Arc<Event>, Destinations),
    /// So many records that the filter selects came here and were left out.
    Skipped(u64),
}

/// Publishers by their URLs without secrets; none when no pipeline selects the record.
pub type Destinations = Arc<[Arc<str>]>;

/// Why nobody can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_SUBSCRIBERS} taps are open already")]
pub struct TooManySubscribers;

/// The receiving end of a tap; dropping it ends the subscription.
#[derive(Debug)]
pub struct TapSubscription {
    hub: Arc<Hub>,
    subscriber: Arc<Subscriber>,
}

impl Tap {
    /// A tap at which nobody looks.
    #[must_use]
    pub fn new(metrics: &crate::PipelineMetrics) -> Self {
        Self(Arc::new(Hub {
            watched: AtomicUsize::new(0),
            subscribers: RwLock::default(),
            metrics: metrics.tap.clone(),
        }))
    }

    /// Shows the records that `filter` selects from now on.
    ///
    /// # Errors
    /// [`TooManySubscribers`] past [`MAX_SUBSCRIBERS`].
    pub fn subscribe(&self, filter: TapFilter) -> Result<TapSubscription, TooManySubscribers> {
        let mut subscribers = self.0.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        if subscribers.len() >= MAX_SUBSCRIBERS {
            return Err(TooManySubscribers);
        }
        let subscriber = Arc::new(Subscriber { filter, waiting: Mutex::default(), arrived: Notify::new() });
        subscribers.push(Arc::clone(&subscriber));
        self.0.count(subscribers.len());
        Ok(TapSubscription { hub: Arc::clone(&self.0), subscriber })
    }

    /// Shows `records` to whoever looks; `destinations` tells where a record of that name goes. Never waits.
    pub(crate) fn show(&self, records: &Records, destinations: impl Fn(&str) -> Destinations) {
        if self.0.watched.load(Ordering::Relaxed) == 0 {
            return;
        }
        let subscribers = self.0.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        for subscriber in &*subscribers {
            subscriber.offer(records, &destinations, &self.0.metrics);
        }
    }
}

impl Hub {
    fn count(&self, subscribers: usize) {
        self.watched.store(subscribers, Ordering::Relaxed);
        self.metrics.subscribers.set(i64::try_from(subscribers).unwrap_or(i64::MAX));
    }
}

impl Subscriber {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, records: &Records, destinations: impl Fn(&str) -> Destinations, metrics: &TapMetrics) {
        let (mut selected, mut skipped) = (0, 0);
        let mut waiting = self.lock();
        let mut add = |bytes: usize, seen: &dyn Fn() -> Seen| {
            selected += 1;
            skipped += u64::from(!waiting.add(bytes, seen));
        };
        match records {
            Records::Samples(samples) => {
                for sample in samples.iter().filter(|sample| self.filter.selects_sample(sample)) {
                    let seen = || Seen::Sample(Arc::clone(sample), destinations(&sample.name));
                    add(sample.approximate_bytes(), &seen);
                }
            }
            Records::Events(events) => {
                for event in events.iter().filter(|event| self.filter.selects_event(event)) {
                    let seen = || Seen::Event(Arc::clone(event), destinations(&event.event_type));
                    add(event.approximate_bytes(), &seen);
                }
            }
        }
        drop(waiting);
        if selected > 0 {
            metrics.records.inc_by(selected);
            metrics.skipped.add(Skipped::Slow, skipped);
            self.arrived.notify_one();
        }
    }
}

impl Waiting {
    /// Adds a record, or counts it in its place if there is no room; returns whether there was.
    fn add(&mut self, bytes: usize, seen: &dyn Fn() -> Seen) -> bool {
        // One record that is larger than all the room still passes, alone.
        let fits = self.records < MAX_WAITING_RECORDS
            && (self.records == 0 || self.bytes.saturating_add(bytes) <= MAX_WAITING_BYTES);
        if fits {
            self.entries.push_back((seen(), bytes));
            self.records += 1;
            self.bytes += bytes;
        } else if let Some((Seen::Skipped(count), _)) = self.entries.back_mut() {
            *count += 1;
        } else {
            self.entries.push_back((Seen::Skipped(1), 0));
        }
        fits
    }

    /// Takes entries from the front until they have `bytes`.
    fn take(&mut self, bytes: usize) -> Vec<Seen> {
        let mut taken = Vec::new();
        let mut taken_bytes = 0;
        while taken_bytes < bytes
            && let Some((seen, size)) = self.entries.pop_front()
        {
            if !matches!(seen, Seen::Skipped(_)) {
                self.records -= 1;
                self.bytes -= size;
            }
            taken_bytes += size;
            taken.push(seen);
        }
        taken
    }
}

impl TapSubscription {
    /// Waits until there is something to see, and takes about `bytes` of it, in order; never nothing. May be cancelled
    /// without a loss.
    pub async fn next(&mut self, bytes: usize) -> Vec<Seen> {
        loop {
            let taken = self.subscriber.lock().take(bytes.max(1));
            if !taken.is_empty() {
                return taken;
            }
            self.subscriber.arrived.notified().await;
        }
    }
}

impl Drop for TapSubscription {
    fn drop(&mut self) {
        let mut subscribers = self.hub.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|known| !Arc::ptr_eq(known, &self.subscriber));
        self.hub.count(subscribers.len());
        drop(subscribers);
        let left = self.subscriber.lock().records;
        self.hub.metrics.skipped.add(Skipped::Gone, left as u64);
    }
}

#[cfg(test)]
mod tests;
