//! A real Gnocchi and ours are asked the same random things through their APIs, one after the other, and answer alike:
//! statuses, bodies, and the headers that clients go by. `oracle/compare.py` asks and compares; the real one's API and its
//! processing of measures run in its process, its index in a private PostgreSQL.
//!
//! What differs on purpose stands in `oracle/expected_differences.json`, where an entry that does not occur is a failure.
//! `NEPHOSCOPE_API_ORACLE_WORLDS` sets how often it is done, each time with new servers and from another seed (1), and
//! `NEPHOSCOPE_API_ORACLE_SEED` the first seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "how much was compared")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use metric::Metrics;
use nephoscope_metric_api::{Api, Settings};
use observability::clock::{Clock, TestClock};
use observability::http_server::{HttpServer, Plain, ServerLimits};
use testkit::{PostgreSql, Program};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A world of some thousand questions, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(8);
/// The header that says what time it is, in microseconds since the epoch: the same for both.
const NOW: &str = "x-oracle-now";

/// The world in which every expected difference occurs.
const SEED: u64 = 1;

struct Ours {
    address: SocketAddr,
    _directory: tempfile::TempDir,
    _stop: DropGuard,
}

impl Ours {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::test(jiff::Timestamp::UNIX_EPOCH);
        let url = format!("sqlite:///{}", directory.path().join("index.sqlite").display());
        let measures = directory.path().join("measures");
        let (metrics, _) = Metrics::open(&measures, &url, metric::Settings::default(), clock).await.unwrap();
        let server = HttpServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let janitor = metrics.clone();
        let router = Api::new(metrics, Settings { max_limit: 50, ..Settings::default() }).router();
        let router = router.layer(from_fn(move |request: Request, next: Next| {
            let (hand, janitor) = (hand.clone(), janitor.clone());
            async move {
                set_time(&hand, &request);
                let is_deletion = request.method() == axum::http::Method::DELETE;
                let path = request.uri().path();
                let brings_measures = path.ends_with("/measures") || path.ends_with("/write");
                let response = next.run(request).await;
                if is_deletion || brings_measures {
                    // As the real one's janitor does after each deletion, and its processing with measures.
                    janitor.maintain().await.unwrap();
                }
                response
            }
        }));
        #[allow(clippy::disallowed_methods, reason = "a test has no supervisor; the token ends it")]
        tokio::spawn(server.serve(router, Plain, ServerLimits::default(), stop.clone()));
        Self { address, _directory: directory, _stop: stop.drop_guard() }
    }
}

fn set_time(hand: &TestClock, request: &Request) {
    let now = request.headers().get(NOW).and_then(|text| text.to_str().ok()?.parse().ok());
    if let Some(now) = now {
        hand.set_wall(jiff::Timestamp::from_microsecond(now).unwrap());
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// One world; returns what was said of it.
async fn world(server: &PostgreSql, seed: u64, is_random: bool) -> String {
    let database = format!("gnocchi_{seed}");
    server.psql(&format!("CREATE DATABASE {database}")).unwrap();
    let url = server.url();
    let (before, _) = url.rsplit_once('/').unwrap();
    let ours = Ours::start().await;
    let directory = tempfile::tempdir().unwrap();
    let script = testkit::repository().join("crates/metric-api/tests/oracle/compare.py");
    let mut program = Program::new(testkit::venv_python().unwrap())
        .arg("-B")
        .arg(script)
        .arg(format!("--ours={}", ours.address))
        .arg(format!("--indexer={before}/{database}"))
        .arg(format!("--directory={}", directory.path().display()))
        .arg(format!("--seed={seed}"))
        // It goes over sets; in one order each time.
        .env("PYTHONHASHSEED", "0");
    if is_random {
        program = program.arg("--any-seed");
    }
    let mut running = program.start().unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        let ended = running.wait(PATIENCE);
        (ended, running.output())
    });
    let (ended, said) = ended.await.unwrap();
    let ended = ended.unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert!(ended.success(), "seed {seed}:\n{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gnocchi_gives_the_same_answers() {
    let server = PostgreSql::start().unwrap();
    let worlds = number("NEPHOSCOPE_API_ORACLE_WORLDS", 1);
    let first = number("NEPHOSCOPE_API_ORACLE_SEED", SEED);
    for seed in first..first + worlds {
        println!("{}", world(&server, seed, seed != SEED).await);
    }
}
