//! What the tests share: daemons, options.

use std::sync::OnceLock;
use std::time::Duration;

use libvirt::{ConnectOptions, Connection, Domain, StatsGroups};
use testkit::{Libvirtd, LibvirtdBuilder, TestDomain};

/// Wait for what should come at once.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The groups that telemetry needs.
pub(crate) const GROUPS: StatsGroups = StatsGroups(63);

/// A daemon with three domains: one that runs, one that is paused, one that does not run and has no metadata.
pub(crate) fn shared() -> &'static Libvirtd {
    static DAEMON: OnceLock<Libvirtd> = OnceLock::new();
    DAEMON.get_or_init(|| {
        let daemon = Libvirtd::start().unwrap();
        for (number, start) in [(1, &["start"][..]), (2, &["start", "--paused"]), (3, &[])] {
            let domain = TestDomain::new(number);
            let domain = if number == 3 { domain.without_metadata() } else { domain };
            daemon.define(&domain).unwrap();
            if let Some((verb, flags)) = start.split_first() {
                daemon.virsh(&[&[*verb, &domain.name], flags].concat()).unwrap();
            }
        }
        daemon
    })
}

/// A daemon with paused domains of the numbers.
pub(crate) fn daemon(numbers: &[u32]) -> Libvirtd {
    daemon_with(Libvirtd::builder(), numbers)
}

/// The same with settings.
pub(crate) fn daemon_with(builder: LibvirtdBuilder, numbers: &[u32]) -> Libvirtd {
    let daemon = builder.start().unwrap();
    for number in numbers {
        let domain = TestDomain::new(*number);
        daemon.define(&domain).unwrap();
        daemon.virsh(&["start", &domain.name, "--paused"]).unwrap();
    }
    daemon
}

/// Options with much patience.
pub(crate) fn patient() -> ConnectOptions {
    ConnectOptions { call_timeout: PATIENCE, connect_timeout: PATIENCE, ..ConnectOptions::default() }
}

/// Opens a connection.
pub(crate) async fn open(uri: &str, options: &ConnectOptions) -> Connection {
    Connection::open(&uri.parse().unwrap(), options).await.unwrap_or_else(|error| panic!("{uri}: {error:?}"))
}

/// A domain by its number.
pub(crate) async fn domain(connection: &Connection, number: u32) -> Domain {
    connection.domain_by_name(&TestDomain::new(number).name).await.unwrap()
}
