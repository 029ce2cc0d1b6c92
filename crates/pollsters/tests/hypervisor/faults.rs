//! A libvirtd that is not there, goes, refuses and babbles.

use std::time::{Duration, Instant};

use libvirt::procedure;
use testkit::FakeLibvirtd;
use testkit::fake_libvirtd::Behaviour;

use super::world::{PATIENCE, World, patient};

const BULK: i32 = procedure::CONNECT_GET_ALL_DOMAIN_STATS;
const XML: i32 = procedure::DOMAIN_GET_XML_DESC;
const EVENTS: i32 = procedure::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY;

fn refuse(code: i32) -> Behaviour {
    Behaviour::Refuse { code, domain: 10, message: "as told".into() }
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_looked_for_in_each_cycle() {
    let server = FakeLibvirtd::start(3).unwrap();
    server.stop();
    let world = World::new(&server.uri(), patient());
    let start = Instant::now();
    let found = world.cycle().await;
    assert_eq!(found.error().cause(), "unreachable");
    assert!(
        found.error().to_string().starts_with("libvirt (qemu+unix:///system?socket="),
        "{}",
        found.error()
    );
    let error = found.instances.as_ref().unwrap_err();
    assert_eq!((error.cause(), error.to_string()), ("unreachable", found.error().to_string()));
    assert!(start.elapsed() < patient().restart, "nobody waits for a daemon that never was there");
    assert_eq!(world.metric("survey_errors_total"), 1);

    server.start_again().unwrap();
    let found = world.until("the daemon", |found| found.survey.is_ok()).await;
    assert_eq!(found.instances().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_within_and_between_cycles_costs_no_cycle() {
    let server = FakeLibvirtd::start(9).unwrap();
    let world = World::new(&server.uri(), patient());
    world.well().await;
    for behaviour in [Behaviour::Cut, Behaviour::Part(100), Behaviour::Bytes(vec![0xff; 64])] {
        server.behave(BULK, [behaviour]);
        assert_eq!(world.well().await.survey().domains.len(), 9);
    }
    assert_eq!(server.connections(), 4);
    // While definitions are read, which are read again after each reconnection.
    server.behave(XML, [Behaviour::Cut]);
    server.cut();
    world.well().await;

    server.stop();
    let calls = server.calls(XML);
    let back = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.start_again().unwrap();
    };
    let (found, ()) = tokio::join!(world.well(), back);
    assert_eq!((found.instances().len(), server.calls(XML)), (6, calls + 9));
}

#[tokio::test]
async fn one_who_stays_away_is_not_waited_for_twice() {
    let server = FakeLibvirtd::start(3).unwrap();
    let limits =
        nephoscope_pollsters::compute::LibvirtLimits { restart: Duration::from_millis(300), ..patient() };
    let world = World::new(&server.uri(), limits);
    world.well().await;
    server.stop();
    for _ in 0..3 {
        assert!(world.cycle().await.survey.is_err());
    }
    assert_eq!(world.metric("survey_errors_total"), 3);
    server.start_again().unwrap();
    world.until("the daemon", |found| found.survey.is_ok()).await;
}

#[tokio::test]
async fn refusals_and_nonsense_cost_one_cycle() {
    let server = FakeLibvirtd::start(3).unwrap();
    let world = World::new(&server.uri(), patient());
    world.well().await;
    for (behaviour, cause) in [
        (refuse(38), "remote"),
        (refuse(88), "remote"),
        (Behaviour::Payload(vec![0, 0, 0, 9]), "answer"),
        (Behaviour::Payload(Vec::new()), "answer"),
    ] {
        server.behave(BULK, [behaviour]);
        assert_eq!(world.cycle().await.error().cause(), cause);
        assert_eq!(world.well().await.instances().len(), 2);
    }
    assert_eq!((server.connections(), world.metric("survey_errors_total")), (1, 4));
    assert_eq!(world.metric("libvirt_call_errors_total"), 4);
}

#[tokio::test]
async fn a_driver_without_what_is_asked_for_is_asked_otherwise() {
    let server = FakeLibvirtd::start(3).unwrap();
    let world = World::new(&server.uri(), patient());
    // It knows no NOWAIT.
    server.behave(BULK, [refuse(8)]);
    let by_bulk = world.well().await;
    assert_eq!((by_bulk.survey().domains.len(), server.calls(BULK)), (3, 2));
    world.well().await;
    assert_eq!(server.calls(BULK), 3);

    // It knows no bulk statistics at all.
    server.behave(BULK, [refuse(3)]);
    let one_by_one = world.well().await;
    world.well().await;
    assert_eq!(server.calls(BULK), 4, "it is not asked again on this connection");
    assert_eq!(one_by_one.instances().len(), 2);
    for (uuid, single) in &one_by_one.survey().domains {
        let bulk = by_bulk.domain(uuid);
        assert_eq!((single.state, &single.nics), (bulk.state, &bulk.nics), "{uuid}");
        assert_eq!(
            (single.machine.vcpus, single.machine.memory_actual_kib, single.machine.memory_resident_kib),
            (bulk.machine.vcpus, bulk.machine.memory_actual_kib, bulk.machine.memory_resident_kib),
            "{uuid}"
        );
        let sizes = |inspection: &nephoscope_pollsters::compute::Inspection| {
            let disks = inspection.disks.iter();
            disks
                .map(|disk| (disk.device.clone(), disk.read_bytes, disk.capacity, disk.physical))
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(single), sizes(bulk), "{uuid}");
    }
    server.cut();
    world.well().await;
    assert_eq!(server.calls(BULK), 5, "another daemon may know it");
}

#[tokio::test]
async fn a_daemon_without_events_has_its_definitions_read_again() {
    let server = FakeLibvirtd::start(3).unwrap();
    let world = World::new(&server.uri(), patient());
    server.behave(EVENTS, [refuse(3)]);
    for cycle in 1..=3 {
        world.well().await;
        assert_eq!(server.calls(XML), 3 * cycle);
    }
    // Once it tells them, on another connection and after the wait that follows a refusal, they serve.
    let end = Instant::now() + PATIENCE;
    while server.calls(EVENTS) < 5 {
        server.cut();
        world.cycle().await;
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.well().await;
    let calls = server.calls(XML);
    world.well().await;
    assert_eq!(server.calls(XML), calls);
}

#[tokio::test]
async fn a_domain_that_vanishes_between_two_calls_takes_nothing_with_it() {
    let server = FakeLibvirtd::start(6).unwrap();
    let world = World::new(&server.uri(), patient());
    server.behave(XML, [refuse(42)]);
    let found = world.well().await;
    assert_eq!((found.survey().domains.len(), found.instances().len()), (5, 3));
    assert_eq!(world.well().await.survey().domains.len(), 6);
}

#[tokio::test]
async fn a_definition_that_cannot_be_read_is_read_in_the_next_cycle() {
    let server = FakeLibvirtd::start(6).unwrap();
    let world = World::new(&server.uri(), patient());
    server.behave(XML, [refuse(1)]);
    let found = world.well().await;
    // What needs no definition is there all the same.
    assert_eq!((found.survey().domains.len(), found.instances().len()), (6, 3));
    let bare = found.survey().domains.values().find(|domain| domain.disks.is_empty()).unwrap();
    assert!(bare.machine.vcpus.is_some());
    let found = world.well().await;
    assert_eq!((found.instances().len(), server.calls(XML)), (4, 7));

    // One that is no XML is not read in every cycle.
    server.change(|domains| {
        domains[0].xml = "<domain".into();
        domains[0].id = 77;
    });
    for _ in 0..3 {
        assert_eq!(world.well().await.instances().len(), 3);
    }
    assert_eq!(server.calls(XML), 8);
}
