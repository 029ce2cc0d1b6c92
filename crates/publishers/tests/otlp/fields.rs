//! What arrives, field by field, as Google's library reads it.

use std::sync::Arc;

use model::{Map, MeterKind, Sample, Value as Of};
use pipeline::{Publisher as _, Records};
use serde_json::{Value, json};

use crate::receiver::{BOTH, Carrier, Receiver, points, publish};
use crate::records;

const TIME: u64 = 1_784_642_172_123_456_000;
const MINUTE: u64 = 60_000_000_000;

fn sample(name: &str, resource: &str, volume: impl Into<Of>, kind: MeterKind) -> Sample {
    Sample { kind, ..(*records::sample(name, resource, volume)).clone() }
}

/// `TIME` and some minutes.
fn after(minutes: i64, sample: Sample) -> Sample {
    let microseconds = i64::try_from(TIME / 1_000).unwrap() + minutes * 60_000_000;
    let time = model::Timestamp::from_microseconds(microseconds).unwrap();
    Sample { timestamp: time.to_iso().into(), ..sample }
}

fn starts(requests: &[Value]) -> Vec<i64> {
    let minutes = |point: &Value| match point["start"].as_u64().unwrap() {
        0 => -1_000,
        start => {
            (i64::try_from(start).unwrap() - i64::try_from(TIME).unwrap()) / i64::try_from(MINUTE).unwrap()
        }
    };
    points(requests).iter().map(minutes).collect()
}

#[tokio::test]
async fn every_field_arrives_by_both_ways_packed_and_not() {
    let mut receiver = Receiver::start(&[]);
    let counter = sample("disk.read.bytes", "r/1", 10, MeterKind::Cumulative);
    let mut odd = sample("disk.read.bytes", "é 😀 \"\\\n\0", i64::MIN, MeterKind::Cumulative);
    odd.user_id = Of::Null;
    odd.timestamp = "2026-07-21T15:56:12.123456+02:00".into();
    let mut delta = sample("delta", "", true, MeterKind::Delta);
    delta.project_id = Of::Int(17);
    let mut gauge = sample("power", "r", f64::NEG_INFINITY, MeterKind::Gauge);
    gauge.unit = Of::Null;
    let mut big =
        sample("power", "r2", Of::BigInt("123456789012345678901234567890".into()), MeterKind::Gauge);
    big.unit = "".into();
    let text = sample("disk.read.bytes", "r", " 0.1 ", MeterKind::Gauge);
    let samples = [counter, gauge, delta, odd, big, text];
    let point = |name: &str,
                 unit: &str,
                 kind: (&str, Value, Value),
                 attributes: Value,
                 start: u64,
                 value: (&str, &str)| {
        let description = if unit.is_empty() { name.to_owned() } else { format!("{name} unit:{unit}") };
        json!({
            "resource": {}, "scope": ["ceilometer", "v1"], "name": name.replace('.', "_"), "unit": unit,
            "description": description,
            "kind": kind.0, "monotonic": kind.1, "temporality": kind.2,
            "attributes": attributes, "start": start, "time": TIME, "flags": 0, "type": value.0, "value": value.1,
        })
    };
    let (sum, delta) = (("sum", json!(true), json!(2)), ("sum", json!(false), json!(1)));
    let gauge = ("gauge", Value::Null, Value::Null);
    let of = |resource: &str| json!({"resource_id": resource, "user_id": "u", "project_id": "p"});
    let no_user = json!({"resource_id": "é 😀 \"\\\n\0", "project_id": "p"});
    let number = json!({"resource_id": "", "user_id": "u", "project_id": "17"});
    // Samples of a metric are together; metrics come in the order of their first sample.
    let expected = [
        point("disk.read.bytes", "B", sum.clone(), of("r/1"), TIME, ("as_int", "10")),
        point("disk.read.bytes", "B", sum, no_user, TIME, ("as_int", "-9223372036854775808")),
        point("power", "", gauge.clone(), of("r"), 0, ("as_double", "-inf")),
        point("power", "", gauge.clone(), of("r2"), 0, ("as_double", "1.2345678901234568e+29")),
        point("delta", "B", delta, number, 0, ("as_int", "1")),
        point("disk.read.bytes", "B", gauge, of("r"), 0, ("as_double", "0.1")),
    ];
    for (carrier, compression) in
        [(Carrier::Grpc, "none"), (Carrier::Grpc, "gzip"), (Carrier::Http, "none"), (Carrier::Http, "gzip")]
    {
        let mut publisher = receiver.publisher(carrier, &format!("?compression={compression}"));
        let refusals = publish(&mut publisher, samples.clone()).await.unwrap();
        assert!(refusals.is_empty(), "{refusals:?}");
        let [request] = receiver.take().try_into().unwrap();
        assert_eq!(request["points"], json!(expected), "{carrier:?} {compression}");
        let headers = &request["headers"];
        assert!(headers["user-agent"].as_str().unwrap().starts_with("nephoscope/"), "{headers}");
        match carrier {
            Carrier::Http => {
                assert_eq!(request["target"], "/v1/metrics");
                assert_eq!(headers["content-type"], "application/x-protobuf");
                let packed = (compression == "gzip").then_some("gzip");
                assert_eq!(headers.get("content-encoding").and_then(Value::as_str), packed);
            }
            // The rest of what gRPC wants, grpcio has looked at.
            Carrier::Grpc => {
                let remaining = request["remaining"].as_f64().unwrap();
                assert!(remaining > 1.0 && remaining <= 5.0, "{remaining}");
            }
        }
    }
}

