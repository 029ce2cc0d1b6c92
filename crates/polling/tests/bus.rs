//! Polled samples on a real message bus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; and tests live in real time"
)]

use std::sync::Arc;
use std::time::Duration;

use model::{Map, MeterKind, Sample, Subject, Value, json, signature};
use nephoscope_polling::{
    BusPublishers, Deliveries, Notifications, NotificationsSettings, Output, PollingMetrics, ToRouter,
    bus_pipeline,
};
use observability::clock::Clock;
use observability::metrics::Metrics;
use oslo_messaging::{AmqpMetrics, NotifierConfig};
use pipeline::{
    PipelineMetrics, Publisher as _, PublisherFactory, Records, RecordsKind, RetryPolicy, Router,
    WorkerLimits,
};
use testkit::{RabbitMq, Vhost, shared_rabbitmq, until};
use tokio_util::sync::CancellationToken;

const SECRET: &str = "a secret ü";
const QUEUE: &str = "notifications.sample";

fn settings(url: &str) -> NotificationsSettings {
    let mut notifier = NotifierConfig::new("polling", url.parse().unwrap());
    notifier.options.amqp_durable_queues = true;
    NotificationsSettings {
        notifier,
        secret: SECRET.into(),
        batch_size: 3,
        clock: Clock::machine(),
        amqp: AmqpMetrics::default(),
    }
}

fn sample(number: i64) -> Arc<Sample> {
    Arc::new(Sample {
        name: "image.size".into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: Value::Int(number),
        subject: Subject {
            project_id: "p".into(),
            resource_metadata: [("tags", Value::List(vec!["ü".into()]))].into_iter().collect::<Map>().into(),
            ..Subject::new(format!("r{number} é"))
        }
        .into(),
        timestamp: "2026-11-26T05:00:00.123456".into(),
        source: "openstack".into(),
        id: format!("id-{number}").into(),
        monotonic_time: Some(1.5),
    })
}

fn samples(numbers: std::ops::Range<i64>) -> Records {
    Records::Samples(numbers.map(sample).collect())
}

/// The samples of each notification in the queue, their envelope and signatures checked.
fn received(vhost: &Vhost<'_>) -> Vec<Vec<Value>> {
    let messages = vhost.take(QUEUE).unwrap();
    messages
        .iter()
        .map(|message| {
            assert_eq!((message.exchange.as_str(), message.routing_key.as_str()), ("ceilometer", QUEUE));
            let outer = json::parse(std::str::from_utf8(&message.body).unwrap()).unwrap();
            let keys: Vec<&str> = outer.as_map().unwrap().iter().map(|(key, _)| key).collect();
            assert_eq!(keys, ["oslo.version", "oslo.message"]);
            let inner = json::parse(outer.get("oslo.message").unwrap().as_str().unwrap()).unwrap();
            for (key, expected) in [
                ("publisher_id", "ceilometer.polling"),
                ("event_type", "telemetry.polling"),
                ("priority", "SAMPLE"),
            ] {
                assert_eq!(inner.get(key).unwrap().as_str(), Some(expected));
            }
            let payload = inner.get("payload").unwrap().as_map().unwrap();
            assert_eq!(payload.len(), 1);
            let samples = payload.get("samples").unwrap().as_list().unwrap().to_vec();
            for sample in &samples {
                assert!(signature::verify(sample.as_map().unwrap(), SECRET), "{sample:?}");
            }
            samples
        })
        .collect()
}

