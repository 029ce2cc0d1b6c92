//! Brokers and services that fail while the agent polls, and changes of what it polls.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use testkit::{RabbitMq, shared_rabbitmq, until, wait_until};

use crate::books::{LONG, QUEUE, assert_complete, made_in_all, reload, wait_for_cycles};
use crate::bus::{ids, take};
use crate::glance::FakeGlance;
use crate::harness::{PROGRAM, read_records};

/// The broker is killed in mid-cycle, and is away for some cycles: not one sample is lost.
#[test]
fn a_broker_that_is_killed_costs_no_sample() {
    let broker = RabbitMq::start().unwrap();
    let vhost = broker.vhost("kill").unwrap();
    let glance = FakeGlance::start(130);
    let mut agent = glance
        .agent(&vhost.transport_url())
        .with("polling", "batch_size = 7")
        .with("nephoscope", "buffer_spill_seconds = 1");
    agent.start();
    agent.wait_ready();
    wait_for_cycles(&mut agent, 2.0);
    broker.kill().unwrap();
    wait_for_cycles(&mut agent, 4.0);
    // Polling goes on, and what it makes waits on disk.
    wait_until("samples on disk", LONG, || {
        (agent.metric_sum("nephoscope_pipeline_records_spilled_total") > 100.0).then_some(())
    })
    .unwrap();
    let (status, page) = agent.get("/readyz");
    assert!(status == 200 && page.contains("records are kept"), "{status} {page}");
    broker.start_again().unwrap();
    wait_until("everything delivered", LONG, || {
        (agent.metric_sum("nephoscope_pipeline_buffer_records") < 1.0).then_some(())
    })
    .unwrap();
    wait_for_cycles(&mut agent, 1.0);
    assert!(agent.metric_sum("nephoscope_polling_samples_lost_total") < 0.5);
    let duplicates = assert_complete(&mut agent, &vhost);
    println!("{duplicates} samples came twice");
}

/// The agent is told to stop while the broker is away: what it has made is on disk, and sent by the next run.
#[test]
fn a_stop_without_a_broker_keeps_samples_for_the_next_run() {
    let broker = RabbitMq::start().unwrap();
    let vhost = broker.vhost("stop").unwrap();
    let glance = FakeGlance::start(30);
    let mut agent = glance.agent(&vhost.transport_url()).with("nephoscope", "buffer_spill_seconds = 1");
    agent.start();
    agent.wait_ready();
    wait_for_cycles(&mut agent, 1.0);
    broker.kill().unwrap();
    wait_for_cycles(&mut agent, 2.0);
    let earlier = made_in_all(&mut agent);
    assert!(agent.terminate().success(), "{}", agent.process().output());
    let first = agent.process().output();
    assert!(!first.contains("are lost"), "{first}");
    broker.start_again().unwrap();
    agent.start();
    agent.wait_ready();
    wait_for_cycles(&mut agent, 1.0);
    wait_until("everything delivered", LONG, || {
        (agent.metric_sum("nephoscope_pipeline_buffer_records") < 1.0).then_some(())
    })
    .unwrap();
    assert!(agent.metric_sum("nephoscope_pipeline_records_recovered_total") > 0.0);
    let later = made_in_all(&mut agent);
    assert!(agent.terminate().success());
    let all = ids(&take(&vhost, QUEUE));
    let distinct: HashSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), earlier + later, "{first}\n{}", agent.process().output());
}

#[test]
fn a_service_that_fails_is_told_and_asked_again_in_the_next_cycle() {
    let vhost = shared_rabbitmq().vhost("service").unwrap();
    let glance = FakeGlance::start(3);
    glance.fail(true);
    let sockets = tempfile::tempdir().unwrap();
    let directory = sockets.path().display().to_string();
    let mut agent =
        glance.agent(&vhost.transport_url()).with("polling", format!("heartbeat_socket_dir = {directory}"));
    agent.start();
    agent.wait_ready();
    until("the reason on /readyz", || {
        let (_, page) = agent.get("/readyz");
        (page.contains("discovery images: ") && page.contains("503")).then_some(())
    })
    .unwrap();
    let failed = "nephoscope_polling_discovery_errors_total{discovery=\"images\",cause=\"unavailable\"}";
    assert!(agent.metric(failed).unwrap() >= 1.0);
    let beats = || {
        let mut text = String::new();
        let path = sockets.path().join("ceilometer-central.socket");
        UnixStream::connect(path).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(beats(), "");
    glance.fail(false);
    until("samples", || (vhost.depth(QUEUE).ok()?? > 0).then_some(())).unwrap();
    until("a good cycle", || agent.get("/readyz").1.contains("\"status\":\"ok\"").then_some(())).unwrap();
    let text = beats();
    assert!(text.starts_with("image.size 20") && text.len() > 25 && !text.ends_with('\n'), "{text:?}");
    assert!(agent.terminate().success());
    assert!(!sockets.path().join("ceilometer-central.socket").exists());
}

#[test]
fn a_changed_definition_is_taken_or_refused_as_a_whole() {
    let vhost = shared_rabbitmq().vhost("reload").unwrap();
    let glance = FakeGlance::start(1);
    let mut agent = glance.agent(&vhost.transport_url());
    agent.start();
    agent.wait_ready();
    wait_for_cycles(&mut agent, 1.0);
    // What passes can be seen.
    let tap = agent.tap(&["--role", "polling", "--meter", "image.*", "--count", "1"]);
    tap.line("image.size").unwrap();
    let path = agent.path("polling.yaml");
    let old = fs::read_to_string(&path).unwrap();
    for (wrong, message) in [
        (
            old.replace("interval: 1", "interval: soon"),
            "polling.yaml:1:36: interval is \"soon\", which is no whole number",
        ),
        (old.replace("sources:", "sources: ["), "this is not YAML"),
    ] {
        fs::write(&path, wrong).unwrap();
        reload(&mut agent, "refused");
        until("the reason", || agent.process().output().contains(message).then_some(())).unwrap();
        wait_for_cycles(&mut agent, 1.0);
    }
    fs::write(&path, old.replace("interval: 1", "interval: 3600")).unwrap();
    reload(&mut agent, "taken");
    // The new task begins at once, the old one no more.
    let new = "nephoscope_polling_cycles_total{interval=\"3600\"}";
    until("the new task", || (agent.metric(new)? >= 1.0).then_some(())).unwrap();
    let former = "nephoscope_polling_cycles_total{interval=\"1\"}";
    // A cycle that was under way is finished.
    wait_until("the end of the old task", LONG, || {
        let before = agent.metric(former)?;
        std::thread::sleep(Duration::from_millis(1500));
        ((agent.metric(former)? - before).abs() < 0.5).then_some(())
    })
    .unwrap();
    assert!(agent.terminate().success());
}

/// `nephoscope run` brings polled samples to its pipelines in memory: no broker is needed.
#[test]
fn run_polls_into_its_own_pipelines() {
    let glance = FakeGlance::start(25);
    let mut agent = glance.agent("").command(PROGRAM, &["run"]).without("transport_url");
    agent.start();
    agent.wait_ready();
    wait_for_cycles(&mut agent, 2.0);
    let made = made_in_all(&mut agent);
    assert!(agent.terminate().success(), "{}", agent.process().output());
    let samples = read_records(&agent.samples());
    let output = agent.process().output();
    assert!(made >= 50, "{output}");
    assert_eq!(samples.len(), made);
    assert_eq!(samples[0]["name"], "image.size");
    assert_eq!(samples[0]["resource_metadata"]["is_protected"], false);
}
