//! The end: what has begun is answered, and nothing new begins.

use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;
use serde_json::json;
use testkit::until;

use super::harness::Server;

/// The page of all metrics.
const REFERENCE: &str = include_str!("../../../../docs/reference/metrics.md");

#[test]
fn requests_that_have_begun_are_answered_before_the_end() {
    let mut server = Server::new().started();
    server.make_policy();
    let metric = server.make_metric();
    let mut idle = server.client();
    assert_eq!(idle.get("/v1/capabilities").status, 200);
    let body = json!([{"timestamp": 1, "value": 1}]).to_string();
    let (begin, rest) = body.split_at(5);
    let head = format!(
        "POST /v1/metric/{metric}/measures HTTP/1.1\r\nHost: api\r\nAuthorization: basic YWRtaW46\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{begin}",
        body.len()
    );
    let mut begun = server.client();
    begun.send_text(&head).unwrap();
    let is_under_way = || {
        let page = server.health("/metrics").body;
        page.lines().any(|line| line == "nephoscope_metric_api_requests_under_way 1")
    };
    until("a request that has begun", || is_under_way().then_some(())).unwrap();
    server.process().signal(Signal::TERM).unwrap();
    let address = server.address();
    until("connections that are refused", || TcpStream::connect(address).is_err().then_some(())).unwrap();
    assert!(idle.is_closed(), "an idle connection stays open");
    begun.send_text(rest).unwrap();
    let answer = begun.answer().unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(begun.is_closed(), "{answer:?}");
    let (status, output) = server.end();
    assert!(status.success(), "{status}: {output}");
    server.start();
    server.wait_started();
    let stored = server.client().get(&format!("/v1/metric/{metric}/measures?aggregation=last"));
    assert_eq!(stored.json().as_array().unwrap().len(), 1, "{stored:?}");
}

/// A database that takes the connection and says nothing holds up the start, and not the stop.
#[test]
fn a_start_that_does_not_come_to_its_end_can_be_stopped() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://nobody:secret@{}/gnocchi", silent.local_addr().unwrap());
    let mut server = Server::new().with("indexer", format!("url = {url}"));
    server.start();
    let (_connection, _) = silent.accept().unwrap();
    server.process().signal(Signal::TERM).unwrap();
    let (status, output) = server.end();
    assert!(status.success(), "{status}: {output}");
    assert!(output.contains("stopped before the metric store was open"), "{output}");
}

#[test]
fn the_reference_names_what_the_role_exposes() {
    let server = Server::new().started();
    assert_eq!(server.client().get("/v1/capabilities").status, 200);
    let page = server.health("/metrics");
    let types = page.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let types: Vec<(&str, &str)> = types.collect();
    for (name, kind) in &types {
        // The text format has no type for information: it is a gauge there.
        let is_there =
            [kind, "info"].iter().any(|kind| REFERENCE.contains(&format!("| `{name}` | {kind} |")));
        assert!(is_there, "{name}, a {kind}, is not in the reference");
    }
    let exposed: Vec<&str> = types.iter().map(|(name, _)| *name).collect();
    let own = REFERENCE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    for (name, _) in own.filter(|(name, _)| name.starts_with("nephoscope_metric_api_")) {
        assert!(exposed.contains(&name), "the role does not expose {name}");
    }
}
