//! Random requests to each route. A route that is new does not compile here until it is known.

use nephoscope_metric_api::{Endpoint, Route};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Person, Stock, value};

/// A request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) media_type: &'static str,
    pub(crate) accept: &'static str,
    /// Instead of the body, where it is no text.
    pub(crate) raw: Option<Vec<u8>>,
}

impl Asked {
    pub(crate) fn new(method: &str, path: &str, body: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.into(),
            media_type: "application/json",
            accept: "",
            raw: None,
        }
    }
}

/// Whether a request may change something.
pub(crate) fn is_write(endpoint: Endpoint) -> bool {
    use Endpoint as E;
    match endpoint {
        E::Versions
        | E::OpenApi
        | E::Index
        | E::Health
        | E::Capabilities
        | E::Status
        | E::ListArchivePolicies
        | E::ShowArchivePolicy
        | E::ListRules
        | E::ShowRule
        | E::ListResourceTypes
        | E::ShowResourceType
        | E::ListMetrics
        | E::ShowMetric
        | E::ShowMeasures
        | E::ResourceIndex
        | E::ListResources
        | E::ShowResource
        | E::ShowHistory
        | E::ListResourceMetrics
        | E::ShowNamedMetric
        | E::ShowNamedMeasures
        | E::SearchResources
        | E::SearchValues
        | E::AggregateMetrics
        | E::AggregateGivenMetrics
        | E::AggregateResources
        | E::Aggregates
        | E::InfluxPing => false,
        E::CreateArchivePolicy
        | E::UpdateArchivePolicy
        | E::DeleteArchivePolicy
        | E::CreateRule
        | E::RenameRule
        | E::DeleteRule
        | E::CreateResourceType
        | E::UpdateResourceType
        | E::DeleteResourceType
        | E::CreateMetric
        | E::DeleteMetric
        | E::AddMeasures
        | E::CreateResource
        | E::DeleteResources
        | E::UpdateResource
        | E::DeleteResource
        | E::AppendResourceMetrics
        | E::DeleteNamedMetric
        | E::AddNamedMeasures
        | E::AddBatch
        | E::AddResourceBatch
        | E::PrometheusWrite
        | E::InfluxQuery
        | E::InfluxWrite => true,
    }
}

/// Whether a request may bring measures.
pub(crate) fn is_of_measures(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::AddMeasures
            | Endpoint::AddNamedMeasures
            | Endpoint::AddBatch
            | Endpoint::AddResourceBatch
            | Endpoint::PrometheusWrite
            | Endpoint::InfluxWrite
    )
}

/// Picks things: half of the time any, else one that the person may have to do with.
struct Picker<'a> {
    person: &'a Person,
    stock: &'a Stock,
    random: &'a mut fastrand::Rng,
}

impl Picker<'_> {
    fn one<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.random.usize(..items.len())].clone()
    }

    /// Type and id.
    fn resource(&mut self) -> (String, String) {
        let all: Vec<_> = self.stock.resources.values().collect();
        let near: Vec<_> =
            all.iter().copied().filter(|resource| self.person.changes_resource(resource)).collect();
        let from = if self.random.bool() && !near.is_empty() { near } else { all };
        let picked = from[self.random.usize(..from.len())];
        let kind = if self.random.bool() { "generic".to_owned() } else { picked.kind.clone() };
        (kind, picked.id.clone())
    }

    fn metric(&mut self) -> String {
        let all: Vec<_> = self.stock.metrics.values().collect();
        let near: Vec<_> =
            all.iter().copied().filter(|metric| self.person.created(&metric.creator)).collect();
        let from = if self.random.bool() && !near.is_empty() { near } else { all };
        from[self.random.usize(..from.len())].id.clone()
    }

    fn metrics(&mut self) -> Vec<String> {
        (0..self.random.usize(1..4)).map(|_| self.metric()).collect()
    }

    fn measures(&mut self) -> Value {
        json!([{ "timestamp": 60, "value": value(self.random) }])
    }

    fn name(&mut self) -> String {
        let fresh = format!("m{}", self.random.u32(..));
        self.one(&["cpu".to_owned(), "mem".to_owned(), fresh])
    }

    /// A query about anything, by which somebody might get round the filter.
    fn search(&mut self) -> Value {
        let (_, id) = self.resource();
        let (_, other) = self.resource();
        let project = self.one(&["p1", "p2", "p3", "p", "svc"]);
        let all = json!({ "!=": { "id": Uuid::nil().to_string() } });
        match self.random.u32(..7) {
            0 => json!({ "=": { "id": id } }),
            1 => json!({ "or": [{ "=": { "project_id": project } }, { "like": { "creator": "%" } }] }),
            2 => json!({ "not": { "=": { "project_id": project } } }),
            3 => json!({ "in": { "id": [id, other] } }),
            4 => json!({ "or": [{ "=": { "id": id } }, all] }),
            5 => json!({ "not": { "and": [{ "=": { "project_id": project } }, all] } }),
            _ => all,
        }
    }

    /// Parameters of a listing.
    fn page(&mut self, sorts: &[&str], with_metrics: bool) -> String {
        let mut parts = Vec::new();
        if self.random.bool() {
            parts.push(format!("limit={}", self.random.u32(1..6)));
        }
        if self.random.bool() {
            parts.push(format!("sort={}:{}", self.one(sorts), self.one(&["asc", "desc"])));
        }
        if self.random.bool() {
            let marker = if with_metrics { self.metric() } else { self.resource().1 };
            parts.push(format!("marker={marker}"));
        }
        if !with_metrics {
            parts.extend(self.one(&["history=true", "details=true", "x=1"]).split(' ').map(str::to_owned));
        } else if self.random.bool() {
            let parameter =
                self.one(&["creator=ann:p1", "project_id=p1&user_id=ann", "name=cpu", "status=active"]);
            parts.push(parameter.to_owned());
        }
        parts.join("&")
    }
}

