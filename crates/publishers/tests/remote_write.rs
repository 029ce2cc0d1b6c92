//! The remote write publisher: against a real Prometheus, and against a server that misbehaves on command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: a failed step is a failed test, and time is the machine's"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::{MeterKind, Sample, Timestamp, Value, json};
use nephoscope_publishers::remote_write::RemoteWritePublisher;
use nephoscope_publishers::{HttpSettings, Witness};
use observability::clock::Clock;
use pipeline::{PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};
use testkit::{Found, Prometheus};

#[path = "support/records.rs"]
mod records;
#[path = "support/server.rs"]
mod server;
#[path = "support/write_request.rs"]
mod write_request;
use records::sample;
use server::{Answer, Request, Server};

fn publisher_with(place: &str, witness: Witness) -> RemoteWritePublisher {
    let url = PublisherUrl::new(&format!("prometheus+remotewrite://{place}"));
    RemoteWritePublisher::new(&url, RecordsKind::Samples, &HttpSettings::default(), witness).unwrap()
}

fn publisher(place: &str) -> RemoteWritePublisher {
    publisher_with(place, Witness::nobody())
}

async fn publish(
    publisher: &mut RemoteWritePublisher,
    samples: &[Arc<Sample>],
) -> Result<Refusals, PublishError> {
    publisher.publish(Arc::new([Records::Samples(samples.to_vec())])).await
}

/// A whole second, a minute ago.
fn base() -> i64 {
    Clock::machine().now().as_second() - 60
}

/// A sample so many seconds after `base`.
fn at(base: i64, seconds: i64, resource: &str, volume: impl Into<Value>) -> Arc<Sample> {
    let mut made = (*sample("load", resource, volume)).clone();
    let time = Timestamp::from_microseconds((base + seconds) * 1_000_000 + 123_456).unwrap();
    made.timestamp = time.to_iso().into();
    made.id = format!("{resource} at {seconds}").into();
    Arc::new(made)
}

/// The milliseconds that [`at`] gives.
fn milliseconds(base: i64, seconds: i64) -> i64 {
    (base + seconds) * 1000 + 123
}

fn refused(refusals: &Refusals) -> Vec<(usize, usize, &'static str)> {
    let mut all: Vec<_> =
        refusals.iter().map(|refusal| (refusal.group, refusal.record, refusal.cause)).collect();
    all.sort_unstable();
    all
}

fn label<'f>(found: &'f Found, name: &str) -> &'f str {
    found.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// Times and values of each resource.
