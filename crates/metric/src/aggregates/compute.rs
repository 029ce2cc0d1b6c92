//! The computation itself: granularity by granularity, coarsest first.

use std::sync::Arc;

use archive::operations::{Column, EvaluateError, Node, Reference, Request, Stream, Table, evaluate};
use archive::{ArchivePolicy, Method, Series};
use metric_store::MetricId;
use model::Value;
use uuid::Uuid;

use super::AggregatesQuery;
use super::room::Room;
use crate::measures::{measures_of, or_empty};
use crate::reader::{Reader, given_up};
use crate::{Granularity, Kind, Measure, Metrics, Refusal, computed_policy, view};

/// A metric that takes part.
#[derive(Debug)]
pub(super) struct Input {
    /// The place of the operation's reference that it was found under.
    pub(super) reference: usize,
    /// The place of its policy.
    pub(super) policy: usize,
    /// Its id.
    pub(super) metric: Uuid,
    /// The resource that was searched for, and its name there. The answer names it by both then.
    pub(super) resource: Option<(Uuid, String)>,
}

/// The metrics that take part, in order.
#[derive(Debug)]
pub(super) struct Inputs {
    operation: Arc<Node>,
    /// Those of the index, and as the store knows them.
    policies: Vec<(Arc<metric_index::ArchivePolicy>, ArchivePolicy)>,
    all: Vec<Input>,
}

impl Inputs {
    /// None yet.
    pub(super) fn of(operation: &Arc<Node>) -> Self {
        Self { operation: Arc::clone(operation), policies: Vec::new(), all: Vec::new() }
    }

    /// The place of a policy.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn policy(&mut self, policy: &Arc<metric_index::ArchivePolicy>) -> Result<usize, Refusal> {
        let known = self.policies.iter().position(|(known, _)| Arc::ptr_eq(known, policy) || known == policy);
        if let Some(place) = known {
            return Ok(place);
        }
        self.policies.push((Arc::clone(policy), computed_policy(policy)?));
        Ok(self.policies.len() - 1)
    }

    pub(super) fn push(&mut self, input: Input) {
        self.all.push(input);
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    fn policies(&self) -> impl Iterator<Item = &ArchivePolicy> {
        self.policies.iter().map(|(_, policy)| policy)
    }

    /// Each with its reference.
    fn each<'i>(&'i self, references: &'i [&Reference]) -> impl Iterator<Item = (&'i Input, &'i Reference)> {
        self.all.iter().filter_map(|input| Some((input, *references.get(input.reference)?)))
    }

    /// The references as errors show them.
    fn pairs(&self) -> Vec<Value> {
        let references = self.operation.references();
        self.each(&references).map(|(_, reference)| pair(reference)).collect()
    }

    /// The method of each.
    fn methods(&self, references: &[&Reference]) -> Result<Vec<Method>, Refusal> {
        let known: Vec<Option<Method>> =
            references.iter().map(|reference| reference.aggregation.parse().ok()).collect();
        let methods = self.each(references).map(|(input, reference)| {
            let method = known.get(input.reference).copied().flatten();
            let policy = self.policies.get(input.policy);
            let is_kept =
                |method: &Method| policy.is_some_and(|(_, policy)| policy.methods().contains(*method));
            method.filter(is_kept).ok_or_else(|| {
                let id = input.metric.to_string().into();
                let detail = Value::List(vec![Value::List(vec![id, reference.aggregation.as_str().into()])]);
                Refusal::because(Kind::Unknown, "Metrics with unknown aggregation", [("detail", detail)])
            })
        });
        methods.collect()
    }

    /// Those whose policy has no such granularity, as errors show them.
    fn without(&self, references: &[&Reference], granularity: i64) -> Vec<Value> {
        let lacks = |input: &Input| {
            let policy = self.policies.get(input.policy);
            policy.is_none_or(|(_, policy)| policy.definition_of(granularity).is_none())
        };
        let without = self.each(references).filter(|(input, _)| lacks(input));
        let shown = without.map(|(_, reference)| {
            let seconds = Value::Float(view::seconds(granularity));
            Value::List(vec![
                reference.metric.as_str().into(),
                reference.aggregation.as_str().into(),
                seconds,
            ])
        });
        shown.collect()
    }
}

/// Series of an answer under the keys that lead to them.
pub(super) type Keyed = Vec<(Vec<String>, Vec<Measure>)>;

/// A reference as errors show it.
pub(super) fn pair(reference: &Reference) -> Value {
    Value::List(vec![reference.metric.as_str().into(), reference.aggregation.as_str().into()])
}

