//! The metrics, divided so that readers and the writer seldom wait for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::MetricId;
use crate::metric::Metric;
use crate::ownership::{SHARDS, ShardNumber};

/// The metrics of one part; boxed, because a table has more places than entries.
pub(crate) type Shard = HashMap<MetricId, Box<Metric>, IdHashing>;

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
        self.get(ShardNumber::of(metric))
    }

    pub(crate) fn get(&self, number: ShardNumber) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(number.index()).map(lock)
    }

    /// Some of the metrics.
    pub(crate) fn some(&self, most: usize) -> Vec<MetricId> {
        let mut some = Vec::new();
        for shard in self.each() {
            some.extend(shard.keys().take(most - some.len()));
        }
        some
    }

    /// All parts, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(lock)
    }
}

/// Hashes ids of metrics, which are random already, with less than the standard's way takes. Which of them meet in a table
/// differs from process to process.
#[derive(Debug, Clone)]
pub(crate) struct IdHashing {
    secrets: [u64; 2],
}

impl Default for IdHashing {
    fn default() -> Self {
        let random = RandomState::new();
        Self { secrets: [0, 1].map(|number| random.hash_one(number)) }
    }
}

impl BuildHasher for IdHashing {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { words: self.secrets }
    }
}

/// The state of [`IdHashing`]: each half of the id with a secret.
#[derive(Debug)]
pub(crate) struct IdHasher {
    words: [u64; 2],
}

impl Hasher for IdHasher {
    fn write(&mut self, id: &[u8]) {
        let (words, _) = id.as_chunks::<8>();
        for (own, word) in self.words.iter_mut().zip(words) {
            *own ^= u64::from_le_bytes(*word);
        }
    }

    fn write_usize(&mut self, _length: usize) {
        // All ids are of one length.
    }

    fn finish(&self) -> u64 {
        /// The golden ratio in 64 bits.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let [first, second] = self.words;
        folded(folded(first, second), FACTOR)
    }
}

/// Both halves of a product: its high bits depend on all bits of both, its low ones on the low ones only.
#[allow(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A panic while a shard was held leaves a metric in between two states that are both readable; what is durable is not
/// concerned.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_spread_over_a_table() {
        const PLACES: usize = 1 << 12;
        let hashing = IdHashing::default();
        let kinds: [fn(u32) -> u128; 4] = [
            u128::from,
            |number| u128::from(number) << 96,
            |number| u128::from(number) << 40,
            |number| u128::from(number) * 0x0001_0000_0000_0000_0001,
        ];
        for (kind, id) in kinds.into_iter().enumerate() {
            // A table looks at the low bits, then at the highest seven.
            for place in [|hash: u64| hash, |hash: u64| hash >> 52] {
                let mut counts = vec![0_u32; PLACES];
                for number in 0..8 * 4_096 {
                    let hash = hashing.hash_one(MetricId(id(number).to_be_bytes()));
                    counts[usize::try_from(place(hash)).unwrap() % PLACES] += 1;
                }
                let most = counts.iter().max().copied().unwrap_or_default();
                assert!(most <= 40, "{kind}: {most} of {} ids in one of {PLACES} places", 8 * PLACES);
            }
        }
    }
}
