//! `/v1/resource`.

use axum::http::StatusCode;
use metric::{Rule, Target, view};
use metric_index::{CURRENT, Filter, Resource, ResourceQuery};
use model::{Map, Value};
use uuid::Uuid;

use super::Done;
use crate::failure::Failure;
use crate::page::{link, page};
use crate::precondition::{Verdict, check};
use crate::reply::Reply;
use crate::request::Request;
use crate::schema::Ids;
use crate::{Api, filter_text, parameters, schema};

/// The order of resources unless another is asked for.
const ORDER: [&str; 2] = ["revision_start:asc", "started_at:asc"];

/// The id of an address, as the caller means it.
pub(super) fn id(request: &Request) -> Result<Uuid, Failure> {
    let creator = request.caller()?.creator.as_deref();
    let text = request.capture(1);
    metric_index::resource_id(text, creator).map_err(|error| Failure::unknown(error.to_string()))
}

/// The resource of an address, which the caller need not be allowed to see.
pub(super) async fn find(api: &Api, request: &Request) -> Result<Resource, Failure> {
    Ok(api.metrics.resource(request.capture(0), id(request)?).await?)
}

pub(super) async fn index(api: &Api, request: &Request) -> Done {
    let types = api.metrics.index().resource_types().await?;
    let shown: Map = types
        .iter()
        .map(|found| (found.name.as_str(), format!("{}/v1/resource/{}", request.base, found.name)))
        .collect();
    Ok(Reply::json(shown))
}

/// The search of the body, or of the parameter `filter` where there is none.
pub(super) fn search_of(api: &Api, request: &Request) -> Result<Option<Filter>, Failure> {
    let ids = Ids { creator: request.caller()?.creator.as_deref() };
    if !request.body.is_empty() {
        let body = request.json(api)?;
        // Ids become others, and values parameters.
        request.take_room(api, 0, 1)?;
        let read = schema::search(&body, ids)?;
        if read.is_some() {
            return Ok(read);
        }
    }
    match request.parameter("filter").filter(|text| !text.trim().is_empty()) {
        None => Ok(None),
        Some(text) => {
            let tree = filter_text::parse(text).map_err(|error| Failure::invalid(error.to_string()))?;
            Ok(schema::search(&tree, ids)?)
        }
    }
}

/// Lists resources of the type of the address.
pub(super) async fn listed(api: &Api, request: &Request, filter: Option<Filter>, rule: Rule) -> Done {
    let caller = request.caller()?;
    let details = parameters::boolean(request, "details", false)?;
    let history = parameters::boolean(request, "history", false)?;
    let page = page(request, &ORDER, api.settings.max_limit)?;
    let attributes: Vec<&str> = request.parameters("attrs").collect();
    let resource_type = request.capture(0).to_owned();
    let query = ResourceQuery { resource_type, filter, details, history, page: page.clone() };
    let resources = api.metrics.list_resources(caller, rule, query).await?;
    let marker = resources.last().map(|last| marker(last, history));
    let next = link(request, &page, resources.len(), marker);
    let shown = resources.iter().map(|resource| shown(resource, &attributes));
    Ok(Reply::json(Value::List(shown.collect())).linked(next))
}

fn marker(resource: &Resource, history: bool) -> String {
    if history { format!("{}@{}", resource.id, resource.revision) } else { resource.id.to_string() }
}

fn shown(resource: &Resource, attributes: &[&str]) -> Value {
    let all = view::resource(resource, true);
    if attributes.is_empty() {
        return all.into();
    }
    let kept = all.into_iter().filter(|(name, _)| attributes.contains(&name.as_str()));
    kept.collect::<Map>().into()
}

pub(super) async fn list(api: &Api, request: &Request) -> Done {
    listed(api, request, None, Rule::ListResource).await
}

pub(super) async fn history(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let resource = find(api, request).await?;
    caller.enforce_reading(Rule::GetResource, &resource)?;
    let details = parameters::boolean(request, "details", false)?;
    let page = page(request, &ORDER, api.settings.max_limit)?;
    let attributes: Vec<&str> = request.parameters("attrs").collect();
    let query = ResourceQuery {
        resource_type: request.capture(0).to_owned(),
        filter: Some(Filter::equal("id", resource.id.to_string())),
        details,
        history: true,
        page: page.clone(),
    };
    let revisions = api.metrics.index().resources(&query).await?;
    let last = revisions.last().map(|last| marker(last, true));
    let next = link(request, &page, revisions.len(), last);
    let shown = revisions.iter().map(|revision| shown(revision, &attributes));
    Ok(Reply::json(Value::List(shown.collect())).linked(next))
}

pub(super) async fn create(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let resource_type = api.metrics.index().resource_type(request.capture(0)).await?;
    let ids = Ids { creator: caller.creator.as_deref() };
    let body = request.json(api)?;
    schema::check_metric_names(body.get("metrics").unwrap_or(&Value::Null))?;
    let given = schema::resource(&body, &resource_type, ids, api.metrics.now())?;
    let resource = api.metrics.create_resource(caller, given).await?;
    let family = format!("resource/{}", resource_type.name);
    let address = request.address(&family, &resource.id.to_string());
    Ok(Reply::json(view::resource(&resource, true)).created(address).tagged(&resource))
}

pub(super) async fn delete_many(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let Some(filter) = search_of(api, request)? else {
        let blanks = " ".repeat(19);
        let text = format!("caution: the query can not be empty, or it will{blanks}delete entire database");
        return Err(Failure::invalid(text));
    };
    let count = api.metrics.delete_resources(caller, request.capture(0), filter).await?;
    let mut shown = Map::new();
    shown.insert("deleted", i64::try_from(count).unwrap_or(i64::MAX));
    Ok(Reply::json(shown))
}

pub(super) async fn show(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let resource = find(api, request).await?;
    caller.enforce_reading(Rule::GetResource, &resource)?;
    if check(&request.method, &request.headers, &resource)? == Verdict::NotModified {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).tagged(&resource));
    }
    Ok(Reply::json(view::resource(&resource, true)).tagged(&resource))
}

pub(super) async fn update(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let resource = find(api, request).await?;
    debug_assert_eq!(resource.revision, CURRENT);
    caller.enforce(Rule::UpdateResource, &Target::of_resource(&resource))?;
    check(&request.method, &request.headers, &resource)?;
    let resource_type = api.metrics.index().resource_type(request.capture(0)).await?;
    let body = request.json(api)?;
    schema::check_metric_names(body.get("metrics").unwrap_or(&Value::Null))?;
    let (change, metrics) = schema::resource_change(&body, &resource_type, api.metrics.now())?;
    if body.as_map().is_some_and(Map::is_empty) {
        return Ok(Reply::json(view::resource(&resource, true)).tagged(&resource));
    }
    let has_metrics = metrics.is_some();
    let changed =
        api.metrics.update_resource(caller, &resource, &resource_type.name, change, metrics).await?;
    let reply = Reply::json(view::resource(&changed.resource, true));
    // Gnocchi tags only what it had to write.
    Ok(if changed.revised || has_metrics { reply.tagged(&changed.resource) } else { reply })
}

pub(super) async fn delete(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let resource = find(api, request).await?;
    caller.enforce(Rule::DeleteResource, &Target::of_resource(&resource))?;
    check(&request.method, &request.headers, &resource)?;
    api.metrics.delete_resource(caller, &resource).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