#[tokio::test]
async fn headers_resource_and_credentials_go_with_every_request() {
    let mut receiver = Receiver::start(&[]);
    for carrier in BOTH {
        let url = receiver
            .url(
                carrier,
                "?header.X-Scope-OrgID=tenant&resource.service.name=cloud&resource.region=%C3%A9&timeout=60",
            )
            .replace("://", "://user:pass%20word@");
        let mut publisher = crate::receiver::publisher(&url);
        for _ in 0..2 {
            publish(&mut publisher, [sample("m", "r", 1, MeterKind::Gauge)]).await.unwrap();
        }
        let requests = receiver.take();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(request["headers"]["x-scope-orgid"], "tenant");
            assert_eq!(request["headers"]["authorization"], "Basic dXNlcjpwYXNzJTIwd29yZA==");
            assert_eq!(request["points"][0]["resource"], json!({"service.name": "cloud", "region": "é"}));
            if carrier == Carrier::Grpc {
                assert!(request["remaining"].as_f64().unwrap() > 50.0);
            }
        }
    }
}

#[tokio::test]
async fn counters_have_a_start_and_begin_anew_after_a_reset() {
    let mut receiver = Receiver::start(&[]);
    for carrier in BOTH {
        let mut publisher = receiver.publisher(carrier, "");
        let counter = |minutes, volume: i64| after(minutes, sample("c", "r", volume, MeterKind::Cumulative));
        let other = |minutes| after(minutes, sample("c", "other", 5, MeterKind::Cumulative));
        // The values, and the start of each in minutes: first seen at 0; anew between 2 and 3.
        for (samples, expected) in [
            (vec![counter(0, 7), other(0)], vec![0, 0]),
            (vec![counter(1, 7), counter(2, 9)], vec![0, 0]),
            (vec![counter(3, 1), other(3), counter(4, 2)], vec![2, 0, 2]),
            // Late and repeated ones change nothing.
            (vec![counter(1, 7), counter(4, 2), counter(5, 3)], vec![1, 2, 2]),
        ] {
            publish(&mut publisher, samples).await.unwrap();
            assert_eq!(starts(&receiver.take()), expected, "{carrier:?}");
        }
        let launched = |minutes, volume: i64| {
            let mut sample = after(minutes, sample("cpu", "vm", volume, MeterKind::Cumulative));
            let metadata: Map = [("launched_at", "2026-07-21T13:46:12.123456Z")].into_iter().collect();
            sample.resource_metadata = metadata.into();
            sample
        };
        publish(&mut publisher, [launched(0, 5), launched(1, 6), launched(2, 1)]).await.unwrap();
        assert_eq!(starts(&receiver.take()), [-10, -10, 1]);
        let delta = |minutes| after(minutes, sample("d", "r", 1, MeterKind::Delta));
        publish(&mut publisher, [delta(0), delta(1), delta(3), delta(2)]).await.unwrap();
        publish(&mut publisher, [delta(4)]).await.unwrap();
        assert_eq!(starts(&receiver.take()), [-1_000, 0, 1, -1_000, 3]);
    }
}

/// More series than may be remembered: those that were not seen for the longest time begin anew.
#[tokio::test]
async fn max_series_bounds_what_is_remembered() {
    let mut receiver = Receiver::start(&[]);
    for carrier in BOTH {
        for (query, expected) in [("", [0, 0, 0, 0, 0]), ("?max_series=2", [0, 0, 0, 0, 5])] {
            let mut publisher = receiver.publisher(carrier, query);
            let of =
                |resource: &str, minutes| after(minutes, sample("c", resource, 1, MeterKind::Cumulative));
            publish(&mut publisher, ["a", "b", "c", "d"].map(|resource| of(resource, 0))).await.unwrap();
            publish(&mut publisher, [of("a", 5)]).await.unwrap();
            assert_eq!(starts(&receiver.take()), expected, "{carrier:?} {query}");
        }
    }
}

