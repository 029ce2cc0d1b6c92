//! A real libvirtd with real QEMU domains.

use libvirt::DomainState;
use testkit::{Libvirtd, TestDomain};

use super::world::{Found, PATIENCE, World, patient};

const NOVA: [&str; 2] =
    ["http://openstack.org/xmlns/libvirt/nova/1.0", "http://openstack.org/xmlns/libvirt/nova/1.1"];

fn limits() -> nephoscope_pollsters::compute::LibvirtLimits {
    nephoscope_pollsters::compute::LibvirtLimits { call: PATIENCE, ..patient() }
}

fn state(found: &Found, domain: &TestDomain) -> Option<DomainState> {
    found.survey().domains.get(&domain.uuid).map(|inspection| inspection.state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domains_life() {
    let daemon = Libvirtd::start().unwrap();
    let world = World::new(daemon.uri(), limits());
    assert!(world.well().await.survey().domains.is_empty());

    let domain = TestDomain::new(1);
    let (name, id) = (domain.name.as_str(), domain.uuid.as_str());
    daemon.define(&domain).unwrap();
    let found = world.well().await;
    assert_eq!(state(&found, &domain), Some(DomainState::ShutOff));
    assert_eq!(
        (found.says(id, "status").as_deref(), found.says(id, "state").as_deref()),
        (Some("stopped"), Some("shutdown"))
    );
    let off = found.domain(id);
    assert_eq!(
        (off.machine.vcpus, off.machine.memory_actual_kib, off.machine.cpu_time_ns),
        (Some(2), Some(16_384), None)
    );
    assert_eq!((off.disks.len(), off.disks[0].physical), (1, Some(1 << 20)));

    for (verbs, expected, status) in [
        (&["start", name, "--paused"][..], DomainState::Paused, "paused"),
        (&["resume", name], DomainState::Running, "active"),
        (&["suspend", name], DomainState::Paused, "paused"),
        (&["resume", name], DomainState::Running, "active"),
    ] {
        daemon.virsh(verbs).unwrap();
        let found = world.well().await;
        assert_eq!(state(&found, &domain), Some(expected), "{verbs:?}");
        assert_eq!(found.says(id, "status").as_deref(), Some(status), "{verbs:?}");
        let running = found.domain(id);
        assert!(
            running.machine.cpu_time_ns.is_some() && running.machine.memory_resident_kib.is_some(),
            "{running:?}"
        );
        assert!(running.disks[0].read_requests.is_some() && !running.is_hung, "{running:?}");
    }
    assert_eq!(found.says(id, "display_name").as_deref(), Some("vm of instance-00000001"));
    assert_eq!(found.says(id, "instance_type").as_deref(), Some("m1.tiny"));

    // A disk and a network interface that are plugged in.
    daemon.virsh(&["attach-disk", name, "/dev/null", "vdb", "--live", "--sourcetype", "block"]).unwrap();
    let found = world.well().await;
    let disks: Vec<&str> = found.domain(id).disks.iter().map(|disk| disk.device.as_str()).collect();
    assert_eq!(disks, ["vda", "vdb"]);
    let device = daemon.dir().join("nic.xml");
    let nic = "<interface type='user'><mac address='fa:16:3e:00:00:07'/><target dev='tapnew'/><model type='virtio'/></interface>";
    std::fs::write(&device, nic).unwrap();
    daemon.virsh(&["attach-device", name, &device.display().to_string(), "--live"]).unwrap();
    let xml = daemon.virsh(&["dumpxml", name]).unwrap();
    let found = world.well().await;
    if xml.contains("tapnew") {
        let [nic] = &found.domain(id).nics[..] else { panic!("{:?}\n{xml}", found.domain(id)) };
        assert_eq!(
            (nic.device.as_str(), nic.mac.as_str(), nic.incoming),
            ("tapnew", "fa:16:3e:00:00:07", None)
        );
    }

    daemon.virsh(&["destroy", name]).unwrap();
    assert_eq!(state(&world.well().await, &domain), Some(DomainState::ShutOff));
    daemon.virsh(&["undefine", name]).unwrap();
    let found = world.well().await;
    assert!(found.survey().domains.is_empty() && found.instances().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_of_both_ages_and_none() {
    let daemon = Libvirtd::start().unwrap();
    let world = World::new(daemon.uri(), limits());
    let domain = TestDomain::new(1).without_metadata();
    daemon.define(&domain).unwrap();
    let found = world.well().await;
    assert_eq!((found.survey().domains.len(), found.instances().len()), (1, 0));
    assert_eq!(world.metric("skipped_domains"), 1);

    let set = |namespace: &str, element: &str| {
        daemon
            .virsh(&[
                "metadata",
                &domain.name,
                "--uri",
                namespace,
                "--key",
                "nova",
                "--set",
                element,
                "--config",
            ])
            .unwrap();
    };
    let element = |name: &str| {
        format!(
            "<instance><name>{name}</name><flavor name='m1'><vcpus>1</vcpus></flavor><owner><user uuid='u'/><project \
             uuid='p'/></owner></instance>"
        )
    };
    for (namespace, name) in NOVA.into_iter().zip(["of old", "of today"]) {
        set(namespace, &element(name));
        let found = world
            .until(name, |found| found.says(&domain.uuid, "display_name").as_deref() == Some(name))
            .await;
        assert_eq!(found.instances()[domain.uuid.as_str()].project_id, "p".into());
    }
    assert_eq!(world.metric("skipped_domains"), 0);

    // Something that every instance has is not there any more.
    set(NOVA[1], "<instance><name>x</name></instance>");
    world.until("no instance", |found| found.instances().is_empty()).await;
    assert_eq!(world.metric("skipped_domains"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_comes_late_and_is_killed() {
    let daemon = Libvirtd::start().unwrap();
    let domain = TestDomain::new(1);
    daemon.define(&domain).unwrap();
    daemon.virsh(&["start", &domain.name, "--paused"]).unwrap();
    daemon.stop().unwrap();
    let world = World::new(daemon.uri(), limits());
    assert!(world.cycle().await.survey.is_err());
    daemon.start_again().unwrap();
    world.until("the daemon", |found| found.survey.is_ok()).await;

    for _ in 0..2 {
        daemon.kill().unwrap();
        daemon.start_again().unwrap();
        let found = world.well().await;
        assert_eq!(state(&found, &domain), Some(DomainState::Paused), "domains outlive the daemon");
        assert_eq!(found.instances().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_test_driver_is_read_domain_by_domain() {
    let daemon = Libvirtd::start().unwrap();
    let world = World::new(&daemon.uri_of("test", "/default"), limits());
    for _ in 0..2 {
        let found = world.well().await;
        let inspections: Vec<_> = found.survey().domains.values().collect();
        let [test] = &inspections[..] else { panic!("{inspections:?}") };
        assert_eq!((test.state, test.is_hung, test.machine.vcpus), (DomainState::Running, false, Some(2)));
        assert!(test.machine.cpu_time_ns.is_some() && test.machine.memory_actual_kib.is_some(), "{test:?}");
        assert_eq!((test.nics[0].device.as_str(), test.disks[0].device.as_str()), ("testnet0", "vda"));
        assert!(test.nics[0].incoming.is_some() && test.disks[0].read_requests.is_some(), "{test:?}");
        assert!(found.instances().is_empty());
    }
}
