//! The raw points of a metric that may still change an aggregate.

use crate::grouped::{Grouped, Window};
use crate::policy::{Aggregation, ArchivePolicy};
use crate::series::{Points, Series};
use crate::time;

/// How much of the raw points is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// A block's width, in nanoseconds: the coarsest granularity.
    pub block: i64,
    /// How many blocks before that of the newest point are kept.
    pub blocks_back: u64,
}

impl Retention {
    /// The oldest timestamp that is kept, or accepted, when `newest` is the newest one.
    pub fn oldest(&self, newest: i64) -> i64 {
        let back = i64::try_from(self.blocks_back).unwrap_or(i64::MAX).saturating_mul(self.block);
        time::floor(newest, self.block).saturating_sub(back)
    }
}

/// A timestamp before the epoch, or after [`time::NEWEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("timestamp {timestamp} ns lies outside 0 to {} ns after the epoch", time::NEWEST)]
pub struct OutOfRange {
    /// The timestamp, in nanoseconds.
    pub timestamp: i64,
}

/// New points of a metric, in order, with one value for each timestamp.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    series: Series,
}

impl Batch {
    /// Puts points of any order together. Of several values for one timestamp the smallest stays, NaN only if there is
    /// no other: Gnocchi sorts a batch by timestamp, then value, and takes the first.
    pub fn new(points: impl IntoIterator<Item = (i64, f64)>) -> Result<Self, OutOfRange> {
        let mut series: Series = Series::new();
        let mut points = points.into_iter();
        series.reserve(points.size_hint().0);
        while let Some((timestamp, value)) = points.next() {
            check(timestamp)?;
            if series.last().is_none_or(|last| last < timestamp) {
                series.push(timestamp, value);
            } else {
                return Self::sorted(&series, (timestamp, value), points);
            }
        }
        Ok(Self { series })
    }

    fn sorted(
        begun: &Series,
        next: (i64, f64),
        rest: impl Iterator<Item = (i64, f64)>,
    ) -> Result<Self, OutOfRange> {
        let mut points: Vec<(i64, f64)> = begun.points().iter().collect();
        points.push(next);
        points.extend(rest);
        for (timestamp, _) in &points {
            check(*timestamp)?;
        }
        points.sort_by(|(left, a), (right, b)| {
            let values = || a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
            left.cmp(right).then_with(values)
        });
        points.dedup_by_key(|(timestamp, _)| *timestamp);
        Ok(Self { series: points.into_iter().collect() })
    }

    /// The points.
    pub fn points(&self) -> Points<'_> {
        self.series.points()
    }
}

fn check(timestamp: i64) -> Result<(), OutOfRange> {
    if (0..=time::NEWEST).contains(&timestamp) { Ok(()) } else { Err(OutOfRange { timestamp }) }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// Groups that end after this moment, in nanoseconds, are to be computed anew.
    pub since: i64,
    /// How many points were older than the back window allows, and were dropped.
    pub late: usize,
}

/// A metric's raw points, from the begin of the oldest block that the back window asks for.
///
/// [`Self::apply`] is what becomes of a batch; its three steps can also be taken one by one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawBuffer {
    series: Series,
}

impl RawBuffer {
    /// An empty one.
    pub const fn new() -> Self {
        Self { series: Series::new() }
    }

    /// One with points that a buffer had before.
    pub fn from_series(series: Series) -> Self {
        Self { series }
    }

