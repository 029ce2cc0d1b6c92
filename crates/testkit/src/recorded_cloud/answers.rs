//! Which answer a request gets.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::recording::{Below, Pages, RecordedAnswer, RecordedService, Recording};
use super::wire::{Answer, Request};

/// The project that tokens are for.
pub(super) const PROJECT: &str = "11111111111111111111111111111111";
/// The user whose tokens they are.
const USER: &str = "99999999999999999999999999999999";
/// Keystone's type.
pub(super) const IDENTITY: &str = "identity";

/// The answers of a cloud, ready to be sent.
#[derive(Debug)]
pub(super) struct Answers {
    server: String,
    services: Vec<Service>,
    page_max: usize,
}

#[derive(Debug)]
struct Service {
    /// [`IDENTITY`], or the type in the catalogue.
    kind: String,
    name: String,
    /// What the catalogue names instead of the server.
    elsewhere: Option<String>,
    /// Where it is in the catalogue, below the server.
    path: String,
    answers: Vec<Prepared>,
}

#[derive(Debug)]
struct Prepared {
    method: String,
    /// The whole path.
    path: String,
    query: BTreeMap<String, String>,
    request_headers: BTreeMap<String, String>,
    status: u16,
    headers: BTreeMap<String, String>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Whole(Vec<u8>),
    Paged {
        pages: Pages,
        /// The body without the list.
        rest: serde_json::Map<String, Value>,
        entries: Vec<String>,
        places: HashMap<String, usize>,
    },
}

impl Answers {
    pub(super) fn new(recording: Recording, server: &str, page_max: usize) -> Self {
        let services = recording.services.into_iter().map(|service| Service::new(service, server)).collect();
        Self { server: server.to_owned(), services, page_max }
    }

    /// The body of a token.
    pub(super) fn token(&self) -> Value {
        let endpoints = |url: String| {
            let endpoint = |interface| {
                let id = format!("{interface}-{url}");
                json!({"id": id, "interface": interface, "region": "RegionOne", "region_id": "RegionOne", "url": url})
            };
            json!(["public", "internal", "admin"].map(endpoint))
        };
        let mut catalog = vec![json!({
            "id": IDENTITY, "type": IDENTITY, "name": "keystone",
            "endpoints": endpoints(format!("{}/v3", self.server)),
        })];
        for service in self.services.iter().filter(|service| service.kind != IDENTITY) {
            let server = service.elsewhere.as_ref().unwrap_or(&self.server);
            let url = format!("{server}{}", service.path);
            catalog.push(json!({
                "id": service.name, "type": service.kind, "name": service.name, "endpoints": endpoints(url),
            }));
        }
        json!({"token": {
            "methods": ["password"], "is_domain": false, "audit_ids": ["recorded"],
            "issued_at": "2026-11-26T00:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z",
            "user": {"id": USER, "name": "ceilometer", "domain": {"id": "default", "name": "Default"},
                     "password_expires_at": null},
            "project": {"id": PROJECT, "name": "admin", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "admin", "name": "admin"}],
            "catalog": catalog,
        }})
    }

    /// Keystone's version, to which clients come before they ask for a token.
    pub(super) fn identity_version(&self, is_root: bool) -> Value {
        let version = json!({
            "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": format!("{}/v3/", self.server)}],
            "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
        });
        if is_root { json!({"versions": {"values": [version]}}) } else { json!({ "version": version }) }
    }

    /// The type of the service that a request goes to.
    pub(super) fn service(&self, request: &Request) -> String {
        let path = request.path.trim_end_matches('/');
        let answered =
            self.services.iter().find(|service| service.answers.iter().any(|answer| answer.path == path));
        let below = || {
            let below = self.services.iter().filter(|service| {
                !service.path.is_empty()
                    && (path.starts_with(&service.path) || path.starts_with(root(&service.path)))
            });
            below.max_by_key(|service| service.path.len())
        };
        answered.or_else(below).map_or_else(|| IDENTITY.to_owned(), |service| service.kind.clone())
    }

    /// Whether the request is one that services answer to strangers: for their versions.
    pub(super) fn is_public(&self, request: &Request) -> bool {
        let path = request.path.trim_end_matches('/');
        self.services.iter().any(|service| !service.path.is_empty() && root(&service.path) == path)
    }

    pub(super) fn answer(&self, request: &Request) -> Answer {
        let path = request.path.trim_end_matches('/');
        let candidates: Vec<&Prepared> = self
            .services
            .iter()
            .flat_map(|service| &service.answers)
            .filter(|answer| answer.path == path && answer.method == request.method)
            .collect();
        let mut why = String::new();
        for candidate in &candidates {
            match candidate.difference(request) {
                None => return candidate.answer(request, self),
                Some(difference) => {
                    let _ = writeln!(why, "{difference}");
                }
            }
        }
        if candidates.is_empty() {
            return Answer::text(
                404,
                &format!("no answer is recorded to {} {}", request.method, request.target),
            );
        }
        Answer::text(400, &why)
    }
}

/// The first segment of a path.
fn root(path: &str) -> &str {
    let end = path.get(1..).and_then(|rest| rest.find('/')).map_or(path.len(), |end| end + 1);
    path.get(..end).unwrap_or(path)
}

impl Service {
    fn new(service: RecordedService, server: &str) -> Self {
        let RecordedService { file, catalog, answers, .. } = service;
        let (kind, name, path, elsewhere) = match catalog {
            Some(entry) => (entry.kind, entry.name, entry.path.replace("$PROJECT", PROJECT), entry.server),
            None => (IDENTITY.to_owned(), file, String::new(), None),
        };
        let base = format!("{server}{path}");
        let fill =
            |text: &str| text.replace("$BASE", &base).replace("$SERVER", server).replace("$PROJECT", PROJECT);
        let answers = answers.into_iter().map(|answer| Prepared::new(answer, &path, &fill)).collect();
        Self { kind, name, elsewhere, path, answers }
    }
}

