//! Five hundred domains: round trips, and what is kept from cycle to cycle.

use std::sync::Arc;

use libvirt::{DomainState, procedure};
use nephoscope_pollsters::compute::{Machine, Traffic};
use testkit::{FakeDomain, FakeLibvirtd, until};

use super::world::{PATIENCE, World, patient};

const DOMAINS: usize = 500;
const BULK: i32 = procedure::CONNECT_GET_ALL_DOMAIN_STATS;
const XML: i32 = procedure::DOMAIN_GET_XML_DESC;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_cycle_is_one_round_trip_for_five_hundred_domains() {
    let server = FakeLibvirtd::start(DOMAINS).unwrap();
    let world = World::new(&server.uri(), patient());
    let first = world.well().await;
    assert_eq!(first.survey().domains.len(), DOMAINS);
    // Of three recorded domains, one was not made by Nova.
    assert_eq!(first.instances().len(), DOMAINS - DOMAINS / 3);
    assert_eq!((server.calls(BULK), server.calls(XML)), (1, DOMAINS));
    let before = world.metric("libvirt_calls_total");

    server.advance();
    let second = world.well().await;
    assert_eq!((server.calls(BULK), server.calls(XML), server.connections()), (2, DOMAINS, 1));
    assert!(world.metric("libvirt_calls_total") - before <= 2);
    let time = |found: &super::world::Found| {
        found.survey().domains.values().filter_map(|domain| domain.machine.cpu_time_ns).sum::<u64>()
    };
    assert!(time(&second) > time(&first), "what is counted grows");
    assert!(second.survey().monotonic_time > first.survey().monotonic_time);
    for (id, instance) in second.instances() {
        assert!(Arc::ptr_eq(instance, first.instances()[id]), "made again: {id}");
    }
    assert_eq!(world.metric("skipped_domains"), (DOMAINS / 3) as u64);
    assert_eq!(world.metric("hung_domains"), 0);
    assert_eq!(world.metric("libvirt_connections"), 1);
}

#[tokio::test]
async fn a_recorded_domain_is_read_as_ceilometer_would() {
    let server = FakeLibvirtd::start(3).unwrap();
    let world = World::new(&server.uri(), patient());
    let found = world.well().await;
    let id = |number: u32| format!("{number:08x}-2222-4222-8222-222222222222");
    let running = found.domain(&id(1));
    assert_eq!((running.state, running.is_hung), (DomainState::Running, false));
    assert_eq!(
        running.machine,
        Machine {
            vcpus: Some(2),
            cpu_time_ns: Some(170_000_000),
            memory_actual_kib: Some(32_768),
            memory_resident_kib: Some(45_536),
            ..Machine::default()
        }
    );
    let [nic] = &running.nics[..] else { panic!("{running:?}") };
    assert_eq!((nic.device.as_str(), nic.mac.as_str()), ("tap3f2a1b4c-5d", "fa:16:3e:00:00:01"));
    assert_eq!(nic.incoming, Some(Traffic { bytes: 180, packets: 2, errors: 0, drops: 0 }));
    assert_eq!(nic.outgoing, Some(Traffic::default()));
    let disks: Vec<_> =
        running.disks.iter().map(|disk| (disk.device.as_str(), disk.read_bytes, disk.capacity)).collect();
    // The drive without a medium is none.
    assert_eq!(disks, [("vda", Some(512), Some(1 << 20)), ("vdb", Some(0), Some(1 << 20))]);
    assert_eq!(found.domain(&id(2)).state, DomainState::Paused);
    let off = found.domain(&id(3));
    let expected = Machine { vcpus: Some(2), memory_actual_kib: Some(32_768), ..Machine::default() };
    assert_eq!((off.state, off.machine), (DomainState::ShutOff, expected));
    assert_eq!(off.disks[0].physical, Some(1 << 20));

    let instances = found.instances();
    assert_eq!(instances.len(), 2);
    assert_eq!(found.says(&id(1), "display_name").as_deref(), Some("web-1"));
    assert_eq!(found.says(&id(2), "state").as_deref(), Some("paused"));
}

#[tokio::test]
async fn what_changes_is_read_again_and_nothing_else() {
    let server = FakeLibvirtd::start(9).unwrap();
    let world = World::new(&server.uri(), patient());
    let id = |number: u32| format!("{number:08x}-2222-4222-8222-222222222222");
    let first = world.well().await;
    assert_eq!(server.calls(XML), 9);

    // Renamed in Nova.
    let mut renamed = None;
    server.change(|domains| {
        domains[0].xml = domains[0].xml.replace("web-1", "renamed");
        renamed = Some(domains[0].clone());
    });
    let events = world.metric("libvirt_events_total");
    server.metadata_event(renamed.as_ref().unwrap(), "http://openstack.org/xmlns/libvirt/nova/1.1");
    let second = world
        .until("the new name", |found| found.says(&id(1), "display_name").as_deref() == Some("renamed"))
        .await;
    assert!(world.metric("libvirt_events_total") > events);
    assert_eq!(server.calls(XML), 10);
    assert!(Arc::ptr_eq(second.instances()[id(2).as_str()], first.instances()[id(2).as_str()]));

    // A pause changes the state, and no definition.
    server.change(|domains| {
        domains[0].state = 3;
        domains[0].stats[0].2 = 3.into();
    });
    server.lifecycle_event(renamed.as_ref().unwrap(), 3, 0);
    let third = world.well().await;
    assert_eq!((third.says(&id(1), "status").as_deref(), server.calls(XML)), (Some("paused"), 10));

    // A disk that nobody told of shows in the same cycle.
    server.change(|domains| {
        let disk = "<disk type='file'><source file='/x'/><target dev='vdz'/></disk></devices>";
        domains[0].xml = domains[0].xml.replace("</devices>", disk);
        domains[0].stats.push(("block.3.name".into(), "text".into(), "vdz".into()));
        domains[0].stats.push(("block.3.rd.bytes".into(), "ulong".into(), 77.into()));
    });
    let fourth = world.well().await;
    let disk = fourth.domain(&id(1)).disks.last().cloned().unwrap();
    assert_eq!((disk.device.as_str(), disk.read_bytes), ("vdz", Some(77)));
    assert!(
        Arc::ptr_eq(fourth.instances()[id(1).as_str()], third.instances()[id(1).as_str()]),
        "a disk is no attribute"
    );

    // One that is gone is forgotten, one that comes is read.
    let fresh = FakeDomain::recorded(10).unwrap().pop().unwrap();
    server.change(|domains| {
        domains.remove(8);
        domains.push(fresh);
    });
    let calls = server.calls(XML);
    let fifth = world.well().await;
    assert!(!fifth.survey().domains.contains_key(&id(9)) && fifth.instances().contains_key(id(10).as_str()));
    assert_eq!(server.calls(XML), calls + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_events_is_survived() {
    let server = FakeLibvirtd::start(3).unwrap();
    let world = World::new(&server.uri(), patient());
    world.well().await;
    let domain = FakeDomain::recorded(1).unwrap().pop().unwrap();
    for _ in 0..2_000 {
        server.lifecycle_event(&domain, 0, 0);
    }
    let calls = server.calls(XML);
    let end = std::time::Instant::now() + PATIENCE;
    // Too many to be kept: every definition is read again.
    while server.calls(XML) < calls + 3 {
        world.well().await;
        assert!(std::time::Instant::now() < end);
    }
    until("all events", || (world.metric("libvirt_events_total") > 0).then_some(())).unwrap();
}
