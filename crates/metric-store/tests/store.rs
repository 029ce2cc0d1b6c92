//! The store against a model in memory that applies every batch with the crate `archive`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "store/backup.rs"]
mod backup;
#[path = "store/crash.rs"]
mod crash;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/evenness.rs"]
mod evenness;
#[path = "store/import.rs"]
mod import;
#[path = "store/model.rs"]
mod model;
#[path = "store/salvage.rs"]
mod salvage;

use std::path::Path;
use std::sync::Arc;

use archive::{ArchivePolicy, Batch, Method, Statistic};
use buffer::medium::Disk;
use buffer::segment_log;
use nephoscope_metric_store::{Limits, Measures, MetricId, OpenError, ReadError, Sizes, Store, WriteError};
use testkit::faults::FaultyMedium;

use model::Model;

const DIRECTORY: &str = "/state/metrics";

/// Small segments and chunks, so that some begin, end and are merged.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.log.segment_bytes = 600;
    limits.chunks =
        Sizes { sealed_rows: 3, sealed_bytes: 60, full_rows: 12, merged_chunks: 2, sparse_file_bytes: 200 };
    limits
}

fn open(medium: &FaultyMedium) -> Store {
    let (store, opened) = Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits()).unwrap();
    assert!(opened.damage.is_empty(), "{opened:?}");
    store
}

/// The lock of its directory is why a process may write all of it.
#[test]
fn a_directory_has_one_owner() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(Arc::new(Disk), directory.path(), Limits::default());
    let (store, _) = open().unwrap();
    for other in [open(), Store::open_frozen(Arc::new(Disk), directory.path())] {
        let error = other.map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Log(segment_log::OpenError::Locked { .. })), "{error}");
    }
    drop(store);
    assert!(open().is_ok());
}

#[test]
fn random_measures_are_read_as_archive_computes_them() {
    let medium = FaultyMedium::new();
    let mut random = fastrand::Rng::with_seed(7);
    let mut model = Model::default();
    let mut store = open(&medium);
    for policy in model::policies() {
        model.put_policy(store.put_policy(&policy).unwrap(), policy);
    }
    for step in 0..400 {
        match random.u32(0..100) {
            0..=4 => {
                drop(store);
                store = open(&medium);
            }
            7..=30 => {
                for _ in 0..random.usize(1..=2 * Store::SHARDS) {
                    store.checkpoint_next().unwrap();
                }
            }
            5..=6 => {
                let metric = model::metric(&mut random);
                store.remove(vec![metric]).unwrap();
                model.remove(metric);
            }
            _ => {
                let request = model.request(&mut random, step);
                let late = store.write(request.clone()).unwrap().late;
                assert_eq!(late, model.write(&request), "step {step}");
            }
        }
        if step % 20 == 0 {
            model.check(&store);
        }
    }
    model.check(&store);
    assert!(store.stats().unwrap().chunks > 5, "{:?}", store.stats());
}

#[test]
fn many_threads_share_the_log() {
    let medium = FaultyMedium::new();
    let store = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let store = &store;
            scope.spawn(move || {
                for point in 0..50 {
                    let batch = Batch::new([(point * 1_000_000_000, f64::from(thread))]).unwrap();
                    let measures = Measures { metric: MetricId([thread; 16]), policy, batch };
                    store.write(vec![measures]).unwrap();
                }
            });
        }
    });
    drop(store);
    let store = open(&medium);
    let count = Method::plain(Statistic::Count);
    for thread in 0..8_u8 {
        let series = store.measures(MetricId([thread; 16]), count, 60_000_000_000, None, None).unwrap();
        assert_eq!(series.points().values(), [50.0]);
    }
    assert_eq!(store.stats().unwrap().metrics, 8);
}

#[test]
fn nobody_waits_until_a_state_is_durable() {
    let medium = FaultyMedium::new();
    let store = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    // So many that each shard has some.
    let mut random = fastrand::Rng::with_seed(1);
    let metrics: Vec<MetricId> = (0..2_000).map(|_| MetricId(random.u128(..).to_be_bytes())).collect();
    let write = |second: i64| {
        let batch = Batch::new([(second * 1_000_000_000, 1.0)]).unwrap();
        let each = metrics.iter().map(|metric| Measures { metric: *metric, policy, batch: batch.clone() });
        store.write(each.collect()).unwrap();
    };
    let counts = |store: &Store| -> Vec<Vec<f64>> {
        let count = Method::plain(Statistic::Count);
        let each = metrics.iter().map(|metric| store.measures(*metric, count, 60_000_000_000, None, None));
        each.map(|series| series.unwrap().points().values().to_vec()).collect()
    };
    write(1);
    std::thread::scope(|scope| {
        let held = medium.hold_writes_below(Path::new(DIRECTORY).join("states"));
        let steps = scope.spawn(|| (0..Store::SHARDS).for_each(|_| store.checkpoint_next().unwrap()));
        held.wait().unwrap();
        write(2);
        assert_eq!(counts(&store), vec![[2.0]; metrics.len()]);
        assert!(!steps.is_finished());
        drop(held);
        steps.join().unwrap();
    });
    drop(store);
    assert_eq!(counts(&open(&medium)), vec![[2.0]; metrics.len()]);
}

#[test]
fn what_cannot_be_is_refused() {
    let store = open(&FaultyMedium::new());
    let [policy, other, ..] = &model::policies()[..] else { panic!("too few policies") };
    let number = store.put_policy(policy).unwrap();
    assert_eq!(store.put_policy(policy).unwrap(), number);
    let differs =
        ArchivePolicy::new(policy.name(), 0, other.definition().to_vec(), *other.methods()).unwrap();
    assert!(matches!(store.put_policy(&differs), Err(WriteError::PolicyDiffers { .. })));
    // The order of granularities is that of the first time.
    let turned: Vec<_> = other.definition().iter().rev().copied().collect();
    let turned = ArchivePolicy::new(other.name(), other.back_window(), turned, *other.methods()).unwrap();
    assert_eq!(store.put_policy(other).unwrap(), store.put_policy(&turned).unwrap());
    let metric = MetricId([1; 16]);
    let count = Method::plain(Statistic::Count);
    assert_eq!(
        store.measures(metric, count, 1, None, None).unwrap_err(),
        ReadError::UnknownMetric { metric }
    );
    store.write(vec![Measures { metric, policy: number, batch: Batch::new([(5, 1.0)]).unwrap() }]).unwrap();
    assert!(matches!(store.measures(metric, count, 1, None, None), Err(ReadError::NoAggregation { .. })));
}
