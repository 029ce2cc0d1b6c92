//! Beside Ceilometer's publisher, against the real Gnocchi: equal resources, history, metrics and measures.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pipeline::Records;
use serde_json::{Value, json};
use testkit::{Gnocchi, Proxy, venv, venv_python, wait_until};

use crate::support::{House, plain, samples_group};
use crate::telling::{publish_ours, runtime};

const VM: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0a01";
const SECOND: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0a02";
const VOLUME: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0b01";
const IMAGE: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0c01";

fn oracle_sample(
    name: &str,
    kind: &str,
    unit: &str,
    volume: &Value,
    resource: &Value,
    minute: u32,
    metadata: &Value,
) -> Value {
    json!({
        "name": name, "type": kind, "unit": unit, "volume": volume, "user_id": "u", "project_id": "p",
        "resource_id": resource, "timestamp": format!("2026-07-21T13:{minute:02}:12.5+00:00"),
        "resource_metadata": metadata, "id": format!("{name}-{minute}"),
    })
}

/// What a small cloud says in an hour.
fn steps() -> Vec<Value> {
    let vm = |host: &str| {
        json!({"display_name": "web", "host": "hash", "instance_host": host, "flavor": {"id": "f1", "name": "m1"},
               "image_ref": IMAGE, "launched_at": "2026-07-21T12:00:00.000000", "created_at": "2026-07-21T11:59:00+00:00"})
    };
    let disk = json!({"disk_name": "vda", "instance_id": VM});
    let mut steps = Vec::new();
    for (minute, host) in [(0, "h1"), (5, "h1"), (10, "h2"), (15, "h2")] {
        let id = json!(VM);
        steps.push(json!({"samples": [
            oracle_sample("cpu", "cumulative", "ns", &json!(1_000 * minute), &id, minute, &vm(host)),
            oracle_sample("memory.usage", "gauge", "MB", &json!(51.5), &id, minute, &vm(host)),
            oracle_sample("disk.device.read.bytes", "cumulative", "B", &json!(7 * minute), &json!(format!("{VM}-vda")), minute, &disk),
            oracle_sample("no.such.meter", "gauge", "B", &json!(1), &id, minute, &json!({})),
        ]}));
    }
    let volume = |project: &str, minute| {
        let mut sample = oracle_sample(
            "volume.size",
            "gauge",
            "GB",
            &json!("10"),
            &json!(VOLUME),
            minute,
            &json!({"display_name": "data", "volume_type": "ssd"}),
        );
        sample["project_id"] = json!(project);
        sample
    };
    steps.push(json!({"samples": [volume("p", 1), volume("p", 6)]}));
    steps.push(json!({"events": [
        {"event_type": "volume.transfer.accept.end", "traits": [["resource_id", 1, VOLUME], ["project_id", 1, "p2"]]},
        {"event_type": "compute.instance.create.end", "traits": [
            ["instance_id", 1, SECOND], ["display_name", 1, "db"], ["host", 1, "h3"], ["instance_flavor_id", 1, "f2"],
            ["instance_type", 1, "m2"], ["project_id", 1, "p"], ["user_id", 1, "u"], ["other", 1, "x"]]},
    ]}));
    steps.push(json!({"samples": [volume("p2", 11)]}));
    let id = json!(SECOND);
    steps.push(json!({"samples": [
        oracle_sample("vcpus", "gauge", "vcpu", &json!(2), &id, 0, &json!({"display_name": "db", "flavor": {"id": "f2", "name": "m2"}})),
        oracle_sample("network.incoming.bytes", "cumulative", "B", &json!(99), &json!("instance-2/tap1"), 0, &json!({"vnic_name": "tap1", "instance_id": SECOND})),
        oracle_sample("image.size", "gauge", "B", &json!(5), &json!(IMAGE), 0, &json!({"name": "cirros", "disk_format": "qcow2", "container_format": "bare"})),
        oracle_sample("storage.objects.size", "gauge", "B", &json!(true), &json!("ac/count"), 0, &json!({})),
        oracle_sample("identity.authenticate.success", "delta", "user", &json!(1), &json!("someone"), 0, &json!({})),
    ]}));
    steps.push(json!({"events": [
        {"event_type": "compute.instance.delete.start", "traits": [["instance_id", 1, SECOND]]},
        {"event_type": "image.delete", "traits": [["resource_id", 1, IMAGE]]},
        {"event_type": "image.delete", "traits": [["resource_id", 1, "nobody-knows-it"]]},
        {"event_type": "no.definition.for.this", "traits": []},
    ]}));
    steps
}

