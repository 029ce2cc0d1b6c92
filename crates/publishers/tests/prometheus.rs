//! The prometheus publisher and a real Pushgateway.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: a failed step is a failed test, and time is the machine's"
)]

use std::sync::Arc;
use std::time::Duration;

use model::{MeterKind, Sample, Value};
use nephoscope_http::ClientOptions;
use nephoscope_publishers::prometheus::PrometheusPublisher;
use nephoscope_publishers::{HttpSettings, Witness};
use pipeline::{PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};
use testkit::{Port, Process, Program};

#[path = "support/records.rs"]
mod records;
#[path = "support/server.rs"]
mod server;
use records::sample;
use server::{Answer, Request, Server};

/// A Pushgateway on a port of its own; dropped, it ends.
struct Pushgateway {
    _process: Process,
    port: Port,
    client: reqwest::Client,
}

impl Pushgateway {
    async fn start() -> Self {
        let port = Port::take().unwrap();
        let process = Program::new("prometheus-pushgateway")
            .arg(format!("--web.listen-address=127.0.0.1:{}", port.number()))
            .start()
            .expect("this test needs prometheus-pushgateway: run scripts/provision test");
        let client = nephoscope_http::client(&ClientOptions::default()).unwrap();
        let this = Self { _process: process, port, client };
        let until = tokio::time::Instant::now() + Duration::from_mins(1);
        while this.client.get(this.url("/-/ready")).send().await.is_err() {
            assert!(tokio::time::Instant::now() < until, "no Pushgateway");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        this
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port.number())
    }

    fn publisher(&self, path: &str) -> PrometheusPublisher {
        publisher(&format!("127.0.0.1:{}{path}", self.port.number()))
    }

    /// The lines of a metric.
    async fn lines(&self, metric: &str) -> Vec<String> {
        let text = self.client.get(self.url("/metrics")).send().await.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            name == metric || line.starts_with(&format!("# TYPE {metric} "))
        });
        lines.map(str::to_owned).collect()
    }
}

fn publisher(place: &str) -> PrometheusPublisher {
    let url = PublisherUrl::new(&format!("prometheus://{place}"));
    PrometheusPublisher::new(&url, RecordsKind::Samples, &HttpSettings::default(), Witness::nobody()).unwrap()
}

async fn publish(
    publisher: &mut PrometheusPublisher,
    samples: Vec<Arc<Sample>>,
) -> Result<Refusals, PublishError> {
    publisher.publish(Arc::new([Records::Samples(samples)])).await
}

#[tokio::test]
async fn what_ceilometer_would_lose_arrives() {
    let gateway = Pushgateway::start().await;
    // By resource.
    let mut publisher = gateway.publisher("/metrics/job/os");
    let mut counter = (*sample("a.counter", "r/1", 1.5)).clone();
    counter.kind = MeterKind::Cumulative;
    let samples = vec![
        Arc::new(counter),
        sample("odd", "quote\"back\\slash\nline é", 2),
        sample("odd", "", 3),
        sample("odd", "..", 4),
        sample("per cent %", "plain", true),
        sample("twice", "same", 1),
        sample("twice", "same", 2),
    ];
    let refusals = publish(&mut publisher, samples).await.unwrap();
    assert!(refusals.is_empty(), "{refusals:?}");
    let has = |lines: Vec<String>, parts: &[&str]| {
        assert!(
            parts.iter().all(|part| lines.iter().any(|line| line.contains(part))),
            "{parts:?} {lines:#?}"
        );
    };
    has(
        gateway.lines("a_counter").await,
        &["# TYPE a_counter counter", "resource_id=\"r/1\",user_id=\"u\"} 1.5"],
    );
    has(
        gateway.lines("odd").await,
        &[
            "resource_id=\"quote\\\"back\\\\slash\\nline é\",user_id=\"u\"} 2",
            "resource_id=\"\",user_id=\"u\"} 3",
            "resource_id=\"..\",user_id=\"u\"} 4",
        ],
    );
    has(gateway.lines("per_cent__").await, &["} 1"]);
    let twice = gateway.lines("twice").await;
    assert_eq!(twice.iter().filter(|line| line.starts_with("twice{")).count(), 1);
    has(twice, &["} 2"]);

    // All together, under grouping labels.
    let mut publisher = gateway.publisher("/metrics/job/os/instance/x");
    let mut delta = (*sample("mixed", "r1", 7)).clone();
    delta.kind = MeterKind::Delta;
    let samples = vec![
        Arc::new(delta),
        sample("mixed", "r2", 8),
        sample("series", "r", 1),
        sample("other", "r", f64::NAN),
        sample("series", "r", 2),
    ];
    let refusals = publish(&mut publisher, samples).await.unwrap();
    assert!(refusals.is_empty(), "{refusals:?}");
    has(gateway.lines("mixed").await, &["instance=\"x\"", "} 7", "} 8"]);
    has(gateway.lines("series").await, &["} 2"]);
    has(gateway.lines("other").await, &["} NaN"]);

    // A later push replaces what it names, and leaves the rest.
    publish(&mut publisher, vec![sample("series", "r", 3)]).await.unwrap();
    has(gateway.lines("series").await, &["} 3"]);
    has(gateway.lines("mixed").await, &["} 7", "} 8"]);
}

