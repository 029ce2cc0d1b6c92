//! Ceilometer's central pollsters and discoveries, and ours, read the same recorded cloud.
//!
//! What differs on purpose stands in `central/differences/`, and in `docs/differences.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nephoscope_pollsters::central::CentralSettings;
use nephoscope_pollsters::{Cycle, Namespace, cost};
use observability::clock::Clock;
use serde_json::{Value, json};
use testkit::RecordedCloud;

#[path = "central/differences.rs"]
mod differences;
#[allow(dead_code, reason = "the tests of faults use the rest")]
#[path = "support/recorded.rs"]
mod recorded;

use differences::Differences;
use recorded::{Central, RADOSGW, RGW_KEYS, recording, settings, shown};

/// Entries of a page: few, so that everything is on several.
const PAGE: usize = 2;
const DISCOVERIES: [&str; 3] = ["endpoint", "endpoint:image", "tenant"];

fn config(cloud: &RecordedCloud, ignore_disabled_projects: bool) -> String {
    format!(
        "[service_credentials]\nauth_type = password\nauth_url = {}\nusername = ceilometer\nuser_domain_id = default\n\
         password = swordfish\nproject_name = admin\nproject_domain_id = default\n\
         [service_types]\nradosgw = {RADOSGW}\n\
         [rgw_admin_credentials]\naccess_key = {}\nsecret_key = {}\n\
         [polling]\nignore_disabled_projects = {ignore_disabled_projects}\n",
        cloud.auth_url(),
        RGW_KEYS.0,
        RGW_KEYS.1
    )
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Samples by meter and resource; where there are several of both, by their order.
fn by_name(samples: impl IntoIterator<Item = Value>) -> BTreeMap<(String, String, usize), Value> {
    let mut all = BTreeMap::new();
    for sample in samples {
        let text = |key: &str| sample[key].as_str().map_or_else(|| sample[key].to_string(), str::to_owned);
        let (name, resource) = (text("name"), text("resource_id"));
        let mut key = (name, resource, 0);
        while all.contains_key(&key) {
            key.2 += 1;
        }
        all.insert(key, sample);
    }
    all
}

#[test]
fn the_samples_are_ceilometers() {
    let recording = recording();
    let meters = recording.meters();
    let names: Vec<&String> = meters.iter().map(|(_, meter)| meter).collect();
    let cloud = RecordedCloud::start(recording, PAGE).unwrap();
    let question =
        |ignore| json!({"config": config(&cloud, ignore), "pollsters": names, "discoveries": DISCOVERIES});
    let mut later = question(true);
    later["pollsters"] = json!([]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/central/oracle.py");
    let theirs = testkit::ask_python(script, &[question(false), later]).unwrap();
    let asked_by_them = cloud.requests().len();
    let (mut differences, mut report) = (Differences::read(), String::new());
    let (mut compared, mut ours) = (0, Vec::new());
    runtime().block_on(async {
        let central = Central::new(&cloud, settings());
        let cycle = Cycle::of_task(Clock::machine(), 600);
        for name in &names {
            ours.push(central.poll(&cycle, name).await);
        }
        for (ignore, theirs) in [(false, &theirs[0]), (true, &theirs[1])] {
            let settings = CentralSettings { ignore_disabled_projects: ignore, ..settings() };
            let central = Central::new(&cloud, settings);
            for url in DISCOVERIES {
                let (name, parameter) =
                    url.split_once(':').map_or((url, None), |(name, own)| (name, Some(own)));
                let found = central.discover(&cycle, name, parameter).await.unwrap();
                let found: Vec<&str> = found.iter().map(nephoscope_pollsters::Resource::id).collect();
                assert_eq!(
                    json!(found),
                    theirs["discoveries"][url],
                    "{url}, ignore_disabled_projects = {ignore}"
                );
            }
        }
    });
    for (name, (readings, ended)) in names.iter().zip(ours) {
        if let Err(error) = ended {
            let _ = writeln!(report, "{name}: {error}");
        }
        let answer = &theirs[0]["pollsters"][name.as_str()];
        let original = by_name(answer["samples"].as_array().unwrap().iter().cloned());
        let ours = by_name(readings.iter().map(shown));
        compared += ours.len();
        let before = report.len();
        differences.compare(&ours, &original, &mut report);
        if report.len() > before && !answer["error"].is_null() {
            let _ = writeln!(report, "{name}: the original ended with {}", answer["error"]);
        }
    }
    differences.unused(&mut report);
    assert!(report.is_empty(), "{report}");
    // So many, lest the recordings fall silent.
    assert!(compared >= 150, "{compared} samples");
    let asked_by_us = cloud.requests().len();
    assert!(asked_by_us < asked_by_them, "{asked_by_us} requests of ours, {asked_by_them} of Ceilometer");
}

/// A secret of the recorded Barbican.
const SECRET: &str = "barbican:5c00e7bd-0000-4000-8000-000000000001";

/// Agents of both languages share resources by Python's text of them.
#[test]
fn resources_have_pythons_texts() {
    let cloud = RecordedCloud::start(recording(), PAGE).unwrap();
    let lines = Namespace::named("central").unwrap().discoveries.iter();
    let names: Vec<&str> = lines.map(|line| line.name).chain([SECRET]).collect();
    let question = |config| json!({"config": config, "pollsters": [], "discoveries": [], "texts": names});
    let plain = config(&cloud, false);
    let in_region = plain
        .replace("auth_type = password", "auth_type = password\nregion_name = RegionOne")
        .replace("127.0.0.1", "localhost");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/central/oracle.py");
    let theirs = testkit::ask_python(script, &[question(plain), question(in_region)]).unwrap();
    let settings = || CentralSettings { with_python: true, ..settings() };
    let mut compared = 0;
    runtime().block_on(async {
        let cycle = Cycle::of_task(Clock::machine(), 600);
        for (central, theirs) in [
            (Central::new(&cloud, settings()).with_dynamic(), &theirs[0]),
            (Central::in_region(&cloud, settings(), "RegionOne").with_dynamic(), &theirs[1]),
        ] {
            for name in &names {
                let (own, parameter) =
                    name.split_once(':').map_or((*name, None), |(own, id)| (own, Some(id)));
                let found = central.discover(&cycle, own, parameter).await.unwrap();
                let found: Vec<_> = found.iter().map(nephoscope_pollsters::Resource::python_text).collect();
                assert_eq!(json!(found), theirs["texts"][name], "{name}");
                compared += found.len();
            }
        }
    });
    assert!(compared >= 100, "{compared} texts");
}

/// Zones of the recording of which Designate counts the record sets only when it lists them.
const UNCOUNTED_ZONES: usize = 2;

/// How many requests the words of a cost mean, where every list fits on one page: of so many resources, which `asked` found.
fn meant(words: &str, resources: usize, asked: &[(String, String)]) -> usize {
    let domains = asked.iter().filter(|(_, request)| request.contains("domain_id=")).count();
    match words {
        "0" => 0,
        "1" => 1,
        "1, and 1 a domain" => 1 + domains,
        words if words.starts_with("1 a page of ") => 1 + usize::from(words.ends_with(", and 1")),
        words if words.starts_with("1 a zone, or 2 ") => resources + UNCOUNTED_ZONES,
        words if words.starts_with("1 a project") => resources,
        other => panic!("{other}"),
    }
}

#[test]
fn each_pollster_asks_as_often_as_its_line_says() {
    /// Everything fits on one page.
    const ALL: usize = 1_000;
    let namespace = Namespace::named("central").unwrap();
    let cloud = RecordedCloud::start(recording(), ALL).unwrap();
    let mut wrong = String::new();
    runtime().block_on(async {
        let central = Central::new(&cloud, settings());
        for line in namespace.pollsters {
            let discovery = line.discovery.unwrap();
            // The first time versions and tokens are asked for, which is not a cycle's cost.
            let _ = central.poll(&Cycle::of_task(Clock::machine(), 600), line.name).await;
            let _ = cloud.requests();
            let resources =
                central.discover(&Cycle::of_task(Clock::machine(), 600), discovery, None).await.unwrap();
            let finding = cloud.requests();
            let (_, ended) = central.poll(&Cycle::of_task(Clock::machine(), 600), line.name).await;
            ended.unwrap();
            let reading = cloud.requests().split_off(finding.len());
            let cost = cost(namespace, line);
            let expected = (
                meant(cost.discovery, resources.len(), &finding),
                meant(cost.reading, resources.len(), &finding),
            );
            if (finding.len(), reading.len()) != expected {
                let _ = writeln!(wrong, "{}: {cost:?}, {finding:?}, {reading:?}", line.name);
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_pollster_of_the_namespace_is_compared() {
    let meters = recording().meters();
    for line in Namespace::named("central").unwrap().pollsters {
        assert!(meters.iter().any(|(_, meter)| meter == line.name), "{} is in no file of answers", line.name);
    }
}
