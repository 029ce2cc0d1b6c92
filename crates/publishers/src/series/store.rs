//! [`SeriesStore`]: the last value of each series.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use observability::clock::MonotonicTime;

use super::snapshot::{FamilyShot, Shows, Snapshot};
use super::{Kind, Point};

/// Bytes of names and labels that a store holds for each series of its limit, all taken together.
const BYTES_PER_SERIES: usize = 1024;

/// How much a store holds, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesLimits {
    /// Most series. Their labels may take 1 KiB each, all taken together.
    pub series: usize,
    /// A series without a new value for so long disappears.
    pub stale_after: Duration,
}

/// The last values, bounded in number and bytes. Updates and snapshots are whole: nobody sees half of either.
#[derive(Debug)]
pub struct SeriesStore {
    limits: SeriesLimits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    families: BTreeMap<Arc<str>, Family>,
    series: usize,
    bytes: usize,
}

/// The series of one name, by the text of their labels.
#[derive(Debug)]
struct Family {
    /// It names the meter of the first sample.
    help: Arc<str>,
    series: BTreeMap<Arc<str>, Last>,
}

#[derive(Debug)]
struct Last {
    value: f64,
    kind: Kind,
    measured_at: Option<i64>,
    seen: MonotonicTime,
}

/// What became of the points of an update; those that are in neither number are the series' values now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Updated {
    /// Points of new series for which there was no room.
    pub no_room: u64,
    /// Points that were measured before the value that their series has.
    pub outdated: u64,
}

