//! Metrics with labels whose values come from outside, bounded in number.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

use super::{Counter, Gauge, Histogram};

/// How many label combinations one family keeps. Past it, everything new is counted under [`OVERFLOW_LABEL`], so that
/// hostile names (an event type, a meter) cannot grow the process or the scrape without bound.
pub const MAX_SERIES_PER_FAMILY: usize = 1_000;

/// The value of every label of the series that gathers what came after the bound.
pub const OVERFLOW_LABEL: &str = "_other";

/// A label's value is cut at this many bytes (at a character's boundary).
const MAX_LABEL_BYTES: usize = 256;

/// A counter for each combination of label values, at most [`MAX_SERIES_PER_FAMILY`] of them.
pub type CounterFamily<const N: usize> = Family<Counter, N>;
/// A gauge for each combination of label values, at most [`MAX_SERIES_PER_FAMILY`] of them.
pub type GaugeFamily<const N: usize> = Family<Gauge, N>;
/// A histogram for each combination of label values, at most [`MAX_SERIES_PER_FAMILY`] of them.
pub type HistogramFamily<const N: usize> = Family<Histogram, N>;

/// One metric of type `M` for each combination of `N` label values. Cheap to clone; clones share the series.
pub struct Family<M, const N: usize>(Arc<Shared<M, N>>);

struct Shared<M, const N: usize> {
    names: [&'static str; N],
    make: fn() -> M,
    series: RwLock<BTreeMap<[String; N], M>>,
}

impl<M: Clone, const N: usize> Family<M, N> {
    pub(super) fn new(names: [&'static str; N], make: fn() -> M) -> Self {
        Self(Arc::new(Shared { names, make, series: RwLock::new(BTreeMap::new()) }))
    }

    /// The metric with these label values, in the order of the label names. Keep the handle on a hot path: this
    /// takes a lock and compares strings.
    pub fn with(&self, values: [&str; N]) -> M {
        let key = values.map(|value| cut(value).to_owned());
        if let Some(metric) = self.0.series.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return metric.clone();
        }
        let mut series = self.0.series.write().unwrap_or_else(PoisonError::into_inner);
        let overflow = [OVERFLOW_LABEL; N].map(str::to_owned);
        let named = series.len() - usize::from(series.contains_key(&overflow));
        let key = if named < MAX_SERIES_PER_FAMILY || series.contains_key(&key) { key } else { overflow };
        series.entry(key).or_insert_with(self.0.make).clone()
    }

    /// Forgets the series with these label values, for things that are gone for good.
    pub fn remove(&self, values: [&str; N]) {
        let key = values.map(|value| cut(value).to_owned());
        self.0.series.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(MAX_LABEL_BYTES)]
}

impl<M, const N: usize> Clone for Family<M, N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M, const N: usize> fmt::Debug for Family<M, N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series = self.0.series.read().unwrap_or_else(PoisonError::into_inner).len();
        formatter.debug_struct("Family").field("labels", &self.0.names).field("series", &series).finish()
    }
}

impl<M: EncodeMetric + Clone, const N: usize> EncodeMetric for Family<M, N> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        // Take the handles first: a scrape must not hold the lock while it formats.
        let series: Vec<([String; N], M)> = {
            let series = self.0.series.read().unwrap_or_else(PoisonError::into_inner);
            series.iter().map(|(key, metric)| (key.clone(), metric.clone())).collect()
        };
        for (values, metric) in &series {
            let labels: Vec<(&str, &str)> =
                self.0.names.iter().zip(values).map(|(name, value)| (*name, value.as_str())).collect();
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        (self.0.make)().metric_type()
    }
}
