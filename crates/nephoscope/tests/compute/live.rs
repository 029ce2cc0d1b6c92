//! From libvirt to the message bus and to files, while domains and daemons come and go.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use model::{Value, json};
use serde_json::json;
use testkit::{Libvirtd, shared_rabbitmq, until, wait_until};

use crate::books::{SECRET, wait_for_cycles};
use crate::both::Upstream;
use crate::bus::{assert_signed, take};
use crate::harness::{Agent, PROGRAM, read_lines};
use crate::sample::{Polled, meters};
use crate::site::{nova, settings};

const LONG: Duration = Duration::from_mins(2);
fn polling(agent: &Agent, interval: u64, meters: &str) {
    let text = format!("sources: [{{name: instances, interval: {interval}, meters: [{meters}]}}]\n");
    fs::write(agent.path("polling.yaml"), text).unwrap();
}

/// The agent under one of the names that distributions give it; it is ready.
fn named(
    name: &str,
    links: &Path,
    url: &str,
    arguments: &[&str],
    settings: &[(&'static str, String)],
) -> Agent {
    let link = links.join(name);
    symlink(PROGRAM, &link).unwrap();
    let mut agent = Agent::new(url).durable().command(link, arguments);
    for (group, setting) in settings {
        agent = agent.with(group, setting);
    }
    polling(&agent, 3600, "'*'");
    agent.start();
    agent.wait_ready();
    agent
}

/// Under both of upstream's names the samples of instances reach the message bus, signed, and come out of Ceilometer's
/// notification agent as they went in.
#[test]
fn samples_of_instances_reach_ceilometers_notification_agent() {
    let vhost = shared_rabbitmq().vhost("compute-live").unwrap();
    let url = vhost.transport_url();
    let nova = nova();
    let daemon = Libvirtd::start().unwrap();
    for instance in
        [json!({ "number": 1, "guest": "busy", "nova": "2025.2" }), json!({ "number": 2, "nova": "1.0" })]
    {
        daemon.instance(&instance).unwrap();
    }
    let links = tempfile::tempdir().unwrap();
    let with_topics = |topics: &str| {
        let mut settings = settings(daemon.uri(), nova.address);
        settings.push(("oslo_messaging_notifications", format!("topics = {topics}")));
        settings
    };
    let mut first = named("ceilometer-agent-compute", links.path(), &url, &[], &with_topics("first,read"));
    let arguments = ["--polling-namespaces", "compute"];
    let mut second = named("ceilometer-polling", links.path(), &url, &arguments, &with_topics("second"));

    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("samples");
    let pipeline = format!(
        "sources: [{{name: s, meters: ['*'], sinks: [k]}}]\nsinks: [{{name: k, publishers: ['file://{}?json']}}]\n",
        output.display()
    );
    fs::write(directory.path().join("pipeline.yaml"), pipeline).unwrap();
    let read = [
        ("DEFAULT", format!("transport_url = {url}")),
        ("oslo_messaging_notifications", "topics = read".to_owned()),
        ("oslo_messaging_rabbit", "amqp_durable_queues = true".to_owned()),
        ("notification", "pipelines = meter".to_owned()),
    ];
    let mut reader = Upstream::start(directory, "ceilometer-agent-notification", &[], &read);
    for agent in [&mut first, &mut second] {
        wait_for_first_cycle(agent);
    }
    assert!(first.terminate().success(), "{}", first.process().output());
    assert!(second.terminate().success(), "{}", second.process().output());
    let (one, other) = (take(&vhost, "first.sample"), take(&vhost, "second.sample"));
    for notifications in [&one, &other] {
        assert_signed(notifications, SECRET);
    }
    let polled = |notifications: &[Vec<Value>]| -> Vec<Polled> {
        notifications.iter().flatten().map(Polled::of_bus).collect()
    };
    let (one, other) = (polled(&one), polled(&other));
    let keys = |samples: &[Polled]| -> BTreeSet<(String, String, String)> {
        let key =
            |sample: &Polled| (sample.meter.clone(), sample.resource.clone(), sample.description.clone());
        samples.iter().map(key).collect()
    };
    assert_eq!(keys(&one), keys(&other));
    assert!(one.len() > 40 && meters(&one).contains("network.outgoing.bytes.delta"), "{}", one.len());
    let arrived = wait_until("everything in the file of Ceilometer's notification agent", LONG, || {
        (read_lines(&output).len() >= one.len()).then_some(())
    });
    assert!(arrived.is_ok(), "{arrived:?}\n{}", reader.log_tail());
    reader.terminate();
    let written: Vec<Polled> =
        read_lines(&output).iter().map(|line| Polled::of_file(&json::parse(line).unwrap())).collect();
    assert_eq!(written.len(), one.len());
    assert_eq!(keys(&written), keys(&one));
    println!("{} samples of two instances", one.len());
}

fn wait_for_first_cycle(agent: &mut Agent) {
    let cycles = |agent: &mut Agent| agent.metric_sum("nephoscope_polling_cycles_total");
    wait_until("the first cycle", LONG, || (cycles(agent) > 0.5).then_some(()))
        .unwrap_or_else(|late| panic!("{late}\n{}", agent.process().output()));
}

/// What was written of an instance, oldest first.
fn written(agent: &Agent, name: &str, meter: &str) -> Vec<Polled> {
    let lines = read_lines(&agent.samples());
    let samples = lines.iter().map(|line| json::parse(line).unwrap());
    let of_instance = samples.filter(|sample| {
        let metadata = sample.get("resource_metadata").unwrap();
        metadata.get("name").and_then(Value::as_str) == Some(name)
            && sample.get("name").and_then(Value::as_str) == Some(meter)
    });
    of_instance.map(|sample| Polled::of_file(&sample)).collect()
}

fn wait_for_more(agent: &mut Agent, name: &str, meter: &str, what: &str) {
    let before = written(agent, name, meter).len();
    let more = wait_until(what, LONG, || (written(agent, name, meter).len() >= before + 2).then_some(()));
    more.unwrap_or_else(|late| panic!("{late}\n{}", agent.process().output()));
}

/// `nephoscope run` without a broker: samples go to files. libvirt's daemon is not there yet when it starts, comes, and goes
/// again; domains are started and stopped; a QEMU hangs, and the others are polled all the same.
#[test]
fn instances_and_the_hypervisor_come_and_go_while_the_agent_runs() {
    let nova = nova();
    let daemon = Libvirtd::start().unwrap();
    for instance in [
        json!({ "number": 1, "guest": "busy" }),
        json!({ "number": 2, "guest": "busy" }),
        json!({ "number": 3, "state": "shut off" }),
    ] {
        daemon.instance(&instance).unwrap();
    }
    let name = |number: u32| format!("instance-{number:08x}");
    daemon.stop().unwrap();
    let mut agent = Agent::new("").command(PROGRAM, &["run"]).without("transport_url");
    for (group, setting) in settings(daemon.uri(), nova.address) {
        agent = agent.with(group, setting);
    }
    polling(&agent, 1, "cpu, power.state, disk.root.size, disk.device.write.requests");
    agent.start();
    agent.wait_ready();
    wait_for_first_cycle(&mut agent);
    assert!(read_lines(&agent.samples()).is_empty());
    until("the reason on /readyz", || agent.get("/readyz").1.contains("libvirt").then_some(()))
        .unwrap_or_else(|late| panic!("{late}: {}\n{}", agent.get("/readyz").1, agent.process().output()));

    daemon.start_again().unwrap();
    wait_for_more(&mut agent, &name(1), "cpu", "samples of a daemon that has come");
    wait_for_more(&mut agent, &name(2), "cpu", "samples of the second instance");
    assert!(!written(&agent, &name(3), "disk.root.size").is_empty());
    assert!(written(&agent, &name(3), "cpu").is_empty());
    daemon.virsh(&["start", &name(3)]).unwrap();
    wait_for_more(&mut agent, &name(3), "cpu", "samples of an instance that was started");
    daemon.virsh(&["destroy", &name(3)]).unwrap();
    // What was under way is finished and written; then there is no more.
    wait_for_cycles(&mut agent, 2.0);
    agent.wait_written();
    let last = written(&agent, &name(3), "cpu").len();
    wait_for_more(&mut agent, &name(3), "disk.root.size", "what is known of an instance that does not run");
    assert_eq!(written(&agent, &name(3), "cpu").len(), last);

    daemon.hang(&name(2)).unwrap();
    wait_for_more(&mut agent, &name(1), "cpu", "samples of an instance beside one that hangs");
    wait_for_more(&mut agent, &name(1), "disk.device.write.requests", "its disk");
    wait_for_more(&mut agent, &name(2), "power.state", "what is known of the one that hangs");
    daemon.resume(&name(2)).unwrap();
    wait_for_more(&mut agent, &name(2), "disk.device.write.requests", "samples of the one that goes on");

    daemon.kill().unwrap();
    wait_for_cycles(&mut agent, 1.0);
    daemon.start_again().unwrap();
    wait_for_more(&mut agent, &name(1), "cpu", "samples after the daemon was killed");
    // A counter never goes back, whatever has happened.
    for number in [1, 2] {
        let volumes: Vec<f64> = written(&agent, &name(number), "cpu").iter().map(Polled::number).collect();
        assert!(volumes.is_sorted() && volumes.len() > 4, "{number}: {volumes:?}");
    }
    assert!(agent.terminate().success(), "{}", agent.process().output());
    assert!(!agent.process().output().contains("panicked"), "{}", agent.process().output());
}
