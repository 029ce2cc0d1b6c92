//! The publishers for Prometheus at the end of a whole agent.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use testkit::{Oracle, Port, Producer, Prometheus, shared_rabbitmq, wait_until};

use crate::harness::{Agent, EXCHANGE, ROUTING_KEY, try_get};

const LONG: Duration = Duration::from_secs(90);
const NOTIFICATIONS: usize = 300;
/// Behind the times of all notifications (2026-11-24 12:00), in seconds since 1970.
const AFTERWARDS: i64 = 1_795_521_600 + 120;

/// The agent is killed, and Prometheus is away for some time: it has every sample in the end, and the exporter listens from
/// the start and keeps its series when the configuration is read again.
#[test]
fn prometheus_has_every_sample_although_both_are_killed() {
    let vhost = shared_rabbitmq().vhost("prometheus").unwrap();
    let (prometheus, port) = (Prometheus::start().unwrap(), Port::take().unwrap());
    let exporter = format!("127.0.0.1:{}", port.number());
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    let pipeline = format!(
        "sources:\n  - {{name: source, meters: ['*'], sinks: [sink]}}\nsinks:\n  - name: sink\n    publishers:\n      - \
         prometheus+remotewrite://{}?timeout=2\n      - prometheus+exporter://{exporter}/metrics\n",
        prometheus.address()
    );
    fs::write(agent.path("pipeline.yaml"), pipeline).unwrap();
    agent.start();
    agent.wait_ready();
    let scraped = || {
        let (status, text) = try_get(&exporter, "/metrics").ok()?;
        assert_eq!(status, 200, "{text}");
        Some(text.matches("ceilometer_image_size{").count())
    };
    assert_eq!(wait_until("the exporter", LONG, scraped).unwrap(), 0);

    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let produce = |number: usize| {
        for _ in 0..number {
            producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
        }
        producer.flush(LONG).unwrap();
    };
    let written = || {
        let found =
            prometheus.query_at("count(count_over_time(ceilometer_image_size[1h]))", AFTERWARDS).ok()?;
        found.first().map_or(Some(0), |found| found.values.first()?.1.parse::<usize>().ok())
    };
    produce(NOTIFICATIONS / 3);
    agent.kill();
    produce(NOTIFICATIONS / 3);
    agent.start();
    agent.wait_ready();
    prometheus.kill().unwrap();
    produce(NOTIFICATIONS / 3);
    prometheus.start_again().unwrap();
    wait_until("every sample in Prometheus", LONG, || (written()? == NOTIFICATIONS).then_some(())).unwrap();
    assert_eq!(agent.letters().len(), 0);
    // What came since it was started, at least. (All of it, once everything is acknowledged.)
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    agent.wait_written();
    let series =
        wait_until("series at the exporter", LONG, || scraped().filter(|seen| *seen >= NOTIFICATIONS / 3));
    let series = series.unwrap();
    agent.process().hang_up().unwrap();
    let reloads = "nephoscope_configuration_reloads_total";
    wait_until("the reload", LONG, || (agent.metric_sum(reloads) >= 1.0).then_some(())).unwrap();
    assert_eq!(scraped(), Some(series));
    assert!(agent.terminate().success());
}
