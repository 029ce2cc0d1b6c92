//! People, the server, and what there is on it.

use std::collections::BTreeMap;
use std::fmt;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use metric::Metrics;
use nephoscope_metric_api::{Api, ApiMetrics, Authentication, Route, Settings};
use observability::clock::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::requests::Asked;

/// Somebody, as a token shows them.
#[derive(Debug)]
pub(crate) struct Person {
    user: &'static str,
    /// Empty: a token of no project.
    pub(crate) project: &'static str,
    domain: &'static str,
    roles: &'static str,
}

const fn person(
    user: &'static str,
    project: &'static str,
    domain: &'static str,
    roles: &'static str,
) -> Person {
    Person { user, project, domain, roles }
}

/// Whom the test watches.
pub(crate) const PEOPLE: [Person; 8] = [
    person("ann", "p1", "", "member,reader"),
    person("bob", "p1", "", "reader"),
    person("cid", "p2", "", "Member"),
    person("dan", "p3", "", ""),
    person("eve", "p", "", "member,administrator"),
    person("agent", "svc", "", "Service"),
    // Of a domain: of no project.
    person("fay", "", "d1", "member"),
    person("gus", "", "", "reader"),
];
const ADMIN: Person = person("root", "ops", "", "admin");

impl Person {
    pub(crate) fn creator(&self) -> String {
        format!("{}:{}", self.user, self.project)
    }

    fn is_service(&self) -> bool {
        self.roles == "Service"
    }

    fn is_of(&self, project: &str) -> bool {
        !self.project.is_empty() && self.project == project
    }

    pub(crate) fn created(&self, creator: &str) -> bool {
        creator == self.creator() || creator.split_once(':').is_some_and(|(_, project)| self.is_of(project))
    }

    /// By itself or in a listing.
    pub(crate) fn reads_resource(&self, resource: &Resource) -> bool {
        self.created(&resource.creator) || self.is_of(&resource.project)
    }

    /// In any way.
    pub(crate) fn sees_resource(&self, resource: &Resource) -> bool {
        self.is_service() || self.reads_resource(resource)
    }

    pub(crate) fn changes_resource(&self, resource: &Resource) -> bool {
        self.is_service() || self.created(&resource.creator)
    }

    pub(crate) fn lists_metric(&self, metric: &Metric, stock: &Stock) -> bool {
        let owns = metric.resource_of(stock).is_some_and(|resource| self.is_of(&resource.project));
        owns || self.created(&metric.creator)
    }

    /// In any way: whoever sees a resource sees which metrics it has, and computes with them.
    pub(crate) fn sees_metric(&self, metric: &Metric, stock: &Stock) -> bool {
        let sees_resource = metric.resource_of(stock).is_some_and(|resource| self.sees_resource(resource));
        self.is_service() || sees_resource || self.lists_metric(metric, stock)
    }

    pub(crate) fn writes_to(&self, metric: &Metric) -> bool {
        self.is_service() || self.created(&metric.creator)
    }
}

/// What there is.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    pub(crate) resources: BTreeMap<String, Resource>,
    pub(crate) metrics: BTreeMap<String, Metric>,
}

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) creator: String,
    pub(crate) project: String,
    /// A text that no other resource has; empty without one.
    pub(crate) display_name: String,
    /// Everything but its metrics.
    pub(crate) shown: Value,
}

#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) creator: String,
    pub(crate) resource: Option<String>,
    /// Its measures as texts that no other metric has.
    pub(crate) values: Vec<String>,
}

impl Metric {
    pub(crate) fn resource_of<'s>(&self, stock: &'s Stock) -> Option<&'s Resource> {
        stock.resources.get(self.resource.as_deref()?)
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}\n{}", self.status, self.head, self.body)
    }
}

pub(crate) struct Server {
    service: TowerToHyperService<Router>,
    /// What the server says of its requests.
    counted: observability::metrics::Metrics,
    _directory: tempfile::TempDir,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Server {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:///{}", directory.path().join("index.sqlite").display());
        let store = directory.path().join("measures");
        let opened = Metrics::open(&store, &url, metric::Settings::default(), Clock::machine()).await;
        let settings = Settings { authentication: Authentication::KeystoneHeaders, ..Settings::default() };
        let counted = observability::metrics::Metrics::new();
        let api_metrics = ApiMetrics::register(&counted.component("metric_api"));
        let router = Api::new(opened.unwrap().0, settings).counted(api_metrics).router();
        let server = Self { service: TowerToHyperService::new(router), counted, _directory: directory };
        let policy = json!({ "name": "p", "definition": [{ "granularity": "1 minute" }] });
        server.admin("POST", "/v1/archive_policy", &policy).await;
        let rule = json!({ "name": "all", "metric_pattern": "*", "archive_policy_name": "p" });
        server.admin("POST", "/v1/archive_policy_rule", &rule).await;
        let kind = json!({ "name": "instance",
            "attributes": { "display_name": { "type": "string", "required": false } } });
        server.admin("POST", "/v1/resource_type", &kind).await;
        server
    }

