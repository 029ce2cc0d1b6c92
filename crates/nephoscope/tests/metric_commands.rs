//! `nephoscope metric stats`, `fsck`, `backup` and `restore`, beside a server and without one; `import`; statsd.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed step is a failed test"
)]

#[path = "metric_commands/house.rs"]
mod house;
#[path = "metric_commands/import.rs"]
mod import;
#[path = "metric_commands/statsd.rs"]
mod statsd;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use house::{House, run};
use serde_json::{Value, json};

/// Clients that write while a backup is made.
const CLIENTS: usize = 4;
/// Measures of the first time; each client has minutes of its own metrics.
const BEGIN: u64 = 1_700_000_000 / 60 * 60;

fn metric_of(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

/// Creates metrics and writes minutes to them until it is told to end; says what was accepted, metric by metric.
fn write(house: &House, stop: &AtomicBool, accepted: &AtomicUsize) -> Vec<(String, u64)> {
    let mut metrics = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // A metric that comes into being while the copy is made must not be there without its row in the index.
        let (status, made) = house.request("POST", "/v1/metric", &json!({"archive_policy_name": "medium"}));
        assert_eq!(status, 201, "{made}");
        let metric = metric_of(&made);
        let mut minutes = 0;
        while minutes < 20 && !stop.load(Ordering::Relaxed) {
            let measures = json!([{"timestamp": BEGIN + 60 * minutes, "value": minutes}]);
            let (status, said) = house.request("POST", &format!("/v1/metric/{metric}/measures"), &measures);
            assert_eq!(status, 202, "{said}");
            minutes += 1;
            accepted.fetch_add(1, Ordering::SeqCst);
        }
        metrics.push((metric, minutes));
    }
    metrics
}

/// The story: a backup of a store that was being written to had measures of metrics that its index did not have.
#[test]
fn a_backup_during_writes_is_whole() {
    let house = House::start("");
    let directory = tempfile::tempdir().unwrap();
    let backup = directory.path().join("backup");
    let (stop, all_at_once, accepted) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    let mut before: Vec<(String, u64)> = Vec::new();
    std::thread::scope(|scope| {
        // What is complete before the backup begins.
        let first = scope.spawn(|| write(&house, &all_at_once, &accepted));
        testkit::until("measures", || (accepted.load(Ordering::SeqCst) >= 50).then_some(())).unwrap();
        all_at_once.store(true, Ordering::Relaxed);
        before = first.join().unwrap();
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| write(&house, &stop, &accepted))).collect();
        let under_way = accepted.load(Ordering::SeqCst) + 20;
        testkit::until("writes", || (accepted.load(Ordering::SeqCst) >= under_way).then_some(())).unwrap();
        // One goes while the copy is made: it must not come back with measures and without its row.
        let (deleted, _) = before.pop().unwrap();
        let (status, _) = house.request("DELETE", &format!("/v1/metric/{deleted}"), &Value::Null);
        assert_eq!(status, 204);
        let copied = run(&house.command(&["backup", backup.to_str().unwrap()]));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(copied.status, 0, "{copied:?}");
        assert!(copied.output.starts_with("copied "), "{copied:?}");
        for client in clients {
            client.join().unwrap();
        }
    });
    // Not over something.
    let again = run(&house.command(&["backup", backup.to_str().unwrap()]));
    assert!(again.status == 1 && again.output.contains("is not empty"), "{again:?}");
    let occupied = run(&house.command(&["restore", backup.to_str().unwrap()]));
    assert!(occupied.status == 1 && occupied.output.contains("is not empty"), "{occupied:?}");
    drop(house);

    let state = directory.path().join("state");
    let restored = run(&house::command(&state, &["restore", backup.to_str().unwrap()]));
    assert_eq!(restored.status, 0, "{restored:?}");
    let looked = run(&house::command(&state, &["fsck", "--json"]));
    let report: Value = serde_json::from_str(&looked.output).unwrap_or_else(|_| panic!("{looked:?}"));
    assert_eq!((looked.status, &report["damaged"]), (0, &json!(0)), "{report}");
    assert_eq!(report["is_compared"], true);
    let house = House::start_in(&state, "");
    for (metric, minutes) in &before {
        let path = format!("/v1/metric/{metric}/measures?granularity=60&aggregation=mean");
        let (status, measures) = house.request("GET", &path, &Value::Null);
        assert_eq!(status, 200, "{measures}");
        let values: Vec<f64> =
            measures.as_array().unwrap().iter().map(|measure| measure[2].as_f64().unwrap()).collect();
        let expected: Vec<f64> = (0..u32::try_from(*minutes).unwrap()).map(f64::from).collect();
        assert_eq!(values, expected, "{metric}");
    }
    assert!(!before.is_empty());
}

