//! Domains that hang: the others are read in the same cycle, and nothing piles up.

use std::time::Instant;

use libvirt::procedure;
use nephoscope_pollsters::compute::LibvirtLimits;
use testkit::fake_libvirtd::Behaviour;
use testkit::{FakeLibvirtd, Libvirtd, TestDomain};

use super::world::{DEADLINE, PATIENCE, World, impatient};

const BULK: i32 = procedure::CONNECT_GET_ALL_DOMAIN_STATS;
const INFO: i32 = procedure::DOMAIN_GET_INFO;
const NO_SUPPORT: i32 = 3;

fn id(number: u32) -> String {
    format!("{number:08x}-2222-4222-8222-222222222222")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_domain_costs_one_deadline_once() {
    let server = FakeLibvirtd::start(60).unwrap();
    let world = World::new(&server.uri(), impatient());
    world.well().await;
    server.hang("instance-00000001");

    let found = world.well().await;
    assert_eq!(found.hung(), [id(1)]);
    assert_eq!(found.survey().domains.len(), 60);
    let hung = found.domain(&id(1));
    assert!(hung.machine.cpu_time_ns.is_some() && hung.machine.memory_resident_kib.is_none(), "{hung:?}");
    assert!(hung.nics[0].incoming.is_some() && hung.disks[0].read_bytes.is_none(), "{hung:?}");
    let other = found.domain(&id(2));
    assert!(other.machine.memory_resident_kib.is_some() && other.disks[0].read_bytes.is_some(), "{other:?}");
    assert_eq!(
        (server.connections(), world.metric("hung_domains"), world.metric("libvirt_stuck_calls")),
        (2, 1, 1)
    );

    // Later cycles wait for nothing, and ask for nothing more.
    let calls = server.calls(BULK);
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(world.well().await.hung(), [id(1)]);
    }
    assert!(start.elapsed() < DEADLINE * 4, "{:?}", start.elapsed());
    assert_eq!((server.calls(BULK), server.connections()), (calls + 5, 2));

    // A second one costs a second connection.
    server.hang("instance-00000004");
    assert_eq!(world.well().await.hung(), [id(1), id(4)]);
    assert_eq!((server.connections(), world.metric("libvirt_connections")), (3, 3));

    server.resume("instance-00000001");
    server.resume("instance-00000004");
    world
        .until("all of them", |found| found.hung().is_empty() && world.metric("libvirt_connections") == 1)
        .await;
    assert_eq!((world.metric("hung_domains"), world.metric("libvirt_stuck_calls")), (0, 0));
    assert_eq!(server.connections(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_domains_hang_than_calls_may_be_stuck() {
    let server = FakeLibvirtd::start(30).unwrap();
    let limits = LibvirtLimits { stuck_calls_max: 3, ..impatient() };
    let world = World::new(&server.uri(), limits);
    world.well().await;
    let names: Vec<String> = (0..6).map(|number| format!("instance-{:08x}", number * 3 + 1)).collect();
    for name in &names {
        server.hang(name);
    }
    for _ in 0..3 {
        let found = world.well().await;
        assert_eq!(found.survey().domains.len(), 30);
        let healthy = found.domain(&id(2));
        // States and network interfaces of all, and nothing that a process would have to tell.
        assert!(healthy.is_hung && healthy.nics[0].incoming.is_some(), "{healthy:?}");
        assert_eq!(healthy.machine.cpu_time_ns, None);
        assert!(!found.domain(&id(3)).is_hung, "one that is shut off cannot hang");
        assert!(server.connections() <= 4, "{}", server.connections());
    }
    assert_eq!(world.metric("limited_surveys_total"), 3);
    assert_eq!(world.metric("libvirt_stuck_calls"), 3);
    for name in &names {
        server.resume(name);
    }
    let found = world.until("all of them", |found| found.hung().is_empty()).await;
    assert!(found.domain(&id(2)).machine.cpu_time_ns.is_some());
    world.until("one connection", |_| world.metric("libvirt_connections") == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_are_no_bulk_statistics_the_others_are_read_too() {
    let server = FakeLibvirtd::start(12).unwrap();
    let world = World::new(&server.uri(), LibvirtLimits { call: DEADLINE, ..impatient() });
    server.behave(BULK, [Behaviour::Refuse { code: NO_SUPPORT, domain: 10, message: "no such call".into() }]);
    assert!(world.well().await.hung().is_empty());
    server.hang("instance-00000001");
    let mut calls = 0;
    for cycle in 0..6 {
        let start = Instant::now();
        let found = world.well().await;
        assert_eq!((found.hung(), found.survey().domains.len()), (vec![id(1).as_str()], 12));
        let other = found.domain(&id(4));
        assert!(
            other.machine.memory_resident_kib.is_some() && other.machine.cpu_time_ns.is_some(),
            "{other:?}"
        );
        assert!(found.instances().contains_key(id(1).as_str()));
        assert_eq!((world.metric("hung_domains"), world.metric("libvirt_stuck_calls")), (1, 1));
        if cycle == 0 {
            calls = server.calls(INFO);
        } else {
            // Later cycles wait for nothing, and ask it for nothing.
            assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
        }
    }
    assert_eq!((server.calls(INFO) - calls, server.connections()), (5 * 11, 2));
    server.resume("instance-00000001");
    let is_well = || world.metric("libvirt_connections") == 1 && world.metric("hung_domains") == 0;
    let found = world.until("all of them", |found| found.hung().is_empty() && is_well()).await;
    assert!(found.domain(&id(1)).machine.memory_resident_kib.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_daemon_and_one_that_never_answers() {
    let server = FakeLibvirtd::start(3).unwrap();
    let world = World::new(&server.uri(), impatient());
    world.well().await;
    server.behave(BULK, [Behaviour::Delay(DEADLINE / 4)]);
    assert!(world.well().await.hung().is_empty());
    assert_eq!(server.connections(), 1);
    // Never answered, though no domain hangs: another connection, and the first is not asked again.
    server.behave(BULK, [Behaviour::Silence]);
    let found = world.well().await;
    assert!(found.hung().is_empty(), "{:?}", found.hung());
    assert_eq!((server.connections(), world.metric("libvirt_stuck_calls")), (2, 1));
    server.cut();
    world.well().await;
    assert_eq!(world.metric("libvirt_stuck_calls"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_qemu_that_hangs() {
    let daemon = Libvirtd::start().unwrap();
    let domains: Vec<TestDomain> = (1..=3).map(TestDomain::new).collect();
    for domain in &domains {
        daemon.define(domain).unwrap();
        daemon.virsh(&["start", &domain.name, "--paused"]).unwrap();
    }
    let limits = LibvirtLimits { call: PATIENCE, ..impatient() };
    let world = World::new(daemon.uri(), limits);
    world.until("a first cycle", |found| found.survey.is_ok() && found.hung().is_empty()).await;

    daemon.hang(&domains[0].name).unwrap();
    let found = world.well().await;
    assert_eq!(found.hung(), [domains[0].uuid.as_str()]);
    for other in &domains[1..] {
        let other = found.domain(&other.uuid);
        assert!(
            other.machine.memory_resident_kib.is_some() && other.disks[0].read_requests.is_some(),
            "{other:?}"
        );
    }
    assert_eq!(found.instances().len(), 3);
    for _ in 0..3 {
        assert_eq!(world.well().await.hung().len(), 1);
    }
    assert_eq!((world.metric("libvirt_connections"), world.metric("hung_domains")), (2, 1));

    daemon.hang(&domains[1].name).unwrap();
    world.until("the second", |found| found.hung().len() == 2).await;
    assert_eq!(world.metric("libvirt_connections"), 3);
    daemon.resume(&domains[0].name).unwrap();
    daemon.resume(&domains[1].name).unwrap();
    let found = world.until("both again", |found| found.hung().is_empty()).await;
    assert!(found.domain(&domains[0].uuid).machine.memory_resident_kib.is_some());
    world.until("one connection", |_| world.metric("libvirt_connections") == 1).await;
}
