//! Instances found by a real Nova with a real Glance, by Ceilometer's discovery and by ours.
//!
//! The original (`oracle/nova.py`) is told to read all pages, so that all can be compared; what differs on purpose stands in
//! `nova_differences.yaml`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::json;
use nephoscope_pollsters::compute::{Instance, ask_nova};
use observability::clock::Clock;
use serde_json::{Value, json};
use testkit::Keystone;

#[path = "support/cloud.rs"]
mod cloud;

use cloud::{HOST, TestCloud, discovery, find};

const DIFFERENCES: &str = include_str!("nova_differences.yaml");
const DOCUMENTED: &str = include_str!("../../../docs/differences.md");

/// Ceilometer's discovery.
struct Original {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Original {
    fn start(keystone: &Keystone) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/nova.py");
        let mut child = Command::new(testkit::venv_python().unwrap())
            .arg("-B")
            .arg(script)
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let sections = json!({
            "DEFAULT": { "host": HOST },
            "compute": { "instance_discovery_method": "naive" },
            "service_credentials": {
                "auth_type": "password", "auth_url": keystone.url(), "username": keystone.user(),
                "password": keystone.password(), "project_name": "admin", "user_domain_id": "default",
                "project_domain_id": "default", "region_name": keystone.region(),
            },
        });
        writeln!(stdin.as_mut().unwrap(), "{sections}").unwrap();
        let mut original = Self { child, stdin, stdout };
        assert_eq!(original.line(), json!("ready"));
        original
    }

    /// The samples of disk.root.size of one discovery, by instance.
    fn samples(&mut self) -> BTreeMap<String, Value> {
        self.ask("discover")
    }

    fn ask(&mut self, what: &str) -> BTreeMap<String, Value> {
        writeln!(self.stdin.as_mut().unwrap(), "{what}").unwrap();
        let answer = self.line();
        assert_eq!(answer["group"], HOST);
        serde_json::from_value(answer["samples"].clone()).unwrap()
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

/// A difference that is meant.
struct Expected {
    key: String,
    upstream: bool,
    seen: bool,
}

/// Holds both sides' samples against each other.
struct Judge {
    expected: Vec<Expected>,
    compared: usize,
}

impl Judge {
    fn new() -> Self {
        let rules = yaml::parse(DIFFERENCES).unwrap();
        let mut section = "";
        let mut rows = Vec::new();
        for line in DOCUMENTED.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                section = title;
            } else if let Some(row) = line.strip_prefix("| ") {
                rows.push(format!("{section}: {row}"));
            }
        }
        let expected = rules.as_seq().unwrap().iter().map(|rule| {
            let text = |key: &str| rule.get(key).unwrap().as_str().unwrap().to_owned();
            let see = text("see");
            assert!(text("reason").len() > 20, "{see}");
            assert_eq!(rows.iter().filter(|row| row.starts_with(&see)).count(), 1, "{see}");
            assert_ne!(text("upstream"), text("ours"), "{see}");
            Expected { key: text("key"), upstream: text("upstream") == "present", seen: false }
        });
        Self { expected: expected.collect(), compared: 0 }
    }

    /// Panics where they are not the same, but for what is expected.
    fn compare(&mut self, step: &str, theirs: &BTreeMap<String, Value>, ours: &[Arc<Instance>]) {
        let ids: Vec<&str> = ours.iter().map(|instance| instance.id.as_str()).collect();
        assert_eq!(ids, theirs.keys().collect::<Vec<_>>(), "{step}");
        for instance in ours {
            let theirs = &theirs[&instance.id];
            let own: Value = serde_json::from_str(&json::to_string(instance.metadata.plain())).unwrap();
            self.differences(step, "", &theirs["metadata"], &own);
            assert_eq!(theirs["volume"], instance.flavor.disk_gib - instance.flavor.ephemeral_gib, "{step}");
            for (theirs, own) in
                [(&theirs["user_id"], &instance.user_id), (&theirs["project_id"], &instance.project_id)]
            {
                assert_eq!(theirs.as_str(), own.as_str(), "{step}");
            }
            assert_eq!(own["name"], instance.name.as_str(), "{step}");
            self.compared += 1;
        }
    }