/// A store with two metrics, and the server gone.
fn made(directory: &Path) -> PathBuf {
    let state = directory.join("state");
    let house = House::start_in(&state, "");
    for value in [1, 2] {
        let (_, made) = house.request("POST", "/v1/metric", &json!({"archive_policy_name": "low"}));
        let measures = json!([{"timestamp": BEGIN, "value": value}]);
        let path = format!("/v1/metric/{}/measures", metric_of(&made));
        assert_eq!(house.request("POST", &path, &measures).0, 202);
    }
    let stats = run(&house.command(&["stats", "--json"]));
    let stats: Value = serde_json::from_str(&stats.output).unwrap_or_else(|_| panic!("{stats:?}"));
    assert_eq!(
        (&stats["index"]["metrics"], &stats["measures"]["metrics"]),
        (&json!(2), &json!(2)),
        "{stats}"
    );
    let busy = run(&house.command(&["fsck"]));
    assert!(busy.status == 75 && busy.output.contains("in use by a running server"), "{busy:?}");
    state
}

#[test]
fn what_is_damaged_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let state = made(directory.path());
    // The server was killed: what only its log has is known all the same.
    let clean = run(&house::command(&state, &["fsck"]));
    assert!(
        clean.status == 0 && clean.output.contains("2 metrics with measures, 2 in the index"),
        "{clean:?}"
    );
    let stats = run(&house::command(&state, &["stats"]));
    assert!(stats.status == 0 && stats.output.contains("2 in use, 0 deleted; 2 have measures"), "{stats:?}");

    let backup = directory.path().join("backup");
    let copied = run(&house::command(&state, &["backup", backup.to_str().unwrap(), "--json"]));
    let value: Value = serde_json::from_str(&copied.output).unwrap_or_else(|_| panic!("{copied:?}"));
    assert_eq!(value["index"], "sqlite");
    let look = || run(&house::command(&state, &["fsck", "--backup", backup.to_str().unwrap()]));
    let whole = look();
    assert!(whole.status == 0 && whole.output.contains("2 metrics with measures"), "{whole:?}");

    // Another index: the measures belong to nobody.
    let index = state.join("metric/index.sqlite");
    let own = fs::read(&index).unwrap();
    fs::remove_file(&index).unwrap();
    let gone = run(&house::command(&state, &["fsck"]));
    assert!(gone.status == 1 && gone.output.contains("index.sqlite is not there"), "{gone:?}");
    fs::write(&index, "no database").unwrap();
    let foreign = run(&house::command(&state, &["fsck"]));
    assert!(foreign.status == 1 && foreign.output.contains("is not a SQLite database"), "{foreign:?}");
    fs::write(&index, own).unwrap();

    // The log, in the middle of a record.
    let log = fs::read_dir(state.join("metric/measures/log")).unwrap().flatten().map(|entry| entry.path());
    let segment =
        log.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    assert!(bytes.len() > 100, "{}", bytes.len());
    bytes[70] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let damaged = run(&house::command(&state, &["fsck"]));
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(damaged.status == 1 && damaged.output.contains(name), "{damaged:?}");
    assert_eq!(fs::read(&segment).unwrap(), bytes, "nothing is changed");

    // A backup that has changed names its file, and nothing is restored.
    let other = directory.path().join("other");
    let state_file = fs::read_dir(backup.join("measures/states")).unwrap().flatten().next().unwrap().path();
    let mut bytes = fs::read(&state_file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&state_file, bytes).unwrap();
    let damaged = look();
    assert!(
        damaged.status == 1 && damaged.output.contains("has changed since it was written"),
        "{damaged:?}"
    );
    fs::remove_file(backup.join("index.sqlite")).unwrap();
    let refused = run(&house::command(&other, &["restore", backup.to_str().unwrap()]));
    let name = state_file.file_name().unwrap().to_str().unwrap();
    assert!(refused.status == 1 && refused.output.contains(name), "{refused:?}");
    assert!(refused.output.contains("index.sqlite is missing"), "{refused:?}");
    assert!(!other.join("metric").exists());
    let nowhere = run(&house::command(&other, &["fsck"]));
    assert_eq!(nowhere.status, 78, "{nowhere:?}");
}