    /// Its points.
    pub fn points(&self) -> Points<'_> {
        self.series.points()
    }

    /// Merges a batch, has every aggregation of the policy told the groups that it touched, and forgets what is too old
    /// now. Series without a point are left out.
    pub fn apply(
        &mut self,
        batch: &Batch,
        policy: &ArchivePolicy,
        mut changed: impl FnMut(&Aggregation, &Series),
    ) -> Option<Merged> {
        let retention = policy.retention();
        let merged = self.merge(batch, retention)?;
        let mut series = Series::new();
        for definition in policy.definition() {
            let window = self.window(merged.since, definition.granularity());
            let grouped = Grouped::new(window, crate::Grouping::Fixed(definition.granularity()));
            for method in policy.methods().iter() {
                grouped.aggregate_into(method, &mut series);
                if !series.is_empty() {
                    changed(&definition.aggregation(method), &series);
                }
            }
        }
        self.truncate(retention);
        Some(merged)
    }

    /// Takes the points of a batch that are not too late; they replace points of the same timestamps. Into an empty
    /// buffer, any point comes in time. `None` if the batch is empty.
    pub fn merge(&mut self, batch: &Batch, retention: Retention) -> Option<Merged> {
        let points = batch.points();
        let oldest = *points.timestamps().first()?;
        let late = self.series.last().map_or(0, |newest| points.before(retention.oldest(newest)));
        self.series.reserve_tightly(points.len() - late);
        self.series.merge(points.skip(late));
        // What the dropped points would have touched is computed anew as well, as far as the buffer reaches.
        let since = self.series.first().map_or(oldest, |first| first.max(oldest));
        Some(Merged { since, late })
    }

    /// Takes points that are newer than all others, and forgets what is too old then, as [`Self::merge`] and
    /// [`Self::truncate`]; `visit` is told all of them in between. `room` is for them when some are forgotten.
    pub fn extend(
        &mut self,
        newer: Points<'_>,
        retention: Retention,
        room: &mut Series,
        visit: impl FnOnce(Points<'_>),
    ) {
        let Some(newest) = newer.timestamps().last() else { return };
        let oldest = retention.oldest(*newest);
        if self.series.first().is_none_or(|first| first >= oldest) && newer.before(oldest) == 0 {
            self.series.reserve_tightly(newer.len());
            self.series.merge(newer);
            visit(self.points());
            return;
        }
        room.assign(self.points());
        room.merge(newer);
        visit(room.points());
        self.series.assign(room.points().skip(room.points().before(oldest)));
    }

    /// The points from the begin of the group that holds `since`, with the value before them if it lies within one
    /// `granularity` (nanoseconds) of that begin.
    pub fn window(&self, since: i64, granularity: i64) -> Window<'_> {
        let points = self.points();
        let start = time::floor(since, granularity);
        let earlier = points.before(start);
        let before = earlier.checked_sub(1).and_then(|index| {
            let timestamp = *points.timestamps().get(index)?;
            let near = timestamp >= start.saturating_sub(granularity);
            points.values().get(index).copied().filter(|_| near)
        });
        Window { points: points.skip(earlier), before }
    }

    /// Forgets points that are older than the back window needs.
    pub fn truncate(&mut self, retention: Retention) {
        if let Some(newest) = self.series.last() {
            self.series.forget_first(self.points().before(retention.oldest(newest)));
            self.series.shrink();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;

    use super::*;
    use crate::method::{Method, MethodSet, Statistic};
    use crate::policy::Definition;
    use crate::time::SECOND;

    fn batch(points: &[(i64, f64)]) -> Batch {
        Batch::new(points.iter().map(|(seconds, value)| (seconds * SECOND, *value))).unwrap()
    }

    #[test]
    fn of_duplicates_the_smallest_stays() {
        let made = batch(&[(3, f64::NAN), (1, 9.0), (3, 5.0), (1, 2.0), (2, f64::NAN), (3, 7.0)]);
        let points: Vec<(i64, String)> =
            made.points().iter().map(|(timestamp, value)| (timestamp / SECOND, value.to_string())).collect();
        assert_eq!(points, [(1, "2".into()), (2, "NaN".into()), (3, "5".into())]);
    }

    proptest::proptest! {
        #[test]
        fn newer_points_are_taken_as_a_batch_is(
            blocks_back in 0_u64..3,
            batches in vec(vec((1_i64..9, -1e6..1e6), 0..8), 1..20),
        ) {
            let retention = Retention { block: 10 * SECOND, blocks_back };
            let (mut own, mut expected, mut room) = (RawBuffer::new(), RawBuffer::new(), Series::new());
            let mut now = 100;
            for points in batches {
                let points = points.into_iter().map(|(step, value)| {
                    now += step;
                    (now, value)
                });
                let batch = batch(&points.collect::<Vec<_>>());
                expected.merge(&batch, retention);
                let mut seen = expected.clone();
                own.extend(batch.points(), retention, &mut room, |all| seen.series.assign(all));
                assert_eq!(seen, expected);
                expected.truncate(retention);
                assert_eq!(own, expected);
            }
        }
    }

    #[test]
    fn times_that_cannot_be_grouped_are_refused() {
        assert_eq!(Batch::new([(5, 1.0), (-1, 1.0)]), Err(OutOfRange { timestamp: -1 }));
        assert_eq!(
            Batch::new([(5, 1.0), (4, 1.0), (i64::MAX, 1.0)]),
            Err(OutOfRange { timestamp: i64::MAX })
        );
    }

    #[test]
    fn late_points_are_dropped_and_others_replace() {
        let definition = vec![
            Definition::new(Some(SECOND), None, None).unwrap(),
            Definition::new(Some(60 * SECOND), Some(3), None).unwrap(),
        ];
        let methods: MethodSet =
            [Method::plain(Statistic::Sum), Method::rate(Statistic::Sum)].into_iter().collect();
        let policy = ArchivePolicy::new("p", 1, definition, methods).unwrap();
        let mut buffer = RawBuffer::new();
        let mut sums = |points: &[(i64, f64)]| {
            let mut sums = Vec::new();
            let merged = buffer.apply(&batch(points), &policy, |aggregation, series| {
                if aggregation.granularity == 60 * SECOND && !aggregation.method.rate {
                    sums.extend(series.points().iter().map(|(timestamp, value)| (timestamp / SECOND, value)));
                }
            });
            (merged.map(|merged| merged.late), sums)
        };
        // Minute 30 is 1800 s: the first batch has whatever spread it likes.
        let first = [(1_800, 100.0), (1_980, 3.0), (1_981, 1.0), (2_100, 7.0)];
        assert_eq!(sums(&first), (Some(0), vec![(1_800, 100.0), (1_980, 4.0), (2_100, 7.0)]));
        assert_eq!(sums(&[(2_070, 50.0)]), (Some(0), vec![(2_040, 50.0), (2_100, 7.0)]));
        assert_eq!(sums(&[(2_010, 50.0)]).1[0], (1_980, 54.0));
        assert_eq!(sums(&[(1_890, 50.0)]).0, Some(1));
        assert_eq!(sums(&[(2_160, 5.0), (2_160, 2.0), (2_160, 9.0)]).1.last(), Some(&(2_160, 2.0)));
        assert_eq!(sums(&[(2_160, 8.0)]).1.last(), Some(&(2_160, 8.0)));
        assert_eq!(sums(&[]), (None, vec![]));
    }

    #[test]
    fn an_endless_back_window_keeps_everything() {
        let retention = Retention { block: 60 * SECOND, blocks_back: u64::MAX };
        let mut buffer = RawBuffer::new();
        buffer.merge(&batch(&[(1_000_000, 1.0)]), retention);
        assert_eq!(buffer.merge(&batch(&[(0, 1.0)]), retention).map(|merged| merged.late), Some(0));
        buffer.truncate(retention);
        assert_eq!(buffer.points().len(), 2);
    }
}
