//! The producer against the real broker: confirms, outages, and the judge on what the queue then holds.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use testkit::producer::Producer;
use testkit::wait::PATIENCE;
use testkit::{Judge, Oracle, Proxy, RabbitMq, Vhost, shared_rabbitmq};

const QUEUE: &str = "notifications.info";

fn declare(vhost: &Vhost<'_>) {
    vhost.declare("glance", QUEUE).unwrap();
}

/// Lets the judge see every message in the queue.
fn judge<'oracle>(vhost: &Vhost<'_>, oracle: &'oracle Oracle) -> Judge<'oracle> {
    let mut judge = Judge::new(oracle);
    for message in vhost.take(QUEUE).unwrap() {
        assert_eq!(message.properties["delivery_mode"], 2);
        let envelope: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        let inner: serde_json::Value =
            serde_json::from_str(envelope["oslo.message"].as_str().unwrap()).unwrap();
        judge.delivered(inner["message_id"].as_str().unwrap(), inner["payload"]["name"].as_str().unwrap());
    }
    judge
}

#[test]
fn everything_that_was_published_is_confirmed_and_in_the_queue() {
    let vhost = shared_rabbitmq().vhost("producer").unwrap();
    declare(&vhost);
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    for _ in 0..3_000 {
        producer.notify("glance", QUEUE).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    assert_eq!((oracle.issued(), oracle.confirmed()), (3_000, 3_000));
    let verdict = judge(&vhost, &oracle).verdict().check().unwrap();
    assert_eq!((verdict.obligations(), verdict.delivered(), verdict.duplicates()), (3_000, 3_000, 0));
}

#[test]
fn a_message_without_a_queue_is_no_obligation() {
    let vhost = shared_rabbitmq().vhost("unroutable").unwrap();
    declare(&vhost);
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    producer.notify("glance", "nobody.listens").unwrap();
    producer.notify("glance", QUEUE).unwrap();
    let error = producer.flush(PATIENCE).unwrap_err();
    assert!(format!("{error:?}").contains("1 messages had no queue"), "{error:?}");
    assert_eq!(oracle.confirmed(), 1);
}

#[test]
fn cuts_and_a_killed_broker_lose_nothing_that_was_confirmed() {
    let broker = RabbitMq::start().unwrap();
    let vhost = broker.vhost("outages").unwrap();
    declare(&vhost);
    let proxy = Proxy::to_port(broker.port()).unwrap();
    let oracle = Arc::new(Oracle::new());
    let url = vhost.amqp_url().replace(&format!(":{}/", broker.port()), &format!(":{}/", proxy.port()));
    let producer = Producer::start(&url, &oracle).unwrap();
    let publish = |count| {
        for _ in 0..count {
            producer.notify("glance", QUEUE).unwrap();
        }
    };
    publish(500);
    testkit::until("first confirmations", || (oracle.confirmed() > 0).then_some(())).unwrap();
    publish(900);
    proxy.cut().unwrap();
    publish(500);
    broker.kill().unwrap();
    broker.start_again().unwrap();
    publish(100);
    producer.flush(PATIENCE).unwrap();
    assert!(producer.connections() >= 2);
    assert_eq!(oracle.confirmed(), 2_000);
    let verdict = judge(&vhost, &oracle).verdict().check().unwrap();
    assert_eq!(verdict.delivered(), 2_000);
}

#[test]
fn the_operator_sees_closes_and_blocks_connections() {
    let broker = RabbitMq::start().unwrap();
    let vhost = broker.vhost("operator").unwrap();
    declare(&vhost);
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    producer.notify("glance", QUEUE).unwrap();
    producer.flush(PATIENCE).unwrap();
    let connections = vhost.connections().unwrap();
    assert_eq!((connections.len(), connections[0].user.as_str()), (1, "guest"));
    assert_eq!(vhost.close_connections("by the operator").unwrap(), 1);
    producer.notify("glance", QUEUE).unwrap();
    producer.flush(PATIENCE).unwrap();
    assert_eq!(producer.connections(), 2);
    assert_eq!(oracle.confirmed(), 2);

    broker.raise_memory_alarm().unwrap();
    producer.notify("glance", QUEUE).unwrap();
    testkit::until("a blocked connection", || {
        vhost.connections().unwrap().iter().any(|connection| connection.state == "blocked").then_some(())
    })
    .unwrap();
    assert_eq!(oracle.confirmed(), 2);
    broker.clear_memory_alarm().unwrap();
    producer.flush(PATIENCE).unwrap();
    assert_eq!(oracle.confirmed(), 3);
}
