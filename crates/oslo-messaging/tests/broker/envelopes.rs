//! What the real notifier sends, as we read it.

use nephoscope_oslo_messaging::envelope::{Parsed, Version, open};
use serde_json::{Value, json};

use super::harness::{EXCHANGE, ready, vhost};
use super::peer::Peer;

const PRIORITIES: [&str; 7] = ["audit", "debug", "info", "warn", "error", "critical", "sample"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_priority_in_both_envelopes_plain_and_compressed() {
    let vhost = vhost("envelopes");
    let mut peer = Peer::start();
    let mut listening = ready(&vhost.transport_url(), |config| config.batch_size = 1).await;
    for (driver, version, query) in [
        ("messagingv2", Version::V2, ""),
        ("messaging", Version::V1, ""),
        ("messagingv2", Version::V2, "?kombu_compression=gzip"),
    ] {
        for priority in PRIORITIES {
            let payload = json!({
                "priority": priority, "text": "é \u{1f30d} \"quoted\" \\ \n", "number": 123_456_789_012_345_i64,
                "float": 0.1, "null": null, "list": [1, [2, {"three": true}]],
            });
            let context = json!({"request_id": "req-1", "project_id": "ü", "roles": ["admin"]});
            peer.run("notify", json!({
                "url": vhost.transport_url() + query, "exchange": EXCHANGE, "topics": ["notifications"],
                "driver": driver, "priority": priority, "publisher_id": "compute.host", "event_type": "e.v.t",
                "payload": payload, "context": context,
            }));
            let message = listening.messages(1).await.remove(0);
            assert_eq!(message.routing_key, format!("notifications.{priority}"));
            assert_eq!(message.exchange, EXCHANGE);
            assert!(!message.redelivered);
            assert_eq!(message.content_type.as_deref(), Some("application/json"));
            assert_eq!(message.compression.is_some(), !query.is_empty());
            let document = open(&message).unwrap();
            assert_eq!(document.version(), version);
            let Parsed::Notification(notification) = document.notification().unwrap() else {
                panic!("not plain: {}", document.text());
            };
            assert_eq!(notification.priority.as_deref(), Some(priority.to_uppercase().as_str()));
            assert_eq!(notification.publisher_id.as_deref(), Some("compute.host"));
            assert_eq!(notification.event_type.as_deref(), Some("e.v.t"));
            assert_eq!(notification.message_id.unwrap().len(), 36);
            assert_eq!(notification.unique_id.unwrap().len(), 32);
            assert_eq!(notification.timestamp.unwrap().len(), "2026-11-22 09:31:27.990959".len());
            let read: Value = serde_json::from_str(notification.payload.unwrap().get()).unwrap();
            assert_eq!(read, payload);
            let read: serde_json::Map<String, Value> = notification
                .context
                .iter()
                .map(|(name, value)| (name.to_string(), serde_json::from_str(value.get()).unwrap()))
                .collect();
            assert_eq!((&read["request_id"], &read["project_id"]), (&json!("req-1"), &json!("ü")));
            assert_eq!(read["is_admin_project"], true);
        }
    }
}
