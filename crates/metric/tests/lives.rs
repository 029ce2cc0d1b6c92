//! Ends of resources that follow from their measures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use archive::{ArchivePolicy, Batch, Definition};
use metric_index::{GENERIC, ResourceChange};
use model::Timestamp;
use nephoscope_metric::{Caller, CleanUp, GivenMetric, GivenResource, Metrics, Settings};
use observability::clock::{Clock, TestClock};
use testkit::PostgreSql;
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;
/// When the story begins, in seconds.
const BEGIN: i64 = 1_700_000_000;
const HOUR: Duration = Duration::from_hours(1);

struct House {
    metrics: Metrics,
    hand: TestClock,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_microseconds(seconds * 1_000_000).unwrap()
}

impl House {
    async fn open(directory: &Path, url: &str) -> Self {
        let begin = jiff::Timestamp::from_second(BEGIN).unwrap();
        let (clock, hand) = Clock::test(begin);
        let opened = Metrics::open(&directory.join("measures"), url, Settings::default(), clock).await;
        let metrics = opened.unwrap().0;
        let definition = Definition::new(Some(60 * SECOND), None, None).unwrap();
        let policy = ArchivePolicy::new("p", 1, vec![definition], ArchivePolicy::default_methods()).unwrap();
        metrics.create_archive_policy(&policy).await.unwrap();
        Self { metrics, hand }
    }

    fn now(&self, seconds: i64) {
        self.hand.set_wall(jiff::Timestamp::from_second(BEGIN + seconds).unwrap());
    }

    async fn resource(&self, id: u128, metrics: &[&str]) {
        let new = || GivenMetric::New { archive_policy_name: Some("p".to_owned()), unit: None };
        let given = GivenResource {
            resource_type: GENERIC.to_owned(),
            original_id: Uuid::from_u128(id).to_string(),
            id: Uuid::from_u128(id),
            user_id: None,
            project_id: None,
            started_at: Some(at(BEGIN - 100_000)),
            ended_at: None,
            attributes: Vec::new(),
            metrics: metrics.iter().map(|name| ((*name).to_owned(), new())).collect(),
        };
        self.metrics.create_resource(&Caller::named("admin"), given).await.unwrap();
    }

    async fn end(&self, id: u128, seconds: i64) {
        let change =
            ResourceChange { ended_at: Some(Some(at(BEGIN + seconds))), ..ResourceChange::default() };
        self.metrics.index().update_resource(GENERIC, Uuid::from_u128(id), &change).await.unwrap();
    }

    async fn measure(&self, id: u128, name: &str, seconds: i64) {
        let resource = self.metrics.resource(GENERIC, Uuid::from_u128(id)).await.unwrap();
        let metric = resource.metrics.iter().find(|metric| metric.name.as_deref() == Some(name)).unwrap();
        let metric = self.metrics.index().metrics_by_id(&[metric.id]).await.unwrap().remove(0);
        let batch = Batch::new([((BEGIN + seconds) * SECOND, 1.0)]).unwrap();
        self.metrics.add_measures(&Caller::named("admin"), metric, batch).await.unwrap();
    }

    /// The end in seconds from the begin, and the number of earlier revisions.
    async fn shown(&self, id: u128) -> (Option<i64>, usize) {
        let id = Uuid::from_u128(id);
        let resource = self.metrics.resource(GENERIC, id).await.unwrap();
        let query = metric_index::ResourceQuery {
            history: true,
            filter: Some(metric_index::Filter::equal("id", id.to_string())),
            ..metric_index::ResourceQuery::of(GENERIC)
        };
        let revisions = self.metrics.index().resources(&query).await.unwrap().len() - 1;
        (resource.ended_at.map(|end| end.microseconds() / 1_000_000 - BEGIN), revisions)
    }
}

