//! Publishers other than files at the end of a whole agent.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use testkit::{Oracle, Producer, shared_rabbitmq, wait_until};

use crate::harness::{Agent, EXCHANGE, ROUTING_KEY};
use crate::server::{Answer, Server};

const LONG: Duration = Duration::from_secs(90);
const NOTIFICATIONS: usize = 300;

/// A server that is out of order for its first requests, and a message bus beside it:
/// both have every event in the end.
#[test]
fn a_broken_server_gets_everything_later_and_the_bus_meanwhile() {
    let vhost = shared_rabbitmq().vhost("publishers").unwrap();
    let server = Server::start(|_, number| Answer::status(if number < 3 { 503 } else { 200 }));
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    let pipeline = format!(
        "sources:\n  - {{name: source, events: ['*'], sinks: [sink]}}\nsinks:\n  - name: sink\n    publishers:\n      - \
         http://{}/events?timeout=60\n      - notifier://?topic=forwarded\n",
        server.address
    );
    fs::write(agent.path("event_pipeline.yaml"), pipeline).unwrap();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    for _ in 0..NOTIFICATIONS {
        producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
    }
    producer.flush(LONG).unwrap();
    let ids = |from: usize| {
        let mut ids = BTreeSet::new();
        for request in server.requests().into_iter().skip(from) {
            let Value::Array(events) = serde_json::from_slice(&request.body).unwrap() else {
                panic!("no list")
            };
            ids.extend(events.iter().map(|event| event["message_id"].as_str().unwrap().to_owned()));
        }
        ids
    };
    wait_until("everything at the server", LONG, || (ids(3).len() == NOTIFICATIONS).then_some(())).unwrap();
    wait_until("an empty queue", LONG, || (vhost.depth("notifications.info").ok()? == Some(0)).then_some(()))
        .unwrap();
    assert!(vhost.depth("forwarded.sample").unwrap().unwrap() > 0);
    let (_, page) = agent.get("/metrics");
    assert!(page.contains("cause=\"server_error\"} 3"), "{page}");
    assert!(agent.terminate().success());
}