fn by_resource(prometheus: &Prometheus) -> BTreeMap<String, Vec<(i64, String)>> {
    let found = prometheus.query("ceilometer_load[1h]").unwrap();
    found.into_iter().map(|found| (label(&found, "resource").to_owned(), found.values)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_every_sample_with_its_labels() {
    let prometheus = Prometheus::start().unwrap();
    let mut publisher = publisher(&prometheus.address());
    let base = base();
    // Three times of each resource, in an order of their own; over several groups.
    let mut samples: Vec<_> =
        (0..60).map(|number| at(base, number % 3, &format!("r{}", number / 3), number)).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut samples);
    let groups: Arc<[Records]> = samples.chunks(7).map(|part| Records::Samples(part.to_vec())).collect();
    assert!(publisher.publish(groups).await.unwrap().is_empty());
    let found = by_resource(&prometheus);
    assert_eq!(found.len(), 20);
    for number in 0..20 {
        let expected: Vec<_> =
            (0..3).map(|time| (milliseconds(base, time), (3 * number + time).to_string())).collect();
        assert_eq!(found[&format!("r{number}")], expected);
    }

    // Names, labels and values that are not plain.
    let odd = |name: &str, kind, volume: Value, resource: &str, metadata: &str| {
        let mut made = (*at(base, 0, resource, volume)).clone();
        (made.name, made.kind) = (name.into(), kind);
        made.resource_metadata = json::parse(metadata).unwrap().into();
        Arc::new(made)
    };
    let hostile = "quote\" back\\slash\nline é😀 {}=,";
    let samples = [
        odd(
            "disk.device.read.latency",
            MeterKind::Cumulative,
            2.321_287_54e8.into(),
            "I-vda",
            r#"{"display_name": "myserver", "name": "instance-2", "host": "H", "flavor": {"id": "F", "name": "tiny"}}"#,
        ),
        odd("odd-name é", MeterKind::Gauge, f64::NAN.into(), hostile, "{}"),
        odd("__name__.x", MeterKind::Delta, f64::NEG_INFINITY.into(), "r", "{}"),
        odd("1UP.x", MeterKind::Gauge, true.into(), "r", r#"{"host": 7}"#),
        odd("big", MeterKind::Gauge, Value::BigInt("123456789012345678901234567890".into()), "r", "{}"),
    ];
    assert!(publish(&mut publisher, &samples).await.unwrap().is_empty());
    let found = prometheus.query(r#"{__name__=~"ceilometer_.*", counter!="load"}[1h]"#).unwrap();
    let shown: BTreeSet<String> = found
        .iter()
        .map(|found| {
            let labels: Vec<_> = found.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(found.values.len(), 1);
            format!("{} {}", labels.join(" "), found.values[0].1)
        })
        .collect();
    let expected = [
        "__name__=ceilometer_disk_device_read_latency counter=disk.device.read.latency disk=read flavor_id=F \
         flavor_name=tiny project=p publisher=ceilometer resource=I-vda resource_name=myserver:instance-2 \
         server_group=none type=device unit=B user=u vm_instance=H 232128754".to_owned(),
        format!("__name__=ceilometer_odd_name__ counter=odd-name é odd_name__={hostile} project=p publisher=ceilometer \
                 resource={hostile} type=odd-name é unit=B user=u NaN"),
        "__name__=ceilometer___name___x _name__=r counter=__name__.x project=p publisher=ceilometer resource=r type=x \
         unit=B user=u -Inf".to_owned(),
        "_UP=r __name__=ceilometer_1UP_x counter=1UP.x project=p publisher=ceilometer resource=r server_group=none \
         type=x unit=B user=u vm_instance=7 1".to_owned(),
        "__name__=ceilometer_big big=r counter=big project=p publisher=ceilometer resource=r type=big unit=B user=u \
         1.2345678901234568e+29".to_owned(),
    ];
    assert_eq!(shown, expected.into_iter().collect());

    // Counters with the suffix of OpenMetrics.
    let mut suffixed = publisher_with(
        &format!("{}/api/v1/write?total_suffix=True", prometheus.address()),
        Witness::nobody(),
    );
    publish(&mut suffixed, &samples).await.unwrap();
    assert_eq!(prometheus.query("ceilometer_disk_device_read_latency_total").unwrap().len(), 1);
    assert_eq!(prometheus.query("ceilometer_big_total").unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_prometheus_refuses_becomes_a_refusal() {
    let prometheus = Prometheus::start().unwrap();
    let mut publisher = publisher(&prometheus.address());
    let base = base();
    assert!(publish(&mut publisher, &[at(base, 10, "a", 1), at(base, 10, "b", 2)]).await.unwrap().is_empty());
    let mut samples: Vec<_> = (0..40).map(|number| at(base, 20, &format!("r{number}"), number)).collect();
    samples[3] = at(base, 5, "a", 7);
    samples[17] = at(base, 10, "b", 8);
    samples[21] = at(base, -4 * 3600, "old", 9);
    // The same again is no fault.
    samples[30] = at(base, 10, "a", 1);
    // Two values of one time: the first holds.
    samples[38] = at(base, 30, "twice", 1);
    samples[39] = at(base, 30, "twice", 2);
    let refusals = publish(&mut publisher, &samples).await.unwrap();
    assert_eq!(
        refused(&refusals),
        [(0, 3, "out_of_order"), (0, 17, "duplicate"), (0, 21, "too_old"), (0, 39, "duplicate")]
    );
    for (refusal, words) in
        refusals.iter().zip(["out of bounds", "out of order sample", "duplicate sample", "duplicate sample"])
    {
        assert!(refusal.reason.contains(words), "{refusals:?}");
    }
    let found = by_resource(&prometheus);
    assert_eq!(found.len(), 34 + 3);
    assert_eq!(found["a"], [(milliseconds(base, 10), "1".to_owned())]);
    assert_eq!(found["b"], [(milliseconds(base, 10), "2".to_owned())]);
    assert_eq!(found["twice"], [(milliseconds(base, 30), "1".to_owned())]);
    assert_eq!(found["r37"], [(milliseconds(base, 20), "37".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_prometheus_is_killed() {
    let prometheus = Arc::new(Prometheus::start().unwrap());
    let mut publisher = publisher(&format!("{}?timeout=2", prometheus.address()));
    let base = base() - 1800;
    let mut killing = None;
    let (mut failures, mut rounds, mut rounds_after) = (0, 0, 0);
    while rounds_after < 20 {
        // Two times of 50 series: what was accepted of an attempt must not be refused in the next one.
        let samples: Vec<_> = (0..100)
            .map(|number| at(base, 2 * rounds + number / 50, &format!("r{}", number % 50), number))
            .collect();
        let groups: Arc<[Records]> = Arc::new([Records::Samples(samples)]);
        let began = Instant::now();
        loop {
            match publisher.publish(Arc::clone(&groups)).await {
                Ok(refusals) => break assert!(refusals.is_empty(), "{refusals:?}"),
                Err(error) => {
                    failures += 1;
                    assert!(began.elapsed() < Duration::from_mins(3), "{error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        rounds += 1;
        // It goes on all the while that Prometheus is killed and comes back.
        let killer = Arc::clone(&prometheus);
        let killing = killing.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || {
                killer.kill().unwrap();
                killer.start_again().unwrap();
            })
        });
        if killing.is_finished() {
            rounds_after += 1;
        }
        assert!(rounds < 900, "it takes too long to come back");
    }
    assert!(failures > 0, "it was never away");
    let found = by_resource(&prometheus);
    assert_eq!(found.len(), 50);
    for values in found.values() {
        assert_eq!(i64::try_from(values.len()), Ok(2 * rounds));
    }
}

/// What a series of the fake has: its newest time and value.
type Newest = BTreeMap<Vec<(String, String)>, (i64, u64)>;

/// A server that takes samples as Prometheus does: all of a request or nothing, and of a series only what is newer.
#[derive(Clone, Default)]
struct Fake {
    newest: Arc<Mutex<Newest>>,
    taken: Arc<Mutex<BTreeSet<(String, i64)>>>,
}

impl Fake {
    fn take(&self, request: &Request) -> Answer {
        let mut newest = self.newest.lock().unwrap();
        let mut next = newest.clone();
        let written = write_request::read(&request.body);
        for series in &written {
            let known = next.get(&series.labels);
            let words = match known {
                Some((time, _)) if series.time < *time => "out of order sample",
                Some((time, value)) if series.time == *time && series.value != *value => {
                    "duplicate sample for timestamp"
                }
                _ => {
                    next.insert(series.labels.clone(), (series.time, series.value));
                    continue;
                }
            };
            return Answer::Status(400, String::new(), format!("{words}\n"));
        }
        let taken = written.iter().map(|series| (series.label("resource").to_owned(), series.time));
        self.taken.lock().unwrap().extend(taken);
        *newest = next;
        Answer::status(204)
    }

    fn taken(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

#[tokio::test]
async fn requests_are_what_the_protocol_says() {
    let server = Server::recording();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let witness = Witness::new(move |line| told.lock().unwrap().push(line.to_owned()));
    let mut publisher = publisher_with(&format!("user:hush@{}", server.address), witness);
    publish(&mut publisher, &[at(base(), 0, "r", 1)]).await.unwrap();
    let [request] = server.requests().try_into().unwrap();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/api/v1/write"));
    for (name, value) in [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
        ("authorization", "Basic dXNlcjpodXNo"),
    ] {
        assert_eq!(request.header(name), Some(value));
    }
    assert!(request.header("user-agent").unwrap().starts_with("nephoscope/"));
    assert_eq!(write_request::read(&request.body).len(), 1);
    let lines = seen.lock().unwrap().join("\n");
    for part in ["  ceilometer_load{", "> x-prometheus-remote-write-version: 0.1.0", " bytes\n", "of r at 0"]
    {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    assert!(!lines.contains("hush") && !lines.contains("dXNlcjpodXNo"), "{lines}");
}

#[tokio::test]
async fn requests_are_bounded_and_batch_false_makes_them_single() {
    let server = Server::recording();
    let base = base();
    let samples: Vec<_> = (0..4500).map(|number| at(base, 0, &format!("r{number}"), 1)).collect();
    publish(&mut publisher(&server.address.to_string()), &samples).await.unwrap();
    let sizes: Vec<_> =
        server.take().iter().map(|request| write_request::read(&request.body).len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 4500);
    assert!(sizes.len() <= 5 && sizes.iter().all(|size| *size <= 2000), "{sizes:?}");
    publish(&mut publisher(&format!("{}/p?batch=False", server.address)), &samples[..3]).await.unwrap();
    assert_eq!(server.take().len(), 3);
}

#[tokio::test]
async fn what_can_be_mended_holds_records_back() {
    let base = base();
    for (status, cause) in [
        (429, "throttled"),
        (503, "server_error"),
        (500, "server_error"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (302, "redirect"),
    ] {
        let server = Server::start(move |_, number| Answer::status(if number == 0 { status } else { 204 }));
        let mut publisher = publisher(&server.address.to_string());
        let samples = [at(base, 0, "r", 1)];
        let error = publish(&mut publisher, &samples).await.unwrap_err();
        assert_eq!(error.cause, cause, "{error}");
        assert!(publish(&mut publisher, &samples).await.unwrap().is_empty());
        assert_eq!(server.requests().len(), 2);
    }
    // A pause that is asked for is kept.
    let server = Server::start(|_, number| match number {
        0 => Answer::Status(429, "Retry-After: 1\r\n".into(), String::new()),
        _ => Answer::status(204),
    });
    let mut publisher = publisher(&server.address.to_string());
    let began = Instant::now();
    publish(&mut publisher, &[at(base, 0, "r", 1)]).await.unwrap_err();
    publish(&mut publisher, &[at(base, 0, "r", 1)]).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(900));
}

/// The answer to a request that was taken gets lost; the next attempt must not take its samples for late ones. So it is when
/// some requests of an attempt were taken and a later one was not, in whatever form the records come again.
#[tokio::test]
async fn what_was_taken_in_a_failed_attempt_is_not_refused_in_the_next() {
    let base = base();
    let samples: Vec<_> =
        (0..40).map(|number| at(base, number / 4, &format!("r{}", number % 4), number)).collect();
    for lost in 0..10 {
        for is_taken in [true, false] {
            let (fake, count) = (Fake::default(), Arc::new(AtomicUsize::new(0)));
            let behind = fake.clone();
            let server = Server::start(move |request, _| {
                let is_it = count.fetch_add(1, Ordering::SeqCst) == lost;
                if is_it && !is_taken {
                    return Answer::Hang;
                }
                let answer = behind.take(request);
                if is_it { Answer::Hang } else { answer }
            });
            let mut publisher = publisher(&server.address.to_string());
            assert_eq!(publish(&mut publisher, &samples).await.unwrap_err().cause, "transport");
            // As it comes from memory, or back from disk in other groups.
            for part in [&samples[..23], &samples[23..]] {
                let refusals = publish(&mut publisher, part).await.unwrap();
                assert!(refusals.is_empty(), "request {lost}, taken {is_taken}: {refusals:?}");
            }
            assert_eq!(fake.taken(), 40);
        }
    }
}

#[tokio::test]
async fn refusals_of_a_failed_attempt_are_not_forgotten() {
    let base = base();
    let (fake, count) = (Fake::default(), Arc::new(AtomicUsize::new(0)));
    let behind = fake.clone();
    let server = Server::start(move |request, _| match count.fetch_add(1, Ordering::SeqCst) {
        5 => Answer::status(503),
        _ => behind.take(request),
    });
    let mut publisher = publisher(&server.address.to_string());
    publish(&mut publisher, &[at(base, 5, "a", 1)]).await.unwrap();
    // One request of two (with two halves), and one more that fails.
    let samples = [at(base, 1, "a", 1), at(base, 1, "b", 1), at(base, 2, "b", 1), at(base, 3, "b", 1)];
    publish(&mut publisher, &samples).await.unwrap_err();
    assert_eq!(refused(&publish(&mut publisher, &samples).await.unwrap()), [(0, 0, "out_of_order")]);
    assert_eq!(fake.taken(), 4);
}

#[tokio::test]
async fn every_record_is_taken_or_refused_wherever_the_bad_ones_are() {
    let base = base();
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..10 {
        let fake = Fake::default();
        let behind = fake.clone();
        let server = Server::start(move |request, _| behind.take(request));
        let mut publisher = publisher(&server.address.to_string());
        let seconds: Vec<i64> = (0..30).map(|_| random.i64(0..2)).collect();
        let newest: Vec<_> = (0..30).map(|number| at(base, 1, &format!("r{number}"), 1)).collect();
        publish(&mut publisher, &newest).await.unwrap();
        let samples: Vec<_> = seconds
            .iter()
            .enumerate()
            .map(|(number, second)| at(base, 2 * second, &format!("r{number}"), 1))
            .collect();
        let refusals = refused(&publish(&mut publisher, &samples).await.unwrap());
        let expected = seconds.iter().enumerate().filter(|(_, second)| **second == 0);
        assert_eq!(refusals, expected.map(|(number, _)| (0, number, "out_of_order")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn garbage_for_an_answer_decides_by_its_status() {
    let base = base();
    let garbage = "\u{0}\u{1}é<html>".repeat(50_000);
    for (status, expected) in [(200, Ok(0)), (400, Ok(1)), (502, Err("server_error"))] {
        let body = garbage.clone();
        let server = Server::start(move |_, _| Answer::Status(status, String::new(), body.clone()));
        let answered = publish(&mut publisher(&server.address.to_string()), &[at(base, 0, "r", 1)]).await;
        assert_eq!(answered.map(|refusals| refusals.len()).map_err(|error| error.cause), expected);
    }
}
