//! The drivers of a system's own daemon: containers, and QEMU's domains with taps.

use libvirt::{ConnectOptions, DomainFlags, DomainState, ErrorCode, EventKind, Lifecycle, What};
use serde_json::{Value, json};
use testkit::SystemLibvirtd;
use tokio::time::timeout;

use super::harness::{GROUPS, PATIENCE, open, patient};
use super::oracle::equals_the_oracle;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_a_systems_daemon_is_what_libvirts_own_library_gets() {
    let daemon = SystemLibvirtd::start().unwrap();
    let first = daemon.container(1, "running").unwrap();
    daemon.container(2, "shut off").unwrap();
    let (compared, found) = equals_the_oracle(daemon.containers_uri()).await;
    println!("{compared} values of containers compared");
    assert_eq!(found["driver"], "LXC");
    // The driver has no bulk statistics.
    assert_eq!(found["stats"], json!({"error": ErrorCode::NO_SUPPORT.0}));
    let single = &found["single"][&first.name];
    assert!(single["metadata"].as_str().unwrap().contains("m1.tiny"));
    if daemon.starts() {
        assert_eq!(single["state"][0], 1);
        assert!(single["memory"]["actual"].as_u64().unwrap() > 0, "{single}");
        assert!(single["interface"]["tap1-0"][0].as_u64().is_some(), "{single}");
    }

    daemon.instance(&json!({ "number": 3, "guest": "idle", "taps": 2 })).unwrap();
    let (compared, found) = equals_the_oracle(&daemon.qemu_uri()).await;
    println!("{compared} values of domains with taps compared");
    let stats = &found["stats"]["instance-00000003"];
    if daemon.starts() {
        let taps = ["net.0.name", "net.1.name"].map(|name| stats[name].clone());
        assert_eq!(taps, [Value::from("tap3-0"), Value::from("tap3-1")]);
        assert!(stats["net.1.tx.drop"].is_u64(), "{stats}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containers_life_is_told_of() {
    let daemon = SystemLibvirtd::start().unwrap();
    let options = ConnectOptions { events: vec![EventKind::Lifecycle], ..patient() };
    let connection = open(daemon.containers_uri(), &options).await;
    let mut events = connection.events();
    let made = daemon.container(1, "running").unwrap();
    let mut told = Vec::new();
    let wanted = if daemon.starts() { Lifecycle::Started } else { Lifecycle::Defined };
    while !told.contains(&wanted) {
        let event = timeout(PATIENCE, events.recv()).await.expect("no event came").unwrap();
        assert_eq!(event.domain.name, made.name);
        if let What::Lifecycle { change, .. } = event.what {
            told.push(change);
        }
    }
    assert_eq!(told[0], Lifecycle::Defined);
    let [domain] = &connection.list_domains(DomainFlags::default()).await.unwrap()[..] else { panic!() };
    assert_eq!((domain.name.as_str(), domain.uuid.to_string()), (made.name.as_str(), made.uuid));
    let state = if daemon.starts() { DomainState::Running } else { DomainState::ShutOff };
    assert_eq!(connection.domain_info(domain).await.unwrap().state, state);
    let error = connection.all_domain_stats(GROUPS, DomainFlags::NOWAIT).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NO_SUPPORT));
}