async fn ends_are_taken_back(directory: &Path, url: &str) {
    let house = House::open(directory, url).await;
    house.resource(1, &["a", "b"]).await;
    house.resource(2, &["a"]).await;
    house.end(1, 50).await;
    house.end(2, 50).await;
    house.measure(1, "a", 49).await;
    house.metrics.maintain().await.unwrap();
    assert_eq!(house.shown(1).await, (Some(50), 1));
    // Both metrics in one turn: once.
    house.measure(1, "a", 50).await;
    house.measure(1, "b", 70).await;
    house.metrics.maintain().await.unwrap();
    assert_eq!(house.shown(1).await, (None, 2));
    assert_eq!(house.shown(2).await, (Some(50), 1));
    // An end that is set again before the index was told.
    house.end(2, 50).await;
    house.measure(2, "a", 60).await;
    house.end(2, 80).await;
    house.metrics.maintain().await.unwrap();
    assert_eq!(house.shown(2).await, (Some(80), 2));
}

async fn silent_resources_end_and_go(directory: &Path, url: &str) {
    let house = House::open(directory, url).await;
    house.resource(1, &["a", "b"]).await;
    house.resource(2, &["a"]).await;
    house.resource(3, &[]).await;
    let clean = async |inactive, deleted| house.metrics.clean_up(inactive, deleted).await.unwrap();
    assert_eq!(clean(Some(HOUR), Some(HOUR)).await, CleanUp::default());
    house.now(3_000);
    house.measure(1, "b", 3_000).await;
    house.now(3_601);
    assert_eq!(clean(None, None).await, CleanUp::default());
    assert_eq!(clean(Some(HOUR), None).await, CleanUp { ended: 1, deleted: 0 });
    // One without metrics is never silent.
    assert_eq!((house.shown(2).await, house.shown(3).await.0), ((Some(3_601), 1), None));
    assert_eq!(house.shown(1).await, (None, 0));
    // A measure of that time revives it.
    house.measure(2, "a", 3_601).await;
    assert_eq!(clean(Some(HOUR), None).await, CleanUp::default());
    assert_eq!(house.shown(2).await, (None, 2));
    house.now(6_601);
    assert_eq!(clean(Some(HOUR), Some(HOUR)).await, CleanUp { ended: 1, deleted: 0 });
    house.now(6_601 + 3_600);
    assert_eq!(clean(None, Some(HOUR)).await, CleanUp::default());
    house.now(6_602 + 3_600);
    assert_eq!(clean(None, Some(HOUR)).await, CleanUp { ended: 0, deleted: 1 });
    assert!(house.metrics.resource(GENERIC, Uuid::from_u128(1)).await.is_err());
    // Its metrics and their measures are gone, those of the others are not.
    assert_eq!(house.metrics.index().count_metrics(None).await.unwrap(), 1);
    assert_eq!(house.shown(2).await.0, None);
}

#[tokio::test]
async fn on_sqlite() {
    for number in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:///{}", directory.path().join("index.sqlite").display());
        if number == 0 {
            ends_are_taken_back(directory.path(), &url).await;
        } else {
            silent_resources_end_and_go(directory.path(), &url).await;
        }
    }
}

/// The story: a database that did not answer for a moment made the index forget when measures had come.
#[tokio::test]
async fn on_postgresql_that_is_restarted() {
    let server = PostgreSql::start().unwrap();
    let url = |name: &str| {
        server.psql(&format!("CREATE DATABASE {name}")).unwrap();
        format!("{}/{name}", server.url().rsplit_once('/').unwrap().0)
    };
    let directory = tempfile::tempdir().unwrap();
    ends_are_taken_back(directory.path(), &url("one")).await;
    let directory = tempfile::tempdir().unwrap();
    silent_resources_end_and_go(directory.path(), &url("two")).await;

    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path(), &url("three")).await;
    house.resource(1, &["a"]).await;
    house.end(1, 50).await;
    house.measure(1, "a", 60).await;
    server.kill().unwrap();
    assert!(house.metrics.maintain().await.is_err());
    server.start_again().unwrap();
    house.metrics.maintain().await.unwrap();
    assert_eq!(house.shown(1).await, (None, 2));
}
