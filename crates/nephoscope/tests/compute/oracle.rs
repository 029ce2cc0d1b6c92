//! Both agents on the same real domains, in every state that a domain can be in, and on replayed ones with what the session
//! daemon of an account cannot have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Libvirtd, SystemLibvirtd};

use crate::ceilometer::Ceilometer;
use crate::differences::Judge;
use crate::replayed;
use crate::sample::{Polled, compare, meters};
use crate::server::Server;
use crate::site::{configured, nova, poll, settings};

/// One that runs with everything, one of an old Nova, and one in each other state; the last is not Nova's.
fn instances() -> [Value; 8] {
    [
        json!({
            "number": 1, "guest": "busy", "nova": "2025.2", "vcpus": 2, "display_name": "wéb &amp; 1",
            "disks": ["vda", "vdb", "sda"],
            // A device that the host has, one that it has not, and one without a name. Nobody else has the first:
            // Ceilometer's deltas are by the device's name, whosever it is.
            "nics": ["lo", "nowhere0", ""],
        }),
        json!({ "number": 2, "guest": "busy", "nova": "1.0", "nics": [""] }),
        json!({ "number": 3, "state": "paused", "nics": [], "flavor": "long gone" }),
        json!({ "number": 4, "state": "shut off", "nova": "2025.2", "disks": ["vda", "vdb"], "nics": [] }),
        json!({ "number": 5, "guest": "panics", "state": "crashed", "nics": [] }),
        json!({ "number": 6, "guest": "sleeps", "state": "pmsuspended", "nics": [] }),
        json!({ "number": 7, "state": "shut off", "disks": [], "nics": [] }),
        json!({ "number": 8, "guest": "busy", "nova": null, "nics": [] }),
    ]
}

fn hypervisor() -> Libvirtd {
    let daemon = Libvirtd::start().unwrap();
    for instance in instances() {
        daemon.instance(&instance).unwrap_or_else(|error| panic!("{instance}: {error}\n{}", daemon.log()));
    }
    daemon
}

/// Both agents, one after the other.
struct Both {
    judge: Judge,
    theirs: Ceilometer,
    nova: Server,
    _directory: TempDir,
}

impl Both {
    /// `uri` is where Ceilometer's agent connects to at its start.
    fn start(uri: &str) -> Self {
        let nova = nova();
        let directory = configured(&settings(uri, nova.address));
        let theirs = Ceilometer::start(directory.path());
        Self { judge: Judge::new("instances"), theirs, nova, _directory: directory }
    }

    /// Ceilometer's agent, ours, and Ceilometer's again; returns what ours says.
    fn compare(&mut self, case: &str, uri: &str, stopped: bool) -> Vec<Polled> {
        let mut own = settings(uri, self.nova.address);
        own.push(("compute", format!("report_stopped_instance_metrics = {stopped}")));
        let directory = configured(&own);
        let options =
            json!({ "DEFAULT.libvirt_uri": uri, "compute.report_stopped_instance_metrics": stopped });
        let before = self.theirs.cycle(&options);
        let ours = poll(directory.path());
        let after = self.theirs.cycle(&json!({}));
        assert!(!before.is_empty(), "{}", self.theirs.log());
        println!("{case}: {} samples of Ceilometer's agent, {} of ours", before.len(), ours.len());
        compare(&mut self.judge, case, &before, &ours, &after);
        ours
    }
}