fn publish_theirs(url: &str, steps: &[Value]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("steps.json");
    std::fs::write(&file, Value::from(steps).to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gnocchi/oracle.py");
    let output =
        Command::new(venv_python().unwrap()).arg("-B").arg(script).arg(url).arg(&file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Removes all resources and archive policies; resource types stay.
fn empty(gnocchi: &Gnocchi) {
    let statement = "TRUNCATE metric, resource_history, resource, archive_policy_rule, archive_policy RESTART IDENTITY CASCADE";
    gnocchi.postgresql().psql(statement).unwrap();
}

fn resource_types(gnocchi: &Gnocchi) -> BTreeMap<String, Value> {
    let types = gnocchi.get("/v1/resource_type").unwrap();
    let types = types.as_array().unwrap().iter();
    types.map(|found| (found["name"].as_str().unwrap().to_owned(), found.clone())).collect()
}

fn upgrade_theirs(gnocchi: &Gnocchi) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("ceilometer.conf");
    let credentials = format!("auth_type = gnocchi-basic\nuser = admin\nendpoint = {}\n", gnocchi.url());
    std::fs::write(&config, format!("[service_credentials]\n{credentials}[gnocchi]\n{credentials}")).unwrap();
    let output = Command::new(venv().join("bin/ceilometer-upgrade"))
        .arg("--config-file")
        .arg(&config)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn resource_types_and_everything_published_equal_ceilometers() {
    let gnocchi = Gnocchi::start().unwrap();
    // Resource types: theirs, then ours on an empty Gnocchi.
    upgrade_theirs(&gnocchi);
    let theirs = resource_types(&gnocchi);
    assert!(theirs.len() > 20, "{theirs:?}");
    // On what the original has left, ours finds nothing to do.
    assert_eq!(crate::upgrade::run(gnocchi.url(), false), Vec::<String>::new());
    for name in theirs.keys().filter(|name| *name != "generic") {
        let (status, _) = gnocchi.request("DELETE", &format!("/v1/resource_type/{name}"), None).unwrap();
        assert_eq!(status, 204, "{name}");
    }
    let planned = crate::upgrade::run(gnocchi.url(), true);
    assert_eq!(resource_types(&gnocchi).len(), 1, "a dry run has changed something");
    assert_eq!(crate::upgrade::run(gnocchi.url(), false), planned);
    assert_eq!(resource_types(&gnocchi), theirs);
    assert_eq!(crate::upgrade::run(gnocchi.url(), false), Vec::<String>::new());
    archive_policies_are_those_that_ceilometers_publisher_makes(&gnocchi);

    // Samples and events.
    let steps = steps();
    assert_eq!(publish_theirs(gnocchi.url(), &steps), "");
    let theirs = gnocchi.dump().unwrap();
    assert_eq!(theirs.len(), 8, "{:?}", theirs.keys());
    empty(&gnocchi);
    assert_eq!(publish_ours(gnocchi.url(), &steps), Vec::<String>::new());
    let ours = gnocchi.dump().unwrap();
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (resource, theirs) in &theirs {
        assert_eq!(&ours[resource], theirs, "{resource}");
    }
    // More than an hour's worth of it is there at all.
    assert_eq!(ours[&format!("instance {VM}")]["history"].as_array().unwrap().len(), 2);
    assert_eq!(ours[&format!("instance {SECOND}")]["now"]["ended_at"], "set");

    // What costs the original a whole batch costs ours one record.
    for (bad, refused) in [
        (oracle_sample("memory", "gauge", "MB", &json!(1), &Value::Null, 20, &json!({})), 1),
        (oracle_sample("memory", "gauge", "MB", &json!(1), &json!("x".repeat(300)), 20, &json!({})), 1),
        (oracle_sample("image.size", "gauge", "B", &json!(1), &json!("no-formats"), 20, &json!({})), 1),
    ] {
        let mut late = bad.clone();
        late["timestamp"] = json!("not a time");
        let good = oracle_sample("vcpus", "gauge", "vcpu", &json!(4), &json!(VM), 20, &json!({}));
        for (bad, refused) in [(bad, refused), (late, 1)] {
            let steps = [json!({"samples": [good, bad]})];
            let reasons = publish_ours(gnocchi.url(), &steps);
            assert_eq!(reasons.len(), refused, "{bad}: {reasons:?}");
        }
    }
    let measures = format!("/v1/resource/generic/{VM}/metric/vcpus/measures?refresh=true");
    assert_eq!(gnocchi.get(&measures).unwrap().as_array().unwrap().len(), 1);
}

/// Ceilometer's are made by its publisher, with its first sample.
fn archive_policies_are_those_that_ceilometers_publisher_makes(gnocchi: &Gnocchi) {
    let there = || gnocchi.get("/v1/archive_policy").unwrap();
    let steps = [
        json!({"samples": [oracle_sample("no.such.meter", "gauge", "B", &json!(1), &json!("r"), 0, &json!({}))]}),
    ];
    assert_eq!(publish_theirs(gnocchi.url(), &steps), "");
    let theirs = there();
    assert_eq!(theirs.as_array().unwrap().len(), 4, "{theirs}");
    assert_eq!(crate::upgrade::run_with_policies(gnocchi.url(), false), Vec::<String>::new());
    empty(gnocchi);
    let names = ["ceilometer-low", "ceilometer-low-rate", "ceilometer-high", "ceilometer-high-rate"];
    let steps = names.map(|name| format!("create the archive policy {name}"));
    assert_eq!(crate::upgrade::run_with_policies(gnocchi.url(), true), steps);
    assert_eq!(there(), json!([]));
    assert_eq!(crate::upgrade::run_with_policies(gnocchi.url(), false), steps);
    assert_eq!(there(), theirs);
    empty(gnocchi);
}

/// A project id that is longer than the index can hold: Gnocchi answers 500 to it for ever, and takes all others.
#[test]
fn a_record_that_the_real_gnocchi_fails_at_is_given_up() {
    let gnocchi = Gnocchi::start().unwrap();
    assert!(!crate::upgrade::run(gnocchi.url(), false).is_empty());
    let metadata = r#"{"display_name": "n", "instance_flavor_id": "f", "instance_type": "t"}"#;
    let of_project = |id: &str, project: &str| {
        let mut sample = plain("memory.usage", id, 1, metadata);
        sample.project_id = project.into();
        Arc::new(sample)
    };
    let long = "p".repeat(300);
    let poison = vec![of_project("a", "p"), of_project("bad", &long), of_project("z", "p")];
    let (failures, refusals) = runtime().block_on(async {
        let mut house =
            House::of_today(gnocchi.url(), "enable_filter_project=false&timeout=60&give_up_after=0.2");
        let group = samples_group(poison);
        let mut failures = Vec::new();
        loop {
            match house.offer(&group).await {
                Ok(refusals) => break (failures, refusals),
                Err(error) => failures.push(error.to_string()),
            }
            assert!(failures.len() < 100, "{failures:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(failures.len() >= 7 && failures[0].contains("answered 500"), "{failures:#?}");
    let seen: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
    assert_eq!(seen, [(1, "server_error")], "{refusals:?}");
    for (id, there) in [("a", 1), ("bad", 0), ("z", 1)] {
        let path = format!("/v1/resource/generic/{id}/metric/memory.usage/measures?refresh=true");
        let (status, measures) = gnocchi.request("GET", &path, None).unwrap();
        assert_eq!(
            (status == 200, measures.as_array().map_or(0, Vec::len)),
            (there == 1, there),
            "{id}: {measures}"
        );
    }
    // What was done to see whether Gnocchi works has left nothing behind.
    assert_eq!(gnocchi.get("/v1/resource/generic").unwrap().as_array().unwrap().len(), 2);
}

/// Gnocchi is killed and comes back, connections break and stall: every measure is there in the end.
#[test]
fn every_measure_arrives_whatever_happens_to_gnocchi() {
    const POINTS: u32 = 12;
    const RESOURCES: usize = 30;
    let gnocchi = Gnocchi::start().unwrap();
    assert!(!crate::upgrade::run(gnocchi.url(), false).is_empty());
    let proxy = Proxy::to_port(gnocchi.port()).unwrap();
    let url = format!("http://127.0.0.1:{}", proxy.port());
    // Five minutes apart: each is an aggregate of its own.
    let groups: Vec<Arc<[Records]>> = (0..POINTS)
        .map(|point| {
            let samples = (0..RESOURCES).map(|number| {
                let mut sample = plain(
                    "memory.usage",
                    format!("vm-{number}").as_str(),
                    0,
                    r#"{"display_name": "n", "instance_flavor_id": "f", "instance_type": "t"}"#,
                );
                sample.timestamp = format!("2026-07-21T13:{:02}:00", point * 5).into();
                Arc::new(sample)
            });
            samples_group(samples.collect())
        })
        .collect();
    let publishing = std::thread::spawn(move || {
        runtime().block_on(async {
            let mut house = House::of_today(&url, "enable_filter_project=false&timeout=2");
            let mut failures = 0;
            for group in &groups {
                while let Err(error) = house.offer(group).await {
                    assert!(["unavailable", "timeout", "protocol"].contains(&error.cause), "{error:?}");
                    failures += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            failures
        })
    });
    let forwarded = || proxy.forwarded_bytes();
    let wait_for = |more: u64| {
        let start = forwarded();
        let _ = wait_until("traffic", Duration::from_secs(20), || {
            (publishing.is_finished() || forwarded() > start + more).then_some(())
        });
    };
    wait_for(2_000);
    gnocchi.kill().unwrap();
    gnocchi.start_again().unwrap();
    wait_for(4_000);
    proxy.cut().unwrap();
    wait_for(4_000);
    proxy.stall();
    std::thread::sleep(Duration::from_millis(200));
    proxy.resume();
    wait_for(4_000);
    proxy.cut().unwrap();
    let failures = publishing.join().unwrap();
    assert!(failures > 0, "nothing happened to it");
    for number in 0..RESOURCES {
        let path = format!("/v1/resource/generic/vm-{number}/metric/memory.usage/measures?refresh=true");
        let measures = gnocchi.get(&path).unwrap();
        assert_eq!(measures.as_array().unwrap().len(), POINTS as usize, "vm-{number}: {measures}");
    }
}
