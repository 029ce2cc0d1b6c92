//! Names, types and labels of the metrics: dashboards and alerts depend on them.

use nephoscope_oslo_messaging::AmqpMetrics;
use observability::metrics::Metrics;

const METRICS: [(&str, &str, &[&str]); 19] = [
    ("nephoscope_amqp_acknowledged_messages_total", "counter", &["peer"]),
    ("nephoscope_amqp_blocked_total", "counter", &["peer"]),
    ("nephoscope_amqp_cancelled_consumers_total", "counter", &["peer"]),
    ("nephoscope_amqp_channel_errors_total", "counter", &["peer", "cause"]),
    ("nephoscope_amqp_connect_failures_total", "counter", &["peer", "cause"]),
    ("nephoscope_amqp_connected", "gauge", &["peer"]),
    ("nephoscope_amqp_connections_total", "counter", &["peer"]),
    ("nephoscope_amqp_disconnects_total", "counter", &["peer", "cause"]),
    ("nephoscope_amqp_held_bytes", "gauge", &["peer"]),
    ("nephoscope_amqp_prefetch", "gauge", &["peer", "queue"]),
    ("nephoscope_amqp_publish_failures_total", "counter", &["peer", "cause"]),
    ("nephoscope_amqp_published_messages_total", "counter", &["peer"]),
    ("nephoscope_amqp_read_pauses_total", "counter", &["peer"]),
    ("nephoscope_amqp_received_bytes_total", "counter", &["peer"]),
    ("nephoscope_amqp_received_messages_total", "counter", &["peer", "queue"]),
    ("nephoscope_amqp_redelivered_messages_total", "counter", &["peer"]),
    ("nephoscope_amqp_rejected_messages_total", "counter", &["peer", "cause"]),
    ("nephoscope_amqp_requeued_messages_total", "counter", &["peer", "cause"]),
    ("nephoscope_amqp_stale_messages_total", "counter", &["peer"]),
];

#[test]
fn names_types_and_labels_stay_what_they_are() {
    let metrics = Metrics::new();
    let _amqp = AmqpMetrics::register(&metrics.component("amqp"));
    let inventory = metrics.inventory();
    let found: Vec<(&str, &str, &[&str])> =
        inventory.iter().map(|one| (one.name.as_str(), one.kind, one.labels.as_slice())).collect();
    assert_eq!(found, METRICS);
    let page = metrics.prometheus_text();
    let mut exposed: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    exposed.sort_unstable();
    let expected: Vec<String> = METRICS.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    assert_eq!(exposed, expected, "{page}");
}
