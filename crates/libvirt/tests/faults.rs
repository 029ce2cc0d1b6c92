//! A daemon at its worst: silent, slow, cut, babbling; and a healthy one with five hundred recorded domains.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and live in real time"
)]

use std::time::{Duration, Instant};

use libvirt::{
    Client, Closed, ConnectOptions, Connection, DomainFlags, Error, ErrorCode, EventKind, KeepAlive,
    Lifecycle, Metadata, Parameters, StatsGroups, What, procedure,
};
use testkit::fake_libvirtd::Behaviour;
use testkit::{FakeDomain, FakeLibvirtd, until};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_mins(1);
const A_MOMENT: Duration = Duration::from_millis(50);
const DOMAINS: usize = 500;
const HOSTNAME: i32 = procedure::CONNECT_GET_HOSTNAME;
const NOVA: &str = "http://openstack.org/xmlns/libvirt/nova/1.1";

fn patient() -> ConnectOptions {
    ConnectOptions { call_timeout: PATIENCE, connect_timeout: PATIENCE, ..ConnectOptions::default() }
}

async fn open(server: &FakeLibvirtd, options: &ConnectOptions) -> Connection {
    Connection::open(&server.uri().parse().unwrap(), options).await.unwrap()
}

async fn healthy(server: &FakeLibvirtd) -> Connection {
    open(server, &patient()).await
}

#[tokio::test]
async fn five_hundred_domains_come_in_one_answer() {
    let server = FakeLibvirtd::start(DOMAINS).unwrap();
    let connection = healthy(&server).await;
    let groups = StatsGroups(63);
    let time = async || {
        let stats = connection.all_domain_stats(groups, DomainFlags::NOWAIT).await.unwrap();
        assert_eq!((stats.len(), stats.records().count()), (DOMAINS, DOMAINS));
        let is_active = |parameters: &Parameters<'_>| parameters.u64("state.state") != Some(5);
        let active = stats.records().filter(|record| is_active(&record.parameters));
        let times: Vec<u64> = active.filter_map(|record| record.parameters.u64("cpu.time")).collect();
        (times.len(), times.iter().sum::<u64>())
    };
    let (running, before) = time().await;
    assert!(running > 0 && running < DOMAINS, "{running} of them run");
    server.advance();
    assert_eq!(time().await, (running, before + running as u64 * 1_000_000));
    assert_eq!(server.calls(procedure::CONNECT_GET_ALL_DOMAIN_STATS), 2);

    let only = connection.all_domain_stats(StatsGroups::STATE, DomainFlags::INACTIVE).await.unwrap();
    assert_eq!(only.len(), DOMAINS - running);
    assert!(
        only.records().all(|record| record.parameters.clone().all(|(name, _)| name.starts_with("state.")))
    );

    // What the recording was made of: the single calls say the same as the bulk call.
    let domains = connection.list_domains(DomainFlags::ACTIVE).await.unwrap();
    let stats = connection.domain_stats(&domains[..1], groups, DomainFlags::NOWAIT).await.unwrap();
    let bulk = stats.records().next().unwrap().parameters;
    let disk = connection.domain_block_stats(&domains[0], "vda").await.unwrap();
    assert_eq!(Some(disk.read_bytes), bulk.get("block.0.rd.bytes").and_then(libvirt::Value::as_i64));
    let info = connection.domain_info(&domains[0]).await.unwrap();
    assert_eq!(Some(info.cpu_time_ns), bulk.u64("cpu.time"));
    let metadata = connection.domain_metadata(&domains[0], Metadata::Element(NOVA), 0).await.unwrap();
    assert!(metadata.contains("flavor"), "{metadata}");
    assert!(connection.domain_xml(&domains[0], 0).await.unwrap().contains(&domains[0].uuid.to_string()));
}

