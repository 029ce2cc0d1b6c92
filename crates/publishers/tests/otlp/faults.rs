//! Servers that are no receivers, die, or say nothing: records are kept, and go on when there is a receiver again.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Sample;
use pipeline::{PublishError, Refusals};
use serde_json::json;

use crate::receiver::{BOTH, Carrier, Receiver, publish, publisher};
use crate::records;

fn sample() -> Sample {
    (*records::sample("m", "r", 1)).clone()
}

/// What a server does with a connection whose request has come.
type Script = dyn Fn(&mut TcpStream, usize) + Send + Sync;

/// A server that follows a script; the number of its connections.
fn server(script: impl Fn(&mut TcpStream, usize) + Send + Sync + 'static) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let (opened, script): (_, Arc<Script>) = (Arc::clone(&connections), Arc::new(script));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let number = opened.fetch_add(1, Ordering::SeqCst);
            let script = Arc::clone(&script);
            std::thread::spawn(move || script(&mut stream, number));
        }
    });
    (port, connections)
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A header that is in no table (HPACK, RFC 7541, 6.2.2).
fn header(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// A server of HTTP/2 that gives the same frames as its answer to each request, and then closes the connection.
fn http2(frames: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    server(move |stream, _| {
        let settings = frame(4, 0, 0, &[]);
        stream.write_all(&settings).unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).unwrap();
        assert!(preface.starts_with(b"PRI * HTTP/2.0"));
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).is_err() {
                return;
            }
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).unwrap();
            if head[3] == DATA && head[4] & END_STREAM != 0 {
                break;
            }
        }
        let acknowledged = frame(4, 1, 0, &[]);
        let _ = stream.write_all(&[acknowledged, frames.clone()].concat());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // Until the other side is done with it; a reset would take back what was sent.
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

async fn outcome(url: &str) -> Result<Refusals, PublishError> {
    publish(&mut publisher(url), [sample()]).await
}

