//! Clients that mean no good, and a disk that is full: bounds hold, nobody is told of a failure of the server's, and others
//! are served meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_push_string,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metric::Metrics;
use nephoscope_metric_api::{Api, ApiMetrics, ROUTES, Settings};
use observability::clock::Clock;
use observability::http_server::{HttpServer, Plain, ServerLimits};
use observability::metrics::Metrics as Counters;
use testkit::faults::FaultyMedium;
use tokio_util::sync::{CancellationToken, DropGuard};

const ADMIN: &str = "Authorization: basic YWRtaW46\r\n";

/// The API over a store in memory, on a thread of its own.
struct Server {
    address: SocketAddr,
    medium: FaultyMedium,
    counters: Counters,
    metrics: Metrics,
    runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
    _stop: DropGuard,
}

impl Server {
    fn start(settings: Settings, store: metric::Settings) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:///{}", directory.path().join("index.sqlite").display());
        let (medium, counters, stop) = (FaultyMedium::new(), Counters::new(), CancellationToken::new());
        let opened =
            Metrics::open_on(Arc::new(medium.clone()), Path::new("/store"), &url, store, Clock::machine());
        let (metrics, _) = runtime.block_on(opened).unwrap();
        let server = runtime.block_on(HttpServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        let address = server.address();
        let counted = ApiMetrics::register(&counters.component("metric_api"));
        let router = Api::new(metrics.clone(), settings).counted(counted).router();
        let limits = ServerLimits {
            header_timeout: Duration::from_millis(500),
            connections: 200,
            ..ServerLimits::default()
        };
        runtime.spawn(server.serve(router, Plain, limits, stop.clone()));
        Self { address, medium, counters, metrics, runtime, _directory: directory, _stop: stop.drop_guard() }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// Sends bytes and reads until the server closes.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // It may have seen enough before everything is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> String {
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n{ADMIN}{headers}");
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        self.send(&[text.as_bytes(), body].concat())
    }

    fn post(&self, path: &str, body: impl AsRef<[u8]>) -> String {
        self.ask(
            "POST",
            path,
            "Content-Type: application/json\r\nAccept: application/json\r\n",
            body.as_ref(),
        )
    }

