//! What is left of a directory that somebody damaged.

use std::path::Path;
use std::sync::Arc;

use archive::time::SECOND;
use archive::{Batch, Method, Statistic};
use buffer::medium::Medium;
use nephoscope_metric_store::{Limits, Measures, MetricId, Opened, PolicyNumber, Store};
use testkit::faults::FaultyMedium;

use super::{DIRECTORY, limits, model};

const MINUTE: i64 = 60 * SECOND;

fn open(medium: &FaultyMedium) -> (Store, Opened) {
    Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits()).unwrap()
}

fn write(store: &Store, policy: PolicyNumber, metric: u8, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        let batch = Batch::new([(minute * MINUTE, f64::from(metric))]).unwrap();
        store.write(vec![Measures { metric: MetricId([metric; 16]), policy, batch }]).unwrap();
    }
}

fn checkpoint(store: &Store) {
    for _ in 0..Store::SHARDS {
        store.checkpoint_next().unwrap();
    }
}

/// How many aggregates a metric has.
fn count(store: &Store, metric: u8) -> usize {
    let last = Method::plain(Statistic::Mean);
    store.measures(MetricId([metric; 16]), last, MINUTE, None, None).map_or(0, |series| series.len())
}

/// Two metrics with 40 minutes, of which most stand in chunks; then three minutes that only the log has.
fn made() -> (FaultyMedium, PolicyNumber) {
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    for begin in [0, 10, 20, 30] {
        write(&store, policy, 1, begin..begin + 10);
        write(&store, policy, 2, begin..begin + 10);
        checkpoint(&store);
    }
    write(&store, policy, 1, 40..43);
    (medium, policy)
}

/// Removes or replaces every file below a directory of the store.
fn change(medium: &FaultyMedium, directory: &str, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) {
    let directory = Path::new(DIRECTORY).join(directory);
    for path in medium.paths().into_iter().filter(|path| path.starts_with(&directory)) {
        let contents = medium.contents(&path).unwrap_or_default();
        match change(contents) {
            Some(contents) => medium.put(&path, &contents),
            None => medium.remove(&path).unwrap(),
        }
    }
}

#[test]
fn a_lost_log_loses_what_only_the_log_had_and_nothing_that_comes_later() {
    let (medium, policy) = made();
    change(&medium, "log", |_| None);
    let (store, _) = open(&medium);
    assert_eq!((count(&store, 1), count(&store, 2)), (40, 40));
    write(&store, policy, 1, 50..55);
    drop(store);
    let (store, _) = open(&medium);
    assert_eq!((count(&store, 1), count(&store, 2)), (45, 40));
}

#[test]
fn lost_states_leave_what_the_log_has() {
    let (medium, policy) = made();
    change(&medium, "states", |_| None);
    let (store, _) = open(&medium);
    // The policy stood in the states as well; the log's measures have its number, which no other gets.
    let again = store.put_policy(&model::policies()[0]).unwrap();
    assert_ne!(again, policy);
    write(&store, again, 1, 50..52);
    assert!(count(&store, 1) >= 2);
}

#[test]
fn a_damaged_metric_costs_no_other_one() {
    let (medium, policy) = made();
    change(&medium, "states", |mut bytes| {
        // The last frame is that of the only metric, if the shard has one.
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        Some(bytes)
    });
    let (store, opened) = open(&medium);
    assert!(opened.damaged_state_bytes > 0);
    put_back(&store, &opened, policy);
    checkpoint(&store);
    assert!(open_again(store, &medium).1.damaged_state_bytes == 0);
}

/// Puts back what was found of lost metrics.
fn put_back(store: &Store, opened: &Opened, policy: PolicyNumber) {
    let metrics: Vec<_> = opened.lost.iter().map(|metric| (*metric, policy)).collect();
    store.put_back(&metrics).unwrap();
}

fn open_again(store: Store, medium: &FaultyMedium) -> (Store, Opened) {
    drop(store);
    open(medium)
}

#[test]
fn lost_chunks_leave_what_is_pending() {
    let (medium, policy) = made();
    change(&medium, "chunks", |_| None);
    let (store, _) = open(&medium);
    let left = count(&store, 1);
    assert!((3..20).contains(&left), "{left}");
    write(&store, policy, 1, 50..60);
    checkpoint(&store);
    assert_eq!(count(&open_again(store, &medium).0, 1), left + 10);
}

/// What a metric's minutes hold; each must be the metric's number.
fn minutes(store: &Store, metric: u8) -> Vec<i64> {
    let last = Method::plain(Statistic::Mean);
    let Ok(series) = store.measures(MetricId([metric; 16]), last, MINUTE, None, None) else {
        return Vec::new();
    };
    for (start, value) in series.points().iter() {
        assert!((value - f64::from(metric)).abs() < f64::EPSILON, "minute {}: {value}", start / MINUTE);
    }
    series.points().iter().map(|(start, _)| start / MINUTE).collect()
}

