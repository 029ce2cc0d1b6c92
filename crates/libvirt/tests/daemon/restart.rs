//! Daemons that are not there, go, and come back.

use std::time::Duration;

use libvirt::{Client, ConnectOptions, DomainFlags, Error};
use testkit::{Libvirtd, until};

use super::harness::{PATIENCE, daemon, open, patient};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_finds_a_daemon_that_was_killed_and_comes_back() {
    let daemon = daemon(&[1]);
    let client = Client::new(daemon.uri().parse().unwrap(), patient())
        .with_waits(Duration::from_millis(10), Duration::from_millis(100));
    let connection = client.connection().await.unwrap();
    assert_eq!(client.connection().await.unwrap().id(), connection.id(), "one connection for all");

    // A call is under way when the daemon is killed: it waits for a domain that hangs.
    let domain = connection.list_domains(DomainFlags::ACTIVE).await.unwrap().remove(0);
    daemon.hang(&domain.name).unwrap();
    let call = tokio::spawn({
        let (connection, domain) = (connection.clone(), domain.clone());
        async move { connection.domain_memory_stats(&domain).await }
    });
    until("the call", || (connection.statistics().in_flight == 1).then_some(())).unwrap();
    daemon.kill().unwrap();
    let error = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed(_)) && error.is_disconnection(), "{error}");
    assert!(connection.closed().is_some());
    let error = connection.hostname().await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error}");
    let error = client.connection().await.unwrap_err();
    assert!(error.is_disconnection(), "{error}");

    daemon.start_again().unwrap();
    let again = client.wait_for_connection(PATIENCE).await.unwrap();
    assert_ne!(again.id(), connection.id());
    let found = again.list_domains(DomainFlags::ACTIVE).await.unwrap();
    assert_eq!(found[0].uuid, domain.uuid, "domains outlive the daemon");
    daemon.resume(&domain.name).unwrap();
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_found_by_driver_and_mode() {
    let daemon = Libvirtd::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = ConnectOptions { runtime_dir: dir.path().to_owned(), ..patient() };
    let open_error =
        async |uri: &str| libvirt::Connection::open(&uri.parse().unwrap(), &options).await.unwrap_err();
    let error = open_error("test:///default").await;
    assert!(matches!(error, Error::NoSocket { .. }), "{error}");
    assert!(error.to_string().contains("virttestd-sock-ro") && error.to_string().contains("libvirt-sock-ro"));

    // What a daemon leaves behind that was killed.
    let stale = dir.path().join("virttestd-sock-ro");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let error = open_error("test:///default").await;
    assert!(matches!(error, Error::Connect { .. }) && error.is_disconnection(), "{error}");
    std::fs::remove_file(&stale).unwrap();

    std::os::unix::fs::symlink(daemon.socket(), dir.path().join("libvirt-sock-ro")).unwrap();
    open("test:///default", &options).await;
    let error = open_error("test:///default?mode=direct").await;
    assert!(matches!(error, Error::NoSocket { .. }), "{error}");
    std::fs::rename(dir.path().join("libvirt-sock-ro"), &stale).unwrap();
    assert_eq!(open("test:///default", &options).await.driver_name().await.unwrap(), "TEST");

    // A driver that the daemon does not have.
    std::os::unix::fs::symlink(daemon.socket(), dir.path().join("libvirt-sock-ro")).unwrap();
    let error = open_error("nonsense:///system").await;
    assert!(error.remote().is_some(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_connection_may_not_write() {
    let daemon = Libvirtd::start().unwrap();
    let uri = daemon.uri_of("test", "/default");
    let writing = ConnectOptions { read_only: false, ..patient() };
    // `DomainSuspend`, which is not among our calls.
    let suspend = async |options: &ConnectOptions| {
        let connection = open(&uri, options).await;
        let domain = connection.domain_by_name("test").await.unwrap();
        let mut arguments = libvirt::xdr::Writer::new();
        arguments.text(&domain.name).uuid(&domain.uuid).i32(domain.id);
        connection.call(34, arguments).await
    };
    let error = suspend(&patient()).await.unwrap_err();
    assert_eq!(error.code(), Some(libvirt::ErrorCode::OPERATION_DENIED), "{error}");
    suspend(&writing).await.unwrap().finish().unwrap();
}
