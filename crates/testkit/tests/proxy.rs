//! The proxy's misdeeds, seen from both ends of real connections.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods)]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use testkit::Proxy;
use testkit::proxy::Side;

/// A proxy, and one connection through it: the client's end and the server's.
fn connected() -> (Proxy, TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(testkit::wait::PATIENCE)).unwrap();
    }
    testkit::until("connection in the proxy's list", || (proxy.open() == 1).then_some(())).unwrap();
    (proxy, listener, client, server)
}

fn pass(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).unwrap();
    let mut seen = vec![0; text.len()];
    to.read_exact(&mut seen).unwrap();
    assert_eq!(seen, text);
}

/// Nothing arrives for a while.
fn silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let error = stream.read(&mut [0; 8]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(Some(testkit::wait::PATIENCE)).unwrap();
}

#[test]
fn forwards_both_ways_and_both_ends() {
    let (proxy, _listener, mut client, mut server) = connected();
    pass(&mut client, &mut server, b"up");
    pass(&mut server, &mut client, b"down");
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sent = big.clone();
    let sender = std::thread::spawn(move || {
        client.write_all(&sent).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        client
    });
    let mut seen = Vec::new();
    server.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, big);
    let mut client = sender.join().unwrap();
    pass(&mut server, &mut client, b"still open this way");
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
    drop((client, server));
    testkit::until("end of the connection", || (proxy.open() == 0).then_some(())).unwrap();
    assert_eq!(proxy.forwarded_bytes(), 3_000_000 + 6 + 19);
}

#[test]
fn delay_is_added_in_each_direction() {
    let (proxy, _listener, mut client, mut server) = connected();
    proxy.delay(Duration::from_millis(150));
    let start = Instant::now();
    pass(&mut client, &mut server, b"ping");
    pass(&mut server, &mut client, b"pong");
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn bandwidth_is_limited() {
    let (proxy, _listener, mut client, mut server) = connected();
    proxy.bandwidth(Some(50_000));
    let start = Instant::now();
    pass(&mut client, &mut server, &[7; 10_000]);
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
    proxy.bandwidth(None);
    pass(&mut client, &mut server, &[7; 10_000]);
}

#[test]
fn a_stalled_line_is_silent_and_loses_nothing() {
    let (proxy, listener, mut client, mut server) = connected();
    proxy.stall();
    client.write_all(b"held").unwrap();
    silent(&mut server);
    let mut late = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    late.write_all(b"late").unwrap();
    let (mut late_server, _) = listener.accept().unwrap();
    silent(&mut late_server);
    proxy.resume();
    let mut seen = [0; 4];
    server.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"held");
    late_server.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"late");
}

#[test]
fn a_cut_resets_both_ends_and_lets_new_connections_in() {
    let (proxy, listener, mut client, mut server) = connected();
    pass(&mut client, &mut server, b"before");
    assert_eq!(proxy.cut().unwrap(), 1);
    assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    pass(&mut client, &mut server, b"after");
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn half_close_ends_one_direction_only() {
    let (proxy, _listener, mut client, mut server) = connected();
    assert_eq!(proxy.half_close(Side::Client), 1);
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    pass(&mut client, &mut server, b"up still works");
    server.write_all(b"lost").unwrap();
    proxy.half_close(Side::Server);
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn refuses_new_connections_until_told_otherwise() {
    let (proxy, listener, mut client, mut server) = connected();
    proxy.refuse();
    let error = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    pass(&mut client, &mut server, b"old connections stay");
    proxy.accept().unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    pass(&mut client, &mut server, b"new");
}

#[test]
fn a_server_that_is_away_ends_the_clients_connection_and_can_be_replaced() {
    let away = testkit::Port::take().unwrap();
    let proxy = Proxy::to_port(away.number()).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    client.set_read_timeout(Some(testkit::wait::PATIENCE)).unwrap();
    assert!(matches!(client.read(&mut [0; 8]), Ok(0) | Err(_)));
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    proxy.retarget(listener.local_addr().unwrap());
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    pass(&mut client, &mut server, b"found");
}
