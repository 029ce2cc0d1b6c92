//! OTLP at the end of a whole agent: what a receiver rejects without saying which, in the books and when it is replayed.

use std::fs;

use serde_json::json;
use testkit::{shared_rabbitmq, until};

use crate::balance::assert_balanced;
use crate::harness::{Agent, EXCHANGE, ROUTING_KEY};
use crate::server::{Answer, Server};

/// The first record is lost in a partial success, the second one is refused. Its letter stays when a replay meets a partial
/// success, for it may be the record that was rejected; and goes when it is taken.
#[test]
fn a_partial_success_is_on_the_books_and_lets_no_letter_go() {
    let partial = || {
        let body = json!({"partialSuccess": {"rejectedDataPoints": "1", "errorMessage": "out of order"}});
        Answer::Status(200, "Content-Type: application/json\r\n".into(), body.to_string())
    };
    let server = Server::start(move |_, number| match number {
        0 | 2 => partial(),
        1 => Answer::Status(400, String::new(), "no such tenant".into()),
        _ => Answer::status(200),
    });
    let vhost = shared_rabbitmq().vhost("otlp").unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    let pipeline = format!(
        "sources: [{{name: s, meters: [image.size], sinks: [k]}}]\nsinks: [{{name: k, publishers: ['otlp+http://{}']}}]\n",
        server.address
    );
    fs::write(agent.path("pipeline.yaml"), pipeline).unwrap();
    agent.rewritten();
    agent.start();
    agent.wait_ready();
    for number in 1..=2_usize {
        let payload = json!({"id": "image", "name": "n", "size": 7, "owner": "p"});
        let body = json!({
            "message_id": format!("m{number}"), "publisher_id": "image.host", "event_type": "image.upload",
            "priority": "INFO", "payload": payload, "timestamp": "2026-11-25 12:00:00.000000",
        });
        vhost.publish(EXCHANGE, ROUTING_KEY, body.to_string().as_bytes()).unwrap();
        until("a request", || (server.requests().len() == number).then_some(())).unwrap();
    }
    until("a letter", || (agent.letters().len() == 1).then_some(())).unwrap();
    let page = assert_balanced(&mut agent);
    for (name, label) in [
        ("pipeline_records_refused_total", "cause=\"partial_success\""),
        ("pipeline_records_dropped_total", "cause=\"refused_unnamed\""),
        ("pipeline_records_refused_total", "cause=\"bad_request\""),
        ("pipeline_records_dropped_total", "cause=\"refused\""),
    ] {
        assert!((page.sum(name, &[label]) - 1.0).abs() < 0.5, "{name} {label}");
    }
    let letter = agent.letters().remove(0);
    assert!(letter["message"].as_str().unwrap().contains("no such tenant"), "{letter}");
    let id = letter["id"].as_str().unwrap();
    let again = agent.dead_letter(&["replay", id]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(words.contains("perhaps refused again") && words.contains("out of order"), "{words}");
    assert_eq!(agent.letters().len(), 1);
    let done = agent.dead_letter(&["replay", id]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!((agent.letters().len(), server.requests().len()), (0, 4));
    assert!(agent.terminate().success());
}
