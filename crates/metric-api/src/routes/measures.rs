//! `/v1/metric/{id}/measures`.

use axum::http::StatusCode;
use metric::{MeasuresQuery, Rule, Target, view};
use metric_index::Metric;

use super::{Done, metrics};
use crate::reply::Reply;
use crate::request::Request;
use crate::room::Room;
use crate::{Api, parameters, schema};

pub(super) async fn show(api: &Api, request: &Request) -> Done {
    request.caller()?;
    let metric = metrics::find(api, request).await?;
    of_metric(api, request, &metric).await
}

pub(super) async fn add(api: &Api, request: &Request) -> Done {
    request.caller()?;
    let metric = metrics::find(api, request).await?;
    to_metric(api, request, metric).await
}

/// The aggregates that the parameters ask for.
pub(super) async fn of_metric(api: &Api, request: &Request, metric: &Metric) -> Done {
    request.caller()?.enforce(Rule::GetMeasures, &Target::of_metric(metric))?;
    let resample = parameters::resample(request)?;
    let (start, stop) = parameters::window(request, api.metrics.now())?;
    let granularity = parameters::granularity(request)?;
    let aggregation = request.parameter("aggregation").unwrap_or("mean").to_owned();
    // What was accepted is always seen.
    parameters::boolean(request, "refresh", false)?;
    let query = MeasuresQuery { start, stop, aggregation, granularity, resample };
    let measures = api.metrics.measures(metric, query).await?;
    Ok(Reply::written(view::measures_text(&measures), measures.len()))
}

/// Takes the measures of the body.
pub(super) async fn to_metric(api: &Api, request: &Request, metric: Metric) -> Done {
    let caller = request.caller()?;
    caller.enforce(Rule::PostMeasures, &Target::of_metric(&metric))?;
    let mut room = Room::of(api, request);
    let plain = request.json_text().and_then(|text| schema::plain_measures(text, &mut room));
    room.check(api)?;
    let batch = match plain {
        Some(batch) => batch,
        None => schema::measures(&request.json(api)?, api.metrics.now())?,
    };
    let count = batch.points().len();
    api.check_measures(count)?;
    api.metrics.add_measures(caller, metric, batch).await?;
    Ok(Reply::accepted(StatusCode::ACCEPTED, count))
}
