//! Ceilometer's compute pollsters, with its own libvirt inspector on a module `libvirt` that says what we make up, and ours,
//! with our hypervisor on a daemon that says the same in its bulk statistics, make the same samples of the same domains,
//! instances and options.
//!
//! `compute_oracle.py` runs the original. Samples are compared as JSON texts, order of keys and form of numbers included,
//! without their ids and times. What differs on purpose stands in `tests/oracle/expected_differences.yaml` under the suite
//! `compute`, every entry of which must occur.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "in a test, a failed step is a failed test"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::Value;
use nephoscope_pollsters::compute::{
    ComputeMetrics, ComputeSettings, Host, Hypervisor, Survey, Surveying, Surveys, UserMetadataRules,
    pollsters,
};
use nephoscope_pollsters::{Cycle, LoadedPollster, Readings, Resource};
use observability::clock::{Clock, TestClock};
use observability::metrics::Metrics;
use serde_json::json;
use testkit::{FakeDomain, FakeLibvirtd};

#[path = "../../definitions/tests/support/differences.rs"]
mod differences;
#[path = "compute_oracle/domain.rs"]
mod domain;
#[path = "compute_oracle/instance.rs"]
mod instance;

use differences::Judge;
use domain::{Domain, Taps};
use instance::Attributes;

/// Worlds with options of their own, each with some instances for some cycles.
const WORLDS: usize = 24;
const CYCLES: usize = 4;

/// What the original answers.
fn original(scenarios: &[serde_json::Value]) -> Vec<serde_json::Value> {
    testkit::ask_python(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compute_oracle.py"), scenarios).unwrap()
}

/// Options, and instances with their domains, some of which have none.
struct World {
    reports_stopped: bool,
    rules: UserMetadataRules,
    members: Vec<Member>,
}

struct Member {
    domain: Domain,
    attributes: Attributes,
    /// It is not on this host in this cycle.
    is_gone: bool,
}

impl World {
    fn generate(random: &mut fastrand::Rng) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let rules = match random.u8(..4) {
            0 => UserMetadataRules {
                namespaces: texts(&["metering.", "x."]),
                keys: texts(&["plain.key"]),
                length: 3,
            },
            1 => UserMetadataRules {
                namespaces: Vec::new(),
                keys: texts(&["plain.key", "metering.a"]),
                length: -1,
            },
            _ => UserMetadataRules::default(),
        };
        let mut taps = Taps::default();
        let members = (0..random.usize(4..14)).map(|_| {
            let domain = Domain::generate(random, &mut taps);
            let attributes = Attributes::generate(random, &domain);
            Member { domain, attributes, is_gone: random.u8(..20) == 0 }
        });
        let members = members.collect();
        Self { reports_stopped: random.bool(), rules, members }
    }

    fn go_on(&mut self, random: &mut fastrand::Rng) {
        for member in &mut self.members {
            member.domain.go_on(random);
            member.is_gone = random.u8(..20) == 0;
            if member.is_gone {
                member.domain.gone();
            }
        }
    }

    fn options(&self) -> serde_json::Value {
        let UserMetadataRules { namespaces, keys, length } = &self.rules;
        json!({ "report_stopped": self.reports_stopped, "namespaces": namespaces, "keys": keys, "length": length })
    }

    fn cycle(&self, seconds: f64) -> serde_json::Value {
        let there = self.members.iter().filter(|member| !member.is_gone);
        let domains: Vec<_> = there.map(|member| member.domain.to_json()).collect();
        let instances: Vec<_> = self.members.iter().map(|member| member.attributes.0.clone()).collect();
        json!({ "seconds": seconds, "domains": domains, "instances": instances })
    }

    fn domains(&self) -> Vec<FakeDomain> {
        self.members.iter().filter(|member| !member.is_gone).map(|member| member.domain.to_fake()).collect()
    }
}

/// Gives surveys of a hypervisor that has seen nothing before, so that no event is waited for.
#[derive(Debug)]
struct Fresh(Mutex<Arc<Hypervisor>>);

impl Surveys for Fresh {
    fn survey<'a>(&'a self, cycle: &'a Cycle) -> Surveying<'a> {
        let hypervisor = Arc::clone(&self.0.lock().unwrap());
        Box::pin(async move { Survey::of(cycle, &hypervisor).await })
    }
}

/// Our agent's part of a world.
struct Ours {
    server: FakeLibvirtd,
    fresh: Arc<Fresh>,
    pollsters: Vec<LoadedPollster>,
    clock: Clock,
    hand: TestClock,
}

impl Ours {
    fn new(reports_stopped: bool) -> Self {
        let server = FakeLibvirtd::with_domains(Vec::new()).unwrap();
        let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
        let fresh = Arc::new(Fresh(Mutex::new(hypervisor(&server, &clock))));
        let surveys: Arc<dyn Surveys> = Arc::<Fresh>::clone(&fresh);
        let pollsters = pollsters(&Host { surveys, reports_stopped });
        Self { server, fresh, pollsters, clock, hand }
    }

