//! Ceilometer's polling manager and ours read the same definitions and run the same scenarios.
//!
//! `oracle/manager.py` runs the original (its sources in the order of the file, so that runs can be compared). What differs on
//! purpose is asserted here, case by case, and stands in `docs/differences.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "in a test, a failed step is a failed test"
)]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use definitions::Source;
use model::{Value, json};
use nephoscope_polling::config::PollingConfig;
use serde_json::json;

#[path = "support/world.rs"]
mod world;

use world::{Finds, Script, World};

/// What the original answers to each scenario.
fn original(scenarios: &[serde_json::Value]) -> Vec<serde_json::Value> {
    testkit::ask_python(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/manager.py"), scenarios).unwrap()
}

/// Names that filters of definitions are asked about.
const NAMES: [&str; 8] =
    ["cpu", "memory", "disk.read", "disk.device.read.bytes", "disk", "image.size", "b", "[x]"];

/// What we make of a definition, in the form of the original's answer; `None`: it is refused.
fn ours(text: &str) -> Option<serde_json::Value> {
    let (config, _) = PollingConfig::parse(Source { path: "p", text }).ok()?;
    let sources = config.sources.iter().map(|source| {
        let takes: Vec<&str> = NAMES.into_iter().filter(|name| source.filter.matches(name)).collect();
        let discovery: Vec<&str> = source.discovery.iter().map(|entry| entry.text.as_str()).collect();
        json!({
            "name": source.name, "interval": source.interval_seconds, "resources": source.resources,
            "discovery": discovery, "takes": takes,
        })
    });
    Some(sources.collect())
}

/// Definitions made of parts that matter.
fn generated(random: &mut fastrand::Rng, count: usize) -> Vec<String> {
    const INTERVALS: [&str; 14] =
        ["60", "0", "-5", "'60'", "' 7 '", "1.9", "0.9", "1e3", "true", "1:30", "x", "", "'1_0'", "0o17"];
    const METERS: [&str; 14] = [
        "cpu",
        "'*'",
        "'!cpu'",
        "disk.*",
        "'!disk.*'",
        "'*.bytes'",
        "'[cm]*'",
        "'?'",
        "'!*'",
        "memory",
        "'[[]x]'",
        "'*disk*'",
        "'!'",
        "'[!d]*'",
    ];
    const RESOURCES: [&str; 6] = [
        "",
        ", resources: [r1, r2]",
        ", resources: []",
        ", resources:",
        ", resources: x",
        ", resources: [5]",
    ];
    const DISCOVERIES: [&str; 5] =
        ["", ", discovery: [d, 'd:x']", ", discovery: ''", ", discovery: d", ", other: {a: b}"];
    let pick = |random: &mut fastrand::Rng, from: &[&'static str]| from[random.usize(..from.len())];
    let mut texts = Vec::new();
    for _ in 0..count {
        let mut text = String::from("sources:\n");
        for _ in 0..=random.usize(..2) {
            let count = [1, 1, 1, 2, 2, 3, 0][random.usize(..7)];
            let meters: Vec<&str> = (0..count).map(|_| pick(random, &METERS)).collect();
            // Wrong intervals would hide what is wrong elsewhere, were they as frequent as right ones.
            let interval = if random.bool() { "60" } else { pick(random, &INTERVALS) };
            let _ = writeln!(
                text,
                "- {{name: s{}, interval: {interval}, meters: [{}]{}{}}}",
                random.usize(..3),
                meters.join(", "),
                pick(random, &RESOURCES),
                pick(random, &DISCOVERIES)
            );
        }
        texts.push(text);
    }
    texts
}

#[test]
fn definitions_are_read_as_ceilometer_reads_them() {
    let mut random = fastrand::Rng::with_seed(20_261_126);
    let mut texts = generated(&mut random, 400);
    texts.extend(
        [
            "",
            "[]",
            "5",
            "{}",
            "sources:",
            "sources: []",
            "sources: {a: b}",
            "sources: [a]",
            "sources: [{interval: 1, meters: [a]}]",
            "sources: [{name: s, interval: 1}]",
            "sources: [{name: s, meters: [a]}]",
            "sources: [{name: s, interval: 1, meters: '*'}]",
            "sources: [{name: s, interval: 1, meters: {cpu: , 'disk.*': 1}}]",
            "sources: [{name: s, interval: 1, meters: [5]}]",
            "sources: [{name: s, interval: 1, meters: ['']}]",
            "sources: [{name: s, interval: 1, meters: [null]}]",
            "sources: [{name: s, interval: null, meters: [a]}]",
            "sources: [{name: s, interval: [1], meters: [a]}]",
            "sources: [{name: s, interval: .inf, meters: [a]}]",
            "sources: [{name: s, interval: .nan, meters: [a]}]",
            "sources: [{name: 5, interval: 1, meters: [a]}]",
            "a: [",
        ]
        .map(str::to_owned),
    );
    let scenarios: Vec<_> = texts.iter().map(|text| json!({ "definition": text, "names": NAMES })).collect();
    let mut refused = 0;
    for (text, theirs) in texts.iter().zip(original(&scenarios)) {
        let mine = ours(text);
        refused += usize::from(mine.is_none());
        assert_eq!(mine.as_ref(), theirs.get("sources"), "{text}\n{theirs}");
    }
    println!("{} definitions, {refused} of them refused by both", texts.len());
    assert!((100..400).contains(&refused), "{refused}");
}

/// What Ceilometer takes by chance and never works with is refused.
#[test]
fn definitions_that_ceilometer_stumbles_over_later_are_refused_at_once() {
    let texts = [
        // The names are "c", "p" and "u" there.
        "sources: [{name: s, interval: 1, meters: cpu}]",
        // No pollster has a use for a map.
        "sources: [{name: s, interval: 1, meters: [a], resources: [{a: b}]}]",
        // Fails in every cycle.
        "sources: [{name: s, interval: 1, meters: [a], discovery: [[d]]}]",
        "sources: [{name: null, interval: 1, meters: [a]}]",
        "sources: [{name: s, interval: 99999999999999999999, meters: [a]}]",
    ];
    let scenarios: Vec<_> = texts.iter().map(|text| json!({ "definition": text, "names": NAMES })).collect();
    for (text, theirs) in texts.iter().zip(original(&scenarios)) {
        assert!(theirs.get("sources").is_some(), "{text}: {theirs}");
        assert_eq!(ours(text), None, "{text}");
    }
}

/// A scenario's pollsters and discoveries, for both.
#[derive(Clone)]
struct Scenario {
    definition: String,
    pollsters: BTreeMap<String, serde_json::Value>,
    discoveries: BTreeMap<String, serde_json::Value>,
    batch_size: usize,
    cycles: usize,
}

impl Scenario {
    fn to_json(&self) -> serde_json::Value {
        json!({
            "definition": self.definition, "pollsters": self.pollsters, "discoveries": self.discoveries,
            "batch_size": self.batch_size, "cycles": self.cycles,
        })
    }

    fn generate(random: &mut fastrand::Rng) -> Self {
        const DISCOVERIES: [&str; 3] = ["d", "e", "empty"];
        let some = |random: &mut fastrand::Rng| -> Vec<String> {
            (0..random.usize(..6)).map(|_| format!("r{}", random.usize(..6))).collect()
        };
        let mut pollsters = BTreeMap::new();
        for name in ["a", "b", "c.d"] {
            let mut script = serde_json::Map::new();
            if random.usize(..4) > 0 {
                let discovery = DISCOVERIES[random.usize(..DISCOVERIES.len())];
                script.insert("discovery".into(), discovery.into());
            }
            script.insert("samples".into(), (1 + random.usize(..3)).into());
            match random.usize(..6) {
                0 => {
                    script.insert("fails_after".into(), random.usize(..4).into());
                }
                1 => {
                    script.insert("permanent".into(), some(random).into());
                }
                2 => {
                    script.insert("volume".into(), serde_json::Value::Null);
                }
                _ => {}
            }
            // Nobody is told that nothing can be read.
            if script.get("permanent").is_some_and(|list| list.as_array().is_some_and(Vec::is_empty)) {
                script.remove("permanent");
            }
            pollsters.insert(name.to_owned(), script.into());
        }
        let mut discoveries = BTreeMap::new();
        for name in DISCOVERIES {
            let finds = if name == "empty" { Vec::new() } else { some(random) };
            let fails = name == "e" && random.usize(..3) == 0;
            discoveries.insert(name.to_owned(), json!({ "finds": finds, "fails": fails }));
        }
        let mut definition = String::from("sources:\n");
        for _ in 0..=random.usize(..4) {
            let meters = ["'*'", "a", "'!a'", "c.*"][random.usize(..4)];
            let resources = if random.bool() {
                String::new()
            } else {
                format!("resources: [{}], ", some(random).join(", "))
            };
            let discovery = ["", "discovery: [d], ", "discovery: ['d:x', empty], ", "discovery: [e, none]"]
                [random.usize(..4)];
            let _ = writeln!(
                definition,
                "- {{name: s{}, interval: {}, meters: [{meters}], {resources}{discovery}}}",
                random.usize(..3),
                60 * (1 + random.usize(..2)),
            );
        }
        Self { definition, pollsters, discoveries, batch_size: random.usize(..5), cycles: 2 }
    }

    fn world(&self) -> World {
        let mut world = World::new();
        for (name, script) in &self.pollsters {
            let list = |key: &str| script[key].as_array().cloned().unwrap_or_default();
            let number = |key: &str| script[key].as_u64().and_then(|number| usize::try_from(number).ok());
            let script = Script {
                // The scripts live as long as the test.
                discovery: script["discovery"]
                    .as_str()
                    .map(|name| &*Box::leak(name.to_owned().into_boxed_str())),
                samples: number("samples").unwrap_or(1),
                fails_after: number("fails_after"),
                permanent: list("permanent").iter().map(|id| id.as_str().unwrap().to_owned()).collect(),
                volume: script.get("volume").map(|_| Value::Null),
                ..Script::default()
            };
            world = world.pollster(name, script);
        }
        for (name, script) in &self.discoveries {
            let finds = script["finds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
            let finds: Finds =
                if script["fails"] == true { Err("scripted".into()) } else { Ok(finds.collect()) };
            world = world.discovery(name, finds);
        }
        world.options.batch_size = self.batch_size;
        world
    }
}

/// The batches of each pollster, in order.
type Batches = BTreeMap<String, Vec<Vec<String>>>;

fn batches_of(cycle: &serde_json::Value) -> Batches {
    let mut batches = Batches::new();
    for batch in cycle.as_array().unwrap() {
        let samples = batch.as_array().unwrap();
        let texts = samples.iter().map(|sample| format!("{} {}", sample[1].as_str().unwrap(), sample[2]));
        let name = samples[0][0].as_str().unwrap().to_owned();
        batches.entry(name).or_default().push(texts.collect());
    }
    batches
}

async fn our_cycles(scenario: &Scenario) -> (Vec<Batches>, HashMap<String, usize>) {
    let running = scenario.world().tasks(&scenario.definition);
    let mut cycles = Vec::new();
    for _ in 0..scenario.cycles {
        for task in &running.tasks {
            Box::pin(task.run(&running.progress, &running.stop)).await;
        }
        let mut batches = Batches::new();
        for batch in running.collected.take() {
            let text = |sample: &std::sync::Arc<model::Sample>| {
                format!("{} {}", sample.resource_id.as_str().unwrap(), json::to_string(&sample.volume))
            };
            let name = batch[0].name.to_string();
            batches.entry(name).or_default().push(batch.iter().map(text).collect());
        }
        cycles.push(batches);
    }
    let discovered = running.state.discovered.lock().unwrap().clone();
    (cycles, discovered)
}

/// Whether `theirs` is `ours` but for what Ceilometer loses when a pollster fails: the samples that wait for a full batch.
fn is_cut(ours: &[Vec<String>], theirs: &[Vec<String>]) -> bool {
    let mut ours = ours.iter();
    theirs.iter().all(|batch| ours.by_ref().any(|own| own == batch))
}

#[tokio::test]
async fn scenarios_run_as_they_run_in_ceilometer() {
    let mut random = fastrand::Rng::with_seed(5);
    let scenarios: Vec<Scenario> = (0..200).map(|_| Scenario::generate(&mut random)).collect();
    let asked: Vec<_> = scenarios.iter().map(Scenario::to_json).collect();
    let (mut batches, mut cut) = (0, 0);
    for (scenario, theirs) in scenarios.iter().zip(original(&asked)) {
        let place = format!("{}\n{:?}\n{:?}", scenario.definition, scenario.pollsters, scenario.discoveries);
        assert!(theirs.get("error").is_none(), "{theirs}\n{place}");
        let (cycles, discovered) = our_cycles(scenario).await;
        for (ours, theirs) in cycles.iter().zip(theirs["cycles"].as_array().unwrap()) {
            let theirs = batches_of(theirs);
            let names = ours.keys().chain(theirs.keys());
            for name in names.collect::<std::collections::BTreeSet<_>>() {
                let nothing = Vec::new();
                let (own, other) = (ours.get(name).unwrap_or(&nothing), theirs.get(name).unwrap_or(&nothing));
                batches += own.len();
                if scenario.pollsters[name].get("fails_after").is_some() {
                    cut += usize::from(own != other);
                    assert!(is_cut(own, other), "{name}: {own:?} {other:?}\n{place}");
                } else {
                    assert_eq!(own, other, "{name}\n{place}");
                }
            }
        }
        for (name, runs) in &discovered {
            let theirs = theirs["discovered"][name].as_u64().unwrap();
            // Ceilometer asks again for each pollster when a discovery fails.
            if scenario.discoveries[name]["fails"] == true {
                assert!(*runs as u64 <= theirs, "{name}\n{place}");
            } else {
                assert_eq!(*runs as u64, theirs, "{name}\n{place}");
            }
        }
    }
    println!("{} scenarios, {batches} batches; Ceilometer lost samples in {cut} runs", scenarios.len());
    assert!(batches > 500 && cut > 10, "{batches} {cut}");
}