/// A push replaces what its metrics had in the group: a metric in two requests would lose the first one's series.
#[tokio::test]
async fn all_series_of_a_metric_arrive_however_many_there_are_and_whatever_is_refused_beside_them() {
    const SERIES: usize = 1_300;
    let gateway = Pushgateway::start().await;
    let mut publisher = gateway.publisher("/metrics/job/os/instance/many");
    let samples = (0..SERIES).flat_map(|number| {
        ["cpu", "memory"].map(|name| sample(name, &format!("r{number}"), i64::try_from(number).unwrap()))
    });
    assert!(publish(&mut publisher, samples.collect()).await.unwrap().is_empty());
    for metric in ["cpu", "memory"] {
        let lines = gateway.lines(metric).await;
        assert_eq!(lines.iter().filter(|line| line.starts_with(metric)).count(), SERIES, "{metric}");
    }

    // The Pushgateway refuses a metric that has another type in another group.
    publish(&mut publisher, vec![sample("clash", "r", 1)]).await.unwrap();
    let mut publisher = gateway.publisher("/metrics/job/os/instance/others");
    let samples = (0..10).flat_map(|number| {
        let resource = format!("r{number}");
        let mut clash = (*sample("clash", &resource, 1)).clone();
        clash.kind = MeterKind::Cumulative;
        [sample("disk", &resource, number), Arc::new(clash), sample("power", &resource, number)]
    });
    let refusals = publish(&mut publisher, samples.collect()).await.unwrap();
    let mut places: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
    places.sort_unstable();
    assert_eq!(places, (0..10).map(|number| (3 * number + 1, "bad_request")).collect::<Vec<_>>());
    assert!(refusals.iter().all(|refusal| refusal.reason.contains("inconsistent")), "{refusals:?}");
    for metric in ["disk", "power"] {
        let lines = gateway.lines(metric).await;
        assert_eq!(lines.iter().filter(|line| line.starts_with(metric)).count(), 10, "{metric}");
    }
}

/// What stands in front of a Pushgateway may refuse single series: the others are pushed together in the end.
#[tokio::test]
async fn of_a_metric_that_is_refused_what_can_be_taken_is_pushed_together() {
    let server = Server::start(|request: &Request, _| {
        Answer::status(if request.text().contains("\"bad") { 422 } else { 200 })
    });
    let mut publisher = publisher(&format!("{}/metrics/job/os/instance/x", server.address));
    let of = |names: &[&str]| names.iter().map(|name| sample("m", name, 1)).collect::<Vec<_>>();
    let refusals = publish(&mut publisher, of(&["a", "bad 1", "b", "c", "bad 2", "d"])).await.unwrap();
    let refused: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
    assert_eq!(refused, [(1, "unprocessable"), (4, "unprocessable")]);
    let last = server.requests().last().unwrap().text();
    assert_eq!(last.lines().filter(|line| line.starts_with("m{")).count(), 4, "{last}");
    assert!(!last.contains("bad"), "{last}");
    // Nothing of it can be taken: no request is made of nothing.
    server.take();
    let refusals = publish(&mut publisher, of(&["bad 1", "bad 2"])).await.unwrap();
    assert_eq!(refusals.len(), 2);
    assert!(server.take().iter().all(|request| request.text().contains("\"bad")));
}

#[tokio::test]
async fn without_grouping_labels_each_resource_has_a_request_of_its_own() {
    let server = Server::recording();
    let mut publisher = publisher(&format!("{}/metrics/job/os?x=y&ssl=no", server.address));
    let samples = vec![sample("a", "r1", 1), sample("a", "r2", 2), sample("b", "r1", 3)];
    publish(&mut publisher, samples).await.unwrap();
    let mut targets: Vec<_> = server.requests().into_iter().map(|request| request.target).collect();
    targets.sort();
    assert_eq!(targets, ["/metrics/job/os/resource_id/r1?x=y", "/metrics/job/os/resource_id/r2?x=y"]);
}

#[tokio::test]
async fn a_refusal_names_its_records_whatever_group_they_were_pushed_in() {
    let server = Server::start(|request: &Request, _| {
        Answer::status(if request.text().contains("\"bad\"") { 400 } else { 200 })
    });
    let mut publisher = publisher(&format!("{}/metrics/job/os", server.address));
    let groups: Arc<[Records]> = Arc::new([
        Records::Samples(vec![sample("a", "r1", 1), sample("a", "bad", 2)]),
        Records::Samples(vec![sample("b", "bad", 1), sample("b", "r1", Value::Int(2))]),
    ]);
    let refusals = publisher.publish(groups).await.unwrap();
    let mut places: Vec<_> = refusals.iter().map(|refusal| (refusal.group, refusal.record)).collect();
    places.sort_unstable();
    assert_eq!(places, [(0, 1), (1, 0)]);
    let server = Server::start(|_, _| Answer::status(503));
    let mut publisher = self::publisher(&format!("{}/metrics/job/os", server.address));
    assert_eq!(publish(&mut publisher, vec![sample("a", "r", 1)]).await.unwrap_err().cause, "server_error");
}