#[tokio::test]
async fn answers_come_in_any_order() {
    let server = FakeLibvirtd::start(3).unwrap();
    let connection = healthy(&server).await;
    server.behave(HOSTNAME, [Behaviour::Delay(Duration::from_secs(2))]);
    let slow = connection.hostname();
    let quick = async {
        tokio::task::yield_now().await;
        for _ in 0..10 {
            connection.node_info().await.unwrap();
        }
        Instant::now()
    };
    let late = async { (slow.await.unwrap(), Instant::now()) };
    let (quick, (hostname, late)) = tokio::join!(quick, late);
    assert_eq!(hostname, "compute-1.example");
    assert!(quick < late, "the slow answer held up the others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_a_connection() {
    let server = FakeLibvirtd::start(50).unwrap();
    let connection = open(&server, &ConnectOptions { in_flight_max: 16, ..patient() }).await;
    let domains = connection.list_domains(DomainFlags::default()).await.unwrap();
    let mut tasks = JoinSet::new();
    for turn in 0..10 {
        for domain in domains.clone() {
            let connection = connection.clone();
            let delay = Behaviour::Delay(Duration::from_millis(turn % 3));
            server.behave(procedure::DOMAIN_GET_XML_DESC, [delay]);
            tasks.spawn(async move {
                let xml = connection.domain_xml(&domain, 0).await.unwrap();
                assert!(xml.contains(&domain.uuid.to_string()), "an answer that belongs to another call");
            });
        }
    }
    tasks.join_all().await;
    let statistics = connection.statistics();
    assert_eq!((statistics.in_flight, statistics.timeouts, statistics.ignored), (0, 0, 0));
}

#[tokio::test]
async fn a_call_that_was_given_up_is_forgotten() {
    let server = FakeLibvirtd::start(3).unwrap();
    let connection = healthy(&server).await;
    // Later than both are given up, on a busy machine too.
    server.behave(HOSTNAME, [Behaviour::Delay(Duration::from_secs(3)), Behaviour::Silence]);
    for given_up in [1, 2] {
        let error = connection.with_timeout(A_MOMENT).hostname().await.unwrap_err();
        assert!(matches!(error, Error::Timeout { call: "ConnectGetHostname", .. }), "{error}");
        assert_eq!(connection.statistics().given_up, given_up);
    }
    // Dropped without a deadline as well.
    server.behave(HOSTNAME, [Behaviour::Silence]);
    assert!(timeout(A_MOMENT, connection.hostname()).await.is_err());
    assert_eq!(connection.hostname().await.unwrap(), "compute-1.example");
    let late = async {
        while connection.statistics().late_answers == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, late).await.unwrap();
    assert_eq!(connection.statistics().given_up, 2);
}

#[tokio::test]
async fn places_are_given_in_turn_and_kept_by_calls_that_were_given_up() {
    let server = FakeLibvirtd::start(3).unwrap();
    let connection = open(&server, &ConnectOptions { in_flight_max: 2, ..patient() }).await;
    server.behave(HOSTNAME, [Behaviour::Silence, Behaviour::Silence]);
    let hasty = connection.with_timeout(A_MOMENT);
    for _ in 0..2 {
        hasty.hostname().await.unwrap_err();
    }
    let before = server.calls(procedure::NODE_GET_INFO);
    let error = hasty.node_info().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert_eq!(server.calls(procedure::NODE_GET_INFO), before, "it was not sent");
}

#[tokio::test]
async fn refusals_carry_code_and_words() {
    let server = FakeLibvirtd::start(3).unwrap();
    let connection = healthy(&server).await;
    let message = "Requested operation is not valid: domain is not running".to_owned();
    server.behave(HOSTNAME, [Behaviour::Refuse { code: 55, domain: 10, message }]);
    let error = connection.hostname().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OPERATION_INVALID));
    assert!(!error.is_disconnection());
    assert_eq!(
        error.to_string(),
        "ConnectGetHostname: Requested operation is not valid: domain is not running (libvirt error 55, operation \
         invalid, domain 10)"
    );
    assert_eq!(connection.statistics().errors, 1);
    // A daemon that is older than a procedure.
    let error = connection.call(9999, libvirt::xdr::Writer::new()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::RPC), "{error}");
}

