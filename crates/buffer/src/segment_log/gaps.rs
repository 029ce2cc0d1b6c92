//! [`Gaps`]: sequence numbers whose records are gone.

use std::collections::VecDeque;
use std::ops::Range;

/// Ranges in order that neither touch nor overlap.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    ranges: VecDeque<Range<u64>>,
    count: u64,
}

impl Gaps {
    /// Adds `range`, and returns how many numbers of it were not there yet.
    pub(super) fn add(&mut self, range: Range<u64>) -> u64 {
        let from = self.ranges.partition_point(|known| known.end <= range.start);
        let overlapping = self.ranges.range(from..).take_while(|known| known.start < range.end);
        let known: u64 = overlapping
            .map(|known| known.end.min(range.end).saturating_sub(known.start.max(range.start)))
            .sum();
        let added = (range.end.saturating_sub(range.start)).saturating_sub(known);
        if added > 0 {
            self.insert(range);
            self.count += added;
        }
        added
    }

    fn insert(&mut self, mut range: Range<u64>) {
        let from = self.ranges.partition_point(|known| known.end < range.start);
        let to = self.ranges.partition_point(|known| known.start <= range.end);
        for merged in self.ranges.drain(from..to.max(from)) {
            range.start = range.start.min(merged.start);
            range.end = range.end.max(merged.end);
        }
        self.ranges.insert(from, range);
    }

    /// Forgets numbers below `sequence`.
    pub(super) fn forget_below(&mut self, sequence: u64) {
        while let Some(first) = self.ranges.front_mut() {
            let cut = first.end.min(sequence).saturating_sub(first.start);
            self.count -= cut;
            first.start += cut;
            if first.start < first.end {
                return;
            }
            self.ranges.pop_front();
        }
    }

    /// How many numbers there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many ranges there are.
    pub(super) fn ranges(&self) -> usize {
        self.ranges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_once() {
        let mut gaps = Gaps::default();
        for (range, added, count) in [
            (5..7, 2, 2),
            (5..7, 0, 2),
            (7..8, 1, 3),
            (10..20, 10, 13),
            (6..12, 2, 15),
            (30..30, 0, 15),
            (1..2, 1, 16),
        ] {
            assert_eq!((gaps.add(range.clone()), gaps.count()), (added, count), "{range:?}");
        }
        assert_eq!(gaps.ranges(), 2);
        for (below, count) in [(1, 16), (6, 14), (20, 0), (40, 0)] {
            gaps.forget_below(below);
            assert_eq!(gaps.count(), count, "below {below}");
        }
    }
}
