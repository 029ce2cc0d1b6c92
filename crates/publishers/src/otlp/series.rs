//! [`Series`]: since when counters count, and when the point before a delta was.
//!
//! OTLP wants to know when the time begins that a sum is about. A sample does not say it, so it is found out:
//!
//! - A counter that is seen for the first time begins with its first point, which has no length then; consumers take its
//!   value as the one to compare later ones with. Where the resource says when it was launched, the counter begins there.
//! - A value that is lower than the one before means that the counter began anew, at some time since then: its start is
//!   the time of the point before.
//! - A delta begins with the point before. The first one has no start.
//!
//! What is repeated or late changes nothing. Memory is bounded: of more than `most` series those that were not seen for
//! the longest time are forgotten, and begin anew when they come back.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};

/// Generations that change faster than this, by the times of the points, are too small, in nanoseconds: pollsters ask once
/// in some minutes.
const SHORT: u64 = 3_600 * 1_000_000_000;

/// What is remembered of a series.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Nanoseconds since 1970, as all times here.
    start: u64,
    time: u64,
    value: f64,
}

/// Two hashes of a series' name and attributes, from seeds that nobody outside knows. Two series with the same one would
/// share their start; of a million series, any two do with a probability of 1 in 10^26.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SeriesKey([u64; 2]);

/// Series and what is remembered of them, in two generations: when the younger one is full, the older one is forgotten.
#[derive(Debug)]
pub(super) struct Series {
    seeds: [RandomState; 2],
    young: HashMap<SeriesKey, Seen>,
    old: HashMap<SeriesKey, Seen>,
    /// Most series of one generation.
    generation: usize,
    /// The time of the point with which the younger generation began.
    began: u64,
}

impl Series {
    /// Remembers at most `most` series, and at least the half that was seen last.
    pub(super) fn new(most: usize) -> Self {
        let seeds = [RandomState::new(), RandomState::new()];
        Self { seeds, young: HashMap::new(), old: HashMap::new(), generation: (most / 2).max(1), began: 0 }
    }

    /// The key of what tells a series from others.
    pub(super) fn key(&self, identity: &impl Hash) -> SeriesKey {
        let [one, other] = &self.seeds;
        SeriesKey([one.hash_one(identity), other.hash_one(identity)])
    }

    /// The start of a counter's point; `launched` is when its resource says that it began.
    pub(super) fn cumulative(
        &mut self,
        key: SeriesKey,
        time: u64,
        value: f64,
        launched: impl FnOnce() -> Option<u64>,
    ) -> u64 {
        let Some(seen) = self.seen(key) else {
            let start = launched().filter(|launched| *launched > 0 && *launched <= time).unwrap_or(time);
            self.remember(key, Seen { start, time, value });
            return start;
        };
        if time <= seen.time {
            return seen.start.min(time);
        }
        if value < seen.value {
            seen.start = seen.time;
        }
        seen.time = time;
        // What is no number says nothing about the next one.
        if !value.is_nan() {
            seen.value = value;
        }
        seen.start
    }

    /// The start of a delta's point, if it is known.
    pub(super) fn delta(&mut self, key: SeriesKey, time: u64) -> Option<u64> {
        let Some(seen) = self.seen(key) else {
            self.remember(key, Seen { start: time, time, value: 0.0 });
            return None;
        };
        let before = seen.time;
        (time > before).then(|| {
            seen.time = time;
            before
        })
    }

    /// A series that is known; it is young again.
    fn seen(&mut self, key: SeriesKey) -> Option<&mut Seen> {
        if let Some(seen) = self.old.remove(&key) {
            self.remember(key, seen);
        }
        self.young.get_mut(&key)
    }

    fn remember(&mut self, key: SeriesKey, seen: Seen) {
        if self.young.len() >= self.generation {
            if !self.old.is_empty() && seen.time.saturating_sub(self.began) < SHORT {
                tracing::warn!(
                    max_series = 2 * self.generation,
                    "there are more series than are remembered, so that counters begin anew again and again; set max_series \
                     in the publisher's URL to twice their number"
                );
            }
            let young = HashMap::with_capacity(self.young.len());
            self.old = std::mem::replace(&mut self.young, young);
            self.began = seen.time;
        }
        self.young.insert(key, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(series: &mut Series, name: &str, time: u64, value: f64) -> u64 {
        let key = series.key(&name);
        series.cumulative(key, time, value, || None)
    }

    #[test]
    fn a_counter_begins_with_its_first_point_and_anew_after_a_reset() {
        let mut series = Series::new(10);
        for (time, value, expected) in [
            (100, 7.0, 100),
            (200, 7.0, 100),
            (300, 9.0, 100),
            // The same once more, and one that is late: nothing changes.
            (300, 9.0, 100),
            (250, 8.0, 100),
            (50, 1.0, 50),
            // It began anew between 300 and 400.
            (400, 2.0, 300),
            (500, 3.0, 300),
            (350, 1.0, 300),
            (600, f64::NAN, 300),
            (700, 2.5, 600),
            (800, f64::INFINITY, 600),
            (900, 0.0, 800),
        ] {
            assert_eq!(start(&mut series, "a", time, value), expected, "{time} {value}");
        }
        assert_eq!(start(&mut series, "b", 950, 1.0), 950);
    }

    #[test]
    fn a_launch_is_the_start_until_a_reset() {
        let mut series = Series::new(10);
        for (name, launched, expected) in [
            ("a", Some(40), 40),
            ("b", Some(100), 100),
            ("c", Some(101), 100),
            ("d", None, 100),
            ("e", Some(0), 100),
        ] {
            let key = series.key(&name);
            assert_eq!(series.cumulative(key, 100, 5.0, || launched), expected, "{name}");
        }
        let key = series.key(&"a");
        assert_eq!(series.cumulative(key, 200, 6.0, || unreachable!()), 40);
        assert_eq!(series.cumulative(key, 300, 1.0, || unreachable!()), 200);
    }

    #[test]
    fn a_delta_begins_with_the_point_before() {
        let mut series = Series::new(10);
        let key = series.key(&"a");
        let starts = [100, 200, 200, 150, 400].map(|time| series.delta(key, time));
        assert_eq!(starts, [None, Some(100), None, None, Some(200)]);
    }

    #[test]
    fn memory_is_bounded_and_what_was_seen_last_stays() {
        let mut series = Series::new(8);
        assert_eq!(start(&mut series, "often", 1, 1.0), 1);
        for number in 0..100 {
            start(&mut series, &format!("{number}"), 10, 1.0);
            assert_eq!(start(&mut series, "often", 20 + number, 1.0), 1);
            assert!(series.young.len() + series.old.len() <= 8);
        }
        assert_eq!(start(&mut series, "0", 200, 1.0), 200, "forgotten");
        assert_eq!(start(&mut series, "99", 200, 1.0), 10, "remembered");
    }
}