#[tokio::test]
async fn answers_of_http2_that_are_no_call_keep_the_records() {
    const OK: u8 = 0x88;
    let grpc = header("content-type", "application/grpc");
    let head =
        |more: &[u8], flags| frame(HEADERS, END_HEADERS | flags, 1, &[&[OK], grpc.as_slice(), more].concat());
    let empty = frame(DATA, 0, 1, &[0; 5]);
    let done = frame(HEADERS, END_HEADERS | END_STREAM, 1, &header("grpc-status", "0"));
    let with_status = |status: &str, more: &[u8]| {
        let status = [&[8, 3], status.as_bytes()].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[status.as_slice(), more].concat())
    };
    for (what, frames, expected) in [
        ("all is well", [head(b"", 0), empty.clone(), done.clone()].concat(), "accepted"),
        ("status in the headers", head(&header("grpc-status", "0"), END_STREAM), "accepted"),
        ("no status", [head(b"", 0), frame(DATA, END_STREAM, 1, &[0; 5])].concat(), "transport"),
        ("no status and no body", head(b"", END_STREAM), "transport"),
        ("nothing", Vec::new(), "transport"),
        ("half a frame", head(b"", 0)[..15].to_vec(), "transport"),
        ("half a body", [head(b"", 0), frame(DATA, 0, 1, &[0; 3])].concat(), "transport"),
        ("reset", [head(b"", 0), frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])].concat(), "transport"),
        ("reset at once", frame(RST_STREAM, 0, 1, &[0, 0, 0, 11]), "transport"),
        ("go away", frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2]), "transport"),
        ("no frames at all", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(), "transport"),
        (
            "status that is none",
            [head(b"", 0), empty, frame(HEADERS, 5, 1, &header("grpc-status", "x"))].concat(),
            "transport",
        ),
        (
            "another protocol",
            frame(HEADERS, 5, 1, &[&[OK], header("content-type", "text/html").as_slice()].concat()),
            "not_grpc",
        ),
        ("404 of a proxy", with_status("404", b""), "not_found"),
        ("400 of a proxy", with_status("400", b""), "bad_request"),
        ("401 of a proxy", with_status("401", b""), "unauthorized"),
        ("503 of a proxy", with_status("503", &header("retry-after", "7")), "server_error"),
        ("a status without 200", with_status("500", &header("grpc-status", "3")), "server_error"),
    ] {
        let (port, _) = http2(frames);
        let began = Instant::now();
        match outcome(&format!("otlp+grpc://127.0.0.1:{port}")).await {
            Ok(refusals) => assert!(expected == "accepted" && refusals.is_empty(), "{what}: {refusals:?}"),
            Err(error) => {
                assert_eq!(error.cause, expected, "{what}: {error}");
                assert!(!what.starts_with("503") || error.message.contains("wait for 7 s"), "{error}");
            }
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{what}: it waited until time was up");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_not_asked_on_the_same_connection() {
    for carrier in BOTH {
        let (port, connections) = server(|stream, _| {
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let scheme = if carrier == Carrier::Grpc { "otlp+grpc" } else { "otlp+http" };
        let mut publisher = publisher(&format!("{scheme}://127.0.0.1:{port}/?timeout=1"));
        // A connection of HTTP/2 outlives a request that was given up; it is left as soon as it is known to be dead.
        let until = Instant::now() + Duration::from_mins(1);
        while connections.load(Ordering::SeqCst) < 2 {
            let began = Instant::now();
            let error = publish(&mut publisher, [sample()]).await.unwrap_err();
            assert!(["timeout", "transport"].contains(&error.cause), "{}: {error}", error.cause);
            assert!(began.elapsed() < Duration::from_secs(20));
            assert!(Instant::now() < until, "{carrier:?}: always the same connection");
        }
    }
}

#[tokio::test]
async fn a_slow_receiver_is_one_that_does_not_accept() {
    let mut receiver = Receiver::start(&[]);
    for carrier in BOTH {
        let mut publisher = receiver.publisher(carrier, "?timeout=3");
        receiver.answer(&[json!({"sleep": 6})]);
        let error = publish(&mut publisher, [sample()]).await.unwrap_err();
        assert!(
            ["timeout", "deadline_exceeded", "cancelled"].contains(&error.cause),
            "{}: {error}",
            error.cause
        );
        publish(&mut publisher, [sample()]).await.unwrap();
        assert_eq!(receiver.take().len(), 2);
    }
}

#[tokio::test]
async fn records_wait_for_a_receiver_that_comes_back() {
    for carrier in BOTH {
        let scheme = if carrier == Carrier::Grpc { "otlp+grpc" } else { "otlp+http" };
        // Nobody listens there.
        let error = outcome(&format!("{scheme}://127.0.0.1:1")).await.unwrap_err();
        assert_eq!(error.cause, "connect", "{error}");
        // Each second connection ends without an answer.
        let target = Receiver::start(&[]);
        let behind = if carrier == Carrier::Grpc { target.grpc } else { target.http };
        let (port, connections) = server(move |stream, number| {
            if number % 2 == 0 {
                let _ = stream.read(&mut [0; 64]);
                return;
            }
            let other = TcpStream::connect(("127.0.0.1", behind)).unwrap();
            let (mut from, mut to) = (stream.try_clone().unwrap(), other.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut &other, stream);
        });
        let mut publisher = publisher(&format!("{scheme}://127.0.0.1:{port}"));
        let error = publish(&mut publisher, [sample()]).await.unwrap_err();
        assert_eq!(error.cause, "transport", "{error}");
        publish(&mut publisher, [sample()]).await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{carrier:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_of_an_answer() {
    let mut receiver = Receiver::start(&[]);
    let body = STANDARD.encode("a longer text");
    for (answer, cause) in [
        (json!({"status": 503, "body": body, "cut": 3}), "server_error"),
        (json!({"status": 401, "body": body, "cut": 0}), "unauthorized"),
    ] {
        receiver.answer(&[answer]);
        let error = publish(&mut receiver.publisher(Carrier::Http, ""), [sample()]).await.unwrap_err();
        assert_eq!(error.cause, cause, "{error}");
    }
    assert_eq!(receiver.take().len(), 2);
}
