//! `/v1/search`.

use metric::{Rule, view};
use metric_index::{parse_uuid, time};
use model::{Map, Value};

use super::{Done, resources};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Api, schema};

pub(super) async fn resources(api: &Api, request: &Request) -> Done {
    let filter = resources::search_of(api, request)?;
    resources::listed(api, request, filter, Rule::SearchResource).await
}

pub(super) async fn values(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let mut ids = Vec::new();
    for text in request.parameters("metric_id") {
        let id = parse_uuid(text).ok_or_else(|| Failure::argument("metric_id", "not a valid value"))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if request.body.is_empty() {
        return Err(Failure::invalid("No query specified in body"));
    }
    let predicate = schema::predicate(&request.json(api)?)?;
    let now = api.metrics.now();
    let moment = |name: &str| match request.parameter(name) {
        None => Ok(None),
        Some(text) => match time::nanoseconds(&text.into(), now) {
            Ok(nanoseconds) => Ok(Some(nanoseconds)),
            Err(_) => Err(Failure::invalid(format!("Invalid value for {name}"))),
        },
    };
    let window = (moment("start")?, moment("stop")?);
    let aggregation = request.parameter("aggregation").unwrap_or("mean");
    let mut granularities = Vec::new();
    for text in request.parameters("granularity") {
        let span = time::timespan(&text.into());
        granularities.push(span.map_err(|error| Failure::argument("granularity", error.to_string()))?);
    }
    if ids.is_empty() {
        return Err(Failure::argument("metric_id", "required key not provided"));
    }
    let found =
        api.metrics.search_values(caller, &ids, predicate, aggregation, &granularities, window).await?;
    let shown: Map = found.iter().map(|(id, measures)| (id.to_string(), view::measures(measures))).collect();
    Ok(Reply::json(Value::from(shown)))
}