    /// How many requests have been answered by a route.
    pub(crate) fn answered(&self, route: &Route) -> f64 {
        let labels = format!("{{method=\"{}\",route=\"/{}\",status=", route.method, route.path);
        let prefix = format!("nephoscope_metric_api_requests_total{labels}");
        let page = self.counted.prometheus_text();
        let counts = page.lines().filter(|line| line.starts_with(&prefix));
        counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    async fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.ask(&ADMIN, &Asked::new(method, path, body)).await;
        assert!(answer.status < 300, "{method} {path} {answer:?}");
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    pub(crate) async fn ask(&self, person: &Person, asked: &Asked) -> Answer {
        let mut request = Request::builder().method(asked.method.as_str()).uri(asked.path.as_str());
        for (name, value) in [
            ("x-user-id", person.user),
            ("x-project-id", person.project),
            ("x-domain-id", person.domain),
            ("x-roles", person.roles),
            ("content-type", asked.media_type),
            ("accept", asked.accept),
        ] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let body = asked.raw.clone().unwrap_or_else(|| asked.body.clone().into_bytes());
        let request = request.body(Body::from(body)).unwrap();
        let response = self.service.call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let head = format!("{:?}", parts.headers);
        Answer { status: parts.status.as_u16(), head, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Everything, as an administrator sees it. Measures are read only where there can be others than `before`.
    pub(crate) async fn stock(&self, before: Option<&Stock>) -> Stock {
        let mut stock = Stock::default();
        let resources = self.admin("GET", "/v1/resource/generic?details=true", &Value::Null).await;
        for resource in resources.as_array().unwrap() {
            let mut shown = resource.clone();
            shown.as_object_mut().unwrap().remove("metrics");
            let of = |name: &str| text(&resource[name]);
            let id = of("id");
            let entry = Resource {
                id: id.clone(),
                kind: of("type"),
                creator: of("creator"),
                project: of("project_id"),
                display_name: of("display_name"),
                shown,
            };
            stock.resources.insert(id, entry);
        }
        for metric in self.admin("GET", "/v1/metric", &Value::Null).await.as_array().unwrap() {
            let id = text(&metric["id"]);
            let entry = Metric {
                id: id.clone(),
                name: text(&metric["name"]),
                creator: text(&metric["creator"]),
                resource: metric["resource_id"].as_str().map(str::to_owned),
                values: Vec::new(),
            };
            stock.metrics.insert(id, entry);
        }
        if let Some(before) = before {
            for (id, metric) in &mut stock.metrics {
                if let Some(known) = before.metrics.get(id) {
                    metric.values.clone_from(&known.values);
                }
            }
            return stock;
        }
        let mut operation = vec![json!("metric")];
        operation.extend(stock.metrics.keys().map(|id| json!([id, "mean"])));
        let all = self.admin("POST", "/v1/aggregates", &json!({ "operations": operation })).await;
        for (id, metric) in &mut stock.metrics {
            for row in all["measures"][id]["mean"].as_array().into_iter().flatten() {
                metric.values.push(row[2].to_string());
            }
        }
        stock
    }

    /// Resources of all sorts with metrics and measures, until there are enough.
    pub(crate) async fn populate(&self, random: &mut fastrand::Rng) {
        let there = self.admin("GET", "/v1/resource/generic", &Value::Null).await.as_array().unwrap().len();
        for _ in there..24 {
            let creator = &PEOPLE[random.usize(..PEOPLE.len())];
            let project = ["p1", "p2", "p3", "p", ""][random.usize(..5)];
            let mut body = json!({ "id": Uuid::from_u128(random.u128(..)).to_string() });
            if !project.is_empty() {
                body["project_id"] = project.into();
            }
            let kind = ["generic", "instance"][random.usize(..2)];
            if kind == "instance" {
                body["display_name"] = format!("secret-{:016x}", random.u64(..)).into();
            }
            let new = json!({ "archive_policy_name": "p" });
            body["metrics"] =
                if random.bool() { json!({ "cpu": new, "mem": new }) } else { json!({ "cpu": new }) };
            let asked = Asked::new("POST", &format!("/v1/resource/{kind}"), body.to_string());
            let answer = self.ask(creator, &asked).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            let made: Value = serde_json::from_str(&answer.body).unwrap();
            for id in made["metrics"].as_object().unwrap().values() {
                self.measure(id, random).await;
            }
        }
        for person in &PEOPLE {
            let asked = Asked::new("POST", "/v1/metric", r#"{"name": "alone"}"#);
            let answer = self.ask(person, &asked).await;
            let made: Value = serde_json::from_str(&answer.body).unwrap();
            self.measure(&made["id"], random).await;
        }
    }

    async fn measure(&self, id: &Value, random: &mut fastrand::Rng) {
        let path = format!("/v1/metric/{}/measures", id.as_str().unwrap());
        self.admin("POST", &path, &json!([{ "timestamp": 60, "value": value(random) }])).await;
    }
}

/// A number whose text is found again.
pub(crate) fn value(random: &mut fastrand::Rng) -> f64 {
    f64::from(random.u32(10_000_000..90_000_000)) + 0.25
}
