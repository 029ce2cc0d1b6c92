//! The aggregates of one method and granularity that are kept.

use crate::grouped::{Grouped, Grouping};
use crate::policy::Aggregation;
use crate::series::{Points, Series};

/// Differences of a calendar's groups are not defined: Gnocchi knows no granularity before their begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("rate: methods cannot be resampled by the calendar")]
pub struct RateByCalendar;

/// A series of aggregates, which keeps what its timespan asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregatedSeries {
    aggregation: Aggregation,
    series: Series,
}

impl AggregatedSeries {
    /// One without points.
    pub const fn new(aggregation: Aggregation) -> Self {
        Self { aggregation, series: Series::new() }
    }

    /// One with points that a series had before.
    pub fn from_series(aggregation: Aggregation, series: Series) -> Self {
        let mut restored = Self { aggregation, series };
        restored.truncate();
        restored
    }

    /// Of what it is made.
    pub fn aggregation(&self) -> &Aggregation {
        &self.aggregation
    }

    /// Its points.
    pub fn points(&self) -> Points<'_> {
        self.series.points()
    }

    /// Takes groups that were computed anew. Older ones stay, those of the same start are replaced.
    pub fn merge(&mut self, computed: Points<'_>) {
        self.series.merge(computed);
        self.truncate();
    }

    /// Forgets what is older than the timespan, counted from the newest point: `points` groups stay at most.
    fn truncate(&mut self) {
        if let (Some(newest), Some(timespan)) = (self.series.last(), self.aggregation.timespan) {
            let oldest = newest.saturating_sub(timespan).saturating_add(1);
            self.series.forget_first(self.points().before(oldest));
        }
    }

    /// The points from `start`, rounded down to the granularity, to `stop`, which is excluded; nanoseconds.
    pub fn fetch(&self, start: Option<i64>, stop: Option<i64>) -> Points<'_> {
        cut(self.points(), self.aggregation.grouping(), start, stop)
    }

    /// The points of [`Self::fetch`].
    pub fn into_fetched(mut self, start: Option<i64>, stop: Option<i64>) -> Series {
        let grouping = self.aggregation.grouping();
        self.series.keep_between(start.map(|start| grouping.start(start)), stop);
        self.series
    }

    /// The points grouped once more by the same method: the mean of means, the difference of differences. Whole groups
    /// are made, then cut as by [`Self::fetch`] with the new groups' starts.
    pub fn resample(
        &self,
        grouping: Grouping,
        start: Option<i64>,
        stop: Option<i64>,
    ) -> Result<Series, RateByCalendar> {
        let method = self.aggregation.method;
        if method.rate && matches!(grouping, Grouping::Calendar(_)) {
            return Err(RateByCalendar);
        }
        let resampled = Grouped::new(self.points(), grouping).aggregate(method);
        Ok(cut(resampled.points(), grouping, start, stop).iter().collect())
    }
}

fn cut(points: Points<'_>, grouping: Grouping, start: Option<i64>, stop: Option<i64>) -> Points<'_> {
    points.between(start.map(|start| grouping.start(start)), stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendar;
    use crate::method::{Method, Statistic};
    use crate::time::{DAY, SECOND};

    fn series(statistic: Statistic, timespan: Option<i64>, points: &[(i64, f64)]) -> AggregatedSeries {
        let method = Method::plain(statistic);
        let mut series = AggregatedSeries::new(Aggregation { method, granularity: 60 * SECOND, timespan });
        let points: Series = points.iter().map(|(minute, value)| (minute * 60 * SECOND, *value)).collect();
        series.merge(points.points());
        series
    }

    fn minutes(points: Points<'_>) -> Vec<(i64, f64)> {
        points.iter().map(|(timestamp, value)| (timestamp / (60 * SECOND), value)).collect()
    }

    #[test]
    fn a_timespan_keeps_its_points() {
        let mut kept = series(Statistic::Mean, Some(180 * SECOND), &[(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]);
        assert_eq!(minutes(kept.points()), [(1, 1.0), (2, 2.0), (3, 3.0)]);
        kept.merge([(60 * SECOND, 9.0), (300 * SECOND, 5.0)].into_iter().collect::<Series>().points());
        assert_eq!(minutes(kept.points()), [(3, 3.0), (5, 5.0)]);
    }

    #[test]
    fn reading_rounds_its_start() {
        let kept = series(Statistic::Mean, None, &[(0, 0.0), (1, 1.0), (2, 2.0)]);
        assert_eq!(minutes(kept.fetch(Some(61 * SECOND), Some(120 * SECOND))), [(1, 1.0)]);
        assert_eq!(minutes(kept.fetch(None, Some(121 * SECOND))), [(0, 0.0), (1, 1.0), (2, 2.0)]);
    }

    #[test]
    fn resampling_makes_whole_groups_before_it_cuts() {
        let kept = series(Statistic::Mean, None, &[(0, 1.0), (1, 2.0), (2, 6.0), (5, 7.0)]);
        let hour = Grouping::Fixed(180 * SECOND);
        let resampled = kept.resample(hour, Some(60 * SECOND), Some(180 * SECOND)).unwrap();
        assert_eq!(minutes(resampled.points()), [(0, 3.0)]);
    }

    #[test]
    fn calendar_groups_have_no_rates() {
        let day = DAY / (60 * SECOND);
        let kept = series(Statistic::Sum, None, &[(0, 1.0), (30 * day, 2.0), (31 * day, 4.0)]);
        let month = Grouping::Calendar(Calendar::Month);
        let resampled = kept.resample(month, Some(DAY), None).unwrap();
        assert_eq!(minutes(resampled.points()), [(0, 3.0), (31 * day, 4.0)]);
        let aggregation =
            Aggregation { method: Method::rate(Statistic::Sum), granularity: 60 * SECOND, timespan: None };
        assert_eq!(AggregatedSeries::new(aggregation).resample(month, None, None), Err(RateByCalendar));
    }
}