/// How a connection ends with each kind of misbehaviour, and that every call under way fails at once.
#[tokio::test]
async fn a_broken_connection_fails_every_call_at_once() {
    let header = |length: u32, program: u32, procedure: i32, kind: i32, serial: u32, status: i32| {
        let words = [
            length,
            program,
            1,
            procedure.cast_unsigned(),
            kind.cast_unsigned(),
            serial,
            status.cast_unsigned(),
        ];
        words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>()
    };
    let remote = libvirt::frame::REMOTE_PROGRAM;
    for (behaviour, words) in [
        (Behaviour::Cut, "the daemon has ended it"),
        (Behaviour::Part(2), "reading"),
        (Behaviour::Part(30), "reading"),
        (Behaviour::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "a packet of 1213486160 bytes"),
        (Behaviour::Bytes(header(u32::MAX, remote, HOSTNAME, 1, 1, 0)), "a packet of 4294967295 bytes"),
        (Behaviour::Bytes(header(27, remote, HOSTNAME, 1, 1, 0)), "a packet of 27 bytes"),
        (Behaviour::Bytes(header(28, remote, HOSTNAME, 9, 1, 0)), "9 at byte 12 is no type of packet"),
        (Behaviour::Bytes(header(28, remote, HOSTNAME, 1, 1, 7)), "7 at byte 20 is no status"),
        // The answer to another procedure than the call with that number.
        (Behaviour::Bytes(header(28, remote, 1, 1, 4, 0)), "the answer with serial number"),
    ] {
        let server = FakeLibvirtd::start(1).unwrap();
        let connection = healthy(&server).await;
        server.behave(procedure::NODE_GET_INFO, [Behaviour::Silence, Behaviour::Silence]);
        server.behave(HOSTNAME, [behaviour.clone()]);
        let (first, second, third) =
            tokio::join!(connection.node_info(), connection.node_info(), connection.hostname());
        for error in [first.unwrap_err(), second.unwrap_err(), third.unwrap_err()] {
            assert!(matches!(error, Error::Closed(_)) && error.is_disconnection(), "{behaviour:?}: {error}");
            assert!(error.to_string().contains(words), "{behaviour:?}: {error}");
        }
        let error = connection.hostname().await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(connection.statistics().in_flight, 0);
    }
}

/// So that whoever looks for another connection is not given the dead one once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_learns_of_the_end_finds_the_connection_closed() {
    const ROUNDS: usize = 200;
    const CALLERS: usize = 8;
    let server = FakeLibvirtd::start(1).unwrap();
    for round in 0..ROUNDS {
        let connection = healthy(&server).await;
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let connection = connection.clone();
            callers.spawn(async move {
                loop {
                    if let Err(error) = connection.hostname().await {
                        return (connection.closed(), error);
                    }
                }
            });
        }
        tokio::task::yield_now().await;
        server.cut();
        for (closed, error) in callers.join_all().await {
            assert!(error.is_disconnection(), "round {round}: {error}");
            assert!(closed.is_some(), "round {round}: open after {error}");
        }
    }
}

/// An answer that cannot be read costs its call and nothing else: where it ends is known.
#[tokio::test]
async fn an_answer_that_cannot_be_read_costs_its_call_alone() {
    let server = FakeLibvirtd::start(1).unwrap();
    let connection = healthy(&server).await;
    let bulk = procedure::CONNECT_GET_ALL_DOMAIN_STATS;
    let huge = [0xff, 0xff, 0xff, 0xff].repeat(3);
    let many = [0, 0, 0x40, 0].repeat(2);
    for payload in [vec![], vec![0, 0, 0, 1], huge, many, vec![0; 5]] {
        server.behave(bulk, [Behaviour::Payload(payload.clone())]);
        let error = connection.all_domain_stats(StatsGroups::STATE, DomainFlags::NOWAIT).await.unwrap_err();
        assert!(
            matches!(error, Error::Answer { call: "ConnectGetAllDomainStats", .. }),
            "{payload:?}: {error}"
        );
    }
    server.behave(HOSTNAME, [Behaviour::Payload(vec![0, 0, 0, 2, 0xff, 0xff, 0, 0])]);
    assert!(matches!(connection.hostname().await.unwrap_err(), Error::Answer { .. }));
    assert_eq!(connection.hostname().await.unwrap(), "compute-1.example");
}

