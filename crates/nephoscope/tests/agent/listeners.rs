//! Several `[notification] messaging_urls`: each has a listener of its own, which fails and recovers by itself.

use std::sync::Arc;
use std::time::Duration;

use testkit::{Oracle, Producer, RabbitMq, shared_rabbitmq, until, wait_until};

use crate::harness::{Agent, EXCHANGE, ROUTING_KEY, assert_complete, judge_events};

const LONG: Duration = Duration::from_secs(90);

/// The check of one listener as `/readyz` has it.
fn check(agent: &mut Agent, listener: &str) -> Option<serde_json::Value> {
    let (_, body) = agent.get("/readyz");
    let page: serde_json::Value = serde_json::from_str(&body).ok()?;
    page["checks"].as_array()?.iter().find(|check| check["name"] == listener).cloned()
}

#[test]
fn each_of_several_brokers_has_a_listener_that_fails_and_recovers_by_itself() {
    // Two virtual hosts of one broker, and a broker of its own, which dies.
    let [first, second] = ["urls-a", "urls-b"].map(|hint| shared_rabbitmq().vhost(hint).unwrap());
    let mortal = RabbitMq::start().unwrap();
    let mut agent = Agent::new("rabbit://nobody:nothing@127.0.0.1:1/").durable();
    for url in [first.transport_url(), second.transport_url(), mortal.transport_url()] {
        agent = agent.with("notification", format!("messaging_urls = {url}"));
    }
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producers = [first.amqp_url(), second.amqp_url(), mortal.amqp_url()]
        .map(|url| Producer::start(&url, &oracle).unwrap());
    let send = |producer: &Producer| {
        for _ in 0..100 {
            producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
        }
    };
    for producer in &producers {
        send(producer);
        producer.flush(LONG).unwrap();
    }
    let complete = |agent: &Agent, count: usize| {
        let judged = judge_events(&oracle, &agent.events());
        (judged.obligations() == count && judged.is_good()).then_some(())
    };
    wait_until("events of all three", LONG, || complete(&agent, 300)).unwrap();

    mortal.kill().unwrap();
    let down = until("a page that names the listener that is down", || {
        let page = check(&mut agent, "listener-3")?;
        (page["state"] == "failed").then_some(page)
    })
    .unwrap();
    let port = mortal.port().to_string();
    assert!(down.to_string().contains(&port), "{down}");
    for healthy in ["listener-1", "listener-2"] {
        assert_eq!(check(&mut agent, healthy).unwrap()["state"], "ok", "{healthy}");
    }
    assert_eq!(agent.get("/readyz").0, 503);
    // The others go on meanwhile.
    for producer in &producers[..2] {
        send(producer);
        producer.flush(LONG).unwrap();
    }
    wait_until("events of the two that live", LONG, || complete(&agent, 500)).unwrap();
    let connected = |peer: &str| format!("nephoscope_amqp_connected{{peer=\"{peer}\"}}");
    assert_eq!(agent.metric(&connected("listener-1")), Some(1.0));
    assert_eq!(agent.metric(&connected("listener-3")), Some(0.0));

    send(&producers[2]);
    mortal.start_again().unwrap();
    producers[2].flush(LONG).unwrap();
    agent.wait_ready();
    wait_until("events of the one that came back", LONG, || complete(&agent, 600)).unwrap();
    for vhost in [&first, &second] {
        assert_eq!(vhost.total_depth().unwrap(), 0);
    }
    assert!(agent.terminate().success());
    assert_eq!(assert_complete(&oracle, &agent.events(), &agent.samples()).obligations(), 600);
}
