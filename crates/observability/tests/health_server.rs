//! The health server over real sockets, and its metrics as Prometheus's own parser reads them.
#![allow(clippy::disallowed_methods, reason = "tests may use real time and plain tasks")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nephoscope_observability::causes;
use nephoscope_observability::clock::Clock;
use nephoscope_observability::health::{HealthRegistry, HealthServer, Scope, ServerLimits};
use nephoscope_observability::metrics::{CauseCounter, Metrics, Unit};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);

causes! {
    enum Lost {
        Expired => "expired",
        SinkGone => "sink_gone",
    }
}

struct Running {
    address: SocketAddr,
    health: HealthRegistry,
    metrics: Metrics,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

async fn start(limits: ServerLimits) -> Running {
    let (health, metrics) = (HealthRegistry::new(Clock::machine()), Metrics::new());
    let server =
        HealthServer::bind("127.0.0.1:0".parse().unwrap(), health.clone(), metrics.clone()).await.unwrap();
    let (address, stop) = (server.address(), CancellationToken::new());
    let serving = tokio::spawn(server.with_limits(limits).serve(stop.clone()));
    Running { address, health, metrics, stop, serving }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `request` and reads until the server closes.
async fn exchange(address: SocketAddr, request: impl Into<Vec<u8>>) -> String {
    let request = request.into();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = connect(address);
        // A server that refuses may close before everything is sent.
        let _ = stream.write_all(&request);
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        String::from_utf8(answer).unwrap()
    });
    tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap()
}