impl Prepared {
    fn new(answer: RecordedAnswer, base: &str, fill: &impl Fn(&str) -> String) -> Self {
        let (method, path) = answer.request.split_once(' ').unwrap_or(("GET", &answer.request));
        let before = match answer.below {
            Below::Service => base,
            Below::Root => root(base),
            Below::Server => "",
        };
        let path = fill(&format!("{before}{path}"));
        let body = match (answer.pages, answer.body) {
            (_, Value::Null) => Body::Whole(Vec::new()),
            (_, Value::String(text)) => Body::Whole(fill(&text).into_bytes()),
            (None, document) => Body::Whole(fill(&document.to_string()).into_bytes()),
            (Some(pages), document) => paged(pages, document, fill),
        };
        Self {
            method: method.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
            query: answer.query.into_iter().map(|(name, value)| (name, fill(&value))).collect(),
            request_headers: answer.request_headers,
            status: answer.status,
            headers: answer.headers,
            body,
        }
    }

    /// What the request lacks.
    fn difference(&self, request: &Request) -> Option<String> {
        for (name, value) in &self.query {
            let found = request.parameter(name);
            if found != Some(value.as_str()) {
                return Some(format!("the parameter {name} must be {value:?}, and is {found:?}"));
            }
        }
        for (name, value) in &self.request_headers {
            let found = request.headers.get(&name.to_ascii_lowercase());
            if found != Some(value) {
                return Some(format!("the header {name} must be {value:?}, and is {found:?}"));
            }
        }
        None
    }

    fn answer(&self, request: &Request, Answers { server, page_max, .. }: &Answers) -> Answer {
        let page_max = *page_max;
        let mut headers: Vec<(String, String)> = self.headers.clone().into_iter().collect();
        if headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = match &self.body {
            Body::Whole(body) => body.clone(),
            Body::Paged { pages, rest, entries, places } => {
                let limit = request.parameter("limit").and_then(|limit| limit.parse::<usize>().ok());
                let limit = limit.filter(|limit| *limit > 0).unwrap_or(page_max).min(page_max);
                let begin = match request.parameter("marker") {
                    None => 0,
                    Some(marker) => match places.get(marker) {
                        Some(place) => place + 1,
                        None => return Answer::text(400, &format!("there is no entry {marker}")),
                    },
                };
                let end = begin.saturating_add(limit).min(entries.len());
                let page = entries.get(begin..end).unwrap_or_default();
                let last =
                    places.iter().find(|(_, place)| **place + 1 == end).map(|(marker, _)| marker.as_str());
                let next = last.filter(|_| end < entries.len()).map(|marker| next(request, marker));
                write_page(server, pages, rest, page, next.as_deref()).into_bytes()
            }
        };
        Answer { status: self.status, headers, body }
    }
}

fn paged(pages: Pages, mut document: Value, fill: &impl Fn(&str) -> String) -> Body {
    let list = if pages.list.is_empty() {
        std::mem::take(&mut document)
    } else {
        document.get_mut(&pages.list).map(Value::take).unwrap_or_default()
    };
    let list = match list {
        Value::Array(list) => list,
        _ => Vec::new(),
    };
    let marker = |entry: &Value| match entry.get(&pages.marker) {
        Some(Value::String(text)) => text.clone(),
        other => other.map(ToString::to_string).unwrap_or_default(),
    };
    let places = list.iter().enumerate().map(|(place, entry)| (marker(entry), place)).collect();
    let entries = list.iter().map(|entry| fill(&entry.to_string())).collect();
    let rest = match serde_json::from_str(&fill(&document.to_string())) {
        Ok(Value::Object(rest)) => rest,
        _ => serde_json::Map::new(),
    };
    Body::Paged { pages, rest, entries, places }
}

/// Path and query of the next page: those of this one with another marker.
fn next(request: &Request, marker: &str) -> String {
    let others = request.target.split_once('?').map_or("", |(_, query)| query);
    let others: Vec<&str> =
        others.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("marker=")).collect();
    let marker: String = marker
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let mut query = others.join("&");
    if !query.is_empty() {
        query.push('&');
    }
    format!("{}?{query}marker={marker}", request.path)
}

/// Links are whole addresses, but for Glance's, which begins with the API's version.
fn write_page(
    server: &str,
    pages: &Pages,
    rest: &serde_json::Map<String, Value>,
    page: &[String],
    next: Option<&str>,
) -> String {
    let list = format!("[{}]", page.join(","));
    if pages.list.is_empty() {
        return list;
    }
    let mut rest = rest.clone();
    rest.remove(&pages.list);
    match (pages.link.as_deref(), next) {
        (Some("links"), next) => {
            let next = next.map(|next| format!("{server}{next}"));
            rest.insert("links".to_owned(), json!({"self": server, "next": next}));
        }
        (Some("next"), Some(next)) => {
            let begin = next.find("/v").unwrap_or_default();
            rest.insert("next".to_owned(), next.get(begin..).unwrap_or(next).into());
        }
        (Some(link), Some(next)) => {
            rest.insert(link.to_owned(), json!([{"rel": "next", "href": format!("{server}{next}")}]));
        }
        (_, None) | (None, _) => {}
    }
    let rest = Value::Object(rest).to_string();
    let inner = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let comma = if inner.is_empty() { "" } else { "," };
    format!("{{{}:{list}{comma}{inner}}}", Value::from(pages.list.as_str()))
}
