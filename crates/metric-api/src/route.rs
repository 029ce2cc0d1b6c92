//! The one table of routes.

use axum::http::Method;

/// What is done for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table says it")]
pub enum Endpoint {
    Versions,
    Index,
    Health,
    OpenApi,
    Capabilities,
    Status,
    ListArchivePolicies,
    CreateArchivePolicy,
    ShowArchivePolicy,
    UpdateArchivePolicy,
    DeleteArchivePolicy,
    ListRules,
    CreateRule,
    ShowRule,
    RenameRule,
    DeleteRule,
    ListResourceTypes,
    CreateResourceType,
    ShowResourceType,
    UpdateResourceType,
    DeleteResourceType,
    ListMetrics,
    CreateMetric,
    ShowMetric,
    DeleteMetric,
    ShowMeasures,
    AddMeasures,
    ResourceIndex,
    ListResources,
    CreateResource,
    DeleteResources,
    ShowResource,
    UpdateResource,
    DeleteResource,
    ShowHistory,
    ListResourceMetrics,
    AppendResourceMetrics,
    ShowNamedMetric,
    DeleteNamedMetric,
    ShowNamedMeasures,
    AddNamedMeasures,
    SearchResources,
    SearchValues,
    AddBatch,
    AddResourceBatch,
    AggregateMetrics,
    AggregateGivenMetrics,
    AggregateResources,
    Aggregates,
    PrometheusWrite,
    InfluxPing,
    InfluxQuery,
    InfluxWrite,
}

/// What successful answers of a route are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produces {
    /// JSON, or nothing.
    Json,
    /// Nothing that has a media type: whoever takes only JSON is refused, as Gnocchi refuses them.
    Nothing,
    /// Whatever is asked for.
    Anything,
}

/// A method and a path.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method's name.
    pub method: &'static str,
    /// The path below the mount point; a part in braces stands for any text.
    pub path: &'static str,
    /// What is done.
    pub endpoint: Endpoint,
    /// What is answered.
    pub produces: Produces,
}

const fn route(method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint, produces: Produces::Json }
}

const fn other(method: &'static str, path: &'static str, endpoint: Endpoint, produces: Produces) -> Route {
    Route { method, path, endpoint, produces }
}

/// Every route.
pub const ROUTES: &[Route] = &[
    route("GET", "", Endpoint::Versions),
    other("GET", "healthcheck", Endpoint::Health, Produces::Anything),
    route("GET", "openapi.json", Endpoint::OpenApi),
    route("GET", "v1", Endpoint::Index),
    route("GET", "v1/capabilities", Endpoint::Capabilities),
    route("GET", "v1/status", Endpoint::Status),
    route("GET", "v1/archive_policy", Endpoint::ListArchivePolicies),
    route("POST", "v1/archive_policy", Endpoint::CreateArchivePolicy),
    route("GET", "v1/archive_policy/{name}", Endpoint::ShowArchivePolicy),
    route("PATCH", "v1/archive_policy/{name}", Endpoint::UpdateArchivePolicy),
    route("DELETE", "v1/archive_policy/{name}", Endpoint::DeleteArchivePolicy),
    route("GET", "v1/archive_policy_rule", Endpoint::ListRules),
    route("POST", "v1/archive_policy_rule", Endpoint::CreateRule),
    route("GET", "v1/archive_policy_rule/{name}", Endpoint::ShowRule),
    route("PATCH", "v1/archive_policy_rule/{name}", Endpoint::RenameRule),
    route("DELETE", "v1/archive_policy_rule/{name}", Endpoint::DeleteRule),
    route("GET", "v1/resource_type", Endpoint::ListResourceTypes),
    route("POST", "v1/resource_type", Endpoint::CreateResourceType),
    route("GET", "v1/resource_type/{name}", Endpoint::ShowResourceType),
    route("PATCH", "v1/resource_type/{name}", Endpoint::UpdateResourceType),
    route("DELETE", "v1/resource_type/{name}", Endpoint::DeleteResourceType),
    route("GET", "v1/metric", Endpoint::ListMetrics),
    route("POST", "v1/metric", Endpoint::CreateMetric),
    route("GET", "v1/metric/{id}", Endpoint::ShowMetric),
    route("DELETE", "v1/metric/{id}", Endpoint::DeleteMetric),
    route("GET", "v1/metric/{id}/measures", Endpoint::ShowMeasures),
    route("POST", "v1/metric/{id}/measures", Endpoint::AddMeasures),
    route("GET", "v1/resource", Endpoint::ResourceIndex),
    route("GET", "v1/resource/{type}", Endpoint::ListResources),
    route("POST", "v1/resource/{type}", Endpoint::CreateResource),
    route("DELETE", "v1/resource/{type}", Endpoint::DeleteResources),
    route("GET", "v1/resource/{type}/{id}", Endpoint::ShowResource),
    route("PATCH", "v1/resource/{type}/{id}", Endpoint::UpdateResource),
    route("DELETE", "v1/resource/{type}/{id}", Endpoint::DeleteResource),
    route("GET", "v1/resource/{type}/{id}/history", Endpoint::ShowHistory),
    route("GET", "v1/resource/{type}/{id}/metric", Endpoint::ListResourceMetrics),
    route("POST", "v1/resource/{type}/{id}/metric", Endpoint::AppendResourceMetrics),
    route("GET", "v1/resource/{type}/{id}/metric/{name}", Endpoint::ShowNamedMetric),
    route("DELETE", "v1/resource/{type}/{id}/metric/{name}", Endpoint::DeleteNamedMetric),
    route("GET", "v1/resource/{type}/{id}/metric/{name}/measures", Endpoint::ShowNamedMeasures),
    route("POST", "v1/resource/{type}/{id}/metric/{name}/measures", Endpoint::AddNamedMeasures),
    route("POST", "v1/search/resource/{type}", Endpoint::SearchResources),
    route("POST", "v1/search/metric", Endpoint::SearchValues),
    route("POST", "v1/batch/metrics/measures", Endpoint::AddBatch),
    route("POST", "v1/batch/resources/metrics/measures", Endpoint::AddResourceBatch),
    route("GET", "v1/aggregation/metric", Endpoint::AggregateMetrics),
    route("POST", "v1/aggregation/metric", Endpoint::AggregateGivenMetrics),
    route("POST", "v1/aggregation/resource/{type}/metric/{name}", Endpoint::AggregateResources),
    route("POST", "v1/aggregates", Endpoint::Aggregates),
    other("POST", "v1/prometheus/write", Endpoint::PrometheusWrite, Produces::Nothing),
    other("GET", "v1/influxdb/ping", Endpoint::InfluxPing, Produces::Nothing),
    other("POST", "v1/influxdb/query", Endpoint::InfluxQuery, Produces::Anything),
    other("POST", "v1/influxdb/write", Endpoint::InfluxWrite, Produces::Anything),
];

