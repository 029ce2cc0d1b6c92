//! The notifier publisher with RabbitMQ, Ceilometer's own publisher beside it, and the real oslo.messaging as consumer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::{Value, json};
use nephoscope_publishers::Witness;
use nephoscope_publishers::notifier::{NotifierMetrics, NotifierPublisher, NotifierSettings};
use observability::clock::Clock;
use observability::metrics::Metrics;
use oslo_messaging::envelope::{Parsed, open};
use oslo_messaging::{AmqpMetrics, Listener, ListenerConfig, RabbitOptions};
use pipeline::{Publisher, PublisherUrl, Records, RecordsKind};
use testkit::{Proxy, Vhost, shared_rabbitmq};
use tokio::time::timeout;

#[path = "support/records.rs"]
mod records;
use records::{event_from, sample, sample_from};

const PATIENCE: Duration = Duration::from_mins(1);
const SECRET: &str = "change this for valid signing";

const SAMPLES: [&str; 4] = [
    r#"{"name": "disk.size", "type": "gauge", "unit": "B", "volume": 1.5, "user_id": "ü", "user_name": null,
    "project_id": null, "project_name": null, "resource_id": "r/1", "timestamp": "2026-07-21T13:56:12.123456",
    "resource_metadata": {"a": {"b": ["x", {"k": "é", "z": 1}], "e": {}}, "l": [], "t": [["a'b", 2]], "n": null},
    "source": "openstack", "id": "00000000-0000-0000-0000-000000000001", "monotonic_time": 12345.678901234}"#,
    r#"{"name": "cpu", "type": "cumulative", "unit": "ns", "volume": 123456789012345678901234567890, "user_id": "u",
    "user_name": "n", "project_id": "p", "project_name": "日本", "resource_id": "r2", "timestamp": "2026-07-21T13:56:12+00:00",
    "resource_metadata": {"emoji": "😀", "true": true, "f": 1e-05, "big": 1e+16}, "source": "s",
    "id": "00000000-0000-0000-0000-000000000002", "monotonic_time": null}"#,
    r#"{"name": "disk.size", "type": "delta", "unit": "", "volume": 0, "user_id": null, "user_name": null,
    "project_id": null, "project_name": null, "resource_id": "", "timestamp": "2026-07-21T13:56:12",
    "resource_metadata": {}, "source": "openstack", "id": "00000000-0000-0000-0000-000000000003",
    "monotonic_time": null}"#,
    r#"{"name": "cpu", "type": "gauge", "unit": "%", "volume": -0.0, "user_id": null, "user_name": null,
    "project_id": null, "project_name": null, "resource_id": "r4", "timestamp": "2026-07-21T13:56:12",
    "resource_metadata": {"message_signature": "nested"}, "source": "openstack",
    "id": "00000000-0000-0000-0000-000000000004", "monotonic_time": null}"#,
];

const EVENTS: [&str; 2] = [
    r#"{"message_id": "m1", "event_type": "compute.instance.create.end", "generated": "2026-07-21T13:56:12.123456",
    "traits": [["service", 1, "é"], ["memory_mb", 2, 512], ["launched_at", 4, "2026-07-21T13:56:10"], ["f", 3, 1.5]],
    "raw": {"payload": {"z": 1}}}"#,
    r#"{"message_id": "m2", "event_type": "t", "generated": "2026-07-21T13:56:12", "traits": [], "raw": {}}"#,
];

fn settings(url: &str, metrics: &Metrics) -> NotifierSettings {
    NotifierSettings {
        transport: Ok(url.parse().unwrap()),
        rabbit: RabbitOptions::default(),
        exchange: "ceilometer".to_owned(),
        metering_topic: "metering".to_owned(),
        event_topic: "event".to_owned(),
        driver: "messagingv2".to_owned(),
        host: "host-1".to_owned(),
        secret: SECRET.to_owned(),
        clock: Clock::machine(),
        amqp: AmqpMetrics::default(),
        metrics: NotifierMetrics::register(&metrics.component("notifier")),
    }
}

fn publisher(url: &str, kind: RecordsKind, settings: &NotifierSettings) -> NotifierPublisher {
    NotifierPublisher::new(&PublisherUrl::new(url), kind, settings, Witness::nobody()).unwrap()
}

fn all(kind: RecordsKind) -> Records {
    match kind {
        RecordsKind::Samples => {
            Records::Samples(SAMPLES.iter().map(|text| sample_from(&json::parse(text).unwrap())).collect())
        }
        RecordsKind::Events => {
            Records::Events(EVENTS.iter().map(|text| event_from(&json::parse(text).unwrap())).collect())
        }
    }
}