    fn differences(&mut self, step: &str, path: &str, theirs: &Value, ours: &Value) {
        let (Some(left), Some(right)) = (theirs.as_object(), ours.as_object()) else {
            assert_eq!(theirs, ours, "{step}: {path}");
            return;
        };
        for key in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match (left.get(key), right.get(key)) {
                (Some(theirs), Some(ours)) => self.differences(step, &path, theirs, ours),
                (theirs, ours) => {
                    let is_upstream = theirs.is_some();
                    let rule = self
                        .expected
                        .iter_mut()
                        .find(|rule| rule.key == path && rule.upstream == is_upstream);
                    let Some(rule) = rule else { panic!("{step}: {path}: {theirs:?}, ours {ours:?}") };
                    rule.seen = true;
                }
            }
        }
    }

    fn end(self) {
        for rule in &self.expected {
            assert!(rule.seen, "expected but not seen: {}", rule.key);
        }
        println!("{} descriptions compared", self.compared);
    }
}

/// What is in the cloud.
struct Things {
    servers: Vec<String>,
    image: String,
    flavor: String,
    /// Not public.
    large: String,
}

fn furnish(test: &TestCloud) -> Things {
    let TestCloud { nova, cloud, .. } = test;
    let flavor = nova
        .create_flavor(
            &json!({ "name": "m1.small", "memory_mb": 2048, "vcpus": 2, "root_gb": 20, "ephemeral_gb": 5 }),
        )
        .unwrap();
    let large = nova
        .create_flavor(&json!({ "name": "m1 lärge", "flavorid": "f 1._x", "is_public": false, "swap": 64 }))
        .unwrap();
    let doomed = nova.create_flavor(&json!({ "name": "doomed" })).unwrap();
    let image = cloud.create_image("cirros ñ").unwrap();
    cloud.upload_image(&image, 3000).unwrap();
    let properties = json!({
        "min_disk": 1, "hw_disk_bus": "virtio", "hw_cpu_cores": "2", "os_type": "linux", "os_secure_boot": "required",
        "hw_boot_menu": "yes", "my_property": "it's \"mine\" ü", "another": "x", "kernel_id": HEX, "architecture": "x86_64",
    });
    cloud.update_image(&image, &properties).unwrap();
    let gone = cloud.create_image("gone").unwrap();
    let servers = [
        json!({
            "flavor": flavor, "image": image, "display_name": "web ñ", "task_state": "rebooting", "user_id": "u1",
            "project_id": "p1",
            "metadata": { "metering.server_group": "g".repeat(255), "metering.a.b": "x", "other": "no" },
        }),
        json!({ "flavor": flavor, "image": gone, "display_name": "of an image that is gone" }),
        json!({ "flavor": large, "display_name": "from a volume", "vm_state": "stopped", "power_state": 4 }),
        json!({ "flavor": doomed, "image": image, "display_name": "of a flavor that is gone" }),
        json!({ "flavor": flavor, "image": image, "vm_state": "error", "display_name": "failed" }),
        json!({ "flavor": flavor, "image": image, "host": "compute-2", "display_name": "elsewhere" }),
        json!({ "flavor": flavor, "image": image, "vm_state": "soft-delete", "display_name": "soft" }),
    ];
    let servers = servers.iter().map(|server| nova.create_server(server).unwrap()).collect();
    cloud.delete_image(&gone).unwrap();
    nova.delete_flavor(&doomed).unwrap();
    Things { servers, image, flavor, large }
}

/// An image's kernel.
const HEX: &str = "5a1c7a14-7e14-4a2f-8f3b-6d3c1c1a9d10";

/// The lists among Nova's requests, as their parameters.
fn lists(requests: &[String]) -> Vec<BTreeMap<String, String>> {
    let lists = requests.iter().filter_map(|line| line.strip_prefix("GET /v2.1/servers/detail?"));
    let parameters = |line: &str| {
        let (query, status) = line.rsplit_once(' ').unwrap();
        assert_eq!(status, "200");
        let url = openstack::Url::parse(&format!("http://n/?{query}")).unwrap();
        url.query_pairs().into_owned().collect()
    };
    lists.map(parameters).collect()
}