#[test]
fn both_agents_say_the_same_of_the_same_domains() {
    let daemon = hypervisor();
    let mut both = Both::start(daemon.uri());
    let ours = both.compare("real", daemon.uri(), false);
    // What shall be there is there.
    let of = |number: u32| {
        let uuid = format!("{number:08x}-3333-4333-8333-333333333333");
        ours.iter().filter(move |sample| sample.resource.contains(&uuid)).cloned().collect::<Vec<_>>()
    };
    let value = |number: u32, meter: &str| {
        let found: Vec<f64> =
            of(number).iter().filter(|sample| sample.meter == meter).map(Polled::number).collect();
        assert_eq!(found.len(), 1, "{meter} of {number}: {found:?}");
        found[0]
    };
    for (number, state) in [(1, 1.0), (2, 1.0), (3, 3.0), (5, 6.0), (6, 7.0)] {
        assert!((value(number, "power.state") - state).abs() < 0.1, "{number}");
    }
    assert!(value(1, "cpu") > 0.0 && value(2, "disk.device.write.bytes") > 0.0);
    let disks = of(1).iter().filter(|sample| sample.meter == "disk.device.capacity").count();
    assert_eq!(disks, 3);
    let first = of(1);
    let nics = first.iter().filter(|sample| sample.meter == "network.incoming.bytes");
    assert!(nics.map(|sample| &sample.resource).all(|resource| resource.ends_with("-lo")));
    assert_eq!(meters(&of(4)), ["disk.ephemeral.size", "disk.root.size"].into());
    assert!(of(8).is_empty());

    let ours = both.compare("stopped too", daemon.uri(), true);
    let uuid = "00000004-3333";
    let reported: Vec<Polled> = ours.into_iter().filter(|sample| sample.resource.starts_with(uuid)).collect();
    assert!(
        meters(&reported).is_superset(&["power.state", "vcpus", "memory", "disk.device.capacity"].into())
    );
    drop(daemon);

    // With taps on a bridge, which a session's daemon does not have.
    let system = SystemLibvirtd::start().unwrap();
    let tapped = json!({ "number": 33, "guest": "busy", "nova": "2025.2", "taps": 2 });
    system.instance(&tapped).unwrap_or_else(|error| panic!("{error}\n{}", system.log()));
    let ours = both.compare("taps", &system.qemu_uri(), false);
    if system.starts() {
        let of_taps = |meter: &str| ours.iter().filter(|sample| sample.meter == meter).count();
        for meter in ["network.incoming.bytes", "network.outgoing.packets", "network.outgoing.packets.drop"] {
            assert_eq!(of_taps(meter), 2, "{meter}");
        }
        let is_bridged = |sample: &&Polled| sample.description.contains("\"bridge\": \"br0\"");
        let nics = ours.iter().filter(|sample| sample.meter.starts_with("network."));
        assert!(nics.clone().all(|sample| is_bridged(&sample)), "{:?}", nics.collect::<Vec<_>>());
    }
    containers(&mut both, &system);
    drop(system);

    let replayed = replayed::cloud();
    let ours = both.compare("replayed", &replayed.uri(), false);
    let found = meters(&ours);
    for meter in ["memory.usage", "memory.swap.in", "perf.cache.misses", "network.outgoing.packets.drop"] {
        assert!(found.contains(meter), "{meter}: {found:?}");
    }
    both.compare("replayed, stopped too", &replayed.uri(), true);
    let Both { judge, .. } = both;
    println!("{} samples compared, {} expected differences", judge.compared, judge.expected);
    assert!(judge.compared > 400, "{}", judge.compared);
    judge.end();
}

/// Ceilometer's agent needs statistics that the driver of containers does not have, and has nothing of the machine: what it
/// says, ours says too, and beside it what the driver tells in other ways.
fn containers(both: &mut Both, system: &SystemLibvirtd) {
    let runs = system.container(34, "running").unwrap_or_else(|error| panic!("{error}\n{}", system.log()));
    let stopped = system.container(35, "shut off").unwrap();
    let uri = system.containers_uri();
    let directory = configured(&settings(uri, both.nova.address));
    let options = json!({ "DEFAULT.libvirt_uri": uri, "compute.report_stopped_instance_metrics": false });
    let theirs = both.theirs.cycle(&options);
    let ours = poll(directory.path());
    println!("containers: {} samples of Ceilometer's agent, {} of ours", theirs.len(), ours.len());
    let described = |samples: &[Polled]| -> BTreeMap<(String, String), String> {
        let described = |one: &Polled| ((one.meter.clone(), one.resource.clone()), one.description.clone());
        samples.iter().map(described).collect()
    };
    let (theirs, mut ours) = (described(&theirs), described(&ours));
    for (key, description) in &theirs {
        assert_eq!(ours.remove(key).as_ref(), Some(description), "{key:?}");
    }
    let more: BTreeSet<&str> = ours.keys().map(|(meter, _)| meter.as_str()).collect();
    let wanted: &[&str] = if system.starts() { &["cpu", "memory", "power.state", "vcpus"] } else { &[] };
    assert!(wanted.iter().all(|meter| more.contains(meter)), "{more:?}");
    assert!(
        ours.keys().all(|(meter, resource)| *resource == runs.uuid && !meter.starts_with("network.")),
        "{more:?}"
    );
    let sizes =
        theirs.keys().filter(|(meter, _)| meter == "disk.root.size").map(|(_, resource)| resource.clone());
    assert_eq!(sizes.collect::<BTreeSet<_>>(), [runs.uuid, stopped.uuid].into());
}
