//! A QEMU process that hangs: what the crate's documentation says of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libvirt::{
    Closed, ConnectOptions, Connection, DomainFlags, Error, ErrorCode, KeepAlive, Metadata, StatsGroups,
};
use testkit::{Libvirtd, TestDomain, until};

use super::harness::{GROUPS, daemon, daemon_with, domain, open, patient};

/// Far more than an answer takes that waits for nothing.
const SOON: Duration = Duration::from_secs(20);
/// Long enough to see that a call hangs.
const A_WHILE: Duration = Duration::from_millis(700);

async fn names(connection: &Connection, number: u32) -> Result<BTreeSet<String>, Error> {
    let stats = connection.all_domain_stats(GROUPS, DomainFlags::NOWAIT).await?;
    let name = TestDomain::new(number).name;
    let record = stats.records().find(|record| record.domain.name == name).unwrap();
    Ok(record.parameters.map(|(name, _)| name.to_owned()).collect())
}

async fn hangs(connection: &Connection) {
    let error =
        connection.with_timeout(A_WHILE).all_domain_stats(GROUPS, DomainFlags::NOWAIT).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert_eq!(connection.statistics().given_up, 1);
}

fn threads(daemon: &Libvirtd) -> usize {
    let pid = std::fs::read_to_string(daemon.dir().join("libvirtd.pid")).unwrap();
    std::fs::read_dir(format!("/proc/{}/task", pid.trim())).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_hangs_for_each_domain_that_hangs_and_no_more() {
    let daemon = daemon(&[1, 2, 3]);
    let options = ConnectOptions { call_timeout: SOON, ..patient() };
    let [first, second, third] = [
        open(daemon.uri(), &options).await,
        open(daemon.uri(), &options).await,
        open(daemon.uri(), &options).await,
    ];
    let whole = names(&first, 1).await.unwrap();
    let before = threads(&daemon);
    daemon.hang("instance-00000001").unwrap();

    // Groups for which no domain is held do not find out that one hangs.
    let harmless = StatsGroups::STATE | StatsGroups::INTERFACE | StatsGroups::PERF;
    first.all_domain_stats(harmless, DomainFlags::NOWAIT).await.unwrap();
    hangs(&first).await;
    let left = names(&second, 1).await.unwrap();
    assert_eq!(names(&second, 2).await.unwrap(), whole, "the others are complete");
    for name in ["state.state", "cpu.time", "vcpu.0.time", "balloon.current", "net.count", "block.0.name"] {
        assert!(left.contains(name), "{name} in {left:?}");
    }
    for name in ["balloon.rss", "block.0.rd.bytes", "block.0.capacity"] {
        assert!(whole.contains(name) && !left.contains(name), "{name} in {left:?}");
    }

    daemon.hang("instance-00000002").unwrap();
    hangs(&second).await;
    for _ in 0..20 {
        assert_eq!(names(&third, 1).await.unwrap(), left);
    }
    assert_eq!(names(&third, 3).await.unwrap(), whole);
    // What needs no QEMU is answered, over the connections with a call that hangs as well.
    let hung = domain(&first, 1).await;
    first.domain_info(&hung).await.unwrap();
    first.domain_state(&hung).await.unwrap();
    // A newer daemon asks QEMU for the XML.
    if std::env::var_os("NEPHOSCOPE_LIBVIRT_ROOT").is_none() {
        first.domain_xml(&hung, 0).await.unwrap();
    }
    let nova = Metadata::Element("http://openstack.org/xmlns/libvirt/nova/1.1");
    first.domain_metadata(&hung, nova, 0).await.unwrap();
    // Nor do workers pile up when the connections are closed that wait.
    drop(first);
    for _ in 0..20 {
        assert_eq!(names(&third, 1).await.unwrap(), left);
    }
    assert!(threads(&daemon) <= before + 2, "{} threads, {before} before", threads(&daemon));

    daemon.resume("instance-00000002").unwrap();
    daemon.resume("instance-00000001").unwrap();
    until("the late answer", || (second.statistics().late_answers == 1).then_some(())).unwrap();
    assert_eq!((second.statistics().given_up, second.statistics().in_flight), (0, 0));
    assert_eq!(names(&second, 1).await.unwrap(), whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_with_calls_that_hang_stays_alive() {
    // Or its own questions, one in five seconds, show that it is there.
    let daemon = daemon_with(Libvirtd::builder().setting("keepalive_interval = -1"), &[1]);
    // All of it within the thirty seconds after which libvirt gives up its calls.
    let keep_alive = Some(KeepAlive { interval: Duration::from_secs(1), count: 5 });
    let options = ConnectOptions { keep_alive, call_timeout: 5 * A_WHILE, ..patient() };
    let connection = open(daemon.uri(), &options).await;
    let crowded = open(daemon.uri(), &ConnectOptions { in_flight_max: 5, ..options.clone() }).await;
    let hung = domain(&connection, 1).await;
    daemon.hang("instance-00000001").unwrap();

    let give_up = async |connection: &Connection, calls: usize| {
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..calls {
            let (connection, hung) = (connection.clone(), hung.clone());
            waiting.spawn(async move { connection.domain_memory_stats(&hung).await });
        }
        for result in waiting.join_all().await {
            assert!(matches!(result, Err(Error::Timeout { .. })), "{result:?}");
        }
    };
    give_up(&connection, 4).await;
    // Every place is taken: a call about anything else waits for its turn, and is given up without being sent.
    let error = connection.hostname().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let statistics = connection.statistics();
    assert_eq!((statistics.given_up, statistics.in_flight, statistics.timeouts), (4, 4, 5));

    // The daemon hears no keep-alive of a connection with five calls.
    give_up(&crowded, 5).await;
    let closed = tokio::time::timeout(SOON, crowded.until_closed()).await.unwrap();
    assert!(matches!(closed, Closed::Silent(_)), "{closed}");
    assert!(connection.closed().is_none(), "{:?}", connection.closed());

    daemon.resume("instance-00000001").unwrap();
    until("the late answers", || (connection.statistics().late_answers == 4).then_some(())).unwrap();
    connection.hostname().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libvirt_itself_gives_up_after_thirty_seconds_and_a_killed_daemon_comes_back() {
    let daemon = daemon(&[1]);
    let first = open(daemon.uri(), &patient()).await;
    let second = open(daemon.uri(), &patient()).await;
    let hung = domain(&first, 1).await;
    daemon.hang("instance-00000001").unwrap();
    hangs(&first).await;
    let start = Instant::now();
    let error = second.domain_memory_stats(&hung).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OPERATION_TIMEOUT), "{error}");
    assert!(start.elapsed() > Duration::from_secs(25), "{:?}", start.elapsed());

    daemon.kill().unwrap();
    daemon.start_again().unwrap();
    let again = open(daemon.uri(), &patient()).await;
    let stats = again.all_domain_stats(GROUPS, DomainFlags::NOWAIT).await.unwrap();
    let states: Vec<_> = stats.records().map(|record| record.parameters.u64("state.state")).collect();
    assert_eq!(states.len(), 1, "{states:?}");
    daemon.resume("instance-00000001").unwrap();
}
