//! The control server over real sockets, with clients that behave and others that do not.
#![allow(clippy::disallowed_methods, reason = "tests may use real time and plain tasks")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use nephoscope_observability::control::{
    ControlClient, ControlLimits, ControlMetrics, ControlServer, ControlSocket,
};
use nephoscope_observability::metrics::Metrics;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);

struct Running {
    _directory: tempfile::TempDir,
    path: PathBuf,
    metrics: Metrics,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

/// A server that repeats what it is asked; asked for `flood`, it sends without end.
fn start(limits: ControlLimits) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.sock");
    let metrics = Metrics::new();
    let registered = ControlMetrics::register(&metrics.component("control"));
    let server = ControlServer::new(ControlSocket::bind(&path).unwrap(), registered).unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let handler = move |request: String, mut client: ControlClient| {
        let stopped = stopped.clone();
        async move {
            if request == "flood" {
                while client.send(&[b'x'; 4096]).await.is_ok() {}
                return;
            }
            let _ = client.send(format!("heard {request}\n").as_bytes()).await;
            tokio::select! {
                () = client.gone() => {}
                () = stopped.cancelled() => {
                    let _ = client.send(b"end\n").await;
                }
            }
        }
    };
    let serving = tokio::spawn(server.with_limits(limits).serve(stop.clone(), handler));
    Running { _directory: directory, path, metrics, stop, serving }
}

impl Running {
    async fn connect(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(&self.path).await.unwrap())
    }

    async fn ask(&self, request: &str) -> BufReader<UnixStream> {
        let mut client = self.connect().await;
        client.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        client
    }

    /// Waits until a metric has a value.
    async fn wait_for(&self, line: &str) {
        let wanted = format!("nephoscope_control_{line}");
        let seen = async {
            while !self.metrics.prometheus_text().lines().any(|line| line == wanted) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, seen).await.is_ok();
        assert!(in_time, "no {wanted} in {}", self.metrics.prometheus_text());
    }
}

async fn line(client: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, client.read_line(&mut line)).await.expect("no answer").unwrap();
    line
}

#[tokio::test]
async fn requests_are_answered_and_a_stop_ends_every_conversation() {
    let server = start(ControlLimits::default());
    let mut first = server.ask("one").await;
    let mut second = server.ask("two \u{fc}").await;
    assert_eq!(line(&mut first).await, "heard one\n");
    assert_eq!(line(&mut second).await, "heard two \u{fc}\n");
    server.wait_for("clients 2").await;
    drop(first);
    server.wait_for("clients 1").await;
    server.stop.cancel();
    assert_eq!(line(&mut second).await, "end\n");
    assert_eq!(line(&mut second).await, "");
    tokio::time::timeout(PATIENCE, server.serving).await.unwrap().unwrap();
    assert!(!server.path.exists(), "the socket is left behind");
}

#[tokio::test]
async fn clients_that_do_not_keep_to_the_rules_are_let_go_and_counted() {
    let limits = ControlLimits {
        clients: 2,
        request_bytes: 100,
        request_timeout: Duration::from_secs(2),
        ..ControlLimits::default()
    };
    let server = start(limits);
    let mut silent = server.connect().await;
    assert_eq!(line(&mut silent).await, "{\"error\": \"no request came\"}\n");
    let bad = "{\"error\": \"the request is too long, or is not UTF-8\"}\n";
    let mut long = server.ask(&"x".repeat(101)).await;
    assert_eq!(line(&mut long).await, bad);
    let mut binary = server.connect().await;
    binary.write_all(b"\xff\n").await.unwrap();
    assert_eq!(line(&mut binary).await, bad);
    // One that only looks whether somebody is here is no offence.
    drop(server.connect().await);
    server.wait_for("clients 0").await;
    let mut held = Vec::new();
    for request in ["a", "b"] {
        let mut client = server.ask(request).await;
        assert_eq!(line(&mut client).await, format!("heard {request}\n"));
        held.push(client);
    }
    let mut third = server.connect().await;
    assert_eq!(line(&mut third).await, "{\"error\": \"2 clients are connected already\"}\n");
    for (cause, count) in [("no_request", 1), ("bad_request", 2), ("busy", 1), ("slow", 0)] {
        server.wait_for(&format!("clients_let_go_total{{cause=\"{cause}\"}} {count}")).await;
    }
    drop(held);
    server.wait_for("clients 0").await;
    assert_eq!(line(&mut server.ask("again").await).await, "heard again\n");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go_after_the_time_allowed() {
    let limits = ControlLimits { write_timeout: Duration::from_millis(100), ..ControlLimits::default() };
    let server = start(limits);
    let mut client = server.ask("flood").await;
    server.wait_for("clients_let_go_total{cause=\"slow\"} 1").await;
    server.wait_for("clients 0").await;
    // What had been sent before is there, and then the end.
    let mut received = Vec::new();
    tokio::time::timeout(PATIENCE, client.read_to_end(&mut received)).await.unwrap().unwrap();
    assert!(!received.is_empty());
}
