//! What is left of a directory that somebody damaged.

use std::path::Path;
use std::sync::Arc;

use archive::time::SECOND;
use archive::{Batch, Method, Statistic};
use buffer::medium::Medium;
use nephoscope_metric_store::{Measures, MetricId, Opened, PolicyNumber, Store};
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
    // The policy stood in the states as well.
    let again = store.put_policy(&model::policies()[0]).unwrap();
    assert_eq!(again, policy);
    write(&store, again, 1, 50..52);
    assert!(count(&store, 1) >= 2);
}

#[test]
fn a_damaged_metric_costs_no_other_one() {
    let (medium, _) = made();
    change(&medium, "states", |mut bytes| {
        // The last frame is that of the only metric, if the shard has one.
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        Some(bytes)
    });
    let (store, opened) = open(&medium);
    assert!(opened.damaged_state_bytes > 0);
    checkpoint(&store);
    assert!(open_again(store, &medium).1.damaged_state_bytes == 0);
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