/// A request to the route.
pub(crate) fn request(route: &Route, person: &Person, stock: &Stock, random: &mut fastrand::Rng) -> Asked {
    use Endpoint as E;
    let mut pick = Picker { person, stock, random };
    let ((kind, resource), metric, name) = (pick.resource(), pick.metric(), pick.name());
    let new = json!({ "archive_policy_name": "p" });
    let mut body = Value::Null;
    let mut path = None;
    let mut raw = None;
    match route.endpoint {
        // Without the slash it is a redirection.
        E::Index => path = Some("v1/".to_owned()),
        E::Versions
        | E::OpenApi
        | E::Health
        | E::Capabilities
        | E::Status
        | E::ListArchivePolicies
        | E::ListRules
        | E::ListResourceTypes
        | E::ResourceIndex
        | E::InfluxPing
        | E::ShowMetric
        | E::DeleteMetric
        | E::ShowResource
        | E::DeleteResource
        | E::ListResourceMetrics
        | E::ShowNamedMetric
        | E::DeleteNamedMetric
        | E::ShowNamedMeasures => {}
        E::ShowArchivePolicy | E::DeleteArchivePolicy => path = Some("v1/archive_policy/p".to_owned()),
        E::CreateArchivePolicy => {
            let name = format!("p{}", pick.random.u32(..));
            body = json!({ "name": name, "definition": [{ "granularity": "1 minute" }] });
        }
        E::UpdateArchivePolicy => {
            path = Some("v1/archive_policy/p".to_owned());
            body = json!({ "definition": [{ "granularity": "1 minute", "points": 5 }] });
        }
        E::ShowRule | E::DeleteRule => path = Some("v1/archive_policy_rule/all".to_owned()),
        E::RenameRule => {
            path = Some("v1/archive_policy_rule/all".to_owned());
            body = json!({ "name": "none" });
        }
        E::CreateRule => body = json!({ "name": "b", "metric_pattern": "b*", "archive_policy_name": "p" }),
        E::ShowResourceType | E::DeleteResourceType => path = Some("v1/resource_type/instance".to_owned()),
        E::UpdateResourceType => {
            path = Some("v1/resource_type/instance".to_owned());
            body = json!([]);
        }
        E::CreateResourceType => body = json!({ "name": format!("t{}", pick.random.u32(..)) }),
        E::ListMetrics => path = Some(format!("v1/metric?{}", pick.page(&["id", "name", "creator"], true))),
        E::CreateMetric => {
            body = json!({ "name": name, "archive_policy_name": "p" });
            if pick.random.u32(..3) > 0 {
                body["resource_id"] = resource.clone().into();
            }
        }
        E::ShowMeasures => {
            let aggregation = pick.one(&["mean", "max", "nothing"]);
            path = Some(format!("v1/metric/{metric}/measures?aggregation={aggregation}&refresh=true"));
        }
        E::AddMeasures | E::AddNamedMeasures => body = pick.measures(),
        E::ListResources => {
            let page = pick.page(&["id", "project_id", "original_resource_id", "creator"], false);
            path = Some(format!("v1/resource/{kind}?{page}"));
        }
        E::ShowHistory => path = Some(format!("v1/resource/{kind}/{resource}/history?details=true")),
        E::CreateResource => {
            let id = if pick.random.u32(..4) == 0 {
                resource.clone()
            } else {
                Uuid::from_u128(pick.random.u128(..)).to_string()
            };
            let project = pick.one(&["p1", "p2", "p3"]);
            let own = if pick.random.bool() { json!(metric) } else { new.clone() };
            body = json!({ "id": id, "project_id": project, "metrics": { "cpu": own } });
        }
        E::DeleteResources => {
            let (_, other) = pick.resource();
            body = json!({ "in": { "id": [resource, other] } });
        }
        E::UpdateResource => {
            body = match pick.random.u32(..3) {
                0 => json!({ "user_id": format!("u{}", pick.random.u32(..)) }),
                1 => json!({ "metrics": { "cpu": metric } }),
                _ => json!({ "ended_at": "2026-11-26T00:00:00" }),
            };
        }
        E::AppendResourceMetrics => {
            let own = if pick.random.bool() { json!(metric) } else { new.clone() };
            let mut metrics = json!({});
            metrics[name.as_str()] = own;
            body = metrics;
        }
        E::SearchResources => {
            let page = pick.page(&["id", "project_id", "original_resource_id", "creator"], false);
            path = Some(format!("v1/search/resource/{kind}?{page}"));
            body = pick.search();
        }
        E::SearchValues => {
            let ids: Vec<String> = pick.metrics().iter().map(|id| format!("metric_id={id}")).collect();
            path = Some(format!("v1/search/metric?{}", ids.join("&")));
            body = json!({ ">": 0 });
        }
        E::AddBatch => {
            let mut batch = json!({});
            for id in pick.metrics() {
                batch[id.as_str()] = pick.measures();
            }
            body = batch;
        }
        E::AddResourceBatch => {
            let create = pick.random.bool();
            path = Some(format!("v1/batch/resources/metrics/measures?create_metrics={create}"));
            let mut named = json!({});
            named[name.as_str()] = json!({ "measures": pick.measures(), "archive_policy_name": "p" });
            let mut batch = json!({});
            batch[resource.as_str()] = named;
            body = batch;
        }
        E::AggregateMetrics => {
            let ids: Vec<String> = pick.metrics().iter().map(|id| format!("metric={id}")).collect();
            path = Some(format!("v1/aggregation/metric?{}&needed_overlap=0", ids.join("&")));
        }
        E::AggregateGivenMetrics => {
            path = Some("v1/aggregation/metric?needed_overlap=0".to_owned());
            body = json!(pick.metrics());
        }
        E::AggregateResources => {
            let group = pick.one(&["", "&groupby=id", "&groupby=project_id", "&groupby=creator"]);
            path = Some(format!("v1/aggregation/resource/{kind}/metric/cpu?needed_overlap=0{group}"));
            body = pick.search();
        }
        E::Aggregates => {
            let operation = pick.one(&[
                "(metric * mean)",
                "(aggregate sum (metric cpu mean))",
                "(* 1 (metric cpu mean))",
            ]);
            if pick.random.bool() {
                let group = pick.one(&[
                    "",
                    "?groupby=id",
                    "?groupby=project_id&use_history=true&details=true",
                    "?details=true",
                ]);
                path = Some(format!("v1/aggregates{group}"));
                body = json!({ "operations": operation, "resource_type": kind, "search": pick.search() });
            } else {
                path = Some("v1/aggregates?details=true".to_owned());
                let mut operation = vec![json!("metric")];
                operation.extend(pick.metrics().into_iter().map(|id| json!([id, "mean"])));
                body = json!({ "operations": operation });
            }
        }
        // A text of their own: whoever writes an id into a label knows it.
        E::PrometheusWrite => {
            let instance = format!("i{}", pick.random.u32(..));
            raw = Some(remote_write(&instance, value(pick.random)));
        }
        E::InfluxQuery => {
            path = Some(format!("v1/influxdb/query?q=create+database+d{}", pick.random.u32(..)));
        }
        E::InfluxWrite => {
            path = Some(format!("v1/influxdb/write?db={kind}"));
            let host =
                if pick.random.bool() { resource.clone() } else { format!("h{}", pick.random.u32(..)) };
            body = json!(format!("cpu,host={host} value={} 60000000000", value(pick.random)));
            raw = body.as_str().map(|line| line.as_bytes().to_vec());
        }
    }
    let path = path.unwrap_or_else(|| {
        let (mut path, id) =
            (route.path.to_owned(), if route.path.contains("/metric/{id}") { &metric } else { &resource });
        for (place, text) in [("{type}", &kind), ("{id}", id), ("{name}", &name)] {
            path = path.replace(place, text);
        }
        path
    });
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut asked = Asked::new(route.method, &format!("/{path}"), text);
    if let Some(raw) = raw {
        asked.raw = Some(raw);
        asked.media_type = "application/octet-stream";
    }
    if route.endpoint == E::UpdateResourceType {
        asked.media_type = "application/json-patch+json";
    }
    asked.accept = pick.one(&["", "application/json", "*/*"]);
    asked
}

/// One series of one sample.
fn remote_write(instance: &str, value: f64) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| {
        let mut out = vec![tag, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    };
    let label = |name: &str, value: &str| {
        field(0x0a, &[field(0x0a, name.as_bytes()), field(0x12, value.as_bytes())].concat())
    };
    let mut sample = vec![0x09];
    sample.extend_from_slice(&value.to_le_bytes());
    sample.extend_from_slice(&[0x10, 0xe0, 0xd4, 0x03]);
    let series =
        [label("__name__", "up"), label("job", "j"), label("instance", instance), field(0x12, &sample)]
            .concat();
    snap::raw::Encoder::new().compress_vec(&field(0x0a, &series)).unwrap()
}
