//! Measures in, aggregates out.

use std::collections::BTreeSet;
use std::sync::Arc;

use archive::{Batch, Calendar, Grouping, Method, Series};
use metric_index::Metric;
use metric_store::{MetricId, ReadError, Store};
use model::{Map, Timestamp, Value};

use crate::archive_policies::number;
use crate::service::NotWritten;
use crate::{Caller, Kind, Metrics, Refusal, Rule, Target, computed_policy, view};

/// The width of an aggregate's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// So many nanoseconds.
    Fixed(i64),
    /// A group of the calendar.
    Calendar(Calendar),
}

impl From<Grouping> for Granularity {
    fn from(grouping: Grouping) -> Self {
        match grouping {
            Grouping::Fixed(nanoseconds) => Self::Fixed(nanoseconds),
            Grouping::Calendar(calendar) => Self::Calendar(calendar),
        }
    }
}

/// One aggregate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// The start of its group, in nanoseconds.
    pub timestamp: i64,
    /// The width of its group.
    pub granularity: Granularity,
    /// Its value.
    pub value: f64,
}

/// Which aggregates are read.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuresQuery {
    /// From when, in nanoseconds; rounded down to the granularity.
    pub start: Option<i64>,
    /// Until when, which is excluded.
    pub stop: Option<i64>,
    /// The method's name.
    pub aggregation: String,
    /// Only this one, in nanoseconds.
    pub granularity: Option<i64>,
    /// How they are grouped once more.
    pub resample: Option<Grouping>,
}

/// The aggregates of a series at one granularity.
pub(crate) fn measures_of(series: &Series, granularity: Granularity) -> impl Iterator<Item = Measure> + '_ {
    let points = series.points().iter();
    points.map(move |(timestamp, value)| Measure { timestamp, granularity, value })
}

/// Reads from the store; a metric that has no measures yet has an empty series.
pub(crate) fn or_empty(read: Result<Series, ReadError>) -> Result<Series, Refusal> {
    match read {
        Ok(series) => Ok(series),
        Err(ReadError::UnknownMetric { .. } | ReadError::NoAggregation { .. }) => Ok(Series::new()),
        Err(error @ ReadError::Unreadable { .. }) => {
            tracing::error!(error = &error as &dyn std::error::Error, "aggregates cannot be read");
            Err(Refusal::new(Kind::Unavailable, "The store of measures cannot be read now. Please retry."))
        }
    }
}

/// The id that the store knows a metric by.
pub(crate) fn store_id(metric: &Metric) -> MetricId {
    MetricId(*metric.id.as_bytes())
}

impl Metrics {
    /// Takes measures of a metric. When it returns, they are durable and can be read.
    ///
    /// # Errors
    /// The caller may not, or the store does not take them.
    pub async fn add_measures(&self, caller: &Caller, metric: Metric, batch: Batch) -> Result<(), Refusal> {
        caller.enforce(Rule::PostMeasures, &Target::of_metric(&metric))?;
        self.write_measures(vec![(metric, batch)]).await
    }

    /// Takes measures of metrics that the caller may write to, all or none.
    pub(crate) async fn write_measures(&self, measures: Vec<(Metric, Batch)>) -> Result<(), Refusal> {
        let newest = measures.iter().filter_map(|(metric, batch)| {
            let newest = *batch.points().timestamps().last()?;
            Some((metric.id, Timestamp::from_microseconds(newest / 1_000)?))
        });
        let newest: Vec<(uuid::Uuid, Timestamp)> = newest.collect();
        if newest.is_empty() {
            return Ok(());
        }
        self.write_store(move |store| write(store, measures)).await?;
        self.note_last_measures(newest);
        Ok(())
    }

    /// Aggregates of a metric, coarsest granularity first.
    ///
    /// # Errors
    /// Its archive policy does not keep them.
    pub async fn measures(&self, metric: &Metric, query: MeasuresQuery) -> Result<Vec<Measure>, Refusal> {
        let policy = computed_policy(&metric.archive_policy)?;
        let method: Option<Method> = query.aggregation.parse().ok();
        let Some(method) = method.filter(|method| policy.methods().contains(*method)) else {
            let mut detail = Map::new();
            detail.insert("metric", metric.id.to_string());
            detail.insert("aggregation_method", query.aggregation);
            let cause = "Aggregation method does not exist for this metric";
            return Err(Refusal::because(Kind::Unknown, cause, [("detail", detail.into())]));
        };
        let mut granularities: Vec<i64> =
            policy.aggregations_of(method).iter().map(|aggregation| aggregation.granularity).collect();
        if let Some(wanted) = query.granularity {
            if !granularities.contains(&wanted) {
                return Err(Refusal::unknown(format!(
                    "Aggregation method '{method}' at granularity '{}' for metric {} does not exist",
                    view::seconds_text(wanted),
                    metric.id
                )));
            }
            granularities = vec![wanted];
        }
        let id = store_id(metric);
        let MeasuresQuery { start, stop, resample, .. } = query;
        self.on_store(move |reader| {
            let mut measures = Vec::new();
            for granularity in granularities {
                let store = reader.store()?;
                let (series, granularity) = match resample {
                    None => {
                        let read = store.measures(id, method, granularity, start, stop);
                        (or_empty(read)?, Granularity::Fixed(granularity))
                    }
                    Some(grouping) => {
                        let series = resampled(store, (id, method, granularity), grouping, (start, stop))?;
                        (series, grouping.into())
                    }
                };
                measures.extend(measures_of(&series, granularity));
            }
            Ok(measures)
        })
        .await
    }
}

fn resampled(
    store: &Store,
    (id, method, granularity): (MetricId, Method, i64),
    grouping: Grouping,
    (start, stop): (Option<i64>, Option<i64>),
) -> Result<Series, Refusal> {
    match store.aggregated(id, method, granularity) {
        Ok(series) => {
            series.resample(grouping, start, stop).map_err(|error| Refusal::invalid(error.to_string()))
        }
        Err(error) => or_empty(Err(error)),
    }
}

fn write(store: &Store, measures: Vec<(Metric, Batch)>) -> Result<(), NotWritten> {
    let mut requests = Vec::with_capacity(measures.len());
    // Most metrics of a request have the same few policies.
    let mut policies = Vec::new();
    for (metric, batch) in measures {
        let is_it =
            |policy: &Arc<_>| Arc::ptr_eq(policy, &metric.archive_policy) || *policy == metric.archive_policy;
        let known = policies.iter().find(|(policy, _)| is_it(policy));
        let policy = if let Some((_, number)) = known {
            *number
        } else {
            let number = number(store, &computed_policy(&metric.archive_policy)?)?;
            policies.push((metric.archive_policy.clone(), number));
            number
        };
        requests.push(metric_store::Measures { metric: store_id(&metric), policy, batch });
    }
    Ok(store.write(requests).map(|_| ())?)
}

/// Ids of metrics that were asked for but are not among those found, in order.
pub(crate) fn missing(wanted: impl IntoIterator<Item = uuid::Uuid>, found: &[Metric]) -> Vec<Value> {
    let wanted: BTreeSet<uuid::Uuid> = wanted.into_iter().collect();
    let found: BTreeSet<uuid::Uuid> = found.iter().map(|metric| metric.id).collect();
    wanted.difference(&found).map(|id| id.to_string().into()).collect()
}
