//! Versions, the index, health, capabilities, status.

use archive::Method;
use metric::{Rule, Target};
use model::{Map, Value};

use super::Done;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Api, BUILD, accept, parameters};

/// The families that the index lists.
const FAMILIES: [&str; 12] = [
    "aggregates",
    "aggregation",
    "archive_policy",
    "archive_policy_rule",
    "batch",
    "capabilities",
    "influxdb",
    "metric",
    "resource",
    "resource_type",
    "search",
    "status",
];

fn object<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    pairs.into_iter().collect::<Map>().into()
}

fn link(rel: &str, address: String) -> Value {
    object([("rel", rel.into()), ("href", address.into())])
}

pub(super) fn versions(request: &Request) -> Reply {
    let links = Value::List(vec![link("self", format!("{}/v1/", request.base))]);
    let version = object([
        ("status", "CURRENT".into()),
        ("links", links),
        ("id", "v1.0".into()),
        ("updated", "2015-03-19".into()),
    ]);
    Reply::json(object([("build", BUILD.into()), ("versions", Value::List(vec![version]))]))
}

pub(super) fn index(request: &Request) -> Reply {
    let base = &request.base;
    let own = std::iter::once(link("self", format!("{base}/v1")));
    let links = own.chain(FAMILIES.iter().map(|family| link(family, format!("{base}/v1/{family}"))));
    Reply::json(object([("version", "1.0".into()), ("links", Value::List(links.collect()))]))
}

pub(super) fn health(request: &Request) -> Reply {
    let wants = accept::representation(&request.headers);
    if wants == accept::Representation::Json {
        return Reply::text("application/json", "{\n    \"detailed\": false,\n    \"reasons\": []\n}");
    }
    Reply::text("text/plain; charset=UTF-8", "")
}

pub(super) fn capabilities() -> Reply {
    let methods = Method::all().map(|method| method.to_string().into());
    Reply::json(object([("aggregation_methods", Value::List(methods.collect()))]))
}

/// Measures are aggregated before they are answered, so that nothing ever waits.
pub(super) async fn status(api: &Api, request: &Request) -> Done {
    request.caller()?.enforce(Rule::GetStatus, &Target::default())?;
    let details = parameters::boolean(request, "details", true)?;
    let mut storage = Map::new();
    storage.insert("summary", object([("metrics", 0.into()), ("measures", 0.into())]));
    if details {
        storage.insert("measures_to_process", Map::new());
    }
    api.metrics.index().ping().await?;
    let metricd = object([("processors", Value::Null), ("statistics", Map::new().into())]);
    Ok(Reply::json(object([("storage", storage.into()), ("metricd", metricd)])))
}
