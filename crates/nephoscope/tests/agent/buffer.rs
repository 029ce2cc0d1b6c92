//! Publishers' buffers on disk, with the real process: sinks that are down for long, kills, full buffers.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use testkit::oracle::Id;
use testkit::{Oracle, Producer, shared_rabbitmq, wait_until};

use crate::harness::{Agent, EXCHANGE, PROGRAM, ROUTING_KEY, assert_complete, read_records};

const LONG: Duration = Duration::from_secs(90);
const BACKLOG: usize = 2_000;

fn send(producer: &Producer, count: usize) {
    for _ in 0..count {
        producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
    }
    producer.flush(LONG).unwrap();
}

/// The sum of a metric's lines that contain `label`.
fn sum(agent: &mut Agent, name: &str, label: &str) -> f64 {
    let (_, page) = agent.get("/metrics");
    page.lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(label))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Records in = accepted + buffered + dropped, once nothing moves.
fn assert_balanced(agent: &mut Agent) {
    crate::balance::assert_balanced(agent);
    let mut last = (0.0, 0.0);
    let balanced = wait_until("a balance", LONG, || {
        let mut of = |name: &str| sum(agent, &format!("nephoscope_pipeline_{name}"), "");
        let all = of("records_queued_total") + of("records_recovered_total");
        last = (all, of("records_accepted_total") + of("buffer_records") + of("records_dropped_total"));
        ((last.0 - last.1).abs() < 0.5).then_some(())
    });
    assert!(balanced.is_ok(), "not balanced: {last:?}");
}

/// The sender's numbers, each where it was first delivered.
fn first_deliveries(records: &[Value]) -> Vec<u32> {
    let mut seen = std::collections::HashSet::new();
    let numbers =
        records.iter().map(|event| event["message_id"].as_str().unwrap().parse::<Id>().unwrap().number());
    numbers.filter(|number| seen.insert(*number)).collect()
}

#[test]
fn a_backlog_outlives_a_sink_that_is_down_and_the_process_itself() {
    let vhost = shared_rabbitmq().vhost("buffer").unwrap();
    let mut agent =
        Agent::new(&vhost.transport_url()).durable().with("nephoscope", "buffer_spill_seconds = 1");
    fs::remove_dir(agent.path("out")).unwrap();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    send(&producer, BACKLOG / 2);
    // The sink is down, and yet the broker's queue becomes empty.
    let empty = || (vhost.total_depth().ok()? == 0).then_some(());
    wait_until("an empty queue", LONG, empty).unwrap();
    let on_disk = sum(&mut agent, "nephoscope_pipeline_buffer_records", "place=\"disk\"");
    assert!(
        on_disk >= f64::from(u32::try_from(BACKLOG).unwrap()),
        "{on_disk} samples and events of {} messages are on disk",
        BACKLOG / 2
    );
    let (status, page) = agent.get("/readyz");
    assert!(status == 200 && page.contains("records are kept"), "{status} {page}");
    assert_balanced(&mut agent);
    for _ in 0..2 {
        agent.kill();
        agent.start();
        agent.wait_ready();
    }
    // Kills in the middle of taking in.
    for _ in 0..4 {
        send(&producer, BACKLOG / 8);
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..1500)));
        agent.kill();
        agent.start();
    }
    agent.wait_ready();
    wait_until("an empty queue", LONG, empty).unwrap();
    fs::create_dir(agent.path("out")).unwrap();
    let drained = || {
        let left = sum(&mut agent, "nephoscope_pipeline_buffer_records", "");
        (left < 0.5).then_some(())
    };
    wait_until("an empty buffer", LONG, drained).unwrap();
    assert_balanced(&mut agent);
    assert!(agent.terminate().success());
    let verdict = assert_complete(&oracle, &agent.events(), &agent.samples());
    assert_eq!(verdict.obligations(), BACKLOG);
    // One sender on one channel: what it sent first was delivered first.
    let order = first_deliveries(&read_records(&agent.events()));
    assert!(order.is_sorted(), "{:?}", order.windows(2).find(|pair| pair[0] > pair[1]));
}

#[test]
fn a_full_buffer_leaves_the_rest_with_the_broker_and_recovers_by_itself() {
    let vhost = shared_rabbitmq().vhost("full").unwrap();
    let mut agent = Agent::new(&vhost.transport_url())
        .durable()
        .with("nephoscope", "buffer_spill_seconds = 1")
        .with("nephoscope", "buffer_disk_bytes = 200000");
    fs::remove_dir(agent.path("out")).unwrap();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    send(&producer, BACKLOG);
    wait_until("a reason on /readyz", LONG, || {
        agent.get("/readyz").1.contains("the buffer is full").then_some(())
    })
    .unwrap();
    assert!(vhost.total_depth().unwrap() > 0, "the broker keeps what does not fit");
    let held = sum(&mut agent, "nephoscope_pipeline_buffer_bytes", "place=\"disk\"");
    assert!(held > 0.0 && held <= 2.0 * 200_000.0, "{held} bytes in two buffers");
    assert_balanced(&mut agent);
    fs::create_dir(agent.path("out")).unwrap();
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    wait_until("an empty buffer", LONG, || {
        (sum(&mut agent, "nephoscope_pipeline_buffer_records", "") < 0.5).then_some(())
    })
    .unwrap();
    assert_balanced(&mut agent);
    assert!(agent.terminate().success());
    let verdict = assert_complete(&oracle, &agent.events(), &agent.samples());
    assert_eq!((verdict.obligations(), verdict.duplicates()), (BACKLOG, 0));
}

#[test]
fn a_buffer_directory_that_cannot_be_used_is_an_error_where_it_was_named_and_else_a_warning() {
    let vhost = shared_rabbitmq().vhost("directory").unwrap();
    let mut agent = Agent::new(&vhost.transport_url());
    fs::write(agent.path("state"), "a file").unwrap();
    agent.start();
    agent.wait_ready();
    agent.process().line("cannot make the buffer directory").unwrap();
    assert!(agent.terminate().success());
    let named = agent.path("state/buffer");
    let agent = agent.with("nephoscope", format!("buffer_directory = {}", named.display()));
    agent.rewritten();
    let refused = std::process::Command::new(PROGRAM)
        .args(["notification", "--config-file", "ceilometer.conf"])
        .current_dir(agent.directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains("cannot make the buffer directory") && said.contains("buffer_directory"), "{said}");
}
