//! Copies of a store, and what `fsck` says of them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use buffer::medium::Medium;
use nephoscope_metric_store::{CheckpointError, Finding, MetricId, Store, fsck};
use testkit::faults::FaultyMedium;

use super::model::{self, Model};
use super::{DIRECTORY, limits, open};

const COPY: &str = "/backup/metrics";

/// A store that has written for a while, and what it holds.
fn made(medium: &FaultyMedium) -> (Store, Model) {
    let store = open(medium);
    let mut model = Model::default();
    let mut random = fastrand::Rng::with_seed(21);
    for policy in model::policies() {
        model.put_policy(store.put_policy(&policy).unwrap(), policy);
    }
    for step in 0..120 {
        let request = model.request(&mut random, step);
        store.write(request.clone()).unwrap();
        model.write(&request);
        if step % 30 == 29 {
            (0..Store::SHARDS).for_each(|_| store.checkpoint_next().unwrap());
        }
    }
    (store, model)
}

fn shared(medium: &FaultyMedium) -> Arc<dyn Medium> {
    Arc::new(medium.clone())
}

#[test]
fn a_copy_is_the_store_at_that_moment() {
    let medium = FaultyMedium::new();
    let (store, mut model) = made(&medium);
    let backup = store.backup(Path::new(COPY)).unwrap();
    assert!(backup.files > 2 && backup.bytes > 1_000, "{backup:?}");
    let report = fsck(&shared(&medium), Path::new(COPY)).unwrap();
    assert_eq!(report.findings_count, 0, "{report:?}");
    assert!(report.metrics > 2 && report.chunks > 2, "{report:?}");
    let (copy, opened) = Store::open(shared(&medium), Path::new(COPY), limits()).unwrap();
    assert_eq!(opened.changes, 0);
    model.check(&copy);
    // Both go on, apart from each other.
    let request = model.request(&mut fastrand::Rng::with_seed(22), 200);
    copy.write(request.clone()).unwrap();
    model.check(&store);
    model.write(&request);
    drop(copy);
    let (copy, opened) = Store::open(shared(&medium), Path::new(COPY), limits()).unwrap();
    // What the original's log had is not missed.
    assert!(opened.damage.is_empty(), "{opened:?}");
    model.check(&copy);
}

#[test]
fn a_copy_does_not_go_over_another_one() {
    let medium = FaultyMedium::new();
    let (store, _) = made(&medium);
    store.backup(Path::new(COPY)).unwrap();
    let second = store.backup(Path::new(COPY));
    assert!(
        matches!(&second, Err(CheckpointError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists),
        "{second:?}"
    );
}

#[test]
fn policies_without_metrics_are_kept() {
    let medium = FaultyMedium::new();
    let store = open(&medium);
    let [first, second, ..] = &model::policies()[..] else { panic!("too few policies") };
    let numbers = [store.put_policy(first).unwrap(), store.put_policy(second).unwrap()];
    (0..Store::SHARDS).for_each(|_| store.checkpoint_next().unwrap());
    drop(store);
    let store = open(&medium);
    // In the other order they would get other numbers, were they not there.
    assert_eq!(
        [store.put_policy(second).unwrap(), store.put_policy(first).unwrap()],
        [numbers[1], numbers[0]]
    );
}

#[test]
fn fsck_names_what_is_damaged() {
    let medium = FaultyMedium::new();
    let (store, _) = made(&medium);
    let in_use = fsck(&shared(&medium), Path::new(DIRECTORY)).unwrap_err();
    assert_eq!(in_use.kind(), io::ErrorKind::WouldBlock);
    drop(store);
    let whole = fsck(&shared(&medium), Path::new(DIRECTORY)).unwrap();
    assert_eq!(whole.findings_count, 0, "{whole:?}");
    let chunks = Path::new(DIRECTORY).join("chunks");
    let path = medium.paths().into_iter().find(|path| path.starts_with(&chunks)).unwrap();
    let mut bytes = medium.contents(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    medium.put(&path, &bytes);
    let report = fsck(&shared(&medium), Path::new(DIRECTORY)).unwrap();
    assert!(report.findings.iter().any(|finding| matches!(finding, Finding::ChunkFile { .. })), "{report:?}");
}

/// What every file is.
fn contents(medium: &FaultyMedium) -> Vec<(std::path::PathBuf, Option<Vec<u8>>)> {
    medium.paths().into_iter().map(|path| (path.clone(), medium.contents(&path))).collect()
}

#[test]
fn looking_changes_nothing_and_sees_what_only_the_log_has() {
    let medium = FaultyMedium::new();
    let (store, model) = made(&medium);
    let late = MetricId([0xee; 16]);
    let policy = model.request(&mut fastrand::Rng::with_seed(23), 300)[0].policy;
    let batch = archive::Batch::new([(archive::time::NEWEST / 4, 1.0)]).unwrap();
    let measures = nephoscope_metric_store::Measures { metric: late, policy, batch };
    store.write(vec![measures]).unwrap();
    let ids = store.metric_ids();
    drop(store);
    let before = contents(&medium);
    let report = fsck(&shared(&medium), Path::new(DIRECTORY)).unwrap();
    assert_eq!((report.findings_count, report.log.damage_count), (0, 0), "{report:?}");
    assert!(report.ids.contains(&late) && report.ids.len() == ids.len(), "{report:?}");
    let (frozen, _) = Store::open_frozen(shared(&medium), Path::new(DIRECTORY)).unwrap();
    let stats = frozen.stats().unwrap();
    assert!(stats.chunk_rows > 0 && stats.memory_bytes > 0, "{stats:?}");
    frozen.write(model.request(&mut fastrand::Rng::with_seed(24), 301)).unwrap_err();
    drop(frozen);
    assert_eq!(contents(&medium), before);
    // A record in the middle of the log, and a file that is none: named, and left where they are.
    let log = Path::new(DIRECTORY).join("log");
    let segments = medium.paths().into_iter().filter(|path| {
        path.starts_with(&log) && path.extension().is_some_and(|extension| extension == "log")
    });
    let segment = segments.max().unwrap();
    let mut bytes = medium.contents(&segment).unwrap();
    bytes[80] ^= 1;
    medium.put(&segment, &bytes);
    medium.put(log.join("notes.txt"), b"?");
    let before = contents(&medium);
    let report = fsck(&shared(&medium), Path::new(DIRECTORY)).unwrap();
    assert_eq!(report.log.damage_count, 2, "{report:?}");
    let named: Vec<&str> = report.log.damage.iter().map(|damage| &*damage.file).collect();
    assert!(named.contains(&"notes.txt") && named.contains(&segment.file_name().unwrap().to_str().unwrap()));
    assert_eq!(contents(&medium), before);
}
