//! The log of requests that take long.

use serde_json::{Value, json};

use super::harness::Server;

#[test]
fn slow_requests_are_logged_with_whose_and_how_many() {
    let mut server = Server::new().with("nephoscope", "metric_slow_request_milliseconds = 1").started();
    server.make_policy();
    let metric = server.make_metric();
    // More than anybody reads, makes durable and aggregates in a millisecond.
    let measures: Vec<Value> = (0..20_000).map(|at| json!({"timestamp": at, "value": at})).collect();
    let answer = server.client().post(&format!("/v1/metric/{metric}/measures"), &json!(measures));
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.header("x-openstack-request-id").unwrap().to_owned();
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
    let line = output.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("{id}: {output}"));
    for part in ["a slow request", "/v1/metric/{id}/measures", "POST", "admin", "20000"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
