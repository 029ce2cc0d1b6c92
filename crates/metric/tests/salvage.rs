//! A damaged state: the metrics that the index has get back what stands in chunks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::Batch;
use metric_index::Metric;
use nephoscope_metric::{Caller, Measure, MeasuresQuery, Metrics, Settings, fsck};
use observability::clock::Clock;
use testkit::faults::FaultyMedium;

const MINUTE: i64 = 60_000_000_000;
const POINTS: u32 = 1_500;

fn url(directory: &Path) -> String {
    format!("sqlite:///{}", directory.join("index.sqlite").display())
}

async fn open(directory: &Path) -> Metrics {
    let measures = directory.join("measures");
    Metrics::open(&measures, &url(directory), Settings::default(), Clock::machine()).await.unwrap().0
}

async fn close(metrics: Metrics) {
    metrics.index().close().await;
    drop(metrics);
}

/// A metric with a measure every five minutes, of which most stand in chunks.
async fn measured(metrics: &Metrics, policy: &str) -> Metric {
    let admin = Caller::named("admin");
    let metric = metrics.create_metric(&admin, None, None, Some(policy.to_owned()), None).await.unwrap();
    let points = (0..POINTS).map(|number| (i64::from(number) * 5 * MINUTE, f64::from(number * number % 997)));
    metrics.add_measures(&admin, metric.clone(), Batch::new(points).unwrap()).await.unwrap();
    metric
}

async fn read(metrics: &Metrics, metric: &Metric) -> Vec<Measure> {
    let finest = metric.archive_policy.definition.iter().map(|item| item.granularity_nanoseconds).min();
    let aggregation = "mean".to_owned();
    let query = MeasuresQuery { start: None, stop: None, aggregation, granularity: finest, resample: None };
    metrics.measures(metric, query).await.unwrap()
}

fn states(directory: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = fs::read_dir(directory.join("measures/states")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "state"))
}

#[tokio::test]
async fn what_is_in_the_index_is_put_back_and_what_was_deleted_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let metrics = open(directory).await;
    metrics.create_presets().await.unwrap();
    let kept = [measured(&metrics, "low").await, measured(&metrics, "medium").await];
    let deleted = measured(&metrics, "low").await;
    for _ in 0..Metrics::STEPS {
        metrics.maintain().await.unwrap();
    }
    metrics.delete_metric(&Caller::named("admin"), &deleted).await.unwrap();
    let mut whole = Vec::new();
    for metric in &kept {
        whole.push(read(&metrics, metric).await);
    }
    close(metrics).await;
    for path in states(directory) {
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    // A file that cannot be opened costs no other one, and stays for whoever can mend it.
    let unreadable = directory.join("measures/chunks/chunk-00000000000000000099.data");
    std::os::unix::fs::symlink("/nowhere", &unreadable).unwrap();

    let metrics = open(directory).await;
    metrics.create_presets().await.unwrap();
    for (metric, whole) in kept.iter().zip(&whole) {
        let found = read(&metrics, metric).await;
        assert!(
            found.len() > POINTS as usize * 3 / 4 && whole.starts_with(&found),
            "{} of {POINTS}",
            found.len()
        );
        // Later measures come behind it.
        let batch = Batch::new([(i64::from(POINTS) * 5 * MINUTE, 1.0)]).unwrap();
        metrics.add_measures(&Caller::named("admin"), metric.clone(), batch).await.unwrap();
        let more = read(&metrics, metric).await;
        assert_eq!((more.len(), &more[..found.len()]), (found.len() + 1, &found[..]));
    }
    for _ in 0..Metrics::STEPS {
        metrics.maintain().await.unwrap();
    }
    close(metrics).await;
    fs::remove_file(unreadable).unwrap();
    let check = fsck(&directory.join("measures"), &url(directory), Clock::machine()).await.unwrap();
    assert_eq!((check.damaged(), check.measures.ids.len(), check.indexed), (0, 2, 2), "{check:?}");
}

/// What the index of another store does not know was not deleted, whether all states are damaged or one.
#[tokio::test]
async fn another_stores_index_takes_nothing_away() {
    for is_one in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let metrics = open(directory).await;
        metrics.create_presets().await.unwrap();
        let mut written = Vec::new();
        for _ in 0..6 {
            written.push(measured(&metrics, "low").await);
        }
        for _ in 0..Metrics::STEPS {
            metrics.maintain().await.unwrap();
        }
        let mut whole = Vec::new();
        for metric in &written {
            whole.push(read(&metrics, metric).await);
        }
        close(metrics).await;
        let mut damaged: Vec<PathBuf> = states(directory).collect();
        damaged.sort();
        // The first shard's has the policies, and perhaps no metric.
        for path in damaged.into_iter().rev().take(if is_one { 1 } else { usize::MAX }) {
            fs::write(path, "no state").unwrap();
        }
        let right = directory.join("index.sqlite");
        let aside = directory.join("aside.sqlite");
        fs::rename(&right, &aside).unwrap();
        let metrics = open(directory).await;
        metrics.create_presets().await.unwrap();
        // Also when clients have begun to use it.
        for policy in ["low", "medium", "high"].repeat(4) {
            measured(&metrics, policy).await;
        }
        for _ in 0..2 * Metrics::STEPS {
            let refusal = metrics.maintain().await.unwrap_err().to_string();
            assert!(refusal.contains("another store's"), "{refusal}");
        }
        close(metrics).await;
        fs::rename(&aside, &right).unwrap();
        let metrics = open(directory).await;
        metrics.maintain().await.unwrap();
        for (metric, whole) in written.iter().zip(&whole) {
            let found = read(&metrics, metric).await;
            assert!(found.len() > POINTS as usize * 3 / 4 && whole.starts_with(&found), "{}", found.len());
        }
        close(metrics).await;
    }
}

/// A disk without room for the archive policies when they are put back: it is tried again.
#[tokio::test]
async fn what_cannot_be_put_back_now_is_put_back_later() {
    let directory = tempfile::tempdir().unwrap();
    let (medium, place) = (FaultyMedium::new(), Path::new("/measures"));
    let open = async || {
        let (medium, url) = (Arc::new(medium.clone()), url(directory.path()));
        Metrics::open_on(medium, place, &url, Settings::default(), Clock::machine()).await.unwrap().0
    };
    let metrics = open().await;
    metrics.create_presets().await.unwrap();
    let metric = measured(&metrics, "low").await;
    // In the second round the log is cut.
    for _ in 0..2 * Metrics::STEPS {
        metrics.maintain().await.unwrap();
    }
    let whole = read(&metrics, &metric).await;
    close(metrics).await;
    let is_state = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "state");
    for path in medium.paths().into_iter().filter(is_state) {
        medium.put(&path, b"no state");
    }
    medium.set_capacity(Some(0));
    let metrics = open().await;
    assert!(metrics.maintain().await.is_err());
    assert!(read(&metrics, &metric).await.is_empty());
    medium.set_capacity(None);
    metrics.maintain().await.unwrap();
    let found = read(&metrics, &metric).await;
    assert!(found.len() > POINTS as usize * 3 / 4 && whole.starts_with(&found), "{}", found.len());
    close(metrics).await;
}
