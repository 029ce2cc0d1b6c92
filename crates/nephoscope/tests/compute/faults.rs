//! Many replayed domains: a broker that goes away, and what becomes of deltas.

use std::collections::BTreeMap;
use std::fs;

use model::json;
use serde_json::json;
use testkit::{FakeLibvirtd, RabbitMq, wait_until};

use crate::books::{LONG, assert_complete, made_in_all, wait_for_cycles};
use crate::ceilometer::Ceilometer;
use crate::harness::{Agent, PROGRAM, read_lines};
use crate::sample::Polled;
use crate::site::{configured, nova, settings};

/// Instances that a node has.
const MANY: usize = 12;

/// Ten samples or so of each; every one is signed, and the debug build of a test is slow at it.
const METERS: &str = "cpu, 'disk.device.*.bytes', 'network.*.bytes'";

fn agent(libvirt_uri: &str, arguments: &[&str], url: &str, meters: &str) -> Agent {
    let nova = nova();
    let mut agent = Agent::new(url).durable().command(PROGRAM, arguments);
    for (group, setting) in settings(libvirt_uri, nova.address) {
        agent = agent.with(group, setting);
    }
    let polling = format!("sources: [{{name: instances, interval: 1, meters: [{meters}]}}]\n");
    fs::write(agent.path("polling.yaml"), polling).unwrap();
    agent
}

/// The broker is killed while instances are polled, and is away for some cycles: not one sample is lost.
#[test]
fn a_broker_that_is_away_costs_no_sample_of_an_instance() {
    let broker = RabbitMq::start().unwrap();
    let vhost = broker.vhost("compute").unwrap();
    let server = FakeLibvirtd::start(MANY).unwrap();
    let arguments = ["polling", "--polling-namespaces", "compute"];
    let mut agent = agent(&server.uri(), &arguments, &vhost.transport_url(), METERS)
        .with("nephoscope", "buffer_spill_seconds = 1");
    agent.start();
    agent.wait_ready();
    wait_for_cycles(&mut agent, 2.0);
    broker.kill().unwrap();
    wait_for_cycles(&mut agent, 3.0);
    wait_until("samples on disk", LONG, || {
        (agent.metric_sum("nephoscope_pipeline_records_spilled_total") > 100.0).then_some(())
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", agent.process().output()));
    broker.start_again().unwrap();
    wait_until("everything delivered", LONG, || {
        (agent.metric_sum("nephoscope_pipeline_buffer_records") < 1.0).then_some(())
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", agent.process().output()));
    wait_for_cycles(&mut agent, 1.0);
    assert!(agent.metric_sum("nephoscope_polling_samples_lost_total") < 0.5);
    let twice = assert_complete(&mut agent, &vhost);
    println!("{twice} samples came twice");
}

/// The sum of deltas by resource.
fn sums(samples: &[Polled]) -> BTreeMap<(String, String), f64> {
    let mut sums: BTreeMap<(String, String), f64> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.meter.strip_suffix(".delta").is_some()) {
        let key = (sample.meter.clone(), sample.resource.clone());
        *sums.entry(key).or_default() += sample.number();
    }
    sums
}

/// However often either agent polls, its deltas come to what the counters have grown by.
#[test]
fn deltas_come_to_the_same_as_ceilometers() {
    const DOMAINS: usize = 4;
    let server = FakeLibvirtd::start(DOMAINS).unwrap();
    // Upstream remembers counters by the host's device alone, so each copy needs a device of its own.
    server.change(|domains| {
        for (number, domain) in domains.iter_mut().enumerate() {
            let devices: Vec<String> = domain
                .stats
                .iter()
                .filter(|(name, ..)| name.starts_with("net.") && name.strip_suffix(".name").is_some())
                .filter_map(|(.., value)| value.as_str().map(str::to_owned))
                .collect();
            for device in devices {
                let own = format!("tap{number}{}", &device[3..9]);
                domain.xml = domain.xml.replace(&device, &own);
                for (.., value) in &mut domain.stats {
                    if value.as_str() == Some(&device) {
                        *value = own.clone().into();
                    }
                }
            }
        }
    });
    let nova = nova();
    let directory = configured(&settings(&server.uri(), nova.address));
    let mut theirs = Ceilometer::start(directory.path());
    let mut agent = agent(&server.uri(), &["run"], "", "network.*, cpu").without("transport_url");
    agent.start();
    agent.wait_ready();
    wait_for_cycles(&mut agent, 1.0);
    let mut polled = theirs.cycle(&json!({}));
    for _ in 0..3 {
        server.advance();
        wait_for_cycles(&mut agent, 2.0);
        polled.extend(theirs.cycle(&json!({})));
    }
    made_in_all(&mut agent);
    assert!(agent.terminate().success(), "{}", agent.process().output());
    let ours: Vec<Polled> = read_lines(&agent.samples())
        .iter()
        .map(|line| Polled::of_file(&json::parse(line).unwrap()))
        .collect();
    let (theirs, ours) = (sums(&polled), sums(&ours));
    assert!(theirs.len() >= 4 && theirs.values().any(|sum| *sum > 2e6), "{theirs:?}");
    assert_eq!(ours, theirs);
}