#[tokio::test]
async fn packets_that_mean_nothing_are_passed_over() {
    let server = FakeLibvirtd::start(1).unwrap();
    let connection = healthy(&server).await;
    let packet = |program: u32, procedure: i32, kind, serial| {
        let status = libvirt::frame::Status::Ok;
        libvirt::frame::Header { program, version: 1, procedure, kind, serial, status }.packet(&[0; 8])
    };
    use libvirt::frame::{KEEP_ALIVE_PROGRAM, Kind, REMOTE_PROGRAM};
    for bytes in [
        packet(REMOTE_PROGRAM, HOSTNAME, Kind::Reply, 4_000_000),
        packet(0x2000_8087, 3, Kind::Message, 0),
        packet(REMOTE_PROGRAM, 318, Kind::Message, 0),
        packet(REMOTE_PROGRAM, 5000, Kind::Message, 0),
        packet(REMOTE_PROGRAM, 5, Kind::Stream, 3),
        packet(KEEP_ALIVE_PROGRAM, 77, Kind::Message, 0),
    ] {
        server.send(&bytes);
    }
    assert_eq!(connection.hostname().await.unwrap(), "compute-1.example");
    assert_eq!(connection.statistics().ignored, 5);
}

#[tokio::test]
async fn opening_has_a_deadline_as_a_whole() {
    let server = FakeLibvirtd::start(1).unwrap();
    let options = ConnectOptions { connect_timeout: Duration::from_millis(500), ..patient() };
    for silent in [procedure::AUTH_LIST, procedure::CONNECT_OPEN, procedure::CONNECT_SUPPORTS_FEATURE] {
        server.behave(silent, [Behaviour::Silence]);
        let error = Connection::open(&server.uri().parse().unwrap(), &options).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{silent}: {error}");
    }
    let message = "no connection driver available for qemu:///system".to_owned();
    server.behave(procedure::CONNECT_OPEN, [Behaviour::Refuse { code: 5, domain: 0, message }]);
    let error = Connection::open(&server.uri().parse().unwrap(), &patient()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NO_CONNECT), "{error}");
    // polkit says no; then a daemon that wants what nobody knows.
    server.behave(procedure::AUTH_LIST, [Behaviour::Payload(vec![0, 0, 0, 1, 0, 0, 0, 2])]);
    server.behave(procedure::AUTH_POLKIT, [Behaviour::Payload(vec![0, 0, 0, 0])]);
    let error = Connection::open(&server.uri().parse().unwrap(), &patient()).await.unwrap_err();
    assert!(error.to_string().contains("polkit does not allow it"), "{error}");
    server.behave(procedure::AUTH_LIST, [Behaviour::Payload(vec![0, 0, 0, 1, 0, 0, 0, 9])]);
    let error = Connection::open(&server.uri().parse().unwrap(), &patient()).await.unwrap_err();
    assert!(error.to_string().ends_with("not known here: 9"), "{error}");
    // polkit says yes.
    server.behave(procedure::AUTH_LIST, [Behaviour::Payload(vec![0, 0, 0, 1, 0, 0, 0, 2])]);
    server.behave(procedure::AUTH_POLKIT, [Behaviour::Payload(vec![0, 0, 0, 1])]);
    healthy(&server).await;
}

