//! Backups of both kinds of index, and what is deleted while one is made.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use archive::Batch;
use buffer::medium::Disk;
use nephoscope_metric::{
    BackupError, Caller, IndexKind, MEASURES, Metrics, Restoration, RestoreError, Settings, fsck, restore,
};
use observability::clock::Clock;
use testkit::PostgreSql;
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;

fn sqlite(directory: &Path) -> String {
    format!("sqlite:///{}", directory.join("index.sqlite").display())
}

async fn open(directory: &Path, url: &str) -> Metrics {
    let measures = directory.join(MEASURES);
    let opened = Metrics::open(&measures, url, Settings::default(), Clock::machine()).await;
    let (metrics, _) = opened.unwrap();
    metrics.create_presets().await.unwrap();
    metrics
}

/// A metric with a measure.
async fn measured(metrics: &Metrics) -> Uuid {
    let admin = Caller::named("admin");
    let metric = metrics.create_metric(&admin, None, None, Some("low".to_owned()), None).await.unwrap();
    let id = metric.id;
    metrics.add_measures(&admin, metric, Batch::new([(300 * SECOND, 1.0)]).unwrap()).await.unwrap();
    id
}

async fn clean(directory: &Path, url: &str) -> (usize, usize) {
    let check = fsck(&directory.join(MEASURES), url, Clock::machine()).await.unwrap();
    assert_eq!((check.damaged(), check.is_compared), (0, true), "{check:?}");
    (check.measures.ids.len(), check.indexed)
}

#[tokio::test]
async fn what_was_deleted_does_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| -> PathBuf { directory.path().join(name) };
    let url = sqlite(&place("store"));
    let metrics = open(&place("store"), &url).await;
    let (kept, deleted) = (measured(&metrics).await, measured(&metrics).await);
    let admin = Caller::named("admin");
    // Deleted in the index, and not expunged yet: as if it had been deleted while the copy was made.
    metrics.index().delete_metric(deleted).await.unwrap();
    let manifest = metrics.backup(&place("backup")).await.unwrap();
    assert_eq!(manifest.index, IndexKind::Sqlite);
    assert!(matches!(metrics.backup(&place("backup")).await, Err(BackupError::NotEmpty { .. })));
    let metric = metrics.metric(kept).await.unwrap();
    metrics.delete_metric(&admin, &metric).await.unwrap();
    metrics.index().close().await;
    drop(metrics);
    assert_eq!(clean(&place("store"), &url).await, (1, 1));

    let restored = sqlite(&place("restored"));
    let target =
        Restoration { directory: place("restored"), index: Some(place("restored").join("index.sqlite")) };
    assert_eq!(restore(&Disk, &place("backup"), &target).unwrap(), manifest);
    assert_eq!(clean(&place("restored"), &restored).await, (2, 2));
    let metrics = open(&place("restored"), &restored).await;
    metrics.metric(kept).await.unwrap();
    metrics.metric(deleted).await.unwrap_err();
    metrics.maintain().await.unwrap();
    metrics.index().close().await;
    drop(metrics);
    assert_eq!(clean(&place("restored"), &restored).await, (1, 1));
}

#[tokio::test]
async fn an_index_elsewhere_is_not_in_the_copy() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| -> PathBuf { directory.path().join(name) };
    let postgresql = tokio::task::spawn_blocking(|| PostgreSql::start().unwrap()).await.unwrap();
    let url = &postgresql.url();
    let metrics = open(&place("store"), url).await;
    measured(&metrics).await;
    let manifest = metrics.backup(&place("backup")).await.unwrap();
    assert_eq!(manifest.index, IndexKind::PostgreSql);
    metrics.index().close().await;
    drop(metrics);
    let elsewhere = place("elsewhere.sqlite");
    let target = Restoration { directory: place("restored"), index: Some(elsewhere) };
    let refused = restore(&Disk, &place("backup"), &target);
    assert!(matches!(refused, Err(RestoreError::OtherIndex { .. })), "{refused:?}");
    let target = Restoration { index: None, ..target };
    restore(&Disk, &place("backup"), &target).unwrap();
    assert_eq!(clean(&place("restored"), url).await, (1, 1));
    // The same measures, and an index that does not know them.
    let other = sqlite(directory.path());
    open(&place("other"), &other).await.index().close().await;
    let check = fsck(&place("restored").join(MEASURES), &other, Clock::machine()).await.unwrap();
    assert_eq!((check.unknown_count, check.damaged()), (1, 1), "{check:?}");
}

#[tokio::test]
async fn an_index_has_its_own_place_and_nothing_half_made_is_taken_for_whole() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| -> PathBuf { directory.path().join(name) };
    let metrics = open(&place("store"), &sqlite(&place("store"))).await;
    measured(&metrics).await;
    metrics.backup(&place("backup")).await.unwrap();
    let index = place("else/where.sqlite");
    let target = Restoration { directory: place("restored"), index: Some(index.clone()) };
    std::fs::create_dir_all(place("restored.restoring")).unwrap();
    let unfinished = restore(&Disk, &place("backup"), &target);
    assert!(matches!(unfinished, Err(RestoreError::Unfinished { .. })), "{unfinished:?}");
    std::fs::remove_dir(place("restored.restoring")).unwrap();
    std::fs::create_dir_all(place("else")).unwrap();
    std::fs::write(&index, "mine").unwrap();
    let occupied = restore(&Disk, &place("backup"), &target);
    assert!(matches!(occupied, Err(RestoreError::Occupied { .. })), "{occupied:?}");
    assert_eq!(std::fs::read(&index).unwrap(), b"mine");
    std::fs::remove_file(&index).unwrap();
    restore(&Disk, &place("backup"), &target).unwrap();
    assert_eq!(clean(&place("restored"), &format!("sqlite:///{}", index.display())).await, (1, 1));
    // A copy that did not come to its end has no manifest.
    std::fs::remove_file(place("backup/manifest.json")).unwrap();
    let none = restore(&Disk, &place("backup"), &Restoration { directory: place("x"), index: None });
    assert!(matches!(none, Err(RestoreError::Manifest { .. })), "{none:?}");
}
