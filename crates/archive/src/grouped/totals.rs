//! What a group adds up to, point by point.

use crate::method::Statistic;

use super::statistics;

/// The statistics of a group that can be continued when a newer point arrives, and are then equal to those of all its
/// points together: count, sum, mean, smallest, largest, first and last value.
///
/// A point that is older than another one of the group, or replaces one, cannot be added: additions are in the order
/// of time, and their rounding depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    first: f64,
    last: f64,
}

impl Totals {
    /// A group of one value.
    pub fn new(value: f64) -> Self {
        // Gnocchi adds to zero, which makes -0.0 positive.
        Self { count: 1, sum: 0.0 + value, min: value, max: value, first: value, last: value }
    }

    /// A group of values in the order of time; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let (first, rest) = values.split_first()?;
        let mut totals = Self::new(*first);
        for value in rest {
            totals.push(*value);
        }
        Some(totals)
    }

    /// Adds a value that is newer than all others.
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.min = if value < self.min || self.min.is_nan() { value } else { self.min };
        self.max = if value > self.max || value.is_nan() { value } else { self.max };
        self.last = value;
    }

    /// How many values there are.
    pub const fn values(&self) -> u64 {
        self.count
    }

    /// How many values there are, as the statistic.
    #[allow(clippy::cast_precision_loss, reason = "no group has 2⁵³ values")]
    pub fn count(&self) -> f64 {
        self.count as f64
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The sum by the count.
    pub fn mean(&self) -> f64 {
        self.sum / self.count()
    }

    /// The smallest value; NaN only if there is no other.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The largest value; NaN if there is one.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// A statistic, if it is one of those kept here.
    pub fn get(&self, statistic: Statistic) -> Option<f64> {
        match statistic {
            Statistic::Mean => Some(self.mean()),
            Statistic::Sum => Some(self.sum),
            Statistic::Min => Some(self.min),
            Statistic::Max => Some(self.max),
            Statistic::Count => Some(self.count()),
            Statistic::First => Some(self.first),
            Statistic::Last => Some(self.last),
            Statistic::Std | Statistic::Median | Statistic::Percentile(_) => None,
        }
    }

    /// The sample's standard deviation of the group's values, which must be those that were added; `None` for a single
    /// value.
    pub fn deviation(&self, values: &[f64]) -> Option<f64> {
        statistics::deviation(values, self.mean())
    }
}
