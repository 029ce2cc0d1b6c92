//! Points in groups of time, and what becomes of each group.
//!
//! [`Grouped`] finds the groups once; each method then goes over them. What several methods share (sums, sorted
//! values, differences) is computed when the first of them asks for it.

mod groups;
mod statistics;
mod totals;

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::calendar::Calendar;
use crate::method::{Method, Statistic};
use crate::series::{Points, Series};
use crate::time;

use self::groups::Groups;
pub use self::totals::Totals;

/// How points are grouped by their timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// By so many nanoseconds (above 0), counted from the epoch.
    Fixed(i64),
    /// By the calendar.
    Calendar(Calendar),
}

impl Grouping {
    /// The start of the group that holds `timestamp`.
    pub fn start(self, timestamp: i64) -> i64 {
        match self {
            Self::Fixed(granularity) => time::floor(timestamp, granularity),
            Self::Calendar(calendar) => calendar.bounds(timestamp).0,
        }
    }
}

/// What is grouped: points, and the value before them if there is one to take a difference from.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Window<'a> {
    /// The points.
    pub points: Points<'a>,
    /// The value of the point before the first one, for `rate:` methods. Without it, the first point has no difference.
    pub before: Option<f64>,
}

impl<'a> From<Points<'a>> for Window<'a> {
    fn from(points: Points<'a>) -> Self {
        Self { points, before: None }
    }
}

/// Points in groups.
#[derive(Debug)]
pub struct Grouped<'a> {
    values: Cow<'a, [f64]>,
    before: Option<f64>,
    groups: Groups,
    window_positions: bool,
    totals: OnceCell<Vec<Totals>>,
    sorted: OnceCell<Vec<f64>>,
    differences: OnceCell<Box<Grouped<'a>>>,
}

impl<'a> Grouped<'a> {
    /// Groups the points of a window.
    pub fn new(window: impl Into<Window<'a>>, grouping: Grouping) -> Self {
        let window = window.into();
        let groups = Groups::find(window.points.timestamps(), grouping);
        Self::of(Cow::Borrowed(window.points.values()), window.before, groups)
    }

    fn of(values: Cow<'a, [f64]>, before: Option<f64>, groups: Groups) -> Self {
        Self {
            values,
            before,
            groups,
            window_positions: false,
            totals: OnceCell::new(),
            sorted: OnceCell::new(),
            differences: OnceCell::new(),
        }
    }

    /// Computes percentiles at positions counted from the window's begin, as Gnocchi does, not from each group's. Their
    /// last bits then depend on which other groups are computed with them.
    #[must_use]
    pub fn with_window_positions(mut self) -> Self {
        self.window_positions = true;
        self
    }

    /// The starts of the groups.
    pub fn starts(&self) -> &[i64] {
        self.groups.starts()
    }

    /// A method's value of every group that has one.
    pub fn aggregate(&self, method: Method) -> Series {
        let mut series = Series::new();
        self.aggregate_into(method, &mut series);
        series
    }

    /// As [`Self::aggregate`], into a series whose room is used again.
    pub fn aggregate_into(&self, method: Method, series: &mut Series) {
        series.clear();
        let grouped = if method.rate { self.differences() } else { self };
        grouped.write(method.statistic, series);
    }

    fn write(&self, statistic: Statistic, series: &mut Series) {
        series.reserve(self.groups.len());
        match statistic {
            Statistic::Std => {
                for ((start, values), totals) in self.groups.iter(&self.values).zip(self.totals()) {
                    if let Some(deviation) = statistics::deviation(values, totals.mean()) {
                        series.push(start, deviation);
                    }
                }
            }
            Statistic::Median => self.each(self.sorted(), series, statistics::median),
            Statistic::Percentile(percent) => {
                let mut position = 0;
                for (start, sorted) in self.groups.iter(self.sorted()) {
                    let offset = if self.window_positions { position } else { 0 };
                    position += sorted.len();
                    if let Some(value) = statistics::percentile(sorted, percent, offset) {
                        series.push(start, value);
                    }
                }
            }
            // These need no sums.
            Statistic::First => self.each(&self.values, series, |values| values.first().copied()),
            Statistic::Last => self.each(&self.values, series, |values| values.last().copied()),
            Statistic::Count => {
                self.each(&self.values, series, |values| Some(statistics::count(values.len())));
            }
            Statistic::Mean => self.each_total(series, Totals::mean),
            Statistic::Sum => self.each_total(series, Totals::sum),
            Statistic::Min => self.each_total(series, Totals::min),
            Statistic::Max => self.each_total(series, Totals::max),
        }
    }

    fn each(&self, values: &[f64], series: &mut Series, value: impl Fn(&[f64]) -> Option<f64>) {
        for (start, values) in self.groups.iter(values) {
            if let Some(value) = value(values) {
                series.push(start, value);
            }
        }
    }

    fn each_total(&self, series: &mut Series, value: impl Fn(&Totals) -> f64) {
        for (start, totals) in self.starts().iter().zip(self.totals()) {
            series.push(*start, value(totals));
        }
    }

