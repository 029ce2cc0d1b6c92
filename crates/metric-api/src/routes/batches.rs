//! `/v1/batch`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use metric::{NamedMeasures, ResourceMeasures};
use metric_index::parse_uuid;

use super::Done;
use crate::reply::Reply;
use crate::request::Request;
use crate::schema::{Ids, Invalid};
use crate::{Api, parameters, schema};

pub(super) async fn metrics(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let body = request.json()?;
    let now = api.metrics.now();
    let mut batches = BTreeMap::new();
    for (key, value) in schema::dictionary(&body)?.iter() {
        let id = parse_uuid(key).ok_or_else(|| Invalid::new("not a valid value").of_key(key))?;
        batches.insert(id, schema::measures(value, now).map_err(|invalid| invalid.under(key))?);
    }
    api.metrics.add_batch(caller, batches).await?;
    Ok(Reply::empty(StatusCode::ACCEPTED))
}

pub(super) async fn resources(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let create_metrics = parameters::boolean(request, "create_metrics", false)?;
    let body = request.json()?;
    let now = api.metrics.now();
    let ids = Ids { creator: caller.creator.as_deref() };
    let mut resources = Vec::new();
    for (key, value) in schema::dictionary(&body)?.iter() {
        let (id, original_id) = ids.id(&key.into()).map_err(|invalid| invalid.of_key(key))?;
        let named = schema::dictionary(value).map_err(|invalid| invalid.under(key))?;
        let mut metrics = Vec::with_capacity(named.len());
        for (name, value) in named.iter() {
            let read = schema::named(value, now);
            let (batch, archive_policy_name, unit) =
                read.map_err(|invalid| invalid.under(name).under(key))?;
            metrics.push(NamedMeasures { name: name.to_owned(), batch, archive_policy_name, unit });
        }
        resources.push(ResourceMeasures { original_id, id, metrics });
    }
    api.metrics.add_resource_batch(caller, resources, create_metrics).await?;
    Ok(Reply::empty(StatusCode::ACCEPTED))
}