/// Samples of one resource, as the policies are given them.
fn batch(resource: &str) -> Arc<[Records]> {
    Arc::new([Records::Samples(vec![sample("m", resource, 1)])])
}

fn python(arguments: &[&str]) -> Child {
    Command::new(testkit::venv_python().unwrap())
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/notifier.py")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Gives a Python process its input and returns the lines of its output.
fn lines_of(mut child: Child, input: &str) -> Vec<String> {
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A notification without what differs each time.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    publisher_id: String,
    event_type: String,
    priority: String,
    payload: Value,
}

/// The next messages of a topic, read by our own listener.
async fn said(vhost: &Vhost<'_>, topic: &str, count: usize) -> Vec<Said> {
    let mut config = ListenerConfig::new("test", vhost.transport_url().parse().unwrap());
    config.exchanges = vec!["ceilometer".to_owned()];
    config.topics = vec![topic.to_owned()];
    config.priorities = vec!["sample"];
    let (listener, mut batches) = Listener::start(config, &AmqpMetrics::default()).unwrap();
    let mut said = Vec::new();
    while said.len() < count {
        let batch = timeout(PATIENCE, batches.recv()).await.expect("no message came").unwrap();
        for message in &batch.messages {
            let document = open(message).unwrap();
            let Parsed::Notification(notification) = document.notification().unwrap() else {
                panic!("{}", document.text())
            };
            let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap().to_owned();
            said.push(Said {
                publisher_id: text(&notification.publisher_id),
                event_type: text(&notification.event_type),
                priority: text(&notification.priority),
                payload: json::parse(notification.payload.unwrap().get()).unwrap(),
            });
        }
        batch.receipt.accept();
    }
    listener.shutdown(PATIENCE).await;
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ceilometers_publisher_says_the_same() {
    let vhost = shared_rabbitmq().vhost("notifier-oracle").unwrap();
    let metrics = Metrics::new();
    let settings = settings(&vhost.transport_url(), &metrics);
    // Messages for each case: one of everything, and one of each of the two meters.
    let cases = [
        ("", RecordsKind::Samples, 1),
        ("&per_meter_topic=1", RecordsKind::Samples, 3),
        ("&policy=queue&max_queue_length=5", RecordsKind::Samples, 1),
        ("&policy=drop", RecordsKind::Samples, 1),
        ("", RecordsKind::Events, 1),
        ("&per_meter_topic=1", RecordsKind::Events, 1),
    ];
    let mut asked = String::new();
    for (number, (query, kind, _)) in cases.iter().enumerate() {
        let ours = format!("notifier://?topic=ours{number}{query}");
        let refusals = publisher(&ours, *kind, &settings).publish(Arc::new([all(*kind)])).await.unwrap();
        assert!(refusals.is_empty(), "{refusals:?}");
        let texts: &[&str] = if *kind == RecordsKind::Samples { &SAMPLES } else { &EVENTS };
        let request = serde_json::json!({
            "url": format!("notifier://?topic=theirs{number}{query}"), "kind": kind.as_str(), "records": texts,
        });
        asked.push_str(&request.to_string());
        asked.push('\n');
    }
    assert_eq!(lines_of(python(&["publish", &vhost.transport_url()]), &asked), ["done"]);
    let mut payloads = String::new();
    for (number, (query, _, count)) in cases.iter().enumerate() {
        let ours = said(&vhost, &format!("ours{number}"), *count).await;
        let theirs = said(&vhost, &format!("theirs{number}"), *count).await;
        assert_eq!(ours, theirs, "{query}");
        assert_eq!((&*ours[0].publisher_id, &*ours[0].priority), ("telemetry.publisher.host-1", "SAMPLE"));
        for said in ours {
            payloads.push_str(&json::to_string(&said.payload));
            payloads.push('\n');
        }
    }
    // Ceilometer's own check of the signatures.
    let verdicts = lines_of(python(&["verify"]), &payloads);
    assert_eq!(verdicts.len(), 8);
    assert!(verdicts.iter().all(|verdict| verdict == "true"), "{verdicts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_oslo_messaging_consumes_from_every_topic() {
    let vhost = shared_rabbitmq().vhost("notifier-consumer").unwrap();
    let metrics = Metrics::new();
    // The default transport leads nowhere: the URL names the broker.
    let mut settings = settings("rabbit://127.0.0.1:1/", &metrics);
    let broker = vhost.transport_url().replacen("rabbit://", "notifier://", 1);
    for (driver, topic) in [("messagingv2", "one"), ("messaging", "two")] {
        settings.driver = driver.to_owned();
        let url = format!("{broker}?topic=one&topic=two&driver=rabbit&max_retry=3");
        let mut publisher = publisher(&url, RecordsKind::Samples, &settings);
        publisher.publish(Arc::new([all(RecordsKind::Samples)])).await.unwrap();
        let lines = lines_of(python(&["listen", &vhost.transport_url(), topic, "1"]), "");
        let received: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(received["event_type"], "metering");
        assert_eq!(received["publisher_id"], "telemetry.publisher.host-1");
        assert_eq!(received["payload"].as_array().unwrap().len(), SAMPLES.len());
        assert_eq!(received["payload"][0]["resource_metadata"]["a"]["b"][1]["k"], "é");
        // What the listener adds to an empty context.
        assert_eq!(received["context"], serde_json::json!({"client_timeout": null}));
        for topic in ["one.sample", "two.sample"] {
            vhost.purge(topic).unwrap();
        }
    }
}

/// A broker that can go away, and a publisher that knows it by name.
fn away_and_back(vhost: &Vhost<'_>, query: &str, metrics: &Metrics) -> (Proxy, NotifierPublisher) {
    let proxy = Proxy::to_port(vhost.broker().port()).unwrap();
    let url = vhost.transport_url_through(proxy.port()).replacen("rabbit://", "notifier://", 1);
    let settings = settings("rabbit://127.0.0.1:1/", metrics);
    let publisher = publisher(&format!("{url}?{query}"), RecordsKind::Samples, &settings);
    (proxy, publisher)
}

fn resources(said: &[Said]) -> Vec<String> {
    let records = said.iter().flat_map(|said| said.payload.as_list().unwrap().iter());
    records.map(|record| record.get("resource_id").and_then(Value::as_str).unwrap().to_owned()).collect()
}

fn metric(metrics: &Metrics, begins: &str) -> u64 {
    let text = metrics.prometheus_text();
    let line = text.lines().find(|line| line.starts_with(begins) && !line.starts_with('#'));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_records_are_offered_again_until_the_broker_has_them() {
    let vhost = shared_rabbitmq().vhost("notifier-default").unwrap();
    let metrics = Metrics::new();
    let (proxy, mut publisher) = away_and_back(&vhost, "topic=default", &metrics);
    publisher.publish(batch("a")).await.unwrap();
    proxy.refuse();
    proxy.cut().unwrap();
    for _ in 0..2 {
        let error = publisher.publish(batch("b")).await.unwrap_err();
        assert!(error.message.contains("not sent"), "{error}");
    }
    proxy.accept().unwrap();
    publisher.publish(batch("b")).await.unwrap();
    assert_eq!(resources(&said(&vhost, "default", 2).await), ["a", "b"]);
    assert_eq!(metric(&metrics, "nephoscope_notifier_dropped_records_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_policy_queue_the_newest_wait_in_memory_and_the_oldest_are_dropped_and_counted() {
    let vhost = shared_rabbitmq().vhost("notifier-queue").unwrap();
    let metrics = Metrics::new();
    let (proxy, mut publisher) =
        away_and_back(&vhost, "topic=queue&policy=queue&max_queue_length=2", &metrics);
    proxy.refuse();
    for resource in ["a", "b", "c", "d"] {
        publisher.publish(batch(resource)).await.unwrap();
    }
    assert_eq!(metric(&metrics, "nephoscope_notifier_queued_records"), 2);
    assert_eq!(metric(&metrics, "nephoscope_notifier_dropped_records_total"), 2);
    assert!(metrics.prometheus_text().contains("cause=\"queue_full\""));
    proxy.accept().unwrap();
    publisher.publish(batch("e")).await.unwrap();
    assert_eq!(resources(&said(&vhost, "queue", 3).await), ["c", "d", "e"]);
    assert_eq!(metric(&metrics, "nephoscope_notifier_queued_records"), 0);
    assert_eq!(metric(&metrics, "nephoscope_notifier_dropped_records_total"), 2);
}

/// The broker is back and no further records come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_memory_goes_when_the_broker_is_back_without_further_records() {
    let vhost = shared_rabbitmq().vhost("notifier-idle").unwrap();
    let metrics = Metrics::new();
    let (proxy, mut publisher) = away_and_back(&vhost, "topic=idle&policy=queue", &metrics);
    assert!(!publisher.holds_back());
    proxy.refuse();
    for resource in ["a", "b"] {
        publisher.publish(batch(resource)).await.unwrap();
    }
    publisher.go_on().await;
    assert!(publisher.holds_back());
    proxy.accept().unwrap();
    publisher.go_on().await;
    assert!(!publisher.holds_back());
    assert_eq!(resources(&said(&vhost, "idle", 2).await), ["a", "b"]);
    assert_eq!(metric(&metrics, "nephoscope_notifier_dropped_records_total"), 0);
}

/// One message of several is confirmed, then the broker goes: it does not come twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_has_confirmed_is_not_sent_again() {
    let vhost = shared_rabbitmq().vhost("notifier-progress").unwrap();
    let metrics = Metrics::new();
    let proxy = Arc::new(Proxy::to_port(vhost.broker().port()).unwrap());
    let url = vhost.transport_url_through(proxy.port()).replacen("rabbit://", "notifier://", 1);
    let settings = settings("rabbit://127.0.0.1:1/", &metrics);
    let (cutting, confirmed) = (Arc::clone(&proxy), std::sync::Mutex::new(false));
    let witness = Witness::new(move |line| {
        let mut confirmed = confirmed.lock().unwrap();
        if line.starts_with("< confirmed") && !std::mem::replace(&mut *confirmed, true) {
            cutting.refuse();
            cutting.cut().unwrap();
        }
    });
    let url = PublisherUrl::new(&format!("{url}?topic=progress&per_meter_topic=1"));
    let mut publisher = NotifierPublisher::new(&url, RecordsKind::Samples, &settings, witness).unwrap();
    let samples = ["x", "y"].map(|name| sample(name, "r", 1)).to_vec();
    let groups: Arc<[Records]> = Arc::new([Records::Samples(samples)]);
    for _ in 0..2 {
        publisher.publish(Arc::clone(&groups)).await.unwrap_err();
    }
    proxy.accept().unwrap();
    publisher.publish(groups).await.unwrap();
    // One behind them, to know that there are no more.
    publisher.publish(batch("end")).await.unwrap();
    let types: Vec<_> = said(&vhost, "progress", 5).await.into_iter().map(|said| said.event_type).collect();
    assert_eq!(types, ["metering", "metering.x", "metering.y", "metering", "metering.m"]);
}

/// Exchange, topics, host and secret are the configuration's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_configuration_says_is_what_is_sent() {
    let vhost = shared_rabbitmq().vhost("notifier-settings").unwrap();
    let metrics = Metrics::new();
    let mut settings = settings(&vhost.transport_url(), &metrics);
    settings.metering_topic = "samples".to_owned();
    settings.event_topic = "happenings".to_owned();
    settings.host = "host-2".to_owned();
    for (kind, query, topic, event_type) in [
        (RecordsKind::Samples, "", "samples", "samples"),
        (RecordsKind::Events, "", "happenings", "happenings"),
        // The URL's topic is where it goes; what it is called stays the configuration's.
        (RecordsKind::Samples, "?topic=elsewhere", "elsewhere", "samples"),
    ] {
        let url = format!("notifier://{query}");
        publisher(&url, kind, &settings).publish(Arc::new([all(kind)])).await.unwrap();
        let said = said(&vhost, topic, 1).await.remove(0);
        assert_eq!((&*said.event_type, &*said.publisher_id), (event_type, "telemetry.publisher.host-2"));
    }
    let signature = |secret: &str| {
        let mut settings = settings.clone();
        settings.secret = secret.to_owned();
        let metrics = Metrics::new();
        settings.metrics = NotifierMetrics::register(&metrics.component("notifier"));
        publisher("notifier://?topic=signed", RecordsKind::Samples, &settings)
    };
    let mut signatures = Vec::new();
    for secret in ["one", "two"] {
        signature(secret).publish(Arc::new([all(RecordsKind::Samples)])).await.unwrap();
        let said = said(&vhost, "signed", 1).await.remove(0);
        let first = said.payload.as_list().unwrap()[0].clone();
        signatures.push(first.get("message_signature").and_then(Value::as_str).unwrap().to_owned());
    }
    assert_ne!(signatures[0], signatures[1]);
    settings.exchange = "another".to_owned();
    publisher("notifier://?topic=exchanged", RecordsKind::Samples, &settings)
        .publish(Arc::new([all(RecordsKind::Samples)]))
        .await
        .unwrap();
    assert_eq!(vhost.depth("exchanged.sample").unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_policy_drop_what_cannot_be_sent_is_dropped_and_counted() {
    let vhost = shared_rabbitmq().vhost("notifier-drop").unwrap();
    let metrics = Metrics::new();
    let (proxy, mut publisher) = away_and_back(&vhost, "topic=drop&policy=drop", &metrics);
    proxy.refuse();
    publisher.publish(batch("a")).await.unwrap();
    assert!(metrics.prometheus_text().contains("cause=\"policy_drop\"} 1"), "{}", metrics.prometheus_text());
    proxy.accept().unwrap();
    publisher.publish(batch("b")).await.unwrap();
    assert_eq!(resources(&said(&vhost, "drop", 1).await), ["b"]);
}
