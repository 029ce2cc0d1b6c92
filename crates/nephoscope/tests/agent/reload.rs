//! SIGHUP while notifications flow.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use testkit::{Oracle, Producer, shared_rabbitmq, until, wait_until};

use crate::balance::{assert_balanced, assert_balanced_in_motion};
use crate::harness::{Agent, EXCHANGE, ROUTING_KEY, assert_complete, read_records};

const LONG: Duration = Duration::from_secs(90);
pub(crate) const TAKEN: &str = "nephoscope_configuration_reloads_total{cause=\"taken\"}";
pub(crate) const REFUSED: &str = "nephoscope_configuration_reloads_total{cause=\"refused\"}";

/// Reloads and waits until the counter of `series` says so.
pub(crate) fn reload(agent: &mut Agent, series: &str) {
    let before = agent.metric(series).unwrap_or(0.0);
    agent.process().hang_up().unwrap();
    until("the end of a reload", || (agent.metric(series)? > before).then_some(())).unwrap();
}

#[test]
fn changed_definitions_and_pipelines_are_taken_without_a_loss() {
    let vhost = shared_rabbitmq().vhost("reload").unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let send = || {
        for _ in 0..300 {
            producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
        }
    };
    send();
    let (pipeline, more) = (agent.path("pipeline.yaml"), agent.path("out/more"));
    let old = fs::read_to_string(&pipeline).unwrap();
    // A second publisher beside the first, whose file goes on.
    let new = old.replace("publishers: [", &format!("publishers: ['file://{}?json', ", more.display()));
    fs::write(&pipeline, new).unwrap();
    reload(&mut agent, TAKEN);
    send();
    assert_balanced_in_motion(&mut agent);
    producer.flush(LONG).unwrap();
    // All that came after the reload: none of them may meet the next one.
    wait_until("samples of the new publisher", LONG, || (read_records(&more).len() >= 300).then_some(()))
        .unwrap();
    // And away with it again, while notifications come in.
    send();
    fs::write(&pipeline, &old).unwrap();
    reload(&mut agent, TAKEN);
    send();
    producer.flush(LONG).unwrap();
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    assert_balanced(&mut agent);
    assert!(agent.terminate().success());
    let verdict = assert_complete(&oracle, &agent.events(), &agent.samples());
    assert_eq!((verdict.obligations(), verdict.duplicates()), (1200, 0));
    let added = read_records(&more).len();
    assert!((300..1200).contains(&added), "{added} samples");
}

#[test]
fn files_that_are_wrong_change_nothing_and_are_named_with_line_and_column() {
    let vhost = shared_rabbitmq().vhost("refused").unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    agent.start();
    agent.wait_ready();
    let pipeline = agent.path("pipeline.yaml");
    let old = fs::read_to_string(&pipeline).unwrap();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    for (wrong, place, message) in [
        (old.replace("sinks: [sink]", "sinks: [sinc]"), ":4:", "sinc"),
        (old.replace("sources:", "sources: ["), ":2:", ""),
        (old.replace("file:///", "fyle:///"), ":7:", "there is no publisher \"fyle\""),
    ] {
        fs::write(&pipeline, wrong).unwrap();
        reload(&mut agent, REFUSED);
        // The line may come a moment after the counter.
        until(&format!("a line with pipeline.yaml{place} and {message:?}"), || {
            let output = agent.process().output();
            let mut lines = output.lines().filter(|line| line.contains("SIGHUP"));
            lines
                .any(|line| line.contains(&format!("pipeline.yaml{place}")) && line.contains(message))
                .then_some(())
        })
        .unwrap();
        producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
    }
    fs::write(&pipeline, old).unwrap();
    reload(&mut agent, TAKEN);
    producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
    producer.flush(LONG).unwrap();
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    assert!(agent.terminate().success());
    assert_eq!(assert_complete(&oracle, &agent.events(), &agent.samples()).obligations(), 4);
}
