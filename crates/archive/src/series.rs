//! Time series as two columns.

/// A borrowed time series: timestamps in strictly ascending order, and a value for each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Points<'a> {
    timestamps: &'a [i64],
    values: &'a [f64],
}

impl<'a> Points<'a> {
    /// Two columns of one series. What one column has more than the other is left out.
    pub fn new(timestamps: &'a [i64], values: &'a [f64]) -> Self {
        let length = timestamps.len().min(values.len());
        let points = Self {
            timestamps: timestamps.get(..length).unwrap_or_default(),
            values: values.get(..length).unwrap_or_default(),
        };
        debug_assert!(points.timestamps.is_sorted_by(|a, b| a < b), "timestamps ascend");
        points
    }

    /// Nanoseconds since the epoch.
    pub fn timestamps(self) -> &'a [i64] {
        self.timestamps
    }

    /// The values, one for each timestamp.
    pub fn values(self) -> &'a [f64] {
        self.values
    }

    /// How many points there are.
    pub fn len(self) -> usize {
        self.timestamps.len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.timestamps.is_empty()
    }

    /// Timestamps with their values.
    pub fn iter(self) -> impl Iterator<Item = (i64, f64)> + 'a {
        self.timestamps.iter().copied().zip(self.values.iter().copied())
    }

    /// How many points lie before a moment.
    pub fn before(self, moment: i64) -> usize {
        self.timestamps.partition_point(|timestamp| *timestamp < moment)
    }

    /// All but the first `count` points.
    #[must_use]
    pub fn skip(self, count: usize) -> Self {
        let timestamps = self.timestamps.get(count..).unwrap_or_default();
        Self { timestamps, values: self.values.get(count..).unwrap_or_default() }
    }

    /// The first `count` points.
    #[must_use]
    pub fn take(self, count: usize) -> Self {
        let count = count.min(self.len());
        let timestamps = self.timestamps.get(..count).unwrap_or_default();
        Self { timestamps, values: self.values.get(..count).unwrap_or_default() }
    }

    /// From `start` (inclusive) to `stop` (exclusive).
    #[must_use]
    pub fn between(self, start: Option<i64>, stop: Option<i64>) -> Self {
        let until = stop.map_or(self.len(), |stop| self.before(stop));
        let from = start.map_or(0, |start| self.before(start));
        self.take(until).skip(from)
    }
}

/// An owned time series. As [`Points`], in strictly ascending order of its timestamps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    timestamps: Vec<i64>,
    values: Vec<f64>,
}

impl Series {
    /// One without points.
    pub const fn new() -> Self {
        Self { timestamps: Vec::new(), values: Vec::new() }
    }

    /// Two columns, as [`Points::new`].
    pub fn from_columns(mut timestamps: Vec<i64>, mut values: Vec<f64>) -> Self {
        let length = timestamps.len().min(values.len());
        timestamps.truncate(length);
        values.truncate(length);
        debug_assert!(timestamps.is_sorted_by(|a, b| a < b), "timestamps ascend");
        Self { timestamps, values }
    }

    /// Makes room for `count` points.
    pub fn with_capacity(count: usize) -> Self {
        Self { timestamps: Vec::with_capacity(count), values: Vec::with_capacity(count) }
    }

    /// The columns.
    pub fn into_columns(self) -> (Vec<i64>, Vec<f64>) {
        (self.timestamps, self.values)
    }

    /// The points.
    pub fn points(&self) -> Points<'_> {
        Points { timestamps: &self.timestamps, values: &self.values }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// The oldest timestamp.
    pub fn first(&self) -> Option<i64> {
        self.timestamps.first().copied()
    }

    /// The newest timestamp.
    pub fn last(&self) -> Option<i64> {
        self.timestamps.last().copied()
    }