async fn get(address: SocketAddr, path: &str, accept: &str) -> (u16, String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_see_the_checks() {
    let running = start(ServerLimits::default()).await;
    let address = running.address;
    let broker = running.health.register("broker", Scope::Ready);
    broker.failed("connection refused by 127.0.0.1:5672");
    let (status, _, body) = get(address, "/readyz", "*/*").await;
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &report["status"]), (503, &"failed".into()));
    assert_eq!(report["checks"][0]["name"], "broker");
    assert_eq!(report["checks"][0]["reason"], "connection refused by 127.0.0.1:5672");
    assert!(report["checks"][0]["since"].as_str().unwrap().ends_with('Z'));
    for path in ["/healthz", "/livez"] {
        let (status, head, _) = get(address, path, "*/*").await;
        assert_eq!(status, 200, "{path}: a restart would not help");
        assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
    }
    broker.ok();
    assert_eq!(get(address, "/readyz", "*/*").await.0, 200);
    let inner = running.health.register("main loop", Scope::Alive);
    inner.failed("no progress");
    assert_eq!(get(address, "/healthz", "*/*").await.0, 503);
    drop(inner);
    running.health.set_stopping();
    assert_eq!(get(address, "/readyz", "*/*").await.0, 503);
    assert_eq!(get(address, "/healthz", "*/*").await.0, 200);
    assert_eq!(get(address, "/", "*/*").await.0, 404);
    let posted = exchange(
        address,
        "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(posted.await.starts_with("HTTP/1.1 405 "));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_are_cut_off() {
    let limits = ServerLimits { header_timeout: Duration::from_secs(3), ..ServerLimits::default() };
    let running = start(limits).await;
    let address = running.address;
    // Says nothing; begins and never ends; idles after a request.
    tokio::join!(
        exchange(address, ""),
        exchange(address, "GET /metrics HT"),
        exchange(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
    );
    // A header without end, a header that is too long, and what is not HTTP.
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(100_000));
    let answer = exchange(address, long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1_000));
    let answer = exchange(address, many).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let answer = exchange(address, [0x16, 0x03, 0x01, 0x00, 0xff, 0x0d, 0x0a].as_slice()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // A body is not read, however large it says it is.
    let body = "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999\r\n\r\n";
    assert!(exchange(address, body).await.starts_with("HTTP/1.1 405 "));
    assert_eq!(get(address, "/healthz", "*/*").await.0, 200, "others are served all the while");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_bounded_in_number_and_time() {
    let limits = ServerLimits {
        connections: 2,
        header_timeout: Duration::from_mins(5),
        connection_lifetime: Duration::from_secs(3),
        ..ServerLimits::default()
    };
    let running = start(limits).await;
    let address = running.address;
    // Two that hold their places: the third is served when they have had their time, long before the header's.
    let holders = [connect(address), connect(address)];
    let start = Instant::now();
    assert_eq!(get(address, "/healthz", "*/*").await.0, 200);
    assert!(start.elapsed() < Duration::from_mins(1));
    drop(holders);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_connection_does_not_hold_up_the_end() {
    let running = start(ServerLimits::default()).await;
    let mut idle = connect(running.address);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let address = running.address;
    running.stop().await;
    assert!(TcpStream::connect(address).is_err(), "the port is free again");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let health = HealthRegistry::new(Clock::machine());
    let error = HealthServer::bind(address, health, Metrics::new()).await.unwrap_err().to_string();
    let expected = format!(
        "cannot listen on {address} for health and metrics: the port is taken; set another listen address"
    );
    assert_eq!(error, expected);
}

/// The interpreter of the tests' virtual environment.
fn python() -> PathBuf {
    let venv = std::env::var_os("NEPHOSCOPE_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv"), PathBuf::from);
    let python = venv.join("bin/python");
    assert!(python.exists(), "{} is missing: run scripts/provision test", python.display());
    python
}

/// Reads an exposition on stdin with the official parser and prints one line for each sample.
const PARSE: &str = r"
import sys, importlib
parser = importlib.import_module('prometheus_client.' + sys.argv[1])
for family in parser.text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = {name: str(float(value)) if name == 'le' else value for name, value in sample.labels.items()}
        print(family.type, sample.name, sorted(labels.items()), float(sample.value))
";

fn parsed(module: &str, text: &str) -> String {
    let mut child = Command::new(python())
        .args(["-c", PARSE, module])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\nin\n{text}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_own_parser_accepts_both_texts() {
    let running = start(ServerLimits::default()).await;
    let sink = running.metrics.component("sink");
    sink.counter("samples", "Samples \"written\" with \\ and é").inc_by(3);
    sink.counter_in("written", Unit::Bytes, "Size of what was written").inc_by(10);
    sink.gauge_in("buffer", Unit::Bytes, "Size of the buffer").set(-1);
    sink.float_gauge_in("lag", Unit::Seconds, "Age of the oldest sample").set(0.25);
    sink.duration_histogram("write", "Time of one write").observe(0.002);
    sink.duration_histogram_family("publish", ["sink"], "Time of one publish").with(["file"]).observe(70.0);
    let lost: CauseCounter<Lost> = sink.counter_by_cause("lost_samples", "Samples lost");
    lost.add(Lost::SinkGone, 2);
    let events = sink.counter_family("events", ["event_type", "source"], "Events");
    events.with(["a \"quoted\"\nline\\", "é"]).inc();
    running.metrics.register_build_info(&[("version", "1.2.3".to_owned())]);
    running.metrics.register_process();
    for (accept, content_type, module) in [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "parser"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8", "parser"),
        ("application/openmetrics-text;q=0", "text/plain; version=0.0.4; charset=utf-8", "parser"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "openmetrics.parser",
        ),
    ] {
        let (status, head, text) = get(running.address, "/metrics", accept).await;
        assert_eq!(status, 200);
        assert!(head.to_ascii_lowercase().contains(&format!("content-type: {content_type}\r\n")), "{head}");
        let samples = parsed(module, &text);
        for expected in [
            "counter nephoscope_sink_samples_total [] 3.0",
            "counter nephoscope_sink_written_bytes_total [] 10.0",
            "gauge nephoscope_sink_buffer_bytes [] -1.0",
            "gauge nephoscope_sink_lag_seconds [] 0.25",
            "histogram nephoscope_sink_write_seconds_bucket [('le', '0.0025')] 1.0",
            "histogram nephoscope_sink_publish_seconds_bucket [('le', '60.0'), ('sink', 'file')] 0.0",
            "histogram nephoscope_sink_publish_seconds_count [('sink', 'file')] 1.0",
            "counter nephoscope_sink_lost_samples_total [('cause', 'expired')] 0.0",
            "counter nephoscope_sink_lost_samples_total [('cause', 'sink_gone')] 2.0",
            r#"counter nephoscope_sink_events_total [('event_type', 'a "quoted"\nline\\'), ('source', 'é')] 1.0"#,
        ] {
            assert!(samples.lines().any(|line| line == expected), "{expected} is missing in\n{samples}");
        }
        assert!(samples.contains("nephoscope_build_info [('version', '1.2.3')] 1.0"), "{samples}");
        for name in [
            "counter process_cpu_seconds_total [] ",
            "gauge process_resident_memory_bytes [] ",
            "gauge process_open_fds [] ",
            "gauge process_max_fds [] ",
            "gauge process_start_time_seconds [] ",
            "gauge process_threads [] ",
        ] {
            let line = samples.lines().find(|line| line.starts_with(name)).expect(name);
            let value: f64 = line[name.len()..].parse().unwrap();
            assert!(value > 0.0 || name.contains("cpu"), "{line}");
        }
    }
    running.stop().await;
}
