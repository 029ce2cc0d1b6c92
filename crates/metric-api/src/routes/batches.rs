//! `/v1/batch`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use metric::{NamedMeasures, ResourceMeasures};
use metric_index::parse_uuid;

use super::Done;
use crate::reply::Reply;
use crate::request::Request;
use crate::room::Room;
use crate::schema::{Ids, Invalid};
use crate::{Api, parameters, schema};

pub(super) async fn metrics(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let mut room = Room::of(api, request);
    let plain = request.json_text().and_then(|text| schema::plain_batch(text, &mut room));
    room.check(api)?;
    if let Some(batches) = plain {
        let count = batches.values().map(|batch| batch.points().len()).sum();
        api.check_measures(count)?;
        api.metrics.add_batch(caller, batches).await?;
        return Ok(Reply::accepted(StatusCode::ACCEPTED, count));
    }
    // The long way begins anew.
    drop(room);
    let body = request.json(api)?;
    let now = api.metrics.now();
    let mut batches = BTreeMap::new();
    let mut count = 0;
    for (key, value) in schema::dictionary(&body)?.iter() {
        let id = parse_uuid(key).ok_or_else(|| Invalid::new("not a valid value").of_key(key))?;
        let batch = schema::measures(value, now).map_err(|invalid| invalid.under(key))?;
        count += batch.points().len();
        api.check_measures(count)?;
        batches.insert(id, batch);
    }
    api.metrics.add_batch(caller, batches).await?;
    Ok(Reply::accepted(StatusCode::ACCEPTED, count))
}

pub(super) async fn resources(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let create_metrics = parameters::boolean(request, "create_metrics", false)?;
    let ids = Ids { creator: caller.creator.as_deref() };
    let mut room = Room::of(api, request);
    let plain = request.json_text().and_then(|text| schema::plain_resource_batch(text, ids, &mut room));
    room.check(api)?;
    if let Some(resources) = plain {
        let metrics = resources.iter().flat_map(|resource| &resource.metrics);
        let count = metrics.map(|metric| metric.batch.points().len()).sum();
        api.check_measures(count)?;
        api.metrics.add_resource_batch(caller, resources, create_metrics).await?;
        return Ok(Reply::accepted(StatusCode::ACCEPTED, count));
    }
    // The long way begins anew.
    drop(room);
    let body = request.json(api)?;
    let now = api.metrics.now();
    let mut resources = Vec::new();
    let mut count = 0;
    for (key, value) in schema::dictionary(&body)?.iter() {
        let (id, original_id) = ids.id(&key.into()).map_err(|invalid| invalid.of_key(key))?;
        let named = schema::dictionary(value).map_err(|invalid| invalid.under(key))?;
        let mut metrics = Vec::with_capacity(named.len());
        for (name, value) in named.iter() {
            let read = schema::named(value, now);
            let (batch, archive_policy_name, unit) =
                read.map_err(|invalid| invalid.under(name).under(key))?;
            count += batch.points().len();
            api.check_measures(count)?;
            metrics.push(NamedMeasures { name: name.to_owned(), batch, archive_policy_name, unit });
        }
        resources.push(ResourceMeasures { original_id, id, metrics });
    }
    api.metrics.add_resource_batch(caller, resources, create_metrics).await?;
    Ok(Reply::accepted(StatusCode::ACCEPTED, count))
}
