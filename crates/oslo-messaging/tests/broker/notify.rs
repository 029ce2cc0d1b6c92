//! Our notifier, read by the real oslo.messaging.

use std::time::Duration;

use jiff::Timestamp;
use nephoscope_oslo_messaging::envelope::Version;
use nephoscope_oslo_messaging::{NotifyError, Outgoing, Payload, Retry};
use serde_json::json;
use serde_json::value::RawValue;

use super::harness::{EXCHANGE, notifier, raw, vhost};
use super::peer::Peer;

/// A notification with fixed fields.
pub(crate) fn outgoing<'a>(
    priority: &'a str,
    payload: &'a RawValue,
    context: &'a [(&'a str, &'a RawValue)],
) -> Outgoing<'a> {
    Outgoing {
        publisher_id: "telemetry.publisher.host",
        event_type: "metering",
        priority,
        payload: Payload::Json(payload),
        context,
        timestamp: "2026-11-22T09:31:27.000959Z".parse::<Timestamp>().unwrap(),
        message_id: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_listener_reads_every_priority_in_both_envelopes() {
    let vhost = vhost("notify");
    let mut peer = Peer::start();
    peer.run(
        "listen",
        json!({
            "url": vhost.transport_url(), "exchanges": [EXCHANGE], "topics": ["one", "two"],
        }),
    );
    let payload =
        raw(r#"{"samples": [{"counter_volume": 1.5, "é": "🌍 \"q\" \\", "big": 12345678901234567890123}]}"#);
    let (request, tenant) = (raw(r#""req-1""#), raw(r#"["a", {"ü": null}]"#));
    for (version, query) in [(Version::V2, ""), (Version::V1, ""), (Version::V2, "?kombu_compression=gzip")] {
        let notifier = notifier(&(vhost.transport_url() + query), |config| {
            config.version = version;
            config.topics = vec!["one".to_owned(), "two".to_owned()];
        });
        for priority in ["AUDIT", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL", "SAMPLE"] {
            let context = [("request_id", &*request), ("extra", &*tenant)];
            notifier.notify(&outgoing(priority, &payload, &context)).await.unwrap();
            let both = [peer.take("received"), peer.take("received")];
            assert_eq!(both[0]["metadata"]["message_id"], both[1]["metadata"]["message_id"]);
            for received in both {
                assert_eq!(received["priority"], priority.to_lowercase());
                assert_eq!(received["publisher_id"], "telemetry.publisher.host");
                assert_eq!(received["event_type"], "metering");
                assert_eq!(received["metadata"]["timestamp"], "2026-11-22 09:31:27.000959");
                assert_eq!(received["metadata"]["message_id"].as_str().unwrap().len(), 36);
                assert_eq!(
                    received["payload"],
                    serde_json::from_str::<serde_json::Value>(payload.get()).unwrap()
                );
                assert_eq!(received["context"]["request_id"], "req-1");
                assert_eq!(received["context"]["extra"], json!(["a", {"ü": null}]));
            }
        }
        assert!(notifier.state().borrow().endpoint.is_some());
        notifier.shutdown(Duration::from_secs(5)).await;
        assert!(matches!(notifier.notify(&outgoing("INFO", &payload, &[])).await, Err(NotifyError::Closed)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_confirm_there_is_an_error() {
    let payload = raw("{}");
    let nobody = notifier("rabbit://guest:guest@127.0.0.1:1/", |config| config.retry = Retry::Times(0));
    let error = nobody.notify(&outgoing("INFO", &payload, &[])).await.unwrap_err();
    assert_eq!(error.cause(), "unreachable", "{error:?}");
    assert!(nobody.state().borrow().last_error.as_ref().unwrap().contains("cannot reach"));

    // A queue that is full and refuses: the broker nacks.
    let vhost = vhost("refused");
    let full = notifier(&vhost.transport_url(), |config| config.retry = Retry::Times(0));
    full.notify(&outgoing("INFO", &payload, &[])).await.unwrap();
    vhost.set_policy("full", ".*", r#"{"max-length": 1, "overflow": "reject-publish"}"#).unwrap();
    let deadline = tokio::time::Instant::now() + super::harness::PATIENCE;
    loop {
        // The policy reaches the queue a moment later.
        match full.notify(&outgoing("INFO", &payload, &[])).await {
            Ok(()) => assert!(tokio::time::Instant::now() < deadline, "never refused"),
            Err(error) => {
                assert!(matches!(error, NotifyError::Refused { .. }), "{error:?}");
                break;
            }
        }
    }

    let long = "P".repeat(300);
    let error = full.notify(&outgoing(&long, &payload, &[])).await.unwrap_err();
    assert!(matches!(error, NotifyError::RoutingKey { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_under_the_notifier_is_declared_again() {
    let vhost = vhost("redeclare");
    let payload = raw("{}");
    let notifier = notifier(&vhost.transport_url(), |_| {});
    notifier.notify(&outgoing("INFO", &payload, &[])).await.unwrap();
    let name = vhost.name();
    vhost
        .broker()
        .eval(&format!("rabbit_exchange:delete(rabbit_misc:r(<<\"{name}\">>, exchange, <<\"{EXCHANGE}\">>), false, <<\"test\">>)."))
        .unwrap();
    notifier.notify(&outgoing("INFO", &payload, &[])).await.unwrap();
    assert_eq!(vhost.exchanges().unwrap().len(), 1);
    vhost.close_connections("by the operator").unwrap();
    notifier.notify(&outgoing("INFO", &payload, &[])).await.unwrap();
    super::harness::until("three messages", || vhost.depth("notifications.info").unwrap() == Some(3)).await;
}
