//! Who may write a metric: whoever owns its shard.
//!
//! A metric belongs to one shard for good ([`ShardNumber::of`]): the states on disk are divided by it. What may be written, and
//! what is to be looked after, is asked of an [`Ownership`], and of nothing else: the write path before it takes a change,
//! checkpoints for whose turn it is. Today there is one reason for which a process owns a shard, and it owns all of them: it
//! holds the lock of the log's directory, which no other process gets meanwhile. A store that is spread over several nodes gives
//! each of them some of the shards; then the reason is another one, and those who ask stay as they are.

use std::fmt;

use buffer::segment_log::SegmentLog;

use crate::MetricId;

/// Parts that the metrics are divided into. The states on disk depend on it.
pub(crate) const SHARDS: usize = 64;

/// A part of the metrics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardNumber(u8);

impl ShardNumber {
    /// The part that a metric belongs to, in every version and process.
    pub(crate) fn of(metric: MetricId) -> Self {
        const { assert!(SHARDS == 64) };
        let [.., low] = crc32fast::hash(&metric.0).to_be_bytes();
        Self(low % 64)
    }

    /// The part of a number, if there is one.
    pub(crate) fn new(number: usize) -> Option<Self> {
        u8::try_from(number).ok().filter(|_| number < SHARDS).map(Self)
    }

    /// Its number, below [`SHARDS`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// All of them, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).filter_map(Self::new)
    }

    const fn bit(self) -> u64 {
        1 << self.0
    }
}

impl fmt::Debug for ShardNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "shard {:02}", self.0)
    }
}

/// The shards that this process may write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// A bit for each.
    shards: u64,
}

impl Ownership {
    /// All shards, for as long as the log is open: its directory is locked.
    pub(crate) fn of_locked(_log: &SegmentLog) -> Self {
        Self { shards: u64::MAX }
    }

    #[cfg(test)]
    pub(crate) fn of(shards: impl IntoIterator<Item = ShardNumber>) -> Self {
        Self { shards: shards.into_iter().fold(0, |all, shard| all | shard.bit()) }
    }

    /// Whether a shard is among them.
    pub(crate) fn owns(self, shard: ShardNumber) -> bool {
        self.shards & shard.bit() != 0
    }

    /// The first of the metrics that is not to be written here. It costs nothing where all shards are owned.
    pub(crate) fn foreign(self, metrics: impl IntoIterator<Item = MetricId>) -> Option<MetricId> {
        if self.shards == u64::MAX {
            return None;
        }
        metrics.into_iter().find(|metric| !self.owns(ShardNumber::of(*metric)))
    }

    /// Those that are owned, in order.
    pub(crate) fn shards(self) -> impl Iterator<Item = ShardNumber> {
        ShardNumber::all().filter(move |shard| self.owns(*shard))
    }

    /// The one that is owned and comes after another one, the first again after the last.
    pub(crate) fn after(self, shard: ShardNumber) -> Option<ShardNumber> {
        self.shards().find(|next| *next > shard).or_else(|| self.shards().next())
    }
}

impl fmt::Debug for Ownership {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.shards()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(shards: &[usize]) -> Ownership {
        Ownership::of(shards.iter().filter_map(|number| ShardNumber::new(*number)))
    }

    fn id(number: u128) -> MetricId {
        MetricId(number.to_be_bytes())
    }

    /// The directories that are there were written so.
    #[test]
    fn a_metric_stays_in_its_shard() {
        for (number, shard) in
            [(0, 21), (1, 3), (u128::MAX, 26), (0x5a8d_f9a1_4e23_5685_86fb_d4d1_84a6_b844, 52)]
        {
            assert_eq!(ShardNumber::of(id(number)).index(), shard, "{number:x}");
        }
        let mut counts = [0; SHARDS];
        for number in 0..64_000 {
            counts[ShardNumber::of(id(number)).index()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    #[test]
    fn shards_take_turns() {
        let ownership = some(&[3, 9, 63]);
        let turns = std::iter::successors(ShardNumber::new(9), |shard| ownership.after(*shard));
        assert_eq!(turns.take(5).map(ShardNumber::index).collect::<Vec<_>>(), [9, 63, 3, 9, 63]);
        // Also after one that is not owned any more.
        let next = ShardNumber::new(10).and_then(|shard| ownership.after(shard));
        assert_eq!(next, ShardNumber::new(63));
        assert_eq!(ShardNumber::new(0).and_then(|shard| some(&[]).after(shard)), None);
        assert_eq!(ShardNumber::new(SHARDS), None);
        assert_eq!(ShardNumber::all().count(), SHARDS);
    }

    #[test]
    fn what_another_one_owns_is_not_written() {
        let all: Vec<MetricId> = (0..1_000).map(id).collect();
        assert_eq!(Ownership { shards: u64::MAX }.foreign(all.iter().copied()), None);
        let first = ShardNumber::of(id(0));
        let but_first: Vec<usize> =
            ShardNumber::all().filter(|shard| *shard != first).map(ShardNumber::index).collect();
        assert_eq!(some(&but_first).foreign(all.iter().rev().copied().take(999)), {
            all.iter().rev().take(999).copied().find(|metric| ShardNumber::of(*metric) == first)
        });
        assert_eq!(some(&[first.index()]).foreign([id(0)]), None);
        assert_eq!(some(&but_first).foreign([id(0)]), Some(id(0)));
    }
}
