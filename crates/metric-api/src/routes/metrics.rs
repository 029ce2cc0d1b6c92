//! `/v1/metric`.

use axum::http::StatusCode;
use metric::{MetricOrder, Rule, Target, view};
use metric_index::{Filter, Metric, parse_uuid};
use model::Value;

use super::Done;
use crate::failure::Failure;
use crate::page::{link, page};
use crate::reply::Reply;
use crate::request::Request;
use crate::schema::Ids;
use crate::{Api, schema};

/// The metric of an address, which the caller need not be allowed to see.
pub(super) async fn find(api: &Api, request: &Request) -> Result<Metric, Failure> {
    let text = request.capture(0);
    let id = parse_uuid(text).ok_or_else(|| Failure::unknown(format!("Metric {text} does not exist")))?;
    Ok(api.metrics.metric(id).await?)
}

pub(super) async fn list(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let page = page(request, &MetricOrder::DEFAULT, api.settings.max_limit)?;
    let mut parts = Vec::new();
    for name in ["id", "name", "unit", "archive_policy_name"] {
        let Some(value) = request.parameter(name) else { continue };
        if name == "id" && parse_uuid(value).is_none() {
            return Err(wrong_parameter("id"));
        }
        parts.push(Filter::equal(name, value));
    }
    let of_user = [request.parameter("user_id"), request.parameter("project_id")];
    let creator = match of_user {
        [None, None] => request.parameter("creator").map(str::to_owned),
        [user, project] => Some(format!("{}:{}", user.unwrap_or_default(), project.unwrap_or_default())),
    };
    if let Some(creator) = creator {
        parts.push(Filter::equal("creator", creator));
    }
    match request.parameter("status") {
        None | Some("active") => {}
        // Only active metrics are listed.
        Some("delete") => return Ok(Reply::json(Value::List(Vec::new()))),
        Some(_) => return Err(wrong_parameter("status")),
    }
    let filter = (!parts.is_empty()).then_some(Filter::And(parts));
    let metrics = api.metrics.list_metrics(caller, filter, page.clone()).await?;
    let next = link(request, &page, metrics.len(), metrics.last().map(|metric| metric.id.to_string()));
    Ok(Reply::json(Value::List(metrics.iter().map(view::listed_metric).collect())).linked(next))
}

fn wrong_parameter(name: &str) -> Failure {
    Failure::invalid(format!("Invalid input: not a valid value for dictionary value @ data['{name}']"))
}

pub(super) async fn create(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let given = schema::metric(&request.json(api)?, Ids { creator: caller.creator.as_deref() })?;
    let schema::GivenMetric { archive_policy_name, name, unit, resource_id } = given;
    let metric = api.metrics.create_metric(caller, name, unit, archive_policy_name, resource_id).await?;
    let address = request.address("metric", &metric.id.to_string());
    Ok(Reply::json(view::new_metric(&metric)).created(address))
}

pub(super) async fn show(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let metric = find(api, request).await?;
    caller.enforce(Rule::GetMetric, &Target::of_metric(&metric))?;
    Ok(Reply::json(view::metric(&metric)))
}

pub(super) async fn delete(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let metric = find(api, request).await?;
    api.metrics.delete_metric(caller, &metric).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
