//! The API over a socket: what Gnocchi's own suite does not ask, and the round of everyday requests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_push_string,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use metric::Metrics;
use model::Value;
use nephoscope_metric_api::{Api, Authentication, Settings};
use observability::clock::Clock;
use observability::http_server::{HttpServer, Plain, ServerLimits};
use tokio_util::sync::{CancellationToken, DropGuard};

struct Server {
    address: SocketAddr,
    _directory: tempfile::TempDir,
    _stop: DropGuard,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        model::json::parse(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Server {
    async fn start(settings: Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:///{}", directory.path().join("index.sqlite").display());
        let store = directory.path().join("measures");
        let opened = Metrics::open(&store, &url, metric::Settings::default(), Clock::machine()).await;
        let server = HttpServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let router = Api::new(opened.unwrap().0, settings).router();
        #[allow(clippy::disallowed_methods, reason = "a test has no supervisor; the token ends it")]
        tokio::spawn(server.serve(router, Plain, ServerLimits::default(), stop.clone()));
        Self { address, _directory: directory, _stop: stop.drop_guard() }
    }

    /// Asks as `admin` unless the headers name somebody else.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: example\r\nConnection: close\r\n");
        let own = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if !own {
            text.push_str("Authorization: basic YWRtaW46\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        let address = self.address;
        let exchanged = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = exchanged.await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[], body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }
}

const POLICY: &str = r#"{"name": "p", "definition": [{"granularity": "1 minute"}]}"#;

#[tokio::test]
async fn measures_go_in_and_come_out() {
    let server = Server::start(Settings { max_limit: 2, ..Settings::default() }).await;
    let created = server.post("/v1/archive_policy/", POLICY).await;
    assert_eq!(
        (created.status, created.header("location")),
        (201, Some("http://example/v1/archive_policy/p"))
    );
    let body = r#"{"id": "vm/1"}"#;
    assert_eq!(server.post("/v1/resource/generic", body).await.status, 400);
    let batch =
        r#"{"vm": {"cpu": {"archive_policy_name": "p", "measures": [{"timestamp": 60, "value": 2}]}}}"#;
    let path = "/v1/batch/resources/metrics/measures?create_metrics=True";
    let unknown = server.ask("POST", path, &[("Accept", "application/json")], batch).await;
    assert_eq!(unknown.status, 400);
    let detail = unknown.json().get("description").and_then(|found| found.get("detail")).cloned();
    assert_eq!(
        model::json::to_string(&detail.unwrap()),
        r#"[{"resource_id": "#.to_owned()
            + &format!("\"{}\"", metric_index::resource_id("vm", Some("admin")).unwrap())
            + r#", "original_resource_id": "vm"}]"#
    );
    assert_eq!(server.post("/v1/resource/generic", r#"{"id": "vm"}"#).await.status, 201);
    assert_eq!(server.post(path, batch).await.status, 202);
    let measures = server.get("/v1/resource/generic/vm/metric/cpu/measures?refresh=true").await;
    assert_eq!(measures.body, r#"[["1970-01-01T00:01:00+00:00", 60.0, 2.0]]"#);
    let sum = r#"{"operations": "(+ (metric cpu mean) 1)", "resource_type": "generic", "search": "type = 'generic'"}"#;
    let sum = server.post("/v1/aggregates", sum).await;
    assert!(
        sum.body.contains(r#"{"cpu": {"mean": [["1970-01-01T00:01:00+00:00", 60.0, 3.0]]}}"#),
        "{}",
        sum.body
    );
}

#[tokio::test]
async fn pages_lead_to_the_next_one() {
    let server = Server::start(Settings { max_limit: 2, ..Settings::default() }).await;
    for id in ["a", "b", "c"] {
        assert_eq!(server.post("/v1/resource/generic", &format!(r#"{{"id": "{id}"}}"#)).await.status, 201);
    }
    let first = server.get("/v1/resource/generic?sort=original_resource_id:asc&details=true").await;
    let link = first.header("link").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    let next = link.strip_prefix("<http://example").unwrap();
    assert!(next.starts_with("/v1/resource/generic?details=true&limit=2&marker="), "{next}");
    let second = server.get(next).await;
    assert_eq!(second.json().as_list().map(<[Value]>::len), Some(1));
    assert_eq!(second.header("link"), None);
}

#[tokio::test]
async fn revisions_are_tagged() {
    let server = Server::start(Settings::default()).await;
    let created = server.post("/v1/resource/generic", r#"{"id": "a", "project_id": "p"}"#).await;
    let tag = created.header("etag").unwrap().to_owned();
    let path = "/v1/resource/generic/a";
    assert_eq!(server.ask("GET", path, &[("If-None-Match", &tag)], "").await.status, 304);
    let patch = r#"{"project_id": "q"}"#;
    assert_eq!(server.ask("PATCH", path, &[("If-Match", "\"x\"")], patch).await.status, 412);
    let patched = server.ask("PATCH", path, &[("If-Match", &tag)], patch).await;
    assert_eq!(patched.status, 200);
    assert_ne!(patched.header("etag"), Some(tag.as_str()));
    let history = server.get("/v1/resource/generic/a/history").await;
    assert_eq!(history.json().as_list().map(<[Value]>::len), Some(2));
}

#[tokio::test]
async fn refusals_have_the_form_that_is_asked_for() {
    let origin = "http://pages.example".to_owned();
    let server =
        Server::start(Settings { allowed_origins: vec![origin.clone()], ..Settings::default() }).await;
    let missing = server.ask("GET", "/v1/metric/x", &[("Accept", "application/json")], "").await;
    assert_eq!(
        missing.body,
        r#"{"code": 404, "title": "Not Found", "description": "Metric x does not exist"}"#
    );
    let page = server.ask("GET", "/v1/metric/x", &[("Accept", "*/*")], "").await;
    assert!(page.body.contains("<h1>404 Not Found</h1>") && page.status == 404);
    let head = server.ask("HEAD", "/v1/metric", &[], "").await;
    assert_eq!((head.status, head.header("allow"), head.body.as_str()), (405, Some("GET, POST"), ""));
    assert_eq!(server.ask("GET", "/v1/metric", &[("Accept", "text/plain")], "").await.status, 406);
    assert_eq!(server.ask("GET", "/v1/metric", &[("Authorization", "basic hello:")], "").await.status, 401);
    assert_eq!(server.get("/v1").await.header("location"), Some("http://example/v1/"));
    let asks = [("Origin", origin.as_str()), ("Access-Control-Request-Method", "PATCH")];
    let allowed = server.ask("OPTIONS", "/v1/metric", &asks, "").await;
    assert_eq!(allowed.header("access-control-allow-methods"), Some("PATCH"));
    assert_eq!(allowed.header("access-control-allow-origin"), Some(origin.as_str()));
    let foreign = server.ask("GET", "/v1/metric", &[("Origin", "http://evil.example")], "").await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn projects_of_keystone_are_kept_apart() {
    let settings = Settings { authentication: Authentication::KeystoneHeaders, ..Settings::default() };
    let server = Server::start(settings).await;
    let service = [("X-User-Id", "ceil"), ("X-Project-Id", "svc"), ("X-Roles", "service")];
    let body = r#"{"id": "5a8df9a1-4e23-5685-86fb-d4d184a6b844", "project_id": "p1"}"#;
    assert_eq!(server.ask("POST", "/v1/resource/generic", &service, body).await.status, 201);
    let path = "/v1/resource/generic/5a8df9a1-4e23-5685-86fb-d4d184a6b844";
    for (project, shown, listed, changed) in [("p1", 200, 1, 403), ("p2", 404, 0, 403)] {
        let user = [("X-User-Id", "u"), ("X-Project-Id", project), ("X-Roles", "member")];
        assert_eq!(server.ask("GET", path, &user, "").await.status, shown, "{project}");
        let list = server.ask("GET", "/v1/resource/generic", &user, "").await;
        assert_eq!(list.json().as_list().map(<[Value]>::len), Some(listed), "{project}");
        let patch = server.ask("PATCH", path, &user, r#"{"user_id": "x"}"#).await;
        assert_eq!(patch.status, changed, "{project}");
    }
    assert_eq!(server.get("/v1/resource/generic").await.status, 401);
}