    fn change(&self, domains: Vec<FakeDomain>) {
        self.server.change(|known| *known = domains);
        *self.fresh.0.lock().unwrap() = hypervisor(&self.server, &self.clock);
    }

    /// The samples of an instance in a cycle, as JSON texts.
    async fn samples(&self, pollster: &LoadedPollster, cycle: &Cycle, instance: &Resource) -> Vec<String> {
        let (readings, mut taken) = Readings::channel();
        pollster.pollster.poll(cycle, std::slice::from_ref(instance), &readings).await.unwrap();
        drop(readings);
        let mut texts = Vec::new();
        while let Some(reading) = taken.recv().await {
            let sample = reading.into_sample(Value::Null, "openstack".into(), "".into());
            let mut text = Vec::new();
            sample.write_json(&mut text);
            texts.push(String::from_utf8(text).unwrap());
        }
        texts
    }
}

fn hypervisor(server: &FakeLibvirtd, clock: &Clock) -> Arc<Hypervisor> {
    let settings = ComputeSettings { libvirt_uri: server.uri(), ..ComputeSettings::new("node-1") };
    let metrics = ComputeMetrics::register(&Metrics::new().component("compute"));
    Arc::new(Hypervisor::new(&settings, clock.clone(), metrics).unwrap())
}

/// How upstream's samples of an instance look beside ours.
fn describe(theirs: &[String], ours: &[String]) -> &'static str {
    let without_volume = |texts: &[String]| -> Vec<String> {
        let cut = |text: &String| {
            let mut sample: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
            sample.remove("volume");
            serde_json::Value::from(sample).to_string()
        };
        texts.iter().map(cut).collect()
    };
    let mut rest = ours.iter();
    if theirs.is_empty() {
        "nothing"
    } else if theirs.iter().all(|text| rest.by_ref().any(|own| own == text)) {
        "some of them"
    } else if without_volume(theirs) == without_volume(ours) {
        "other volumes"
    } else {
        "other samples"
    }
}

#[tokio::test]
async fn samples_are_those_of_ceilometer() {
    let mut random = fastrand::Rng::with_seed(20_261_126);
    let mut scenarios = Vec::new();
    let mut answers = Vec::new();
    // By world and cycle: what befell each instance, and our samples by meter and instance.
    for _ in 0..WORLDS {
        let mut world = World::generate(&mut random);
        let ours = Ours::new(world.reports_stopped);
        let (mut cycles, mut own) = (Vec::new(), Vec::new());
        for _ in 0..CYCLES {
            let cycle = Cycle::new(ours.clock.clone());
            let seconds = cycle.monotonic_seconds();
            cycles.push(world.cycle(seconds));
            ours.change(world.domains());
            let mut of_cycle = BTreeMap::new();
            for member in &world.members {
                let instance = member.attributes.server().into_instance(&world.rules);
                let instance = Resource::Instance(Arc::new(instance));
                for pollster in &ours.pollsters {
                    let samples = ours.samples(pollster, &cycle, &instance).await;
                    let befell = member.domain.befell(&pollster.name);
                    of_cycle.insert((pollster.name.clone(), member.domain.uuid.clone()), (befell, samples));
                }
            }
            own.push(of_cycle);
            for member in world.members.iter_mut().filter(|member| !member.is_gone) {
                member.domain.was_read();
            }
            world.go_on(&mut random);
            ours.hand.advance(Duration::from_mins(1));
        }
        scenarios.push(json!({ "options": world.options(), "cycles": cycles }));
        answers.push(own);
    }

    let mut judge = Judge::new("compute");
    let mut samples = 0;
    for (own, theirs) in answers.iter().zip(original(&scenarios)) {
        for (own, theirs) in own.iter().zip(theirs["cycles"].as_array().unwrap()) {
            let meters: Vec<&String> = theirs.as_object().unwrap().keys().collect();
            assert!(own.keys().all(|(meter, _)| meters.contains(&meter)) && meters.len() == 36, "{meters:?}");
            for ((meter, id), (befell, ours)) in own {
                let theirs = &theirs[meter];
                let case = befell.unwrap_or(meter);
                let kind = if ours.is_empty() { "nothing" } else { "samples" };
                judge.compared += 1;
                if let Some(error) = theirs["error"].as_str() {
                    judge.differ("meter", case, error, kind, || format!("{ours:?}"));
                    continue;
                }
                let theirs: Vec<String> = serde_json::from_value(theirs["samples"][id].clone()).unwrap();
                samples += theirs.len();
                if theirs != *ours {
                    let outcome = describe(&theirs, ours);
                    judge.differ("meter", case, outcome, kind, || format!("{theirs:?}\n  {ours:?}"));
                }
            }
        }
    }
    println!(
        "{} times a meter of an instance, {samples} samples, {} expected",
        judge.compared, judge.expected
    );
    assert!(samples > 15_000, "{samples}");
    judge.end();
}