impl SeriesStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: SeriesLimits) -> Self {
        Self { limits, inner: Mutex::default() }
    }

    /// Takes the points as the last values of their series, in order and all at once.
    pub fn update(&self, points: &[Point<'_>], now: MonotonicTime) -> Updated {
        let labels = points.iter().map(|point| {
            let mut text = String::with_capacity(512);
            point.series.write_labels(&mut text);
            text
        });
        let labels: Vec<String> = labels.collect();
        let mut updated = Updated::default();
        let mut has_swept = false;
        let mut inner = self.lock();
        for (point, labels) in points.iter().zip(&labels) {
            let Point { series, value, measured_at } = point;
            let family = inner.families.get_mut(series.name.as_str());
            if let Some(last) = family.and_then(|family| family.series.get_mut(labels.as_str())) {
                let is_live = now.since(last.seen) < self.limits.stale_after;
                if is_live && measured_at.is_some() && *measured_at < last.measured_at {
                    updated.outdated += 1;
                } else {
                    *last = Last { value: *value, kind: series.kind, measured_at: *measured_at, seen: now };
                }
                continue;
            }
            if !self.has_room(&inner, labels.len()) && !has_swept {
                inner.sweep(now, self.limits.stale_after);
                has_swept = true;
            }
            if !self.has_room(&inner, labels.len()) {
                updated.no_room += 1;
                continue;
            }
            inner.series += 1;
            inner.bytes += labels.len();
            if !inner.families.contains_key(series.name.as_str()) {
                inner.bytes += 2 * series.name.len();
                let help = format!("Meter {}", series.meter).into();
                let family = Family { help, series: BTreeMap::new() };
                inner.families.insert(series.name.as_str().into(), family);
            }
            if let Some(family) = inner.families.get_mut(series.name.as_str()) {
                let last = Last { value: *value, kind: series.kind, measured_at: *measured_at, seen: now };
                family.series.insert(labels.as_str().into(), last);
            }
        }
        updated
    }

    /// All series that are not stale, of those names that are `wanted`.
    pub fn snapshot(&self, now: MonotonicTime, wanted: impl Fn(&str) -> bool) -> Snapshot {
        let mut inner = self.lock();
        inner.sweep(now, self.limits.stale_after);
        let families = inner.families.iter().filter(|(name, _)| wanted(name)).map(|(name, family)| {
            let mut kinds = family.series.values().map(|last| last.kind);
            let first = kinds.next();
            FamilyShot {
                name: Arc::clone(name),
                help: Arc::clone(&family.help),
                kind: first.filter(|first| kinds.all(|kind| kind == *first)),
                unit: None,
                series: family.series.iter().map(|(labels, last)| (Arc::clone(labels), last.value)).collect(),
            }
        });
        Snapshot { families: families.collect() }
    }

    /// How many series there are, stale ones that nobody has looked for included.
    pub fn len(&self) -> usize {
        self.lock().series
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn has_room(&self, inner: &Inner, bytes: usize) -> bool {
        inner.series < self.limits.series
            && inner.bytes.saturating_add(bytes) <= self.limits.series.saturating_mul(BYTES_PER_SERIES)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shows for SeriesStore {
    fn snapshot(&self, now: MonotonicTime, wanted: &dyn Fn(&str) -> bool) -> Snapshot {
        Self::snapshot(self, now, wanted)
    }
}

impl Inner {
    /// Forgets stale series.
    fn sweep(&mut self, now: MonotonicTime, stale_after: Duration) {
        let Self { families, series, bytes } = self;
        families.retain(|name, family| {
            family.series.retain(|labels, last| {
                let is_live = now.since(last.seen) < stale_after;
                if !is_live {
                    *series = series.saturating_sub(1);
                    *bytes = bytes.saturating_sub(labels.len());
                }
                is_live
            });
            if family.series.is_empty() {
                *bytes = bytes.saturating_sub(2 * name.len());
            }
            !family.series.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use model::{MeterKind, Sample};
    use observability::clock::Clock;

    use super::*;
    use crate::fixtures::sample;
    use crate::series::{Naming, Series};

    const LIMITS: SeriesLimits = SeriesLimits { series: 3, stale_after: Duration::from_mins(1) };

    fn point(sample: &Sample, value: f64, measured_at: i64) -> Point<'_> {
        Point { series: Series::of(sample, Naming::default()), value, measured_at: Some(measured_at) }
    }

    fn values(store: &SeriesStore, now: MonotonicTime) -> Vec<(String, f64)> {
        let families = store.snapshot(now, |_| true).families.into_iter();
        families
            .flat_map(|family| {
                let series: Vec<_> = family.series.iter().map(|(_, value)| *value).collect();
                series.into_iter().map(move |value| (family.name.to_string(), value))
            })
            .collect()
    }

    #[test]
    fn the_newest_value_holds_until_it_is_stale() {
        let (clock, hand) = Clock::test("2026-11-26T12:00:00Z".parse().unwrap());
        let store = SeriesStore::new(LIMITS);
        let (cpu, memory) = (sample("cpu", "r", 0.into()), sample("memory", "r", 0.into()));
        let points =
            [point(&cpu, 1.0, 10), point(&memory, 2.0, 10), point(&cpu, 3.0, 20), point(&cpu, 4.0, 15)];
        let updated = store.update(&points, clock.monotonic());
        assert_eq!(updated, Updated { no_room: 0, outdated: 1 });
        let expected = |value| ("ceilometer_cpu".to_owned(), value);
        assert_eq!(values(&store, clock.monotonic())[0], expected(3.0));
        hand.advance(Duration::from_secs(40));
        store.update(&[point(&cpu, 5.0, 30)], clock.monotonic());
        hand.advance(Duration::from_secs(20));
        assert_eq!(values(&store, clock.monotonic()), [expected(5.0)]);
        // After a clock has been set back, a series that nobody knows any more begins anew.
        hand.advance(Duration::from_secs(40));
        store.update(&[point(&cpu, 6.0, 1)], clock.monotonic());
        assert_eq!(values(&store, clock.monotonic()), [expected(6.0)]);
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn series_and_bytes_are_bounded_and_stale_ones_make_room() {
        let (clock, hand) = Clock::test("2026-11-26T12:00:00Z".parse().unwrap());
        let store = SeriesStore::new(LIMITS);
        let samples: Vec<_> = (0..5).map(|number| sample("m", &number.to_string(), 0.into())).collect();
        let points: Vec<_> = samples.iter().map(|sample| point(sample, 1.0, 1)).collect();
        assert_eq!(store.update(&points, clock.monotonic()).no_room, 2);
        assert_eq!(store.len(), 3);
        // Those that are known go on.
        assert_eq!(store.update(points.get(..3).unwrap(), clock.monotonic()).no_room, 0);
        hand.advance(Duration::from_mins(1));
        let long = sample("long", &"x".repeat(4000), 0.into());
        assert_eq!(store.update(&[point(&long, 1.0, 1)], clock.monotonic()).no_room, 1);
        assert_eq!(store.update(points.get(3..).unwrap(), clock.monotonic()).no_room, 0);
        assert_eq!(store.len(), 2);
        hand.advance(Duration::from_mins(1));
        assert!(values(&store, clock.monotonic()).is_empty());
        let inner = store.lock();
        assert_eq!((inner.series, inner.bytes, inner.families.len()), (0, 0, 0));
    }

    #[test]
    fn a_family_whose_series_differ_has_no_kind() {
        let (clock, _hand) = Clock::test("2026-11-26T12:00:00Z".parse().unwrap());
        let store = SeriesStore::new(LIMITS);
        let counter = sample("a.b", "r", 0.into());
        let mut gauge = sample("a_b", "r", 0.into());
        gauge.kind = MeterKind::Gauge;
        store.update(&[point(&counter, 1.0, 1)], clock.monotonic());
        assert_eq!(store.snapshot(clock.monotonic(), |_| true).families[0].kind, Some(Kind::Counter));
        store.update(&[point(&gauge, 1.0, 1)], clock.monotonic());
        let snapshot = store.snapshot(clock.monotonic(), |_| true);
        assert_eq!((snapshot.families.len(), snapshot.families[0].kind), (1, None));
        assert!(store.snapshot(clock.monotonic(), |name| name == "x").families.is_empty());
    }
}