    fn totals(&self) -> &[Totals] {
        self.totals.get_or_init(|| {
            self.groups.iter(&self.values).filter_map(|(_, values)| Totals::of(values)).collect()
        })
    }

    /// The values, sorted within each group.
    fn sorted(&self) -> &[f64] {
        self.sorted.get_or_init(|| {
            let mut sorted = self.values.to_vec();
            let mut rest = sorted.as_mut_slice();
            for length in self.groups.lengths() {
                let (group, others) = rest.split_at_mut(length.min(rest.len()));
                statistics::sort(group);
                rest = others;
            }
            sorted
        })
    }

    /// The differences of neighbours, each at the later one's timestamp.
    fn differences(&self) -> &Self {
        self.differences.get_or_init(|| {
            let neighbours = self.values.iter().zip(self.values.iter().skip(1));
            let between = neighbours.map(|(earlier, later)| later - earlier);
            let (values, groups) = match (self.before, self.values.first()) {
                (Some(before), Some(first)) => {
                    (std::iter::once(first - before).chain(between).collect(), self.groups.clone())
                }
                _ => (between.collect(), self.groups.without_first_point()),
            };
            let window_positions = self.window_positions;
            Box::new(Self { window_positions, ..Self::of(Cow::Owned(values), None, groups) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = time::SECOND;

    fn values_of(method: &str, points: &[(i64, f64)]) -> Vec<(i64, f64)> {
        let series: Series = points.iter().map(|(seconds, value)| (seconds * SECOND, *value)).collect();
        let grouped = Grouped::new(series.points(), Grouping::Fixed(60 * SECOND));
        let aggregated = grouped.aggregate(method.parse().unwrap());
        aggregated.points().iter().map(|(timestamp, value)| (timestamp / SECOND, value)).collect()
    }

    #[test]
    fn the_methods_on_three_groups() {
        let points = [
            (0, 1.5),
            (13, 2.25),
            (14, -7.0),
            (20, 0.1),
            (59, 1e10),
            (61, 3.3),
            (75, 0.2),
            (118, 100.0),
            (125, 42.0),
        ];
        for (method, expected) in [
            ("mean", &[1_999_999_999.370_000_1, 34.5, 42.0][..]),
            ("sum", &[9_999_999_996.85, 103.5, 42.0]),
            ("min", &[-7.0, 0.2, 42.0]),
            ("max", &[1e10, 100.0, 42.0]),
            ("count", &[5.0, 3.0, 1.0]),
            ("first", &[1.5, 3.3, 42.0]),
            ("last", &[1e10, 100.0, 42.0]),
            ("median", &[1.5, 3.3, 42.0]),
            ("std", &[4_472_135_955.351_76, 56.745_836_851_702_17]),
            ("33pct", &[0.548, 2.246, 42.0]),
            ("rate:mean", &[2_499_999_999.625, -3_333_333_300.000_000_5, -58.0]),
            ("rate:sum", &[9_999_999_998.5, -9_999_999_900.000_002, -58.0]),
            ("rate:last", &[9_999_999_999.9, 99.8, -58.0]),
            ("rate:std", &[5_000_000_000.183_333, 5_773_502_717.905_889]),
            ("rate:count", &[4.0, 3.0, 1.0]),
        ] {
            let expected: Vec<(i64, f64)> = [0, 60, 120].into_iter().zip(expected.iter().copied()).collect();
            assert_eq!(values_of(method, &points), expected, "{method}");
        }
    }

    #[test]
    fn not_a_number_counts_as_the_largest() {
        let points = [(0, 1.0), (1, f64::NAN), (2, 3.0)];
        for (method, expected) in
            [("min", 1.0), ("count", 3.0), ("first", 1.0), ("median", 3.0), ("50pct", 3.0)]
        {
            assert_eq!(values_of(method, &points), [(0, expected)], "{method}");
        }
        for method in ["mean", "sum", "max", "std", "99pct"] {
            let values = values_of(method, &points);
            assert!(matches!(values[..], [(0, value)] if value.is_nan()), "{method}: {values:?}");
        }
    }

    #[test]
    fn differences_may_start_before_the_window() {
        let series: Series = [(60, 5.0), (90, 7.0), (130, 4.0)].into_iter().collect();
        let grouping = Grouping::Fixed(60);
        let rate = Method::rate(Statistic::Sum);
        let within = Grouped::new(series.points(), grouping).aggregate(rate);
        assert_eq!(within, [(60, 2.0), (120, -3.0)].into_iter().collect());
        let window = Window { points: series.points(), before: Some(1.0) };
        assert_eq!(
            Grouped::new(window, grouping).aggregate(rate),
            [(60, 6.0), (120, -3.0)].into_iter().collect()
        );
        // A group of one point that has no difference is no group.
        let alone: Series = [(0, 5.0), (90, 7.0)].into_iter().collect();
        let alone = Grouped::new(alone.points(), grouping).aggregate(rate);
        assert_eq!(alone, [(60, 2.0)].into_iter().collect());
    }

    #[test]
    fn nothing_has_no_groups() {
        for method in Method::all() {
            assert!(Grouped::new(Points::default(), Grouping::Fixed(60)).aggregate(method).is_empty());
        }
    }
}