/// An attempt that fails half-way has counted the starts already: the next one must not count them again.
#[tokio::test]
async fn an_attempt_that_fails_is_repeated_with_the_same_starts_and_only_for_what_is_left() {
    let mut receiver = Receiver::start(&[]);
    for carrier in BOTH {
        let mut publisher = receiver.publisher(carrier, "?batch_size=2");
        let delta = |minutes| after(minutes, sample("d", "r", 1, MeterKind::Delta));
        let counter = |minutes, volume: i64| after(minutes, sample("c", "r", volume, MeterKind::Cumulative));
        publish(&mut publisher, [delta(0), counter(0, 9)]).await.unwrap();
        receiver.take();
        let offer = crate::receiver::group([delta(1), counter(1, 3), delta(2), counter(2, 4)]);
        let down = json!({"code": 14, "status": 503});
        receiver.answer(&[json!({}), down.clone()]);
        publisher.publish(Arc::clone(&offer)).await.unwrap_err();
        receiver.answer(&[down]);
        publisher.publish(Arc::clone(&offer)).await.unwrap_err();
        publisher.publish(offer).await.unwrap();
        let requests = receiver.take();
        assert_eq!(requests.len(), 4, "{carrier:?}");
        assert_eq!(starts(requests.get(..1).unwrap()), [0, 0]);
        for request in requests.get(1..).unwrap() {
            assert_eq!(starts(std::slice::from_ref(request)), [1, 0]);
        }
    }
}

#[tokio::test]
async fn requests_are_bounded_and_one_connection_serves_them() {
    let mut receiver = Receiver::start(&[]);
    for carrier in BOTH {
        for (query, counts) in
            [("", &[1000, 203][..]), ("?batch_size=600", &[600, 600, 3]), ("?batch_size=5000", &[1203])]
        {
            let groups: Arc<[Records]> = (0..3)
                .map(|_| {
                    Records::Samples(
                        (0..401).map(|number| records::sample("m", &format!("{number}"), 1)).collect(),
                    )
                })
                .collect();
            receiver.publisher(carrier, query).publish(groups).await.unwrap();
            let requests = receiver.take();
            let seen: Vec<_> =
                requests.iter().map(|request| request["points"].as_array().unwrap().len()).collect();
            assert_eq!(seen, counts, "{carrier:?} {query}");
            assert!(requests.iter().all(|request| request["metrics"] == 1));
        }
        // By bytes: a megabyte a request.
        let long = "x".repeat(400_000);
        let samples = (0..5).map(|number| sample("m", &format!("{number}{long}"), 1, MeterKind::Gauge));
        publish(&mut receiver.publisher(carrier, ""), samples).await.unwrap();
        let requests = receiver.take();
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|request| request["bytes"].as_u64().unwrap() < 1 << 20));
        let mut one_by_one = receiver.publisher(carrier, "?batch=False");
        publish(&mut one_by_one, (0..3).map(|number| sample("m", "r", number, MeterKind::Gauge)))
            .await
            .unwrap();
        assert_eq!(receiver.take().len(), 3);
    }
}

#[tokio::test]
async fn what_otlp_cannot_say_is_refused_and_the_rest_is_sent() {
    let mut receiver = Receiver::start(&[]);
    for carrier in BOTH {
        let mut timeless = sample("m", "r", 1, MeterKind::Gauge);
        timeless.timestamp = "yesterday".into();
        let huge = sample("m", "r", Of::BigInt("9".repeat(400).into()), MeterKind::Cumulative);
        let word = sample("m", "r", "many", MeterKind::Delta);
        let samples = [timeless, sample("m", "good", 1, MeterKind::Gauge), huge, word];
        let refusals = publish(&mut receiver.publisher(carrier, ""), samples.clone()).await.unwrap();
        let refused: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
        assert_eq!(refused, [(0, "timestamp"), (2, "volume"), (3, "volume")]);
        assert_eq!(crate::receiver::resources(&receiver.take()), ["good"]);
        // Nothing is left to be sent.
        let refusals = publish(&mut receiver.publisher(carrier, ""), [samples[0].clone()]).await.unwrap();
        assert_eq!((refusals.len(), receiver.take().len()), (1, 0));
    }
}