/// The files below a directory of the store, with what they hold.
fn files(medium: &FaultyMedium, directory: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let directory = Path::new(DIRECTORY).join(directory);
    let paths = medium.paths().into_iter().filter(|path| path.starts_with(&directory));
    paths.filter_map(|path| medium.contents(&path).map(|bytes| (path, bytes))).collect()
}

/// Each byte of the log, changed: exactly the request that it belongs to is lost, or none.
#[test]
fn a_changed_byte_of_the_log_costs_one_request() {
    // All of them stand in one segment.
    let open = |medium: &FaultyMedium| {
        let limits = Limits { chunks: limits().chunks, ..Limits::default() };
        Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits).unwrap()
    };
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    let [(_, bytes)] = files(&medium, "log").try_into().unwrap();
    let first = bytes.len();
    // Where the log's file ends after each request.
    let mut ends = Vec::new();
    for minute in 0..8 {
        write(&store, policy, 1, minute..minute + 1);
        let [(_, bytes)] = files(&medium, "log").try_into().unwrap();
        ends.push(bytes.len());
    }
    drop(store);
    let [(path, bytes)] = files(&medium, "log").try_into().unwrap();
    let all: Vec<i64> = (0..8).collect();
    for place in first..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x41;
        let damaged = FaultyMedium::new();
        damaged.put(&path, &changed);
        let hit = ends.iter().position(|end| place < *end).unwrap();
        let left: Vec<i64> =
            all.iter().copied().filter(|minute| usize::try_from(*minute) != Ok(hit)).collect();
        let (store, _) = open(&damaged);
        assert_eq!(minutes(&store, 1), left, "byte {place} of {ends:?}");
        // What comes later is kept.
        write(&store, policy, 1, 9..10);
        assert_eq!(minutes(&store, 1).last(), Some(&9));
    }
    // Cut anywhere: the whole requests before the cut are there.
    for length in first..bytes.len() {
        let damaged = FaultyMedium::new();
        damaged.put(&path, &bytes[..length]);
        let (store, _) = open(&damaged);
        let whole = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(minutes(&store, 1), all[..whole], "{length} of {ends:?}");
    }
}

/// What is done to the bytes of a file.
type Harm = fn(&mut Vec<u8>);

/// Each kind of damage to each other file: nothing wrong is read, and what other files hold is there.
#[test]
fn damage_of_one_file_costs_what_that_file_holds() {
    let (medium, policy) = made();
    let whole: Vec<Vec<i64>> = [1, 2]
        .map(|metric| minutes(&open(&medium.after_crash(testkit::faults::Survival::Everything)).0, metric))
        .into();
    assert_eq!([whole[0].len(), whole[1].len()], [43, 40]);
    let kinds: [(&str, Harm); 6] = [
        ("a byte at the begin", |bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 0x41)),
        ("a byte in the middle", |bytes| {
            let middle = bytes.len() / 2;
            bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x41);
        }),
        ("half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("nothing left", Vec::clear),
        ("zeros", |bytes| bytes.fill(0)),
        ("more behind it", |bytes| bytes.extend_from_within(..bytes.len().min(100))),
    ];
    for directory in ["states", "chunks"] {
        for (path, bytes) in files(&medium, directory) {
            for (kind, damage) in kinds {
                let damaged = medium.after_crash(testkit::faults::Survival::Everything);
                let mut changed = bytes.clone();
                damage(&mut changed);
                damaged.put(&path, &changed);
                let (store, opened) = open(&damaged);
                if !opened.lost.is_empty() {
                    // Another state has the policy.
                    assert_eq!(store.put_policy(&model::policies()[0]).unwrap(), policy);
                    put_back(&store, &opened, policy);
                }
                let left = [minutes(&store, 1), minutes(&store, 2)];
                for (left, whole) in left.iter().zip(&whole) {
                    assert!(
                        left.iter().all(|minute| whole.contains(minute)),
                        "{kind}, {}: {left:?}",
                        path.display()
                    );
                }
                // A shard's state is that of one of these metrics, at most; the other one has lost nothing.
                if directory == "states" {
                    let lost = left.iter().zip(&whole).filter(|(left, whole)| left != whole).count();
                    assert!(lost <= 1, "{kind}, {}: {left:?}", path.display());
                    // What stood in chunks is there.
                    let is_begin = left.iter().all(|left| left.starts_with(&whole[0][..20]));
                    assert!(is_begin, "{kind}, {}: {left:?}", path.display());
                }
                if kind == "more behind it" {
                    assert_eq!(left.to_vec(), whole, "{}", path.display());
                }
                // It goes on, also over the next start.
                checkpoint(&store);
                let (store, again) = open_again(store, &damaged);
                assert_eq!(again.damaged_state_bytes, 0, "{kind}, {}", path.display());
                assert_eq!([minutes(&store, 1), minutes(&store, 2)], left, "{kind}, {}", path.display());
            }
        }
    }
}
