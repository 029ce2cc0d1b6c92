//! The API's description in the form of OpenAPI 3.0, made from the table of routes. Served at `/openapi.json`, which is no
//! path of Gnocchi's.

mod operations;

use axum::http::StatusCode;
use model::{Map, Value};

use crate::BUILD;
use crate::route::{Endpoint, ROUTES, Route};

use self::operations::{Answer, Operation, operation};

/// What several operations have in common: shapes of bodies, and parameters.
const COMPONENTS: &str = include_str!("openapi/components.json");
/// What any request may be answered: not authenticated, no media type that it takes, too slow, too large, failed, not now.
const ANY: [u16; 4] = [406, 408, 413, 503];
/// Media types of refusals, which the client chooses among by `Accept`.
const REFUSALS: [&str; 2] = ["text/html", "text/plain"];

fn object<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    pairs.into_iter().collect::<Map>().into()
}

fn reference(family: &str, name: &str) -> Value {
    object([("$ref", format!("#/components/{family}/{name}").into())])
}

/// The whole document; `base` is the address that the API stands under.
pub(crate) fn document(base: &str) -> Value {
    let mut paths: Vec<(String, Map)> = Vec::new();
    for route in ROUTES {
        let path = path_of(route);
        let shown = described(route);
        if let Some((_, methods)) = paths.iter_mut().find(|(known, _)| *known == path) {
            methods.insert(route.method.to_ascii_lowercase(), shown);
        } else {
            let mut methods = Map::new();
            methods.insert(route.method.to_ascii_lowercase(), shown);
            paths.push((path, methods));
        }
    }
    let info = object([
        ("title", "Metrics (Gnocchi's REST API v1)".into()),
        ("version", BUILD.into()),
        (
            "description",
            "Refusals are shown as page, text or JSON, as `Accept` asks. Parameters that are not known are ignored.".into(),
        ),
    ]);
    let mut components = match model::json::parse(COMPONENTS) {
        Ok(Value::Map(components)) => components,
        _ => Map::new(),
    };
    let basic = object([("type", "http".into()), ("scheme", "basic".into())]);
    let token = object([("type", "apiKey".into()), ("in", "header".into()), ("name", "X-Auth-Token".into())]);
    components.insert("securitySchemes", object([("basic", basic), ("token", token)]));
    let security = ["basic", "token"].map(|name| object([(name, Value::List(Vec::new()))]));
    object([
        ("openapi", "3.0.3".into()),
        ("info", info),
        ("servers", Value::List(vec![object([("url", base.into())])])),
        ("security", Value::List(security.to_vec())),
        (
            "paths",
            paths.into_iter().map(|(path, methods)| (path, Value::Map(methods))).collect::<Map>().into(),
        ),
        ("components", components.into()),
    ])
}

/// The path of a route. The index answers at its path with a slash; without one it leads there.
fn path_of(route: &Route) -> String {
    if route.endpoint == Endpoint::Index { format!("/{}/", route.path) } else { format!("/{}", route.path) }
}

/// One route.
fn described(route: &Route) -> Value {
    let Operation { summary, parameters, body, answers, refusals, is_open } = operation(route.endpoint);
    let mut shown = Map::new();
    shown.insert("operationId", format!("{:?}", route.endpoint));
    shown.insert("summary", summary);
    let placeholders = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut all: Vec<Value> = placeholders.map(placeholder).collect();
    all.extend(parameters.iter().map(|name| reference("parameters", name)));
    if !all.is_empty() {
        shown.insert("parameters", Value::List(all));
    }
    if let Some(body) = body {
        let media = object([("schema", reference("schemas", body.schema))]);
        let content = object([(body.media_type, media)]);
        shown.insert("requestBody", object([("required", body.is_required.into()), ("content", content)]));
    }
    let mut responses = Map::new();
    for Answer { status, content } in answers {
        let content = content
            .iter()
            .map(|(media_type, schema)| (*media_type, object([("schema", reference("schemas", schema))])));
        let content: Map = content.collect();
        responses.insert(status.to_string(), response(status, content));
    }
    let unknown = (!is_open).then_some(401);
    for status in refusals.iter().copied().chain(unknown).chain(ANY) {
        let mut content = Map::new();
        content.insert("application/json", object([("schema", reference("schemas", "Error"))]));
        for media_type in REFUSALS {
            content.insert(media_type, object([("schema", reference("schemas", "Text"))]));
        }
        responses.insert(status.to_string(), response(status, content));
    }
    shown.insert("responses", responses);
    if is_open {
        shown.insert("security", Value::List(Vec::new()));
    }
    shown.into()
}

fn response(status: u16, content: Map) -> Value {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut shown = Map::new();
    shown.insert("description", reason.unwrap_or_default());
    let id = object([
        ("description", "The request's name, which is in the log as well.".into()),
        ("schema", object([("type", "string".into())])),
    ]);
    shown.insert("headers", object([("X-Openstack-Request-Id", id)]));
    if !content.is_empty() {
        shown.insert("content", content);
    }
    shown.into()
}

/// A part of the path.
fn placeholder(name: &str) -> Value {
    let schema = object([("type", "string".into()), ("minLength", Value::Int(1))]);
    object([("name", name.into()), ("in", "path".into()), ("required", true.into()), ("schema", schema)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` below a value.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::List(items) => items.iter().for_each(|item| references(item, found)),
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    match value.as_str().filter(|_| key == "$ref") {
                        Some(name) => found.push(name.to_owned()),
                        None => references(value, found),
                    }
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let document = document("");
        let paths = document.get("paths").and_then(Value::as_map).unwrap();
        for route in ROUTES {
            let path = paths.get(&path_of(route)).and_then(Value::as_map);
            let shown = path.and_then(|path| path.get(&route.method.to_ascii_lowercase()));
            assert!(shown.is_some_and(|shown| shown.get("responses").is_some()), "{route:?}");
        }
        let described: usize = paths.iter().filter_map(|(_, methods)| methods.as_map()).map(Map::len).sum();
        assert_eq!(described, ROUTES.len());
    }

    #[test]
    fn everything_that_is_referred_to_is_there_and_used() {
        let document = document("");
        let mut used = Vec::new();
        references(&document, &mut used);
        for name in &used {
            let target =
                name.trim_start_matches("#/").split('/').try_fold(&document, |value, key| value.get(key));
            assert!(target.is_some(), "{name}");
        }
        for family in ["schemas", "parameters"] {
            let all =
                document.get("components").and_then(|all| all.get(family)).and_then(Value::as_map).unwrap();
            for (name, _) in all.iter() {
                assert!(used.contains(&format!("#/components/{family}/{name}")), "{name} is not used");
            }
        }
    }
}
