//! What the opentelemetryhttp publisher sends, read as OTLP by the protobuf JSON mapping of Google's library.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a failed test")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use model::{MeterKind, Sample, Value};
use nephoscope_publishers::opentelemetry::OpenTelemetryPublisher;
use nephoscope_publishers::{HttpSettings, Witness};
use pipeline::{Publisher, PublisherUrl, Records, RecordsKind, Refusals};
use serde_json::json;

#[path = "support/records.rs"]
mod records;
#[path = "support/server.rs"]
mod server;
use records::sample;
use server::Server;

async fn publish(server: &Server, query: &str, samples: Vec<Sample>) -> Refusals {
    let url = PublisherUrl::new(&format!("opentelemetryhttp://{}/v1/metrics{query}", server.address));
    let (settings, witness) = (HttpSettings::default(), Witness::nobody());
    let mut publisher = OpenTelemetryPublisher::new(&url, RecordsKind::Samples, &settings, witness).unwrap();
    let samples = samples.into_iter().map(Arc::new).collect();
    publisher.publish(Arc::new([Records::Samples(samples)])).await.unwrap()
}

/// The points of each request, as Google's library reads them.
fn read(bodies: &[String]) -> Vec<serde_json::Value> {
    let mut child = Command::new(testkit::venv_python().unwrap())
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otlp_reader.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for body in bodies {
        writeln!(stdin, "{body}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn googles_library_reads_every_field() {
    let mut counter = (*sample("disk.read", "r/1", 10)).clone();
    counter.kind = MeterKind::Cumulative;
    counter.timestamp = "2026-07-21T15:56:12.123456+02:00".into();
    let mut again = counter.clone();
    again.resource_id = "é 😀 \"\\\n".into();
    again.user_id = Value::Null;
    again.volume = Value::BigInt("123456789012345678901234567890".into());
    let mut gauge = (*sample("power", "r", f64::NAN)).clone();
    gauge.unit = Value::Null;
    let mut delta = (*sample("delta", "r", true)).clone();
    delta.kind = MeterKind::Delta;
    delta.project_id = Value::Int(17);
    let server = Server::recording();
    let refusals = publish(&server, "", vec![counter, gauge, again, delta]).await;
    assert!(refusals.is_empty(), "{refusals:?}");
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.header("content-type"), Some("application/json"));
    let time = 1_784_642_172_123_456_000_u64;
    let point = |name: &str, unit: &str, is_sum: bool, attributes: serde_json::Value, value: &str| {
        let description = if unit.is_empty() { name.to_owned() } else { format!("{name} unit:{unit}") };
        json!({
            "scope": "ceilometer", "name": name.replace('.', "_"), "unit": unit, "description": description,
            "kind": if is_sum { "sum" } else { "gauge" },
            "monotonic": is_sum.then_some(true), "temporality": is_sum.then_some(2),
            "attributes": attributes, "start": 0, "time": time, "value": value,
        })
    };
    let owned = |resource: &str| json!({"resource_id": resource, "user_id": "u", "project_id": "p"});
    assert_eq!(
        read(&[request.text()]),
        [json!([
            point("disk.read", "B", true, owned("r/1"), "10.0"),
            point(
                "disk.read",
                "B",
                true,
                json!({"resource_id": "é 😀 \"\\\n", "project_id": "p"}),
                "1.2345678901234568e+29"
            ),
            point("power", "", false, owned("r"), "nan"),
            point(
                "delta",
                "B",
                false,
                json!({"resource_id": "r", "user_id": "u", "project_id": "17"}),
                "1.0"
            ),
        ])]
    );
}

#[tokio::test]
async fn samples_go_together_or_one_by_one() {
    for (query, requests) in [("", 1), ("?batch=False", 3), ("?ceilometer_format=True", 3)] {
        let server = Server::recording();
        publish(&server, query, (0..3).map(|number| (*sample("m", "r", number)).clone()).collect()).await;
        let bodies: Vec<_> = server.requests().iter().map(server::Request::text).collect();
        assert_eq!(bodies.len(), requests, "{query}");
        assert!(server.requests().iter().all(|request| request.target == "/v1/metrics"));
        if query == "?ceilometer_format=True" {
            assert!(bodies[0].starts_with("{\"resource_metrics\""), "{}", bodies[0]);
        } else {
            let points: usize = read(&bodies).iter().map(|points| points.as_array().unwrap().len()).sum();
            assert_eq!(points, 3);
        }
    }
}

#[tokio::test]
async fn what_otlp_cannot_say_is_refused_and_the_rest_is_sent() {
    let mut timeless = (*sample("m", "r", 1)).clone();
    timeless.timestamp = "yesterday".into();
    let huge = (*sample("m", "r", Value::BigInt("9".repeat(400).into()))).clone();
    let server = Server::recording();
    let refusals = publish(&server, "", vec![timeless, (*sample("m", "r", 1)).clone(), huge]).await;
    let refused: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
    assert_eq!(refused, [(0, "timestamp"), (2, "volume")]);
    assert_eq!(server.requests().len(), 1);
}
