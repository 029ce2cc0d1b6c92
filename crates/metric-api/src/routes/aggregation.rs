//! `/v1/aggregation`: what was there before `/v1/aggregates`, and is computed by it.

use std::collections::HashMap;

use archive::operations::{Gaps, Node, Term, parse};
use archive::{Definition, Grouping, Method};
use axum::http::StatusCode;
use metric::{AggregatesQuery, AggregatesResult, Caller, MeasuresQuery, ResourceSearch, view};
use metric_index::{Metric, parse_uuid};
use model::{Map, Value};

use super::aggregates::gaps;
use super::{Done, resources};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Api, parameters, schema};

/// The parameters of every form.
struct Wanted {
    aggregation: String,
    reaggregation: String,
    start: Option<i64>,
    stop: Option<i64>,
    granularity: Option<i64>,
    resample: Option<Grouping>,
    gaps: Gaps,
}

impl Wanted {
    fn of(api: &Api, request: &Request) -> Result<Self, Failure> {
        let aggregation = request.parameter("aggregation").unwrap_or("mean").to_owned();
        let reaggregation = request.parameter("reaggregation").unwrap_or(&aggregation).to_owned();
        let resample = parameters::resample(request)?;
        let needed_overlap = parameters::needed_overlap(request)?.unwrap_or(100.0);
        let (start, stop) = parameters::window(request, api.metrics.now())?;
        let granularity = parameters::granularity(request)?;
        let gaps = gaps(request, Some(needed_overlap))?;
        parameters::boolean(request, "refresh", false)?;
        Ok(Self { aggregation, reaggregation, start, stop, granularity, resample, gaps })
    }

    /// The operation over metrics of these names.
    fn operation(&self, names: &[String]) -> Result<Node, Failure> {
        let text = |text: &str| Term::Text(text.to_owned());
        let pairs = names.iter().map(|name| Term::List(vec![text(name), text(&self.aggregation)]));
        let mut node = Term::List(std::iter::once(text("metric")).chain(pairs).collect());
        match self.resample {
            None => {}
            Some(Grouping::Fixed(span)) => {
                let span = Term::Number(view::seconds(span));
                node = Term::List(vec![text("resample"), text(&self.aggregation), span, node]);
            }
            Some(Grouping::Calendar(_)) => {
                return Err(Failure::invalid("Several metrics cannot be resampled by the calendar"));
            }
        }
        let whole = Term::List(vec![text("aggregate"), text(&self.reaggregation), node]);
        parse(&whole).map_err(|_| {
            Failure::argument("reaggregation", format!("unknown aggregation method {}", self.reaggregation))
        })
    }

    fn query(&self, operation: Node) -> AggregatesQuery {
        let (start, stop, granularity, gaps) = (self.start, self.stop, self.granularity, self.gaps);
        AggregatesQuery { operation: operation.into(), start, stop, granularity, gaps, details: false }
    }
}

/// The series of an aggregate.
fn aggregated(result: &AggregatesResult) -> Value {
    result.series.first().map_or_else(|| Value::List(Vec::new()), |(_, measures)| view::measures(measures))
}

/// Refuses what one of the metrics does not keep.
fn check(wanted: &Wanted, metrics: &[Metric]) -> Result<(), Failure> {
    let policies = metrics.iter().map(|metric| metric::computed_policy(&metric.archive_policy));
    let policies = policies.collect::<Result<Vec<_>, _>>()?;
    let Some(first) = policies.first() else { return Ok(()) };
    let granularities = if let Some(granularity) = wanted.granularity {
        vec![granularity]
    } else {
        let own = first.definition().iter().map(Definition::granularity);
        own.filter(|own| policies.iter().all(|policy| policy.definition_of(*own).is_some())).collect()
    };
    if granularities.is_empty() {
        let pairs = metrics.iter().map(|metric| {
            Value::List(vec![metric.id.to_string().into(), wanted.aggregation.as_str().into()])
        });
        let facts = [("reason", "No granularity match".into()), ("detail", Value::List(pairs.collect()))];
        return Err(Failure::because(StatusCode::BAD_REQUEST, "Metrics cannot be aggregated", facts));
    }
    let lacks = |metric: &Metric, granularity: i64| {
        Failure::unknown(format!(
            "Aggregation method '{}' at granularity '{}' for metric {} does not exist",
            wanted.aggregation,
            view::seconds_text(granularity),
            metric.id
        ))
    };
    for (metric, policy) in metrics.iter().zip(&policies) {
        if let Some(missing) = granularities.iter().find(|own| policy.definition_of(**own).is_none()) {
            return Err(lacks(metric, *missing));
        }
    }
    if metrics.len() == 1 {
        // What it lacks is said when it is read.
        return Ok(());
    }
    let method: Option<Method> = wanted.aggregation.parse().ok();
    for (metric, policy) in metrics.iter().zip(&policies) {
        if !method.is_some_and(|method| policy.methods().contains(method)) {
            let first = policy.definition().first().map_or(0, Definition::granularity);
            return Err(lacks(metric, first));
        }
    }
    Ok(())
}

