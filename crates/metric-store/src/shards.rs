//! The metrics, divided so that readers and the writer seldom wait for each other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::MetricId;
use crate::metric::Metric;

/// Parts that the metrics are divided into.
pub(crate) const SHARDS: usize = 64;

/// The metrics of one part; boxed, because a table has more places than entries.
pub(crate) type Shard = HashMap<MetricId, Box<Metric>>;

#[derive(Debug)]
pub(crate) struct Shards {
    shards: Vec<Mutex<Shard>>,
}

impl Default for Shards {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Shards {
    /// The part that holds a metric, if it is there.
    pub(crate) fn of(&self, metric: MetricId) -> Option<MutexGuard<'_, Shard>> {
        self.get(number(metric))
    }

    pub(crate) fn get(&self, number: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(number).map(lock)
    }

    /// All parts, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(lock)
    }
}

/// The part that a metric belongs to.
pub(crate) fn number(metric: MetricId) -> usize {
    let [.., low] = crc32fast::hash(&metric.0).to_be_bytes();
    usize::from(low) % SHARDS
}

/// A panic while a shard was held leaves a metric in between two states that are both readable; what is durable is not
/// concerned.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
