//! Brokers and sinks that fail while the agent works.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use testkit::{Oracle, Producer, RabbitMq, shared_rabbitmq, until, wait_until};

use crate::balance::{assert_balanced, assert_balanced_in_motion};
use crate::harness::{Agent, EXCHANGE, PROGRAM, ROUTING_KEY, assert_complete, judge_events};

const LONG: Duration = Duration::from_secs(90);

fn send(producer: &Producer, count: usize) {
    for _ in 0..count {
        producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
    }
    producer.flush(LONG).unwrap();
}

#[test]
fn a_sink_that_is_down_keeps_its_messages_with_the_broker_and_gets_them_all_later() {
    let vhost = shared_rabbitmq().vhost("sink").unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).durable().with("nephoscope", "buffer_disk_bytes = 0");
    let output = agent.path("out");
    fs::remove_dir(&output).unwrap();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    send(&producer, 500);
    // The reason is on the page that an operator looks at, and in the counters.
    until("a reason on /readyz", || agent.get("/readyz").1.contains("cannot open").then_some(())).unwrap();
    let failures = "nephoscope_pipeline_publish_failures_total{publisher=";
    let (_, page) = agent.get("/metrics");
    assert!(page.contains(failures) && page.contains("cause=\"no_directory\""), "{page}");
    assert_eq!(vhost.total_depth().unwrap(), 500, "acknowledged although no publisher accepted");
    let page = assert_balanced(&mut agent);
    assert!(page.sum("pipeline_records_waiting", &[]) > 0.0, "{page:?}");
    fs::create_dir(&output).unwrap();
    wait_until("an empty queue", LONG, || {
        assert_balanced_in_motion(&mut agent);
        (vhost.total_depth().ok()? == 0).then_some(())
    })
    .unwrap();
    let page = assert_balanced(&mut agent);
    assert!(page.sum("pipeline_records_waiting", &[]) < 0.5, "{page:?}");
    assert!(agent.terminate().success());
    let verdict = assert_complete(&oracle, &agent.events(), &agent.samples());
    assert_eq!((verdict.obligations(), verdict.duplicates()), (500, 0));
}

#[test]
fn a_stop_while_a_sink_is_down_ends_within_the_deadline_and_acknowledges_nothing() {
    let vhost = shared_rabbitmq().vhost("stop").unwrap();
    let mut agent =
        Agent::new(&vhost.transport_url()).durable().with("DEFAULT", "graceful_shutdown_timeout = 2");
    // Nothing goes to the disk before it ends, however long that takes.
    agent = agent.with("nephoscope", "buffer_spill_seconds = 600");
    fs::remove_dir(agent.path("out")).unwrap();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    send(&producer, 100);
    let taken = "nephoscope_notification_notifications_total";
    until("messages in hand", || (agent.metric(taken)? >= 1.0).then_some(())).unwrap();
    agent.terminate();
    // The broker sees the connection close a moment after we see the process end.
    until("all messages back in the queue", || {
        let queue = vhost.queue("notifications.info").ok()??;
        (queue.messages_ready == 100).then_some(())
    })
    .unwrap();
    fs::create_dir(agent.path("out")).unwrap();
    agent.start();
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    assert!(agent.terminate().success());
    let verdict = assert_complete(&oracle, &agent.events(), &agent.samples());
    assert_eq!(verdict.obligations(), 100);
}

#[test]
fn a_broker_that_restarts_in_the_middle_loses_nothing() {
    let broker = RabbitMq::start().unwrap();
    let mut agent = Agent::new(&broker.transport_url()).durable();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&broker.amqp_url(), &oracle).unwrap();
    for round in 0..2 {
        for _ in 0..1000 {
            producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
        }
        if round == 0 {
            broker.kill().unwrap();
            until("a page that says so", || (agent.get("/readyz").0 == 503).then_some(())).unwrap();
            broker.start_again().unwrap();
        } else {
            broker.restart().unwrap();
        }
        producer.flush(LONG).unwrap();
        agent.wait_ready();
        assert_balanced_in_motion(&mut agent);
    }
    let complete = || judge_events(&oracle, &agent.events()).is_good().then_some(());
    // Lateness is reported below, with what is missing.
    let _ = wait_until("every confirmed notification", LONG, complete);
    assert_balanced(&mut agent);
    assert!(agent.terminate().success());
    let verdict = assert_complete(&oracle, &agent.events(), &agent.samples());
    assert_eq!(verdict.obligations(), 2000);
}

#[test]
fn what_can_never_be_read_is_counted_and_holds_nothing_up() {
    let vhost = shared_rabbitmq().vhost("poison").unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let strays = Arc::new(Oracle::new());
    let stray_producer = Producer::start(&vhost.amqp_url(), &strays).unwrap();
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    send(&producer, 10);
    for body in ["", "{", "[1]", "{\"oslo.version\": \"9.9\", \"oslo.message\": \"{}\"}", "null"] {
        stray_producer.publish(strays.issue(), EXCHANGE, ROUTING_KEY, body).unwrap();
    }
    stray_producer.flush(LONG).unwrap();
    send(&producer, 10);
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    let verdict = assert_complete(&oracle, &agent.events(), &agent.samples());
    assert_eq!((verdict.obligations(), verdict.duplicates()), (20, 0));
    let (_, page) = agent.get("/metrics");
    let rejected: f64 = page
        .lines()
        .filter(|line| line.starts_with("nephoscope_amqp_rejected_messages_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!((rejected - 5.0).abs() < f64::EPSILON, "{page}");
    assert_balanced(&mut agent);
    assert!(agent.terminate().success());
}

#[test]
fn the_agent_answers_to_the_name_under_which_ceilometer_is_installed() {
    let vhost = shared_rabbitmq().vhost("name").unwrap();
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("ceilometer-agent-notification");
    symlink(PROGRAM, &link).unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).command(link, &["--debug"]);
    agent.start();
    agent.wait_ready();
    assert!(agent.terminate().success());
}

/// The pipelines that come with the program name Gnocchi and the message bus; without either, `run` writes to its
/// state directory and says so.
#[test]
fn run_without_pipelines_keeps_samples_in_its_store_and_events_in_a_file() {
    let vhost = shared_rabbitmq().vhost("run").unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).durable().command(PROGRAM, &["run"]);
    for name in ["pipeline.yaml", "event_pipeline.yaml"] {
        fs::remove_file(agent.path(name)).unwrap();
    }
    // It makes the directory by itself.
    let state = agent.path("lib/state");
    agent = agent.with("nephoscope", format!("state_dir = {}", state.display()));
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    send(&producer, 50);
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    let events = judge_events(&oracle, &state.join("events.json"));
    assert!(events.is_good() && events.obligations() == 50, "{events}");
    // Each is a sample of a resource of its own; names that are longer than the type takes become letters.
    let stats = || {
        let arguments = ["metric", "stats", "--json", "--state-dir"];
        let output = Command::new(PROGRAM).args(arguments).arg(&state).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    let stored = || {
        let (stats, letters) = (stats(), agent.letters());
        let measures = stats["measures"]["raw_points"].as_u64()?;
        assert!(letters.iter().all(|letter| letter.to_string().contains("length of value")), "{letters:?}");
        (measures > 25 && measures + letters.len() as u64 == 50).then_some(())
    };
    wait_until("every sample in the store", LONG, stored)
        .unwrap_or_else(|error| panic!("{error}: {}, {:?}", stats(), agent.letters()));
    assert_balanced(&mut agent);
    assert!(agent.terminate().success());
}
