//! A replacement that is ended at each operation: afterwards the old store or the new one is there, whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::{ArchivePolicy, Batch, Definition};
use buffer::medium::Medium;
use metric_store::{Limits, Measures, MetricId, Store};
use model::Timestamp;
use testkit::faults::{Fault, FaultyMedium, Survival};

use super::super::change_over::{journal, settle};
use super::super::restore::{fitting, put_together};
use super::super::{IndexKind, MEASURES, Restoration, RestoreError, finish};
use super::{in_the_making, planned, sync};

const SECOND: i64 = 1_000_000_000;
const OLD: MetricId = MetricId([1; 16]);
const NEW: MetricId = MetricId([2; 16]);

fn target() -> Restoration {
    Restoration { directory: "/state/metric".into(), index: Some("/database/index.sqlite".into()) }
}

fn open(medium: &FaultyMedium, directory: &Path) -> Store {
    Store::open(Arc::new(medium.clone()), &directory.join(MEASURES), Limits::default()).unwrap().0
}

fn write(store: &Store, metric: MetricId) {
    let definition = Definition::new(Some(SECOND), Some(10), None).unwrap();
    let policy =
        ArchivePolicy::new("seconds", 0, vec![definition], ArchivePolicy::default_methods()).unwrap();
    let policy = store.put_policy(&policy).unwrap();
    let batch = Batch::new([(SECOND, 1.0)]).unwrap();
    store.write(vec![Measures { metric, policy, batch }]).unwrap();
}

/// A backup, and the store that it is to replace, with an index of which a part is in its log.
fn made() -> FaultyMedium {
    let medium = FaultyMedium::new();
    let backup = Path::new("/backup");
    let store = open(&medium, Path::new("/source"));
    write(&store, NEW);
    store.backup(&backup.join(MEASURES)).unwrap();
    drop(store);
    medium.put("/backup/index.sqlite", b"new");
    finish(&medium, backup, Timestamp::EPOCH, IndexKind::Sqlite).unwrap();
    write(&open(&medium, &target().directory), OLD);
    medium.put("/database/index.sqlite", b"old");
    medium.put("/database/index.sqlite-wal", b"old log");
    medium
}

/// What [`super::Replacement`] does, on this medium.
fn replace(medium: &FaultyMedium) -> Result<(), RestoreError> {
    let (backup, target) = (Path::new("/backup"), target());
    let manifest = fitting(medium, backup, &target)?;
    put_together(medium, backup, &manifest, &target)?;
    let measures = in_the_making(&target.directory).join(MEASURES);
    let opened = Store::open(Arc::new(medium.clone()), &measures, Limits::default());
    drop(opened.map_err(|error| super::not_opened(&error))?);
    sync(medium, &target)?;
    let (change_over, _) = planned(medium, &target, Timestamp::EPOCH)?;
    change_over.write(medium)?;
    change_over.carry_out(medium)?;
    Ok(())
}

/// Completes what was begun, as a start does, and says whether the new store is there.
fn completed(medium: &FaultyMedium) -> bool {
    settle(medium, &target().directory).unwrap();
    assert_eq!(medium.size(&journal(&target().directory)).unwrap(), None);
    let index = medium.contents("/database/index.sqlite").unwrap();
    let log = medium.contents("/database/index.sqlite-wal");
    let ids = open(medium, &target().directory).metric_ids();
    let kept = |path: &Path| -> PathBuf { format!("{}.replaced-19700101T000000Z", path.display()).into() };
    if index == b"new" {
        assert_eq!((ids, log), (vec![NEW], None));
        let index = kept(Path::new("/database/index.sqlite"));
        assert_eq!(medium.contents(&index).as_deref(), Some(b"old".as_slice()));
        let log = format!("{}-wal", index.display());
        assert_eq!(medium.contents(log).as_deref(), Some(b"old log".as_slice()));
        assert_eq!(open(medium, &kept(&target().directory)).metric_ids(), [OLD]);
        true
    } else {
        assert_eq!((index.as_slice(), ids), (b"old".as_slice(), vec![OLD]));
        assert_eq!(log.as_deref(), Some(b"old log".as_slice()));
        false
    }
}

#[test]
fn a_crash_at_any_operation_leaves_one_of_both_whole() {
    for survival in [Survival::OnlySynced, Survival::Everything, Survival::Torn(3), Survival::Torn(8)] {
        let (mut old, mut new) = (0, 0);
        for operation in 1.. {
            let medium = made();
            medium.fail_at(medium.operations() + operation, Fault::Crash);
            if replace(&medium).is_ok() {
                assert!(completed(&medium.after_crash(survival)));
                break;
            }
            let restarted = medium.after_crash(survival);
            // The completion is ended too.
            for again in [1, 3, 5] {
                let ended = restarted.after_crash(Survival::Everything);
                ended.fail_at(again, Fault::Crash);
                let _ = settle(&ended, &target().directory);
                completed(&ended.after_crash(survival));
            }
            if completed(&restarted) {
                new += 1;
            } else {
                old += 1;
            }
        }
        assert!(old > 20 && new > 5, "{survival:?}: {old} and {new}");
    }
}

#[test]
fn an_operation_that_fails_leaves_one_of_both_whole() {
    for fault in [Fault::NoSpace, Fault::InputOutput] {
        for operation in 1.. {
            let medium = made();
            let at = medium.operations() + operation;
            medium.fail_at(at, fault);
            let is_done = replace(&medium).is_ok();
            let is_over = medium.operations() < at;
            for survival in [Survival::OnlySynced, Survival::Everything] {
                let is_new = completed(&medium.after_crash(survival));
                assert!(is_new || !is_done, "{fault:?} at {operation}, {survival:?}");
            }
            if is_over {
                break;
            }
        }
    }
}
