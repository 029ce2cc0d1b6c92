//! The file publisher on a real file system.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::Disk;
use model::{MeterKind, Sample, Subject, Value};
use nephoscope_publishers::file::FilePublisher;
use pipeline::{Publisher, PublisherUrl, Records};

fn sample(resource: &str, volume: f64) -> Arc<Sample> {
    Arc::new(Sample {
        name: "a.b".into(),
        kind: MeterKind::Cumulative,
        unit: "B".into(),
        volume: volume.into(),
        subject: Subject {
            user_id: "u".into(),
            project_id: "p".into(),
            resource_metadata: Value::Map([("k", "v")].into_iter().collect()).into(),
            ..Subject::new(resource)
        }
        .into(),
        timestamp: "2026-07-21T13:56:12.123456".into(),
        source: "openstack".into(),
        id: "ID1".into(),
        monotonic_time: None,
    })
}

fn publisher(path: &Path, query: &str) -> FilePublisher {
    let url = PublisherUrl::new(&format!("file://{}{query}", path.display()));
    FilePublisher::new(&url, Arc::new(Disk)).unwrap()
}

async fn publish(publisher: &mut FilePublisher, samples: Vec<Arc<Sample>>) {
    publisher.publish(Arc::new([Records::Samples(samples)])).await.unwrap();
}

fn resources(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end: {text:?}");
    text.lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["resource_id"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn lines_are_what_ceilometer_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plain");
    publish(&mut publisher(&path, ""), vec![sample("r/1", 1.5)]).await;
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "{'name': 'a.b', 'type': 'cumulative', 'unit': 'B', 'volume': 1.5, 'user_id': 'u', 'user_name': None, \
         'project_id': 'p', 'project_name': None, 'resource_id': 'r/1', 'timestamp': '2026-07-21T13:56:12.123456', \
         'resource_metadata': {'k': 'v'}, 'source': 'openstack', 'id': 'ID1', 'monotonic_time': None}\n"
    );
    let path = directory.path().join("json");
    publish(&mut publisher(&path, "?json"), vec![sample("r/1", 1.5)]).await;
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "{\"name\": \"a.b\", \"type\": \"cumulative\", \"unit\": \"B\", \"volume\": 1.5, \"user_id\": \"u\", \
         \"user_name\": null, \"project_id\": \"p\", \"project_name\": null, \"resource_id\": \"r/1\", \
         \"timestamp\": \"2026-07-21T13:56:12.123456\", \"resource_metadata\": {\"k\": \"v\"}, \
         \"source\": \"openstack\", \"id\": \"ID1\", \"monotonic_time\": null}\n"
    );
}

#[tokio::test]
async fn a_full_file_is_set_aside_and_only_so_many_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("samples");
    let one_line = {
        let probe = directory.path().join("probe");
        publish(&mut publisher(&probe, "?json"), vec![sample("r0", 1.5)]).await;
        fs::metadata(&probe).unwrap().len()
    };
    // Three lines stay below the limit, a fourth would reach it.
    let query = format!("?json&max_bytes={}&backup_count=2", one_line * 4);
    let mut publisher = publisher(&path, &query);
    for number in 0..8 {
        publish(&mut publisher, vec![sample(&format!("r{number}"), 1.5)]).await;
    }
    let numbered = |number: &str| PathBuf::from(format!("{}{number}", path.display()));
    assert_eq!(resources(&path), ["r6", "r7"]);
    assert_eq!(resources(&numbered(".1")), ["r3", "r4", "r5"]);
    assert_eq!(resources(&numbered(".2")), ["r0", "r1", "r2"]);
    // Many at once: the oldest are dropped by the operator's own choice of backup_count.
    publish(&mut publisher, (8..20).map(|number| sample(&format!("s{}", number % 10), 1.5)).collect()).await;
    assert_eq!(resources(&numbered(".2")).len(), 3);
    assert!(!numbered(".3").exists());
}

#[tokio::test]
async fn what_other_programs_do_to_the_file_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("samples");
    let mut publisher = publisher(&path, "?json");
    publish(&mut publisher, vec![sample("r0", 1.0)]).await;
    let moved = directory.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    publish(&mut publisher, vec![sample("r1", 1.0)]).await;
    assert_eq!((resources(&moved), resources(&path)), (vec!["r0".to_owned()], vec!["r1".to_owned()]));
    // copytruncate
    fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    publish(&mut publisher, vec![sample("r2", 1.0)]).await;
    assert_eq!(resources(&path), ["r2"]);
}

/// A process that dies in the middle of a write leaves half a line. Its record was not acknowledged and comes
/// again; readers must not meet the half.
#[tokio::test]
async fn a_torn_line_is_removed_when_the_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("samples");
    publish(&mut publisher(&path, "?json"), vec![sample("r0", 1.0), sample("r1", 1.0)]).await;
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for kept in [0, 1, first - 1, first, first + 1, whole.len() - 1, whole.len()] {
        fs::write(&path, &whole[..kept]).unwrap();
        publish(&mut publisher(&path, "?json"), vec![sample("r9", 1.0)]).await;
        let mut expected = Vec::new();
        if kept >= first {
            expected.push("r0");
        }
        if kept == whole.len() {
            expected.push("r1");
        }
        expected.push("r9");
        assert_eq!(resources(&path), expected, "{kept} bytes were left");
    }
}

#[tokio::test]
async fn text_that_is_no_record_is_left_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("samples");
    fs::write(&path, "notes of somebody").unwrap();
    publish(&mut publisher(&path, "?json"), vec![sample("r0", 1.0)]).await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("notes of somebody\n{"), "{text:?}");
}

#[tokio::test]
async fn a_missing_directory_is_named_and_found_once_it_exists() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later/samples");
    let mut publisher = publisher(&path, "?json");
    let records: Arc<[Records]> = Arc::new([Records::Samples(vec![sample("r0", 1.0)])]);
    let error = publisher.publish(Arc::clone(&records)).await.unwrap_err();
    assert_eq!(error.cause, "no_directory");
    assert!(error.message.contains("later/samples"), "{}", error.message);
    fs::create_dir(path.parent().unwrap()).unwrap();
    publisher.publish(records).await.unwrap();
    assert_eq!(resources(&path), ["r0"]);
}

/// The real thing: `/dev/full` refuses every byte.
#[tokio::test]
async fn a_full_device_is_reported_under_its_own_cause() {
    let mut publisher = publisher(Path::new("/dev/full"), "?json");
    let error = publisher.publish(Arc::new([Records::Samples(vec![sample("r0", 1.0)])])).await.unwrap_err();
    assert_eq!(error.cause, "no_space");
}