/// Paths that exist in Gnocchi but take no method.
const WITHOUT_METHODS: [&str; 1] = ["v1/aggregation/resource/{type}/metric"];

/// What a request means.
#[derive(Debug)]
pub(crate) enum Found {
    Route(&'static Route, Vec<String>),
    /// The path exists with these methods.
    Methods(String),
    Nothing,
}

/// Looks a path up, which is decoded already. Empty parts, and slashes at its end, do not count.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut methods = Vec::new();
    for route in ROUTES {
        let Some(captures) = captures(route.path, &parts) else { continue };
        if route.method == method.as_str() {
            return Found::Route(route, captures);
        }
        methods.push(route.method);
    }
    if methods.is_empty() && !WITHOUT_METHODS.iter().any(|path| captures(path, &parts).is_some()) {
        return Found::Nothing;
    }
    methods.sort_unstable();
    Found::Methods(methods.join(", "))
}

/// The resource type whose resources a path searches: Gnocchi looks it up before the method.
pub(crate) fn searched_type(path: &str) -> Option<&str> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let is_search = ["v1", "search", "resource"].iter().all(|wanted| parts.next() == Some(wanted));
    parts.next().filter(|_| is_search && parts.next().is_none())
}

fn captures(pattern: &str, parts: &[&str]) -> Option<Vec<String>> {
    let wanted = pattern.split('/').filter(|part| !part.is_empty());
    let mut captures = Vec::new();
    let mut parts = parts.iter();
    for wanted in wanted {
        let part = parts.next()?;
        if wanted.starts_with('{') {
            captures.push((*part).to_owned());
        } else if wanted != *part {
            return None;
        }
    }
    parts.next().is_none().then_some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        let found = |method: Method, path: &str| match find(&method, path) {
            Found::Route(route, captures) => format!("{:?} {}", route.endpoint, captures.join(",")),
            Found::Methods(methods) => methods,
            Found::Nothing => "nothing".to_owned(),
        };
        assert_eq!(found(Method::GET, "/"), "Versions ");
        assert_eq!(found(Method::GET, "/v1/archive_policy//low"), "ShowArchivePolicy low");
        assert_eq!(found(Method::GET, "/v1/resource/a/b/metric/c/measures/"), "ShowNamedMeasures a,b,c");
        assert_eq!(found(Method::HEAD, "/v1/metric"), "GET, POST");
        assert_eq!(found(Method::GET, "/v1/aggregates"), "POST");
        assert_eq!(found(Method::GET, "/v1/build"), "nothing");
        assert_eq!(found(Method::POST, "/v1/aggregation/resource/generic/metric"), "");
        assert_eq!(searched_type("/v1/search/resource/a/"), Some("a"));
        assert_eq!([searched_type("/v1/search/metric"), searched_type("/v1/resource/a")], [None, None]);
    }

    #[test]
    fn no_route_stands_twice() {
        for (place, route) in ROUTES.iter().enumerate() {
            let before = ROUTES.iter().take(place);
            assert!(
                !before.clone().any(|other| other.path == route.path && other.method == route.method),
                "{route:?}"
            );
        }
    }
}
