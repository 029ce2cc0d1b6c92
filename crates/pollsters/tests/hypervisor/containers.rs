//! Containers (libvirt's driver LXC), which have no bulk statistics, and domains with taps.

use libvirt::DomainState;
use serde_json::json;
use testkit::SystemLibvirtd;

use super::world::{PATIENCE, World, patient};

fn limits() -> nephoscope_pollsters::compute::LibvirtLimits {
    nephoscope_pollsters::compute::LibvirtLimits { call: PATIENCE, ..patient() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_are_instances_too() {
    let daemon = SystemLibvirtd::start().unwrap();
    let world = World::new(daemon.containers_uri(), limits());
    assert!(world.well().await.survey().domains.is_empty());
    let runs = daemon.container(1, "running").unwrap();
    let stopped = daemon.container(2, "shut off").unwrap();
    for _ in 0..2 {
        let found = world.well().await;
        assert_eq!(found.instances().len(), 2);
        let off = found.domain(&stopped.uuid);
        assert_eq!((off.state, off.machine.vcpus), (DomainState::ShutOff, Some(1)));
        assert_eq!((off.machine.memory_actual_kib, off.machine.cpu_time_ns), (Some(64 << 10), None));
        assert_eq!(found.says(&stopped.uuid, "status").as_deref(), Some("stopped"));
        assert_eq!(found.says(&runs.uuid, "display_name").as_deref(), Some("container 1"));
        assert_eq!(found.says(&runs.uuid, "os_type").as_deref(), Some("exe"));
        let on = found.domain(&runs.uuid);
        let [nic] = &on.nics[..] else { panic!("{on:?}") };
        assert_eq!((nic.device.as_str(), nic.mac.as_str()), ("tap1-0", "fa:16:3e:00:01:80"));
        assert!(on.disks.is_empty() && !on.is_hung, "{on:?}");
        if daemon.starts() {
            assert_eq!(on.state, DomainState::Running);
            assert!(on.machine.cpu_time_ns.is_some() && on.machine.memory_actual_kib.is_some(), "{on:?}");
            assert!(nic.incoming.is_some() && nic.outgoing.is_some(), "{on:?}");
        }
    }
    if daemon.starts() {
        daemon.virsh("lxc", &["destroy", &runs.name]).unwrap();
    }
    assert_eq!(world.well().await.domain(&runs.uuid).state, DomainState::ShutOff);
    daemon.virsh("lxc", &["undefine", &runs.name]).unwrap();
    assert_eq!(world.well().await.instances().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taps_on_a_bridge_are_counted() {
    let daemon = SystemLibvirtd::start().unwrap();
    let made = daemon.instance(&json!({ "number": 3, "guest": "idle", "taps": 2 })).unwrap();
    let world = World::new(&daemon.qemu_uri(), limits());
    let found = world.well().await;
    let domain = found.domain(&made.uuid);
    let devices: Vec<&str> = domain.nics.iter().map(|nic| nic.device.as_str()).collect();
    assert_eq!(devices, ["tap3-0", "tap3-1"]);
    for nic in &domain.nics {
        assert_eq!(nic.incoming.is_some(), daemon.starts(), "{nic:?}");
        assert_eq!(nic.parameters.get("bridge").and_then(|bridge| bridge.as_str()), Some("br0"));
    }
}
