//! Computations over several metrics (Gnocchi REST v1, /v1/aggregates).

mod by_search;
mod compute;
mod history;
mod room;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use archive::operations::{Gaps, Node};
use metric_index::{Filter, Metric};
use model::Value;
use uuid::Uuid;

use crate::measures::missing;
use crate::{Caller, Kind, Measure, Metrics, Refusal, Rule, Target, view};
use compute::{Input, Inputs};

/// What is computed, and over which time.
#[derive(Debug, Clone)]
pub struct AggregatesQuery {
    /// The operation; shared, for it may name many metrics.
    pub operation: Arc<Node>,
    /// From when, in nanoseconds.
    pub start: Option<i64>,
    /// Until when, which is excluded.
    pub stop: Option<i64>,
    /// At this granularity alone, in nanoseconds.
    pub granularity: Option<i64>,
    /// What becomes of empty cells.
    pub gaps: Gaps,
    /// Whether what was computed with is shown.
    pub details: bool,
}

/// Which resources' metrics are computed with.
#[derive(Debug, Clone)]
pub struct ResourceSearch {
    /// The type to see them as.
    pub resource_type: String,
    /// Those that fit.
    pub filter: Option<Filter>,
    /// Attributes whose values make groups; sorted and unique.
    pub group_by: Vec<String>,
    /// Whether resources count for the groups of what they were at the time.
    pub use_history: bool,
}

/// What was computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Result {
    /// Series under the keys that lead to them: `aggregated`; or id and method; or resource, name and method.
    pub series: Vec<(Vec<String>, Vec<Measure>)>,
    /// The metrics or resources, where they were asked for.
    pub references: Option<Vec<Value>>,
}

/// What was computed of the resources of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The attributes and their values.
    pub attributes: Vec<(String, Value)>,
    /// Of its resources.
    pub result: Result,
}

impl Metrics {
    /// Computes over metrics that the operation names by their ids.
    ///
    /// # Errors
    /// They do not exist, the caller may not read them, or they cannot be computed with.
    pub async fn aggregates(
        &self,
        caller: &Caller,
        query: &AggregatesQuery,
    ) -> std::result::Result<Result, Refusal> {
        let references = query.operation.references();
        let mut ids = Vec::with_capacity(references.len());
        for reference in &references {
            let id = metric_index::parse_uuid(&reference.metric).ok_or_else(|| {
                let all = references.iter().map(|reference| compute::pair(reference)).collect();
                let reason = "badly formed hexadecimal UUID string".into();
                let facts = [("reason", reason), ("detail", Value::List(all))];
                Refusal::because(Kind::Invalid, "Invalid metric references", facts)
            })?;
            ids.push(id);
        }
        let metrics = self.metrics_with_resources(&ids).await?;
        let missing = missing(ids.iter().copied(), &metrics);
        if !missing.is_empty() {
            let reason = "Provided metrics don't exists".into();
            let facts = [("reason", reason), ("detail", Value::List(missing))];
            return Err(Refusal::because(Kind::Unknown, "Unknown metrics", facts));
        }
        for metric in &metrics {
            caller.enforce(Rule::GetMetric, &Target::of_metric(metric))?;
        }
        let found: HashMap<Uuid, &Metric> = metrics.iter().map(|metric| (metric.id, metric)).collect();
        let mut inputs = Inputs::of(&query.operation);
        for (reference, id) in ids.into_iter().enumerate() {
            if let Some(metric) = found.get(&id) {
                let policy = inputs.policy(&metric.archive_policy)?;
                inputs.push(Input { reference, policy, metric: id, resource: None });
            }
        }
        let series = self.compute(query, inputs).await?;
        let references = query.details.then(|| metrics.iter().map(view::metric).collect());
        Ok(Result { series, references })
    }

    /// The metrics of these ids with their resources, in the order in which they are given, if the caller may read them.
    ///
    /// # Errors
    /// One of them does not exist, or the caller may not.
    pub async fn readable_metrics(
        &self,
        caller: &Caller,
        ids: &[Uuid],
    ) -> std::result::Result<Vec<Metric>, Refusal> {
        let metrics = self.metrics_with_resources(ids).await?;
        let mut found: HashMap<Uuid, Metric> =
            metrics.into_iter().map(|metric| (metric.id, metric)).collect();
        let mut known = HashSet::with_capacity(ids.len());
        let mut ordered: Vec<Metric> = Vec::with_capacity(ids.len());
        for id in ids {
            if known.contains(id) {
                continue;
            }
            let metric = found.remove(id).ok_or(metric_index::Error::NoSuchMetric(*id))?;
            caller.enforce(Rule::GetMetric, &Target::of_metric(&metric))?;
            known.insert(*id);
            ordered.push(metric);
        }
        Ok(ordered)
    }
}
