//! The computation itself: granularity by granularity, coarsest first.

use archive::operations::{Column, EvaluateError, Reference, Request, evaluate};
use archive::{ArchivePolicy, Method, Series};
use metric_index::Metric;
use metric_store::{MetricId, Store};
use model::Value;

use super::AggregatesQuery;
use crate::measures::{measures_of, or_empty, store_id};
use crate::{Granularity, Kind, Measure, Metrics, Refusal, computed_policy, view};

/// A metric that takes part.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// Under which reference.
    pub(super) key: Reference,
    /// The metric.
    pub(super) metric: Metric,
    /// Where its series stands in the answer when nothing is computed with others.
    pub(super) path: Vec<String>,
}

/// A series of the store.
#[derive(Debug, Clone)]
struct Source {
    key: Reference,
    id: MetricId,
    method: Method,
}

/// Series of an answer under the keys that lead to them.
pub(super) type Keyed = Vec<(Vec<String>, Vec<Measure>)>;

/// A reference as errors show it.
pub(super) fn pair(reference: &Reference) -> Value {
    Value::List(vec![reference.metric.as_str().into(), reference.aggregation.as_str().into()])
}

fn not_computable(reason: String, detail: Vec<Value>) -> Refusal {
    let facts = [("reason", reason.into()), ("detail", Value::List(detail))];
    Refusal::because(Kind::Invalid, "Metrics cannot be aggregated", facts)
}

impl Metrics {
    /// Computes an operation over metrics that the caller may read.
    pub(super) async fn compute(
        &self,
        query: &AggregatesQuery,
        inputs: Vec<Input>,
    ) -> Result<Keyed, Refusal> {
        let policies = inputs
            .iter()
            .map(|input| computed_policy(&input.metric.archive_policy))
            .collect::<Result<Vec<_>, _>>()?;
        let keys = || inputs.iter().map(|input| pair(&input.key)).collect::<Vec<_>>();
        let granularities = match query.granularity {
            Some(granularity) => vec![granularity],
            None => ArchivePolicy::common_granularities(&policies),
        };
        if granularities.is_empty() {
            return Err(not_computable("No granularity match".to_owned(), keys()));
        }
        let mut sources = Vec::with_capacity(inputs.len());
        for (input, policy) in inputs.iter().zip(&policies) {
            let method: Option<Method> = input.key.aggregation.parse().ok();
            let method = method.filter(|method| policy.methods().contains(*method)).ok_or_else(|| {
                let id = input.metric.id.to_string().into();
                let detail = Value::List(vec![Value::List(vec![id, input.key.aggregation.as_str().into()])]);
                Refusal::because(Kind::Unknown, "Metrics with unknown aggregation", [("detail", detail)])
            })?;
            sources.push(Source { key: input.key.clone(), id: store_id(&input.metric), method });
        }
        if let Some(granularity) = query.granularity {
            let without = inputs.iter().zip(&policies);
            let without = without.filter(|(_, policy)| policy.definition_of(granularity).is_none());
            let detail: Vec<Value> = without
                .map(|(Input { key, .. }, _)| {
                    let seconds = Value::Float(view::seconds(granularity));
                    Value::List(vec![key.metric.as_str().into(), key.aggregation.as_str().into(), seconds])
                })
                .collect();
            if !detail.is_empty() {
                return Err(not_computable("Granularities are missing".to_owned(), detail));
            }
        }
        let paths: Vec<Vec<String>> = inputs.iter().map(|input| input.path.clone()).collect();
        let keys = keys();
        let query = query.clone();
        self.on_store(move |store| tables(store, &query, &sources, &granularities, paths, &keys)).await
    }
}

fn tables(
    store: &Store,
    query: &AggregatesQuery,
    sources: &[Source],
    granularities: &[i64],
    paths: Vec<Vec<String>>,
    keys: &[Value],
) -> Result<Keyed, Refusal> {
    let request =
        Request { operation: &query.operation, gaps: query.gaps, start: query.start, stop: query.stop };
    let mut aggregated: Option<Vec<Measure>> = None;
    let mut separate: Vec<Vec<Measure>> = vec![Vec::new(); sources.len()];
    for granularity in granularities {
        let mut series: Vec<Series> = Vec::with_capacity(sources.len());
        for source in sources {
            let read = store.measures(source.id, source.method, *granularity, query.start, query.stop);
            series.push(or_empty(read)?);
        }
        let columns = sources.iter().zip(&series);
        let columns: Vec<Column<'_>> =
            columns.map(|(source, series)| Column { key: &source.key, points: series.points() }).collect();
        let table = evaluate(*granularity, &columns, request)
            .map_err(|error: EvaluateError| not_computable(error.to_string(), keys.to_vec()))?;
        let width = Granularity::Fixed(table.granularity);
        if table.aggregated {
            aggregated.get_or_insert_default().extend(measures_of(&table.points(0), width));
        } else {
            for (column, measures) in separate.iter_mut().enumerate().take(table.matrix().columns()) {
                measures.extend(measures_of(&table.points(column), width));
            }
        }
    }
    Ok(match aggregated {
        Some(measures) => vec![(vec!["aggregated".to_owned()], measures)],
        None => paths.into_iter().zip(separate).collect(),
    })
}
