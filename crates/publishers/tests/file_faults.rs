//! The file publisher on a medium that fails at each operation in turn: short write, full disk, input/output error,
//! crash. What it accepted must be there after a power cut, whole; what it refused may be there or not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

use std::path::PathBuf;
use std::sync::Arc;

use model::{MeterKind, Sample, Subject, Value};
use nephoscope_publishers::file::FilePublisher;
use pipeline::{Publisher, PublisherUrl, Records};
use testkit::faults::{Fault, FaultyMedium, Survival};

/// Batches that a run publishes, and records in each.
const BATCHES: usize = 6;
const RECORDS: usize = 3;
/// Times that a batch is offered before the fault must be over.
const TRIES: usize = 4;
const PLAIN: &str = "file:///out/samples?json";
/// Two records fill a file, so that nearly every batch rotates.
const ROTATING: &str = "file:///out/samples?json&max_bytes=700&backup_count=99";

fn sample(number: usize) -> Arc<Sample> {
    Arc::new(Sample {
        name: "meter".into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: Value::Int(i64::try_from(number).unwrap()),
        subject: Subject {
            resource_metadata: Value::Null.into(),
            ..Subject::new(format!("resource-{number}"))
        }
        .into(),
        timestamp: "2026-07-21T13:56:12".into(),
        source: "openstack".into(),
        id: "i".into(),
        monotonic_time: None,
    })
}

fn publisher(url: &str, medium: &FaultyMedium) -> FilePublisher {
    FilePublisher::new(&PublisherUrl::new(url), Arc::new(medium.clone())).unwrap()
}

/// Publishes every batch, offering it again after errors and going on with a new publisher after a crash; returns
/// the medium that is left.
async fn publish_all(url: &str, mut medium: FaultyMedium, survival: Survival) -> FaultyMedium {
    let mut writer = publisher(url, &medium);
    for batch in 0..BATCHES {
        let samples = (0..RECORDS).map(|record| sample(batch * RECORDS + record)).collect();
        let records: Arc<[Records]> = Arc::new([Records::Samples(samples)]);
        let mut tries = 0;
        while let Err(error) = writer.publish(Arc::clone(&records)).await {
            tries += 1;
            assert!(tries <= TRIES, "batch {batch} is refused for ever: {error}");
            if medium.has_crashed() {
                medium = medium.after_crash(survival);
                writer = publisher(url, &medium);
            }
        }
    }
    medium
}

/// How often each record stands in the files; panics at anything that is not a whole record.
fn count(medium: &FaultyMedium, context: &str) -> Vec<usize> {
    let mut counts = vec![0; BATCHES * RECORDS];
    let paths: Vec<PathBuf> = medium.paths();
    for path in paths {
        let contents = String::from_utf8(medium.contents(&path).unwrap()).unwrap();
        assert!(contents.is_empty() || contents.ends_with('\n'), "{context}: {} is torn", path.display());
        for line in contents.lines() {
            let record: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{context}: {error}: {line:?}"));
            let number = usize::try_from(record["volume"].as_u64().unwrap()).unwrap();
            assert_eq!(record["resource_id"], format!("resource-{number}"), "{context}");
            counts[number] += 1;
        }
    }
    counts
}

/// Runs with one fault at operation 1, 2, … until a run is over before the fault's turn; returns how many there were.
async fn fail_everywhere(url: &str, fault: Fault, survival: Survival, most: usize) -> u64 {
    for operation in 1.. {
        let medium = FaultyMedium::new();
        medium.fail_at(operation, fault);
        let left = publish_all(url, medium.clone(), survival).await;
        if medium.operations() < operation {
            return operation - 1;
        }
        // Power cut at the end: only what was synced is left.
        let durable = left.after_crash(Survival::OnlySynced);
        let context = format!("{fault:?} at operation {operation}, {survival:?}, {url}");
        for (number, times) in count(&durable, &context).into_iter().enumerate() {
            assert!(times >= 1, "{context}: record {number} was accepted and is lost");
            assert!(times <= most, "{context}: record {number} stands there {times} times");
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_fault_at_any_operation_leaves_every_record_once() {
    for fault in [Fault::ShortWrite, Fault::NoSpace, Fault::InputOutput] {
        let operations = fail_everywhere(PLAIN, fault, Survival::OnlySynced, 1).await;
        assert!(operations > 20, "only {operations} operations were tried");
    }
}

/// A batch that spans a rotation is offered again whole, so its first records may stand in the file set aside too.
#[tokio::test]
async fn a_fault_at_any_operation_of_a_rotation_loses_nothing() {
    for fault in [Fault::ShortWrite, Fault::NoSpace, Fault::InputOutput] {
        let operations = fail_everywhere(ROTATING, fault, Survival::OnlySynced, 2).await;
        assert!(operations > 60, "only {operations} operations were tried");
    }
}

#[tokio::test]
async fn a_crash_at_any_operation_loses_nothing_that_was_accepted() {
    for url in [PLAIN, ROTATING] {
        let torn = (0..12).map(Survival::Torn);
        for survival in [Survival::OnlySynced, Survival::Everything].into_iter().chain(torn) {
            // A crash between the sync and the answer makes the batch come twice.
            let operations = fail_everywhere(url, Fault::Crash, survival, 2).await;
            assert!(operations > 20, "only {operations} operations were tried");
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_accepts_again_once_there_is_room() {
    let medium = FaultyMedium::new();
    medium.set_capacity(Some(1000));
    let mut writer = publisher(PLAIN, &medium);
    let mut accepted = Vec::new();
    let mut refused = None;
    for number in 0..20 {
        let records: Arc<[Records]> = Arc::new([Records::Samples(vec![sample(number)])]);
        match writer.publish(records).await {
            Ok(_) => accepted.push(number),
            Err(error) => {
                assert_eq!(error.cause, "no_space");
                refused.get_or_insert(number);
            }
        }
    }
    let first = refused.expect("the disk was never full");
    assert_eq!(accepted, (0..first).collect::<Vec<_>>(), "accepted while the disk was full");
    let lines = |medium: &FaultyMedium| {
        String::from_utf8(medium.contents("/out/samples").unwrap()).unwrap().lines().count()
    };
    assert_eq!(lines(&medium), first);
    medium.set_capacity(None);
    writer.publish(Arc::new([Records::Samples(vec![sample(first)])])).await.unwrap();
    assert_eq!(lines(&medium.after_crash(Survival::OnlySynced)), first + 1);
}