#[tokio::test]
async fn a_silent_daemon_is_noticed_and_a_busy_one_is_not_taken_for_silent() {
    let server = FakeLibvirtd::start(1).unwrap();
    // A daemon on a busy machine is quicker than that.
    let keep_alive = Some(KeepAlive { interval: Duration::from_millis(100), count: 15 });
    let connection = open(&server, &ConnectOptions { keep_alive, ..patient() }).await;
    // Its answers to our questions keep the connection, without any call.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(connection.closed().is_none(), "{:?}", connection.closed());
    // It asks as well, and gets an answer; else the next line would find a closed connection.
    server.ping();
    assert_eq!(connection.hostname().await.unwrap(), "compute-1.example");

    // A socket that nobody reads: a listener whose backlog takes the connection.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let uri: libvirt::Uri = format!("qemu+unix:///system?socket={}", path.display()).parse().unwrap();
    let options = ConnectOptions { keep_alive, ..patient() };
    let quiet = async {
        // The opening, and then nothing more.
        let (mut stream, _) = listener.accept().await.unwrap();
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let answers: [(i32, &[u8]); 3] = [
            (procedure::AUTH_LIST, &[0, 0, 0, 1, 0, 0, 0, 0]),
            (procedure::CONNECT_OPEN, &[]),
            (procedure::CONNECT_SUPPORTS_FEATURE, &[0, 0, 0, 1]),
        ];
        for (serial, (procedure, payload)) in (1..).zip(answers) {
            let mut length = [0; 4];
            stream.read_exact(&mut length).await.unwrap();
            let mut packet = vec![0; u32::from_be_bytes(length) as usize - 4];
            stream.read_exact(&mut packet).await.unwrap();
            use libvirt::frame::{Header, Kind, REMOTE_PROGRAM, Status};
            let (kind, status) = (Kind::Reply, Status::Ok);
            let header = Header { program: REMOTE_PROGRAM, version: 1, procedure, kind, serial, status };
            stream.write_all(&header.packet(payload)).await.unwrap();
        }
        stream
    };
    let (connection, _stream) = tokio::join!(Connection::open(&uri, &options), quiet);
    let connection = connection.unwrap();
    let closed = timeout(PATIENCE, connection.until_closed()).await.unwrap();
    assert!(matches!(closed, Closed::Silent(_)), "{closed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_everybody_and_the_slow_are_told_what_they_missed() {
    let server = FakeLibvirtd::start(2).unwrap();
    let options =
        ConnectOptions { events: vec![EventKind::Lifecycle, EventKind::MetadataChange], ..patient() };
    let connection = open(&server, &options).await;
    let domain = FakeDomain::recorded(1).unwrap().remove(0);
    let (mut quick, mut slow) = (connection.events(), connection.events());
    server.lifecycle_event(&domain, 5, 1);
    server.metadata_event(&domain, NOVA);
    let event = timeout(PATIENCE, quick.recv()).await.unwrap().unwrap();
    assert_eq!(event.domain.name, domain.name);
    assert_eq!(event.what, What::Lifecycle { change: Lifecycle::Stopped, detail: 1 });
    let event = timeout(PATIENCE, quick.recv()).await.unwrap().unwrap();
    assert_eq!(event.what, What::MetadataChange { kind: 2, namespace: Some(NOVA.to_owned()) });

    for _ in 0..2000 {
        server.lifecycle_event(&domain, 4, 0);
    }
    // The answer comes behind the events.
    connection.hostname().await.unwrap();
    assert!(matches!(slow.recv().await, Err(RecvError::Lagged(lost)) if lost == 2002 - 1024));
    assert!(slow.recv().await.is_ok());
    assert_eq!(connection.statistics().events, 2002);
    // With the connection the events end.
    drop(connection);
    let end = async { while !matches!(quick.recv().await, Err(RecvError::Closed)) {} };
    timeout(PATIENCE, end).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_outlives_its_daemon() {
    let server = FakeLibvirtd::start(2).unwrap();
    let client = Client::new(server.uri().parse().unwrap(), patient())
        .with_waits(Duration::from_millis(5), Duration::from_millis(20));
    let first = client.connection().await.unwrap();
    server.stop();
    timeout(PATIENCE, first.until_closed()).await.unwrap();
    let error = client.connection().await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    server.start_again().unwrap();
    let second = client.wait_for_connection(PATIENCE).await.unwrap();
    assert!(second.id() > first.id());
    assert_eq!(second.hostname().await.unwrap(), "compute-1.example");

    // One that has calls under way for ever can be left behind.
    server.behave(HOSTNAME, [Behaviour::Silence]);
    second.with_timeout(A_MOMENT).hostname().await.unwrap_err();
    client.abandon(&second).await;
    assert!(matches!(second.closed(), Some(Closed::ByUs)));
    let third = client.connection().await.unwrap();
    assert!(third.id() > second.id());
    assert_eq!(server.connections(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_that_hangs_does_here_as_with_a_real_daemon() {
    let server = FakeLibvirtd::start(3).unwrap();
    let (first, second) = (healthy(&server).await, healthy(&server).await);
    let all = async |connection: &Connection| {
        connection.all_domain_stats(StatsGroups(63), DomainFlags::NOWAIT).await
    };
    let whole = all(&second).await.unwrap().records().next().unwrap().parameters.len();
    server.hang("instance-00000001");
    // It holds the domain by then.
    let error = all(&first.with_timeout(Duration::from_secs(2))).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let stats = all(&second).await.unwrap();
    let record = stats.records().next().unwrap();
    assert!(record.parameters.len() < whole && record.parameters.u64("cpu.time").is_some());
    server.resume("instance-00000001");
    until("the late answer", || (first.statistics().late_answers == 1).then_some(())).unwrap();
}
