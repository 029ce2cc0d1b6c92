//! Events, in the order in which things happened.

use libvirt::{ConnectOptions, Event, EventKind, Lifecycle, What};
use testkit::{Libvirtd, TestDomain};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use super::harness::{PATIENCE, open, patient};

async fn next(events: &mut Receiver<Event>) -> Event {
    timeout(PATIENCE, events.recv()).await.expect("no event came").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_a_domain_is_told() {
    let daemon = Libvirtd::start().unwrap();
    let domain = TestDomain::new(1);
    let kinds =
        [EventKind::Lifecycle, EventKind::DeviceAdded, EventKind::DeviceRemoved, EventKind::MetadataChange];
    let options = ConnectOptions { events: kinds.to_vec(), ..patient() };
    let connection = open(daemon.uri(), &options).await;
    let mut events = connection.events();

    daemon.define(&domain).unwrap();
    let name = domain.name.as_str();
    for arguments in [
        &["start", name, "--paused"][..],
        &["resume", name],
        &["suspend", name],
        &["metadata", name, "--uri", "urn:x", "--key", "x", "--set", "<y/>", "--live"],
        &["attach-disk", name, "/dev/null", "vdb", "--live", "--sourcetype", "block"],
        &["destroy", name],
        &["undefine", name],
    ] {
        daemon.virsh(arguments).unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let event = next(&mut events).await;
        assert_eq!(event.domain.uuid.to_string(), domain.uuid);
        assert_eq!(event.domain.name, name);
        let last = matches!(event.what, What::Lifecycle { change: Lifecycle::Undefined, .. });
        seen.push(match event.what {
            What::Lifecycle { change, .. } => format!("{change:?}"),
            What::DeviceAdded { alias } => format!("+{alias}"),
            What::DeviceRemoved { alias } => format!("-{alias}"),
            What::MetadataChange { kind, namespace } => format!("{kind} {}", namespace.unwrap_or_default()),
        });
        if last {
            break;
        }
    }
    // A start is a start, then a pause; what a daemon tells beside that differs between versions.
    let expected = ["Defined", "Started", "Resumed", "Suspended", "2 urn:x", "Stopped", "Undefined"];
    let mut left = expected.iter().peekable();
    for event in &seen {
        left.next_if(|expected| *expected == event);
    }
    assert_eq!(left.next(), None, "{seen:?}");
    assert!(seen.iter().any(|event| event.starts_with('+')), "{seen:?}");
    assert_eq!(connection.statistics().events, seen.len() as u64);
    connection.close().await;
}