    fn metric(&self) -> String {
        let policy = r#"{"name": "p", "definition": [{"granularity": 1, "points": 100}]}"#;
        assert_eq!(status(&self.post("/v1/archive_policy", policy)), 201);
        let made = self.post("/v1/metric", r#"{"archive_policy_name": "p"}"#);
        assert_eq!(status(&made), 201, "{made}");
        made.split("\"id\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn started() -> Server {
    Server::start(Settings::default(), metric::Settings::default())
}

#[test]
fn bodies_of_every_bad_kind_are_refused() {
    let server = started();
    let metric = server.metric();
    let measures = format!("/v1/metric/{metric}/measures");
    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000)).into_bytes();
    let long = "9".repeat(400_000);
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x8b, 0x8e, 5, 0, 0x6c, 0x50, 0xc7, 0xa8, 2, 0, 0, 0];
    let text = |value: &str| format!(r#"[{{"timestamp": 1, "value": {value}}}]"#).into_bytes();
    let bodies = [
        deep("[", "]"),
        deep(r#"{"a":"#, "}"),
        deep(r#"[{"timestamp": 1, "value": "#, "}]"),
        b"[{\"timestamp\": 1, \"value\": \"\xff\xfe\"}]".to_vec(),
        b"\xff\xff\xff".to_vec(),
        gzip.to_vec(),
        text(&format!("\"{long}x\"")),
        format!(r#"[{{"timestamp": {long}, "value": 1}}]"#).into_bytes(),
        format!(r#"[{{"timestamp": "{long}", "value": 1}}]"#).into_bytes(),
        br#"[{"timestamp": NaN, "value": 1}]"#.to_vec(),
        br#"[{"timestamp": Infinity, "value": 1}]"#.to_vec(),
        br#"[{"timestamp": -1e400, "value": 1}]"#.to_vec(),
        br#"[{"timestamp": 1, "value": [[[]]]}]"#.to_vec(),
        b"[".to_vec(),
        b"nul".to_vec(),
        "\u{0}".repeat(1_000).into_bytes(),
    ];
    let paths = [
        measures.as_str(),
        "/v1/batch/metrics/measures",
        "/v1/batch/resources/metrics/measures?create_metrics=true",
        "/v1/aggregates",
        "/v1/search/resource/generic",
        "/v1/resource/generic",
        "/v1/archive_policy",
        "/v1/metric",
    ];
    for path in paths {
        for body in &bodies {
            let answer = server.post(path, body);
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert!(
                (400..=415).contains(&status(&answer)),
                "{path} {shown}: {}",
                answer.get(..300).unwrap_or(&answer)
            );
        }
    }
    for value in ["NaN", "Infinity", "-1e400", "1e400", "\"nan\"", &"7".repeat(300), "true", "\" 1.5 \""] {
        assert_eq!(status(&server.post(&measures, text(value))), 202, "{value}");
    }
    for (path, body) in [
        ("/v1/prometheus/write", &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc"[..]),
        ("/v1/influxdb/write", b"a,b\xff c=1"),
    ] {
        assert_eq!(status(&server.ask("POST", path, "", body)), 400, "{path}");
    }
}

#[test]
fn heads_of_every_bad_kind_are_refused() {
    let server = started();
    for (head, expected) in [
        ("POST /v1/aggregates HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n", 413),
        ("POST /v1/aggregates HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /v1/aggregates HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n[]", 400),
        (
            "POST /v1/aggregates HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
            400,
        ),
        (
            "GET /v1/metric?limit=%FF%FE&marker=%00 HTTP/1.1\r\nHost: a\r\nAuthorization: basic YWRtaW46\r\nConnection: close\r\n\r\n",
            400,
        ),
        (
            "GET /v1/resource/generic/%00 HTTP/1.1\r\nHost: a\r\nAuthorization: basic YWRtaW46\r\nConnection: close\r\n\r\n",
            404,
        ),
        (
            "GET /v1/metric HTTP/1.1\r\nHost: a\r\nAuthorization: basic \u{7f}\r\nConnection: close\r\n\r\n",
            400,
        ),
        ("NONSENSE\r\n\r\n", 400),
    ] {
        let answer = server.send(head.as_bytes());
        assert_eq!(status(&answer), expected, "{head}: {answer}");
    }
    let long = format!("GET /v1/metric?x={} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(300_000));
    assert!(matches!(status(&server.send(long.as_bytes())), 414 | 431));
}

#[test]
fn clients_that_stay_half_way_hold_nobody_up() {
    let settings = Settings { body_timeout: Duration::from_millis(500), ..Settings::default() };
    let server = Server::start(settings, metric::Settings::default());
    let heads: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"POST /v1/aggregates HTTP/1.1\r\nHost: a\r\nX-A: ").unwrap();
            stream
        })
        .collect();
    let bodies: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = server.connect();
            let head =
                format!("POST /v1/aggregates HTTP/1.1\r\nHost: a\r\n{ADMIN}Content-Length: 100\r\n\r\n[1,");
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(status(&server.ask("GET", "/v1/capabilities", "", b"")), 200);
    for mut stream in bodies {
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).unwrap();
        assert_eq!(status(&String::from_utf8_lossy(&answer[..length])), 408);
    }
    for mut stream in heads {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    // One that goes away in the midst of a body costs nothing either.
    let mut gone = server.connect();
    gone.write_all(
        format!("POST /v1/aggregates HTTP/1.1\r\nHost: a\r\n{ADMIN}Content-Length: 9\r\n\r\n[").as_bytes(),
    )
    .unwrap();
    gone.shutdown(Shutdown::Both).unwrap();
    assert_eq!(status(&server.ask("GET", "/v1/capabilities", "", b"")), 200);
    let text = server.counters.prometheus_text();
    assert!(text.contains(r#"requests_refused_total{cause="body_timeout"} 50"#), "{text}");
}

#[test]
fn requests_have_bounds_that_are_named() {
    let settings = Settings { max_body_bytes: 2_000, max_request_measures: 3, ..Settings::default() };
    let store = metric::Settings { max_project_metrics: 2, ..metric::Settings::default() };
    let server = Server::start(settings, store);
    let metric = server.metric();
    let path = format!("/v1/metric/{metric}/measures");
    let measures = |count: usize| {
        let all: Vec<String> = (0..count).map(|at| format!(r#"{{"timestamp": {at}, "value": 1}}"#)).collect();
        format!("[{}]", all.join(", "))
    };
    assert_eq!(status(&server.post(&path, measures(3))), 202);
    let refused = server.post(&path, measures(4));
    assert_eq!(status(&refused), 413);
    assert!(
        refused.contains("\"cause\": \"Too many measures\"") && refused.contains("at most 3"),
        "{refused}"
    );
    let both = format!(r#"{{"{metric}": {}}}"#, measures(4));
    assert_eq!(status(&server.post("/v1/batch/metrics/measures", both)), 413);
    let named = format!(r#"{{"{metric}": {{"cpu": {}}}}}"#, measures(4));
    let refused = server.post("/v1/batch/resources/metrics/measures?create_metrics=true", named);
    assert_eq!(status(&refused), 413);
    let refused = server.post(&path, " ".repeat(2_001));
    assert!(status(&refused) == 413 && refused.contains("larger than 2000 bytes"), "{refused}");
    // Not said before.
    let chunked = format!(
        "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        3_000,
        " ".repeat(3_000)
    );
    let chunked = format!("POST {path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n{ADMIN}{chunked}");
    assert_eq!(status(&server.send(chunked.as_bytes())), 413);
    // Ninety bytes that unpack to more than a body may have, and a hundred to more series: neither takes what it says.
    let bomb = snap::raw::Encoder::new().compress_vec(&vec![b'x'; 2_001]).unwrap();
    assert!(bomb.len() < 200, "{}", bomb.len());
    let refused = server.ask("POST", "/v1/prometheus/write", "", &bomb);
    assert!(status(&refused) == 413 && refused.contains("unpacks to more than 2000 bytes"), "{refused}");
    let series = snap::raw::Encoder::new().compress_vec(&[0x0a, 0x00].repeat(1_000)).unwrap();
    let refused = server.ask("POST", "/v1/prometheus/write", "", &series);
    assert!(status(&refused) == 413 && refused.contains("Too many measures"), "{refused}");
    // One metric is there; two may be.
    let many =
        r#"{"id": "r", "metrics": {"a": {"archive_policy_name": "p"}, "b": {"archive_policy_name": "p"}}}"#;
    let refused = server.post("/v1/resource/generic", many);
    assert_eq!(status(&refused), 403);
    assert!(
        refused.contains("Too many metrics") && refused.contains("admin has 1 metrics of 2"),
        "{refused}"
    );
    assert_eq!(status(&server.post("/v1/metric", r#"{"archive_policy_name": "p"}"#)), 201);
    assert_eq!(status(&server.post("/v1/metric", r#"{"archive_policy_name": "p"}"#)), 403);
    assert_eq!(status(&server.ask("DELETE", &format!("/v1/metric/{metric}"), "", b"")), 204);
    assert_eq!(status(&server.post("/v1/metric", r#"{"archive_policy_name": "p"}"#)), 201);
}

/// A metric of a policy with a granularity of a second, made past the API, which has little time or may not answer.
async fn made_metric(metrics: &metric::Metrics) -> metric_index::Metric {
    let second = archive::Definition::new(Some(1_000_000_000), None, None).unwrap();
    let methods = archive::ArchivePolicy::default_methods();
    let policy = archive::ArchivePolicy::new("p", 0, vec![second], methods).unwrap();
    metrics.create_archive_policy(&policy).await.unwrap();
    let admin = metric::Caller::named("admin");
    metrics.create_metric(&admin, None, None, Some("p".to_owned()), None).await.unwrap()
}

#[test]
fn a_request_that_takes_too_long_is_given_up() {
    let settings = Settings { deadline: Duration::from_millis(1), ..Settings::default() };
    let server = Server::start(settings, metric::Settings::default());
    let id = server.runtime.block_on(made_metric(&server.metrics)).id;
    // More than anybody reads and aggregates in a millisecond.
    let measures: Vec<String> =
        (0..50_000).map(|at| format!(r#"{{"timestamp": {at}, "value": 1}}"#)).collect();
    let answer = server.post(&format!("/v1/metric/{id}/measures"), format!("[{}]", measures.join(",")));
    assert!(status(&answer) == 503 && answer.contains("The request took too long"), "{answer}");
    let text = server.counters.prometheus_text();
    assert!(text.contains(r#"requests_refused_total{cause="deadline"} 1"#), "{text}");
}

fn refused_as_busy(server: &Server, answer: &str, times: usize) {
    assert_eq!(status(answer), 503, "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 1\r\n"), "{answer}");
    let text = server.counters.prometheus_text();
    assert!(text.contains(&format!(r#"requests_refused_total{{cause="busy"}} {times}"#)), "{text}");
}

/// The disk hangs, and with it the one request that may be worked on.
#[test]
fn a_request_that_gets_no_place_is_refused() {
    let settings = Settings { max_requests: 1, place_timeout: Duration::ZERO, ..Settings::default() };
    let server = Server::start(settings, metric::Settings::default());
    let path = format!("/v1/metric/{}/measures", server.metric());
    let held = server.medium.hold_writes();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.post(&path, r#"[{"timestamp": 1, "value": 1}]"#));
        held.wait().unwrap();
        for times in 1..3 {
            let refused = server.ask("GET", "/v1/capabilities", "", b"");
            assert!(refused.contains("works on as many requests as it may"), "{refused}");
            refused_as_busy(&server, &refused, times);
        }
        drop(held);
        assert_eq!(status(&first.join().unwrap()), 202);
    });
    assert_eq!(status(&server.ask("GET", "/v1/capabilities", "", b"")), 200);
}

/// The same with the bytes of its body.
#[test]
fn a_body_that_gets_no_room_is_refused() {
    let (max_body_bytes, max_bodies_bytes) = (100 << 10, 250 << 10);
    let settings = Settings { max_body_bytes, max_bodies_bytes, ..Settings::default() };
    let server = Server::start(settings, metric::Settings::default());
    let path = format!("/v1/metric/{}/measures", server.metric());
    let measures: Vec<String> =
        (0..1_500).map(|at| format!(r#"{{"timestamp": {at}, "value": 1}}"#)).collect();
    let body = format!("[{}]", measures.join(", "));
    let held = server.medium.hold_writes();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.post(&path, &body));
        held.wait().unwrap();
        let refused = server.post(&path, &body);
        assert!(refused.contains("holds as many bytes of requests as it may"), "{refused}");
        refused_as_busy(&server, &refused, 1);
        // A small one has room.
        assert_eq!(status(&server.ask("GET", "/v1/capabilities", "", b"")), 200);
        drop(held);
        assert_eq!(status(&first.join().unwrap()), 202);
    });
    assert_eq!(status(&server.post(&path, &body)), 202);
}

/// A server, and a computation that takes minutes.
fn computing(settings: Settings) -> (Server, String) {
    let server = Server::start(settings, metric::Settings::default());
    let made = async {
        let metric = made_metric(&server.metrics).await;
        let points = (0..100_000).map(|second| (second * 1_000_000_000, 1.0));
        let (admin, id) = (metric::Caller::named("admin"), metric.id);
        server.metrics.add_measures(&admin, metric, archive::Batch::new(points).unwrap()).await.unwrap();
        id
    };
    let id = server.runtime.block_on(made);
    // Windows by their lengths: 2 500 million cells, of which the middle one is looked for in each window.
    let body = format!(r#"{{"operations": "(rolling median 50000 (metric {id} mean))"}}"#);
    (server, body)
}

fn wait_for_reads(server: &Server, count: usize) {
    let look = || (server.metrics.reads_under_way() == count).then_some(());
    testkit::wait::wait_until(&format!("{count} reads under way"), Duration::from_secs(20), look).unwrap();
}

/// Once such a computation went on in its thread to its end, and kept one of a few places.
#[test]
fn a_computation_whose_client_has_gone_ends() {
    let (server, body) = computing(Settings::default());
    let mut gone = server.connect();
    let length = body.len();
    let head = format!(
        "POST /v1/aggregates HTTP/1.1\r\nHost: api\r\n{ADMIN}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    gone.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    wait_for_reads(&server, 1);
    gone.shutdown(Shutdown::Both).unwrap();
    drop(gone);
    wait_for_reads(&server, 0);
}

#[test]
fn a_computation_whose_deadline_has_passed_ends() {
    let (server, body) = computing(Settings { deadline: Duration::from_millis(500), ..Settings::default() });
    let refused = server.post("/v1/aggregates", &body);
    assert!(status(&refused) == 503 && refused.contains("The request took too long"), "{refused}");
    wait_for_reads(&server, 0);
}

#[test]
fn every_answer_has_a_name_and_is_counted_by_its_route() {
    let server = started();
    let metric = server.metric();
    let first = server.ask("GET", &format!("/v1/metric/{metric}"), "", b"");
    let id = |answer: &str| {
        let lines = answer.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(name, _)| *name == "x-openstack-request-id")
            .map(|(_, id)| id.to_owned())
            .next()
            .unwrap()
    };
    let missing = server.ask("GET", "/v1/metric/00000000-0000-0000-0000-000000000000", "", b"");
    assert!(id(&first).starts_with("req-") && id(&first).len() == 40, "{first}");
    assert_ne!(id(&first), id(&missing));
    id(&server.ask("GET", "/nowhere", "", b""));
    let text = server.counters.prometheus_text();
    for line in [
        r#"nephoscope_metric_api_requests_total{method="GET",route="/v1/metric/{id}",status="200"} 1"#,
        r#"nephoscope_metric_api_requests_total{method="GET",route="/v1/metric/{id}",status="404"} 1"#,
        r#"nephoscope_metric_api_requests_total{method="none",route="none",status="404"} 1"#,
        r#"nephoscope_metric_api_request_duration_seconds_count{method="GET",route="/v1/metric/{id}"} 2"#,
        "nephoscope_metric_api_requests_under_way 0",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains(&metric), "an id is a label");
}

/// Both ways: what the document has is answered, and what the table has is in the document (a unit test).
#[test]
fn every_path_of_the_document_is_answered() {
    let server = started();
    let answer = server.ask("GET", "/openapi.json", "", b"");
    assert_eq!(status(&answer), 200);
    let document = model::json::parse(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let paths = document.get("paths").unwrap().as_map().unwrap();
    let mut asked = 0;
    for (path, methods) in paths.iter() {
        for (method, operation) in methods.as_map().unwrap().iter() {
            let path = path.replace("{type}", "generic").replace("{id}", "a").replace("{name}", "b");
            let answer = server.ask(
                &method.to_uppercase(),
                &path,
                "Accept: application/json\r\nContent-Type: application/json\r\n",
                b"",
            );
            let status = status(&answer);
            assert!(
                operation.get("responses").unwrap().get(&status.to_string()).is_some(),
                "{method} {path}: {answer}"
            );
            // Nothing that the router does not know.
            assert!(
                status != 405 && (status == 406 || !answer.contains("\"description\": null}")),
                "{method} {path}: {answer}"
            );
            asked += 1;
        }
    }
    assert_eq!(asked, ROUTES.len());
}

#[test]
fn a_full_disk_refuses_measures_until_there_is_room() {
    let server = started();
    let metric = server.metric();
    let path = format!("/v1/metric/{metric}/measures");
    let add = |second: u8| server.post(&path, format!(r#"[{{"timestamp": {second}, "value": 1}}]"#));
    assert_eq!(status(&add(1)), 202);
    let used: usize = server
        .medium
        .paths()
        .iter()
        .filter_map(|path| server.medium.contents(path))
        .map(|file| file.len())
        .sum();
    // Some bytes of the next record fit.
    server.medium.set_capacity(Some(used as u64 + 7));
    for second in 2..5 {
        let refused = add(second);
        assert_eq!(status(&refused), 503);
        assert!(refused.contains("The store of measures takes none now: no storage space."), "{refused}");
    }
    assert_eq!(server.metrics.write_trouble().as_deref(), Some("no storage space"));
    assert!(server.runtime.block_on(server.metrics.try_to_write()).is_err());
    let read = server.ask("GET", &path, "", b"");
    assert_eq!((status(&read), read.matches("1970-").count()), (200, 1));
    // What is deleted meanwhile is gone, and its data go later.
    let other = server.post("/v1/metric", r#"{"archive_policy_name": "p"}"#);
    let other = other.split("\"id\": \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(status(&server.ask("DELETE", &format!("/v1/metric/{other}"), "", b"")), 204);
    server.medium.set_capacity(None);
    assert!(server.runtime.block_on(server.metrics.try_to_write()).is_ok());
    assert_eq!(server.metrics.write_trouble(), None);
    assert_eq!(status(&add(5)), 202);
    server.runtime.block_on(server.metrics.maintain()).unwrap();
    let read = server.ask("GET", &path, "", b"");
    assert_eq!(read.matches("1970-").count(), 2, "{read}");
}
