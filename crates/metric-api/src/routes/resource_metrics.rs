//! `/v1/resource/{type}/{id}/metric`.

use axum::http::StatusCode;
use metric::{Rule, Target, view};
use metric_index::{Filter, Metric, Page};
use model::Value;

use super::{Done, measures, resources};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Api, schema};

async fn all(api: &Api, resource: uuid::Uuid) -> Result<Value, Failure> {
    let filter = Some(Filter::equal("resource_id", resource.to_string()));
    let page = Page { sorts: vec!["id:asc".to_owned()], ..Page::default() };
    let query = metric_index::MetricQuery { filter, page, ..metric_index::MetricQuery::default() };
    let metrics = api.metrics.index().metrics(&query).await?;
    Ok(Value::List(metrics.iter().map(view::listed_metric).collect()))
}

pub(super) async fn list(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let resource = resources::find(api, request).await?;
    caller.enforce_reading(Rule::GetResource, &resource)?;
    Ok(Reply::json(all(api, resource.id).await?))
}

pub(super) async fn append(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let resource = resources::find(api, request).await?;
    caller.enforce(Rule::UpdateResource, &Target::of_resource(&resource))?;
    let body = request.json(api)?;
    schema::check_metric_names(&body)?;
    let metrics = schema::metrics(&body)?;
    api.metrics.append_metrics(caller, &resource, metrics).await?;
    Ok(Reply::json(all(api, resource.id).await?))
}

async fn find(api: &Api, request: &Request) -> Result<Metric, Failure> {
    let id = resources::id(request)?;
    Ok(api.metrics.named_metric(request.capture(0), id, request.capture(2)).await?)
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

pub(super) async fn show_measures(api: &Api, request: &Request) -> Done {
    request.caller()?;
    let metric = find(api, request).await?;
    measures::of_metric(api, request, &metric).await
}

pub(super) async fn add_measures(api: &Api, request: &Request) -> Done {
    request.caller()?;
    let metric = find(api, request).await?;
    measures::to_metric(api, request, metric).await
}
