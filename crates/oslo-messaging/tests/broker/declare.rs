//! Everything declared, compared with what oslo.messaging declares.

use std::collections::BTreeSet;

use serde_json::json;
use testkit::Vhost;

use super::harness::{EXCHANGE, QUEUE, listen, notifier, raw, ready, until, vhost};
use super::peer::Peer;

/// Option sets under comparison, as a URL's query.
const OPTIONS: [&str; 6] = [
    "",
    "?amqp_durable_queues=true",
    "?amqp_auto_delete=true",
    "?amqp_durable_queues=true&amqp_auto_delete=true&rabbit_qos_prefetch_count=7",
    "?rabbit_ha_queues=true&amqp_durable_queues=yes",
    "?rabbit_quorum_queue=true&rabbit_quorum_delivery_limit=5&rabbit_quorum_max_memory_length=1000\
     &rabbit_quorum_max_memory_bytes=5000000000",
];
const EXCHANGES: [&str; 3] = [EXCHANGE, "glance", "keystone"];
const TOPICS: [&str; 2] = ["notifications", "versioned"];

/// All that was declared in a virtual host, as text.
fn declared(vhost: &Vhost<'_>) -> BTreeSet<String> {
    let queues = vhost.queues().unwrap().into_iter().map(|queue| {
        let arguments = &queue.arguments;
        format!("{} {} {} {} {arguments:?}", queue.name, queue.kind, queue.durable, queue.auto_delete)
    });
    let exchanges = vhost.exchanges().unwrap().into_iter().map(|exchange| format!("{exchange:?}"));
    let bindings = vhost.bindings().unwrap().into_iter().map(|binding| format!("{binding:?}"));
    queues.chain(exchanges).chain(bindings).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_declare_the_same_and_accept_each_other() {
    let mut peer = Peer::start();
    for options in OPTIONS {
        let (theirs, ours) = (vhost("theirs"), vhost("ours"));
        let listen_command = |vhost: &Vhost<'_>| json!({"url": vhost.transport_url() + options, "exchanges": EXCHANGES, "topics": TOPICS});
        peer.run("listen", listen_command(&theirs));
        let expected = declared(&theirs);
        assert_eq!(expected.len(), 14 + 3 + 14 * 3, "{expected:?}");

        let start = async |vhost: &Vhost<'_>| {
            ready(&(vhost.transport_url() + options), |config| {
                config.exchanges = owned(&EXCHANGES);
                config.topics = owned(&TOPICS);
            })
            .await
        };
        let first = start(&ours).await;
        assert_eq!(declared(&ours), expected, "with {options:?}");

        // Ours where theirs is at work, theirs where ours is at work: nothing conflicts, nothing changes.
        let second = start(&theirs).await;
        assert_eq!(second.metric("nephoscope_amqp_channel_errors_total"), 0);
        assert_eq!(declared(&theirs), expected, "with {options:?}");
        peer.run("stop", json!({}));
        peer.run("listen", listen_command(&ours));
        assert_eq!(declared(&ours), expected, "with {options:?}");
        peer.run("stop", json!({}));
        first.listener.shutdown(std::time::Duration::from_secs(5)).await;
        second.listener.shutdown(std::time::Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifiers_declare_the_same() {
    let mut peer = Peer::start();
    // With auto-delete, nothing stays to be compared when the channel that declared it is gone; a queue without
    // consumers does stay.
    for options in OPTIONS {
        let (theirs, ours) = (vhost("theirs"), vhost("ours"));
        let command = json!({
            "url": theirs.transport_url() + options, "exchange": EXCHANGE, "topics": TOPICS, "driver": "messagingv2",
            "priority": "sample", "publisher_id": "p", "event_type": "e", "payload": {}, "context": {},
        });
        peer.run("notify", command);
        let payload = raw("{}");
        let notifier = notifier(&(ours.transport_url() + options), |config| config.topics = owned(&TOPICS));
        notifier.notify(&super::notify::outgoing("SAMPLE", &payload, &[])).await.unwrap();
        assert_eq!(declared(&ours), declared(&theirs), "with {options:?}");
        assert_eq!(declared(&ours).len(), 2 + 1 + 2);
        // Both messages look alike to the broker.
        for queue in ["notifications.sample", "versioned.sample"] {
            until("the message", || {
                ours.depth(queue).unwrap() == Some(1) && theirs.depth(queue).unwrap() == Some(1)
            })
            .await;
        }
        let (mine, real) = (ours.take("versioned.sample").unwrap(), theirs.take("versioned.sample").unwrap());
        assert_eq!(mine[0].properties, real[0].properties);
        assert_eq!(mine[0].headers, real[0].headers);
        assert_eq!((&mine[0].exchange, &mine[0].routing_key), (&real[0].exchange, &real[0].routing_key));
        notifier.shutdown(std::time::Duration::from_secs(5)).await;
    }
}

/// Declares an exchange and a queue through the broker's own functions.
fn declare_by_hand(vhost: &Vhost<'_>, exchange_durable: bool, queue_durable: bool, kind: &str) {
    let name = vhost.name();
    let answer = vhost.broker().eval(&format!(
        "X = rabbit_misc:r(<<\"{name}\">>, exchange, <<\"{EXCHANGE}\">>), \
         _ = rabbit_exchange:declare(X, topic, {exchange_durable}, false, false, [], <<\"test\">>), \
         Q = rabbit_misc:r(<<\"{name}\">>, queue, <<\"{QUEUE}\">>), \
         {{new, _}} = rabbit_amqqueue:declare(Q, {queue_durable}, false, \
            [{{<<\"x-queue-type\">>, longstr, <<\"{kind}\">>}}], none, <<\"test\">>), ok."
    ));
    assert_eq!(answer.unwrap(), "ok");
}

/// A queue declared with `x-queue-type` differs from oslo's in nothing but that argument, which the broker takes for
/// equal to no argument when it says classic; so `durable` is the only difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_another_durability_are_used_as_they_are() {
    for (exchange, queue, configured) in [
        (false, false, true),
        (true, true, false),
        (false, true, true),
        (true, false, true),
        (true, false, false),
    ] {
        let vhost = vhost("durability");
        declare_by_hand(&vhost, exchange, queue, "classic");
        let url = format!("{}?amqp_durable_queues={configured}", vhost.transport_url());
        let mut listening = ready(&url, |_| {}).await;
        let payload = raw("{}");
        notifier(&url, |_| {}).notify(&super::notify::outgoing("INFO", &payload, &[])).await.unwrap();
        assert_eq!(listening.messages(1).await[0].routing_key, QUEUE);
        assert_eq!(vhost.exchanges().unwrap()[0].durable, exchange);
        assert_eq!(vhost.queue(QUEUE).unwrap().unwrap().durable, queue);
        listening.listener.shutdown(std::time::Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_mismatch_is_retried_and_leaves_the_other_queues_alone() {
    let vhost = vhost("mismatch");
    declare_by_hand(&vhost, true, true, "classic");
    let listening = listen(&(vhost.transport_url() + "?rabbit_quorum_queue=true"), |_| {});
    let state = listening
        .wait_for("six queues and an error", |state| state.consumers == 6 && state.last_error.is_some())
        .await;
    let error = state.last_error.unwrap();
    assert!(error.contains("PRECONDITION_FAILED") && error.contains(QUEUE), "{error}");
    assert!(
        listening.metric("nephoscope_amqp_channel_errors_total{peer=\"test\",cause=\"precondition_failed\"}")
            >= 1
    );
    // The operator puts it right; nobody has to restart us.
    vhost.delete_queue(QUEUE).unwrap();
    listening.wait_for("readiness", |state| state.is_ready() && state.last_error.is_none()).await;
    assert_eq!(vhost.queue(QUEUE).unwrap().unwrap().kind, "quorum");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_gets_its_own_copy_of_everything() {
    let mut peer = Peer::start();
    let (vhost, theirs) = (vhost("pool"), vhost("pool-theirs"));
    peer.run(
        "listen",
        json!({"url": theirs.transport_url(), "exchanges": EXCHANGES, "topics": TOPICS, "pool": "audits"}),
    );
    let plain = ready(&vhost.transport_url(), |_| {}).await;
    let mut pool = ready(&vhost.transport_url(), |config| {
        config.pool = Some("audits".to_owned());
        config.exchanges = owned(&EXCHANGES);
        config.topics = owned(&TOPICS);
    })
    .await;
    let mine: BTreeSet<String> =
        declared(&vhost).into_iter().filter(|line| line.contains("audits")).collect();
    let real: BTreeSet<String> =
        declared(&theirs).into_iter().filter(|line| line.contains("audits")).collect();
    assert_eq!(mine, real);
    assert_eq!(mine.len(), 1 + 14 * 3);
    let payload = raw("{}");
    let notifier = notifier(&vhost.transport_url(), |_| {});
    for priority in ["INFO", "ERROR"] {
        notifier.notify(&super::notify::outgoing(priority, &payload, &[])).await.unwrap();
    }
    let keys: BTreeSet<String> =
        pool.messages(2).await.into_iter().map(|message| message.routing_key).collect();
    assert_eq!(keys, ["notifications.error".to_owned(), QUEUE.to_owned()].into());
    // The usual queues have theirs as well.
    let mut plain = plain;
    assert_eq!(plain.messages(2).await.len(), 2);
}