    /// Forgets every point, and keeps the room.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.values.clear();
    }

    /// Adds a point that is newer than all others.
    pub fn push(&mut self, timestamp: i64, value: f64) {
        debug_assert!(self.last().is_none_or(|last| last < timestamp), "timestamps ascend");
        self.timestamps.push(timestamp);
        self.values.push(value);
    }

    /// Forgets the first `count` points.
    pub fn forget_first(&mut self, count: usize) {
        let count = count.min(self.len());
        self.timestamps.drain(..count);
        self.values.drain(..count);
    }

    /// Forgets what lies before `start` or from `stop` on.
    pub fn keep_between(&mut self, start: Option<i64>, stop: Option<i64>) {
        if let Some(stop) = stop {
            let kept = self.points().before(stop);
            self.timestamps.truncate(kept);
            self.values.truncate(kept);
        }
        if let Some(start) = start {
            self.forget_first(self.points().before(start));
        }
    }

    /// Adds `newer` points; where both have a timestamp, the newer value stays.
    pub fn merge(&mut self, newer: Points<'_>) {
        let Some(&first) = newer.timestamps.first() else { return };
        let kept = self.points().before(first);
        let replaced = self.timestamps.get(kept..).unwrap_or_default();
        if is_within(replaced, newer.timestamps) {
            self.timestamps.truncate(kept);
            self.values.truncate(kept);
            self.timestamps.extend_from_slice(newer.timestamps);
            self.values.extend_from_slice(newer.values);
            return;
        }
        let (old_timestamps, old_values) = (self.timestamps.split_off(kept), self.values.split_off(kept));
        let mut old = old_timestamps.iter().copied().zip(old_values).peekable();
        self.reserve(old.len() + newer.len());
        for (timestamp, value) in newer.iter() {
            while let Some((earlier, value)) = old.next_if(|(earlier, _)| *earlier < timestamp) {
                self.push(earlier, value);
            }
            old.next_if(|(same, _)| *same == timestamp);
            self.push(timestamp, value);
        }
        for (timestamp, value) in old {
            self.push(timestamp, value);
        }
    }

    /// Makes room for `count` more points, and little beyond it: a series that grows slowly is seldom far larger than its
    /// points.
    pub fn reserve_tightly(&mut self, count: usize) {
        if self.timestamps.capacity() < self.len() + count {
            let room = count.max(self.len() / 4);
            self.timestamps.reserve_exact(room);
            self.values.reserve_exact(room);
        }
    }

    /// Becomes these points, in the room that there is if that will do.
    pub fn assign(&mut self, points: Points<'_>) {
        self.clear();
        self.reserve_tightly(points.len());
        self.timestamps.extend_from_slice(points.timestamps);
        self.values.extend_from_slice(points.values);
        self.shrink();
    }

    /// Gives room back when there is far more of it than points.
    pub fn shrink(&mut self) {
        if self.timestamps.capacity() > 2 * self.len() + 4 {
            self.timestamps.shrink_to_fit();
            self.values.shrink_to_fit();
        }
    }

    /// Makes room for `count` more points.
    pub fn reserve(&mut self, count: usize) {
        self.timestamps.reserve(count);
        self.values.reserve(count);
    }
}

/// Whether every one of some ascending timestamps is among others, which ascend too.
pub fn is_within(timestamps: &[i64], others: &[i64]) -> bool {
    let mut others = others.iter();
    timestamps.iter().all(|timestamp| others.any(|other| other == timestamp))
}

impl FromIterator<(i64, f64)> for Series {
    /// Points in strictly ascending order of their timestamps.
    fn from_iter<I: IntoIterator<Item = (i64, f64)>>(points: I) -> Self {
        let (timestamps, values) = points.into_iter().unzip();
        Self::from_columns(timestamps, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(i64, f64)]) -> Series {
        points.iter().copied().collect()
    }

    #[test]
    fn merging_keeps_order_and_the_newer_value() {
        let mut merged = series(&[(1, 1.0), (3, 3.0), (5, 5.0)]);
        merged.merge(series(&[(6, 6.0), (7, 7.0)]).points());
        merged.merge(series(&[(0, 0.0), (3, 30.0), (4, 4.0)]).points());
        merged.merge(Points::default());
        merged.merge(series(&[(7, 70.0)]).points());
        let expected = [(0, 0.0), (1, 1.0), (3, 30.0), (4, 4.0), (5, 5.0), (6, 6.0), (7, 70.0)];
        assert_eq!(merged, series(&expected));
    }

    #[test]
    fn a_cut_includes_its_start_and_excludes_its_stop() {
        let points = series(&[(1, 1.0), (3, 3.0), (5, 5.0)]);
        let cut = |start, stop| points.points().between(start, stop).timestamps().to_vec();
        assert_eq!(cut(None, None), [1, 3, 5]);
        assert_eq!(cut(Some(3), None), [3, 5]);
        assert_eq!(cut(None, Some(3)), [1]);
        assert_eq!(cut(Some(2), Some(4)), [3]);
        assert_eq!(cut(Some(5), Some(1)), Vec::<i64>::new());
        for bounds in [None, Some(0), Some(2), Some(3), Some(6)] {
            for stop in [None, Some(0), Some(1), Some(4), Some(5), Some(9)] {
                let mut kept = points.clone();
                kept.keep_between(bounds, stop);
                assert_eq!(kept.points(), points.points().between(bounds, stop));
            }
        }
    }
}
