//! The udp and tcp publishers with peers that come and go.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: a failed step is a failed test, and time is the machine's"
)]

use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use model::Value;
use nephoscope_publishers::Witness;
use nephoscope_publishers::tcp::TcpPublisher;
use nephoscope_publishers::udp::UdpPublisher;
use pipeline::{PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};
use testkit::Port;

#[path = "support/records.rs"]
mod records;
use records::sample;

fn tcp(address: &str) -> TcpPublisher {
    let url = PublisherUrl::new(&format!("tcp://{address}"));
    TcpPublisher::new(&url, RecordsKind::Samples, "secret", "host-1", Witness::nobody()).unwrap()
}

fn udp(address: &str) -> UdpPublisher {
    let url = PublisherUrl::new(&format!("udp://{address}"));
    UdpPublisher::new(&url, RecordsKind::Samples, "secret", Witness::nobody()).unwrap()
}

async fn publish(publisher: &mut dyn Publisher, resources: &[&str]) -> Result<Refusals, PublishError> {
    let samples = resources.iter().map(|resource| sample("m", resource, 1)).collect();
    publisher.publish(Arc::new([Records::Samples(samples)])).await
}

/// Takes one connection and reads frames from it; with `frames`, closes it after so many.
fn take(listener: &TcpListener, frames: Option<usize>) -> Vec<Vec<u8>> {
    let (mut stream, _) = listener.accept().unwrap();
    let mut taken = Vec::new();
    while frames.is_none_or(|frames| taken.len() < frames) {
        let mut head = [0; 8];
        if stream.read_exact(&mut head).is_err() {
            break;
        }
        let mut frame = vec![0; usize::try_from(u64::from_le_bytes(head)).unwrap()];
        stream.read_exact(&mut frame).unwrap();
        taken.push(frame);
    }
    taken
}

fn contains(frame: &[u8], text: &str) -> bool {
    frame.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_peer_has_closed_is_replaced_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut publisher = tcp(&listener.local_addr().unwrap().to_string());
    let reader = std::thread::spawn(move || {
        let first = take(&listener, Some(1));
        // The connection is closed by now.
        (first, take(&listener, Some(1)))
    });
    publish(&mut publisher, &["one"]).await.unwrap();
    // The peer's end arrives in its own time.
    let until = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    while !reader.is_finished() {
        assert!(tokio::time::Instant::now() < until, "the second sample never came over a new connection");
        publish(&mut publisher, &["two"]).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (first, second) = reader.join().unwrap();
    assert!(contains(&first[0], "one") && contains(&first[0], "host-1"));
    assert!(contains(&second[0], "two"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_peer_samples_are_kept_and_come_when_it_is_back() {
    let port = Port::take().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let mut publisher = tcp(&address);
    let error = publish(&mut publisher, &["r"]).await.unwrap_err();
    assert_eq!(error.cause, "connect");
    assert!(error.message.contains(&address), "{error}");
    let listener = TcpListener::bind(&address).unwrap();
    let reader = std::thread::spawn(move || take(&listener, None));
    publish(&mut publisher, &["a", "b"]).await.unwrap();
    drop(publisher);
    assert_eq!(reader.join().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_arrives_whole_and_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut publisher = tcp(&listener.local_addr().unwrap().to_string());
    let reader = std::thread::spawn(move || take(&listener, None));
    let samples = (0..5000).map(|number| sample("m", &format!("resource-{number:05}"), 1)).collect();
    publisher.publish(Arc::new([Records::Samples(samples)])).await.unwrap();
    drop(publisher);
    let frames = reader.join().unwrap();
    assert_eq!(frames.len(), 5000);
    for (number, frame) in frames.iter().enumerate() {
        assert!(contains(frame, &format!("resource-{number:05}")), "{number}");
    }
}

#[tokio::test]
async fn what_no_datagram_can_carry_is_refused_and_the_others_are_sent() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let mut publisher = udp(&socket.local_addr().unwrap().to_string());
    let mut large = (*sample("m", "large", 1)).clone();
    large.resource_metadata = Value::from("x".repeat(66_000)).into();
    let huge = sample("m", "huge", Value::BigInt("9".repeat(40).into()));
    let samples = vec![sample("m", "a", 1), Arc::new(large), huge, sample("m", "b", 1)];
    let refusals = publisher.publish(Arc::new([Records::Samples(samples)])).await.unwrap();
    let refused: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
    assert_eq!(refused, [(1, "too_large"), (2, "msgpack")]);
    let mut buffer = vec![0; 1 << 16];
    for resource in ["a", "b"] {
        let length = socket.recv(&mut buffer).unwrap();
        assert!(contains(&buffer[..length], resource));
    }
}

#[tokio::test]
async fn a_host_that_nobody_knows_keeps_the_samples() {
    let error = publish(&mut udp("nowhere.invalid"), &["r"]).await.unwrap_err();
    assert_eq!(error.cause, "resolve");
    assert!(error.message.contains("nowhere.invalid:4952"), "{error}");
    let error = publish(&mut tcp("nowhere.invalid"), &["r"]).await.unwrap_err();
    assert_eq!(error.cause, "connect");
    assert!(error.message.contains("nowhere.invalid:4952"), "{error}");
}

#[tokio::test]
async fn over_ipv6() {
    let Ok(socket) = UdpSocket::bind("[::1]:0") else {
        // A machine without IPv6.
        return;
    };
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    publish(&mut udp(&socket.local_addr().unwrap().to_string()), &["six"]).await.unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    assert!(contains(&buffer[..length], "six"));
}
