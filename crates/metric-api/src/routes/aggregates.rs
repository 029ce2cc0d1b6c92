//! `/v1/aggregates`.

use archive::operations::Gaps;
use axum::http::StatusCode;
use metric::{AggregatesQuery, AggregatesResult, ResourceSearch, view};
use model::{Map, Value};

use super::Done;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::schema::{Ids, Invalid};
use crate::{Api, filter_text, parameters, schema};

/// How empty cells are treated.
pub(super) fn gaps(request: &Request, needed_overlap: Option<f64>) -> Result<Gaps, Failure> {
    Gaps::from_parameters(request.parameter("fill"), needed_overlap)
        .map_err(|error| Failure::argument("fill", error.to_string()))
}

pub(super) async fn aggregates(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let use_history = parameters::boolean(request, "use_history", false)?;
    let details = parameters::boolean(request, "details", false)?;
    let needed_overlap = parameters::needed_overlap(request)?;
    let (start, stop) = parameters::window(request, api.metrics.now())?;
    let granularity = parameters::granularity(request)?;
    let gaps = gaps(request, needed_overlap)?;
    let body = request.json(api)?;
    let map = schema::dictionary(&body)?;
    // An operation is read in steps, of which each makes another tree.
    match map.get("operations") {
        Some(Value::Str(text)) => request.take_room(api, schema::operations_text_bytes(text), 1)?,
        _ => request.take_room(api, 0, 2)?,
    }
    // A text that cannot be read is refused whatever else is wrong.
    if let Some(Value::Str(text)) = map.get("operations") {
        schema::operations_text(text)?;
    }
    for (key, _) in map.iter() {
        if !["operations", "search", "resource_type"].contains(&key) {
            return Err(Invalid::new("extra keys not allowed").of_key(key).into());
        }
    }
    let missing = |key: &str| Failure::from(Invalid::new("required key not provided").of_key(key));
    let (operation, shown) = schema::operations(map.get("operations").ok_or_else(|| missing("operations"))?)?;
    let resource_type = match map.get("resource_type") {
        None => None,
        Some(value) => Some(schema::text(value).map_err(|invalid| invalid.under("resource_type"))?),
    };
    let search = match (&resource_type, map.get("search")) {
        (None, _) => None,
        (Some(_), None) => return Err(missing("search")),
        (Some(resource_type), Some(search)) => {
            if let Err(error) = api.metrics.index().resource_type(resource_type).await {
                return Err(unknown_type(error));
            }
            let ids = Ids { creator: caller.creator.as_deref() };
            let filter = match search {
                Value::Str(text) => {
                    let tree =
                        filter_text::parse(text).map_err(|error| Failure::invalid(error.to_string()))?;
                    schema::search(&tree, ids)
                }
                tree => schema::search(tree, ids),
            };
            filter.map_err(|invalid| invalid.under("search"))?
        }
    };
    schema::references_required(&operation, shown)?;
    let query = AggregatesQuery { operation: operation.into(), start, stop, granularity, gaps, details };
    let Some(resource_type) = resource_type else {
        return Ok(Reply::json(shown_result(&api.metrics.aggregates(caller, &query).await?)));
    };
    let group_by = parameters::sorted(request, "groupby");
    let search = ResourceSearch { resource_type, filter: search, group_by, use_history };
    if search.group_by.is_empty() {
        let result = api.metrics.aggregates_of_resources(caller, &query, &search).await?;
        return Ok(Reply::json(shown_result(&result)));
    }
    let groups = api.metrics.aggregates_of_groups(caller, &query, &search).await?;
    let shown = groups.into_iter().map(|group| {
        let attributes: Map = group.attributes.into_iter().collect();
        let mut shown = Map::new();
        shown.insert("group", attributes);
        shown.insert("measures", shown_result(&group.result));
        Value::Map(shown)
    });
    Ok(Reply::json(Value::List(shown.collect())))
}

fn unknown_type(error: metric_index::Error) -> Failure {
    match error {
        metric_index::Error::NoSuchResourceType(name) => {
            let facts = [("detail", name.into())];
            Failure::because(StatusCode::BAD_REQUEST, "Resource type does not exist", facts)
        }
        error => error.into(),
    }
}

fn shown_result(result: &AggregatesResult) -> Map {
    let mut measures = Map::new();
    for (path, series) in &result.series {
        put(&mut measures, path, view::measures(series));
    }
    let mut shown = Map::new();
    shown.insert("measures", measures);
    if let Some(references) = &result.references {
        shown.insert("references", Value::List(references.clone()));
    }
    shown
}

/// Puts a value where a path leads.
fn put(map: &mut Map, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            map.insert(last.as_str(), value);
        }
        [first, rest @ ..] => {
            if map.get(first).is_none() {
                map.insert(first.as_str(), Map::new());
            }
            if let Some(Value::Map(inner)) = map.get_mut(first) {
                put(inner, rest, value);
            }
        }
    }
}