pub(super) fn not_computable(reason: String, detail: Vec<Value>) -> Refusal {
    let facts = [("reason", reason.into()), ("detail", Value::List(detail))];
    Refusal::because(Kind::Invalid, "Metrics cannot be aggregated", facts)
}

impl Metrics {
    /// Computes an operation over metrics that the caller may read.
    pub(super) async fn compute(&self, query: &AggregatesQuery, inputs: Inputs) -> Result<Keyed, Refusal> {
        let references = inputs.operation.references();
        let granularities = match query.granularity {
            Some(granularity) => vec![granularity],
            None => ArchivePolicy::common_granularities(inputs.policies()),
        };
        if granularities.is_empty() {
            return Err(not_computable("No granularity match".to_owned(), inputs.pairs()));
        }
        let methods = inputs.methods(&references)?;
        if let Some(granularity) = query.granularity {
            let detail = inputs.without(&references, granularity);
            if !detail.is_empty() {
                return Err(not_computable("Granularities are missing".to_owned(), detail));
            }
        }
        drop(references);
        let query = query.clone();
        let room = Room::of(self);
        self.on_store(move |reader| tables(reader, &query, &inputs, &methods, &granularities, &room)).await
    }
}

fn tables(
    reader: &Reader<'_>,
    query: &AggregatesQuery,
    inputs: &Inputs,
    methods: &[Method],
    granularities: &[i64],
    room: &Room,
) -> Result<Keyed, Refusal> {
    let references = inputs.operation.references();
    let mut aggregated: Option<Vec<Measure>> = None;
    let mut separate: Vec<Vec<Measure>> = Vec::new();
    for granularity in granularities {
        let table = table(reader, query, (inputs, &references, methods), *granularity, room)?;
        let width = Granularity::Fixed(table.granularity);
        if table.aggregated {
            aggregated.get_or_insert_default().extend(measures_of(&table.points(0), width));
        } else {
            separate.resize_with(inputs.len(), Vec::new);
            for (column, measures) in separate.iter_mut().enumerate().take(table.matrix().columns()) {
                measures.extend(measures_of(&table.points(column), width));
            }
        }
    }
    if let Some(measures) = aggregated {
        return Ok(vec![(vec!["aggregated".to_owned()], measures)]);
    }
    let paths = inputs.each(&references).map(|(input, reference)| {
        let aggregation = reference.aggregation.clone();
        match &input.resource {
            None => vec![input.metric.to_string(), aggregation],
            Some((resource, name)) => vec![resource.to_string(), name.clone(), aggregation],
        }
    });
    Ok(paths.zip(separate).collect())
}

/// The table of one granularity. Series are read one after the other, and only held together, within `room`, where the
/// operation needs them together.
fn table(
    reader: &Reader<'_>,
    query: &AggregatesQuery,
    (inputs, references, methods): (&Inputs, &[&Reference], &[Method]),
    granularity: i64,
    room: &Room,
) -> Result<Table, Refusal> {
    let request = Request {
        operation: &inputs.operation,
        gaps: query.gaps,
        start: query.start,
        stop: query.stop,
        given_up: Some(reader.given_up()),
    };
    let mut keyed = inputs.each(references).zip(methods).map(|((input, key), method)| {
        let id = MetricId(*input.metric.as_bytes());
        let read = reader.store()?.measures(id, *method, granularity, query.start, query.stop);
        Ok((key, or_empty(read)?))
    });
    let table = if let Some(mut stream) = Stream::new(granularity, request) {
        keyed.try_for_each(|read: Result<_, Refusal>| {
            let (key, series): (_, Series) = read?;
            stream.add(key, series.points());
            Ok::<_, Refusal>(())
        })?;
        stream.finish()
    } else {
        let mut series: Vec<(&Reference, Series)> = Vec::new();
        let mut points = 0_usize;
        for read in keyed {
            let (key, read) = read?;
            points = points.saturating_add(read.points().len());
            room.check(points, || inputs.pairs())?;
            series.push((key, read));
        }
        let _taken = room.take(series.iter().map(|(_, series)| series), granularity, || inputs.pairs())?;
        let columns = series.iter().map(|(key, series)| Column { key, points: series.points() });
        evaluate(granularity, &columns.collect::<Vec<_>>(), request)
    };
    table.map_err(|error: EvaluateError| match error {
        EvaluateError::GivenUp => given_up(),
        error => not_computable(error.to_string(), inputs.pairs()),
    })
}
