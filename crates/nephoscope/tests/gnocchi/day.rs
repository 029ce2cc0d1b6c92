//! The day through both agents.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Gnocchi, Oracle, Producer, shared_rabbitmq};

use crate::both::{Both, OURS, Setup, UPSTREAM};
use crate::differences::Judge;
use crate::harness::{Agent, PROGRAM};
use crate::script::day;

const LONG: Duration = Duration::from_mins(2);
const CASTS: usize = 1;
/// The resource types that one notification makes or changes in two ways: by its event and by its samples.
const IN_TWO_WAYS: [&str; 2] = ["instance", "volume"];

/// Credentials for a Gnocchi, as either agent reads them.
fn leading_to(gnocchi: &Gnocchi) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    for section in ["service_credentials", "gnocchi"] {
        for setting in ["auth_type = gnocchi-basic", "user = admin", &format!("endpoint = {}", gnocchi.url())]
        {
            settings.push((section, setting.to_owned()));
        }
    }
    settings
}

/// Makes the resource types.
pub(crate) fn upgrade(gnocchi: &Gnocchi) {
    let mut agent = Agent::new("rabbit://nobody/");
    for (section, setting) in leading_to(gnocchi) {
        agent = agent.with(section, setting);
    }
    agent.rewritten();
    let output = Command::new(PROGRAM)
        .args(["upgrade", "--config-file", "ceilometer.conf"])
        .current_dir(agent.directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A Gnocchi with all resource types.
pub(crate) fn ready_gnocchi() -> Gnocchi {
    let gnocchi = Gnocchi::start().unwrap();
    upgrade(&gnocchi);
    gnocchi
}

/// What both Gnocchis say is held against each other.
struct Comparison {
    judge: Judge,
    /// What was compared of each resource type: resources, revisions, metrics, measures.
    counts: BTreeMap<String, [usize; 4]>,
    ended: usize,
    /// Histories that are equal but for which of event and samples came first.
    either_order: usize,
}

fn keys<'v>(one: &'v Value, other: &'v Value) -> BTreeSet<&'v String> {
    [one, other].into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys).collect()
}

/// A history without revisions that say the same as the one before: the event and the samples of one notification may tell
/// Gnocchi of a change in the same moment, and then it makes two of it.
fn distinct(history: &Value) -> Value {
    let mut revisions = history.as_array().cloned().unwrap_or_default();
    revisions.dedup();
    revisions.into()
}

/// By attribute, all values that it ever had; how many revisions there are.
fn values_ever(history: &Value) -> (usize, BTreeMap<String, BTreeSet<String>>) {
    let mut ever: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let revisions = history.as_array().unwrap();
    for revision in revisions {
        for (name, value) in revision.as_object().unwrap() {
            if !value.is_null() {
                ever.entry(name.clone()).or_default().insert(value.to_string());
            }
        }
    }
    (revisions.len(), ever)
}

impl Comparison {
    fn resource(&mut self, kind: &str, id: &str, theirs: &Value, ours: &Value) {
        let detail =
            |theirs: &Value, ours: &Value| format!("{kind} {id}\n  theirs: {theirs}\n  ours:   {ours}");
        let judge = &mut self.judge;
        for name in keys(&theirs["now"], &ours["now"]) {
            judge.compared += 1;
            let (theirs, ours) = (&theirs["now"][name], &ours["now"][name]);
            if theirs != ours {
                judge.differ("now", &format!("{kind} {name}"), "other value", "other value", || {
                    detail(theirs, ours)
                });
            }
        }
        let (past, own_past) = (&distinct(&theirs["history"]), &distinct(&ours["history"]));
        judge.compared += 1;
        if past == own_past {
        } else if IN_TWO_WAYS.contains(&kind) && values_ever(past) == values_ever(own_past) {
            self.either_order += 1;
        } else {
            judge.differ("history", kind, "other revisions", "other revisions", || detail(past, own_past));
        }
        let mut measures = 0;
        for name in keys(&theirs["metrics"], &ours["metrics"]) {
            let (theirs, ours) = (&theirs["metrics"][name], &ours["metrics"][name]);
            let of_mean = |metric: &Value| metric["measures"]["mean"].as_array().map_or(0, Vec::len);
            measures += of_mean(ours);
            judge.compared += 1;
            let outcome = |metric: &Value| if metric.is_null() { "absent" } else { "other measures" };
            if theirs != ours {
                judge.differ("metric", name, outcome(theirs), outcome(ours), || detail(theirs, ours));
            }
        }
        self.ended += usize::from(!ours["now"]["ended_at"].is_null());
        let counts = self.counts.entry(kind.to_owned()).or_default();
        let revisions = own_past.as_array().map_or(0, Vec::len);
        let metrics = ours["metrics"].as_object().map_or(0, serde_json::Map::len);
        for (count, more) in counts.iter_mut().zip([1, revisions, metrics, measures]) {
            *count += more;
        }
    }
}

#[test]
fn a_day_through_both_agents_leaves_the_same_in_gnocchi() {
    let began = Instant::now();
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(ready_gnocchi);
        (ready_gnocchi(), theirs.join().unwrap())
    });
    let vhost = shared_rabbitmq().vhost("day").unwrap();
    let mut upstreams = leading_to(&theirs);
    // One notification after the other, without waiting for more.
    upstreams.push(("notification", "batch_size = 1".to_owned()));
    let setup = Setup {
        own: leading_to(&ours),
        theirs: upstreams,
        publisher: Some("gnocchi://?enable_filter_project=false&timeout=60"),
        ..Setup::default()
    };
    let both = Both::start(&vhost, &setup);
    let started = began.elapsed();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let waves = day(crate::number("NEPHOSCOPE_DAY_CASTS", CASTS));
    let mut told = 0;
    for wave in &waves {
        for one in wave {
            told += 1;
            for topic in [UPSTREAM, OURS] {
                let key = format!("{topic}.{}", one.priority);
                producer.publish(oracle.issue(), &one.exchange, &key, &one.body).unwrap();
            }
        }
        producer.flush(LONG).unwrap();
        both.drained();
    }
    let published = began.elapsed();
    let letters = both.ours.letters();
    both.finish();
    let (theirs, requests) = (theirs.dump().unwrap(), [theirs.requests().len(), ours.requests().len()]);
    let ours = ours.dump().unwrap();

    let judge = Judge::new("day");
    let mut comparison = Comparison { judge, counts: BTreeMap::new(), ended: 0, either_order: 0 };
    let all: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for resource in all {
        let (kind, id) = resource.split_once(' ').unwrap();
        match (theirs.get(resource), ours.get(resource)) {
            (Some(theirs), Some(ours)) => comparison.resource(kind, id, theirs, ours),
            (theirs, ours) => {
                let there = |side: Option<&Value>| if side.is_some() { "there" } else { "absent" };
                let detail = || format!("{resource}: {:?}", theirs.or(ours));
                comparison.judge.differ("resource", kind, there(theirs), there(ours), detail);
            }
        }
    }
    // What is lost in the other agent is kept here.
    for letter in &letters {
        let text = |key: &str| letter[key].as_str().unwrap_or_default();
        comparison.judge.differ("letter", text("name"), "lost", text("cause"), || letter.to_string());
    }
    println!(
        "{told} notifications in {} waves; requests to Gnocchi: Ceilometer {}, ours {}",
        waves.len(),
        requests[0],
        requests[1]
    );
    println!("(started {started:?}, published {published:?}, all {:?})", began.elapsed());
    for (kind, [resources, revisions, metrics, measures]) in &comparison.counts {
        println!(
            "  {kind}: {resources} resources, {revisions} revisions, {metrics} metrics, {measures} aggregates"
        );
    }
    println!(
        "{} ended; {} histories in either order; {} dead letters",
        comparison.ended,
        comparison.either_order,
        letters.len()
    );
    println!("{} compared, {} expected differences", comparison.judge.compared, comparison.judge.expected);
    for kind in [
        "instance",
        "volume",
        "image",
        "network",
        "identity",
        "swift_account",
        "nova_compute",
        "volume_provider_pool",
    ] {
        assert!(comparison.counts.contains_key(kind), "the day has no {kind}");
    }
    assert!(requests[1] <= requests[0], "{requests:?}");
    assert!(comparison.ended >= 5, "{} resources have ended", comparison.ended);
    comparison.judge.end();
}