#[test]
fn instances_are_found_and_described_as_ceilometer_does() {
    let test = TestCloud::start();
    // Everything happens within the minute before the first list, as far as this clock knows.
    let (clock, hand) = Clock::test(Clock::machine().now());
    let things = furnish(&test);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut judge = Judge::new();
    let mut original = Original::start(&test.keystone);
    let tools = test.tools(clock);
    let discovery = discovery(&tools);
    let nova = &test.nova;
    let found = |step: &str| {
        let before = nova.requests().len();
        let found = runtime.block_on(find(&*discovery));
        let requests = nova.requests().split_off(before);
        println!("{step}: {} instances, {} requests to Nova", found.len(), requests.len());
        (found, requests)
    };

    // Everything, in pages of two.
    let (first, requests) = found("first");
    judge.compare("first", &original.samples(), &first);
    assert_eq!(first.len(), 4);
    let pages = lists(&requests);
    assert_eq!(pages.len(), 3, "{requests:#?}");
    for (number, page) in pages.iter().enumerate() {
        assert_eq!((page["host"].as_str(), page["all_tenants"].as_str()), (HOST, "True"));
        assert_eq!(page.contains_key("marker"), number > 0);
        assert!(!page.contains_key("changes-since"));
    }
    // A flavor is asked for once, an image as well.
    assert_eq!(requests.iter().filter(|line| line.contains("/flavors/")).count(), 3, "{requests:#?}");
    assert_eq!(discovery.group(), HOST);
    // The original reads the first page alone, of which one has failed.
    assert_eq!(original.ask("first page").len(), 1);

    // Nothing has changed: the very same instances. The one that is deleted softly is told now, and left out.
    let (again, requests) = found("again");
    judge.compare("again", &original.samples(), &again);
    let is_in = |one: &Arc<Instance>, all: &[Arc<Instance>]| all.iter().any(|other| Arc::ptr_eq(one, other));
    assert!(first.iter().all(|one| is_in(one, &again)));
    assert_eq!(again.len(), 4);
    assert_eq!(lists(&requests).len(), 4, "six servers in full pages: {requests:#?}");
    assert!(lists(&requests).iter().all(|page| page["changes-since"].ends_with('Z')), "{requests:#?}");

    // Changes.
    let [web, of_gone_image, from_volume, of_gone_flavor, ..] = &things.servers[..] else { unreachable!() };
    nova.update_server(
        web,
        &json!({ "display_name": "renamed", "task_state": null, "metadata": { "metering.c": "1" } }),
    )
    .unwrap();
    nova.delete_server(of_gone_image).unwrap();
    nova.update_server(of_gone_flavor, &json!({ "vm_state": "error" })).unwrap();
    let new = json!({ "flavor": things.large, "image": things.image, "display_name": "new" });
    nova.create_server(&new).unwrap();
    let (changed, _) = found("changed");
    judge.compare("changed", &original.samples(), &changed);
    assert_eq!(changed.len(), 3);
    let same = changed.iter().filter(|one| is_in(one, &again)).count();
    assert_eq!(same, 1, "the one that has not changed");

    // What has moved away is found out by the next whole list.
    nova.update_server(from_volume, &json!({ "host": "compute-2" })).unwrap();
    let (moved, _) = found("moved");
    judge.compare("moved", &original.samples(), &moved);
    assert_eq!(moved.len(), 3);
    hand.advance(Duration::from_hours(1));
    let (whole, requests) = found("whole");
    assert_eq!(whole.len(), 2);
    assert!(lists(&requests).iter().all(|page| !page.contains_key("changes-since")), "{requests:#?}");
    judge.end();

    // What libvirt's metadata do not say.
    let lookup = ask_nova(&tools).unwrap();
    runtime.block_on(async {
        for (name, id) in
            [("m1.small", Some(&things.flavor)), ("m1 lärge", Some(&things.large)), ("doomed", None)]
        {
            assert_eq!(lookup.flavor_id(name).await.unwrap().as_ref(), id, "{name}");
        }
        let before = nova.requests().len();
        for _ in 0..3 {
            let server = lookup.server(web).await.unwrap().unwrap();
            assert_eq!(server.flavor_id.as_ref(), Some(&things.flavor));
            assert_eq!(server.metadata.get("metering.c").and_then(model::Value::as_str), Some("1"));
        }
        // One alone, then the list of the host, whose four servers are two full pages.
        let requests = nova.requests().split_off(before);
        assert_eq!((requests.len(), lists(&requests).len()), (4, 3), "{requests:#?}");
        // One on another host, and one that is none.
        assert!(lookup.server(from_volume).await.unwrap().is_some());
        assert_eq!(lookup.server(HEX).await.unwrap(), None);
        assert_eq!(lookup.server("..").await.unwrap(), None);
    });
}