async fn of_metrics(
    api: &Api,
    caller: &Caller,
    wanted: &Wanted,
    metrics: &[Metric],
) -> Result<Value, Failure> {
    check(wanted, metrics)?;
    match metrics {
        [] => Ok(Value::List(Vec::new())),
        [metric] => {
            let query = MeasuresQuery {
                start: wanted.start,
                stop: wanted.stop,
                aggregation: wanted.aggregation.clone(),
                granularity: wanted.granularity,
                resample: wanted.resample,
            };
            Ok(view::measures(&api.metrics.measures(metric, query).await?))
        }
        several => {
            let names: Vec<String> = several.iter().map(|metric| metric.id.to_string()).collect();
            let query = wanted.query(wanted.operation(&names)?);
            Ok(aggregated(&api.metrics.aggregates(caller, &query).await?))
        }
    }
}

async fn of_ids(api: &Api, request: &Request, ids: Vec<String>) -> Done {
    let caller = request.caller()?;
    let wanted = Wanted::of(api, request)?;
    let mut parsed = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let id = parse_uuid(id)
            .ok_or_else(|| Failure::invalid(format!("Invalid input: not a valid value @ data[{index}]")))?;
        parsed.push(id);
    }
    let mut metrics = api.metrics.readable_metrics(caller, &parsed).await?;
    // The order in which Gnocchi's index finds them, which decides how sums are rounded.
    metrics.sort_by_key(|metric| metric.id);
    Ok(Reply::json(of_metrics(api, caller, &wanted, &metrics).await?))
}

pub(super) async fn metrics(api: &Api, request: &Request) -> Done {
    request.caller()?;
    let ids = request.parameters("metric").map(str::to_owned).collect();
    of_ids(api, request, ids).await
}

pub(super) async fn given_metrics(api: &Api, request: &Request) -> Done {
    request.caller()?;
    let ids = schema::list(&request.json(api)?, |value| {
        let text = schema::text(value)?;
        parse_uuid(&text).map(|_| text).ok_or_else(|| schema::Invalid::new("not a valid value"))
    })?;
    of_ids(api, request, ids).await
}

pub(super) async fn resources(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let filter = resources::search_of(api, request)?;
    let wanted = Wanted::of(api, request)?;
    let name = request.capture(1);
    let group_by = parameters::sorted(request, "groupby");
    let sorts = if group_by.is_empty() { vec!["id:asc".to_owned()] } else { group_by.clone() };
    let page = metric_index::Page { sorts, ..metric_index::Page::default() };
    let resource_type = request.capture(0).to_owned();
    let search = ResourceSearch { resource_type, filter, group_by, use_history: false };
    let query = metric_index::ResourceQuery {
        filter: search.filter.clone(),
        page,
        ..metric_index::ResourceQuery::of(&search.resource_type)
    };
    let found = api.metrics.list_resources(caller, metric::Rule::SearchResource, query).await;
    let found = found.map_err(|refusal| {
        let of_sort = model::pytext::to_str(&refusal.description).contains("Sort key supplied is invalid");
        if of_sort && !search.group_by.is_empty() {
            Failure::invalid("Invalid groupby attribute")
        } else {
            refusal.into()
        }
    })?;
    let mut groups: Vec<(Vec<Value>, Vec<uuid::Uuid>)> = Vec::new();
    for resource in found {
        let shown = view::resource(&resource, false);
        let values: Vec<Value> = search
            .group_by
            .iter()
            .map(|attribute| shown.get(attribute).cloned().unwrap_or_default())
            .collect();
        let own = resource.metrics.iter().filter(|metric| metric.name.as_deref() == Some(name));
        let own = own.map(|metric| metric.id);
        match groups.last_mut() {
            Some((known, ids)) if *known == values => ids.extend(own),
            _ => groups.push((values, own.collect())),
        }
    }
    let mut all = Vec::with_capacity(groups.len());
    for (values, ids) in groups {
        let mut metrics = api.metrics.index().metrics_by_id(&ids).await?;
        // In the order of their resources, which decides how sums are rounded.
        let places: HashMap<uuid::Uuid, usize> = ids.into_iter().zip(0..).collect();
        metrics.sort_by_key(|metric| places.get(&metric.id).copied());
        let measures = of_searched(api, caller, &wanted, &metrics).await?;
        if search.group_by.is_empty() {
            return Ok(Reply::json(measures));
        }
        let group: Map = search.group_by.iter().map(String::as_str).zip(values).collect();
        let mut shown = Map::new();
        shown.insert("group", group);
        shown.insert("measures", measures);
        all.push(Value::Map(shown));
    }
    Ok(Reply::json(Value::List(all)))
}

/// Metrics of resources that the caller may search need no further permission.
async fn of_searched(
    api: &Api,
    caller: &Caller,
    wanted: &Wanted,
    metrics: &[Metric],
) -> Result<Value, Failure> {
    of_metrics(api, &caller.trusted(), wanted, metrics).await
}