fn volumes(notifications: &[Vec<Value>]) -> Vec<Vec<i64>> {
    let volume = |sample: &Value| match sample.get("counter_volume") {
        Some(Value::Int(number)) => *number,
        other => panic!("{other:?}"),
    };
    notifications.iter().map(|samples| samples.iter().map(volume).collect()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_holds_samples_that_wait_together_signed_as_ceilometer_signs() {
    let vhost = shared_rabbitmq().vhost("polling").unwrap();
    let mut publisher = Notifications::new(&settings(&vhost.transport_url())).unwrap();
    let groups: Arc<[Records]> = [samples(0..2), samples(10..17)].into();
    assert!(publisher.publish(groups).await.unwrap().is_empty());
    until("the messages", || (vhost.depth(QUEUE).ok()?? == 3).then_some(())).unwrap();
    let notifications = received(&vhost);
    assert_eq!(volumes(&notifications), [[0, 1, 10], [11, 12, 13], [14, 15, 16]]);
    let expected = Value::Map(sample(10).to_wire(SECRET, None));
    assert_eq!(json::to_string(&notifications[0][2]), json::to_string(&expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_json_does_not_have_is_refused_and_the_rest_is_sent() {
    let vhost = shared_rabbitmq().vhost("polling-nan").unwrap();
    let mut publisher = Notifications::new(&settings(&vhost.transport_url())).unwrap();
    let odd = |number: i64, volume: Value| Arc::new(Sample { volume, ..Sample::clone(&sample(number)) });
    let list = vec![sample(1), odd(2, f64::NAN.into()), sample(3), odd(4, f64::INFINITY.into()), sample(5)];
    let groups: Arc<[Records]> = [samples(0..1), Records::Samples(list)].into();
    let refusals = publisher.publish(groups).await.unwrap();
    let refused: Vec<_> =
        refusals.iter().map(|refusal| (refusal.group, refusal.record, refusal.cause)).collect();
    assert_eq!(refused, [(1, 1, "not_finite"), (1, 3, "not_finite")]);
    until("the messages", || (vhost.depth(QUEUE).ok()?? == 2).then_some(())).unwrap();
    assert_eq!(volumes(&received(&vhost)), [[0, 1], [3, 5]]);
}

/// The agent's way to the bus: a pipeline with one publisher.
fn output(url: &str) -> (ToRouter, Deliveries, CancellationToken) {
    let factory: Arc<dyn PublisherFactory> = Arc::new(BusPublishers(settings(url)));
    let metrics = Metrics::new();
    let of_pipeline = PipelineMetrics::register(&metrics.component("pipeline"));
    let retry = RetryPolicy { initial: Duration::from_millis(20), maximum: Duration::from_millis(500) };
    let limits = WorkerLimits::default();
    let pipelines = bus_pipeline().unwrap();
    let (router, workers) =
        Router::new(&pipelines, RecordsKind::Samples, &factory, limits, retry, &of_pipeline).unwrap();
    let stop = CancellationToken::new();
    for (_, task) in workers.into_tasks(&stop) {
        tokio::spawn(task);
    }
    let deliveries = Deliveries::new(&PollingMetrics::register(&metrics.component("polling")));
    (ToRouter::new(router.with_any_volume(), deliveries.clone()), deliveries, stop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_without_a_volume_is_the_receivers_to_drop() {
    let vhost = shared_rabbitmq().vhost("polling-null").unwrap();
    let (output, deliveries, _stop) = output(&vhost.transport_url());
    output.send(vec![Arc::new(Sample { volume: Value::Null, ..Sample::clone(&sample(1)) })]).await;
    deliveries.settled().await;
    until("the message", || (vhost.depth(QUEUE).ok()?? == 1).then_some(())).unwrap();
    assert_eq!(received(&vhost)[0][0].get("counter_volume"), Some(&Value::Null));
}

/// A broker that is killed while samples come in, and is away for a while: every sample is there in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_costs_no_sample() {
    const COUNT: i64 = 600;
    let broker = RabbitMq::start().unwrap();
    let vhost = broker.vhost("polling-kill").unwrap();
    let (output, deliveries, _stop) = output(&vhost.transport_url());
    let output = Arc::new(output);
    let sending = tokio::spawn({
        let output = Arc::clone(&output);
        async move {
            for first in (0..COUNT).step_by(3) {
                output.send((first..first + 3).map(sample).collect()).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    until("a first message", || (vhost.depth(QUEUE).ok()?? > 5).then_some(())).unwrap();
    let broker = &broker;
    tokio::task::block_in_place(|| {
        broker.kill().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        broker.start_again().unwrap();
    });
    sending.await.unwrap();
    deliveries.settled().await;
    let mut seen: Vec<i64> = volumes(&received(&vhost)).concat();
    seen.sort_unstable();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen, (0..COUNT).collect::<Vec<_>>());
    // What was confirmed is not sent again; what the kill left in doubt may be.
    assert!(all - seen.len() <= 256 * 3, "{} duplicates", all - seen.len());
}
