//! Measures go in and come out, survive a restart, and stay with those whom they belong to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use archive::{ArchivePolicy, Batch, Definition};
use metric_index::{Page, ResourceQuery};
use model::Timestamp;
use nephoscope_metric::{
    AggregatesQuery, Caller, GivenMetric, GivenResource, Kind, MeasuresQuery, Metrics, NamedMeasures,
    ResourceMeasures, ResourceSearch, Rule, Settings, view,
};
use observability::clock::Clock;
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;

async fn open(directory: &std::path::Path) -> Metrics {
    let url = format!("sqlite:///{}", directory.join("index.sqlite").display());
    let opened =
        Metrics::open(&directory.join("measures"), &url, Settings::default(), Clock::machine()).await;
    opened.unwrap().0
}

fn minutes(name: &str) -> ArchivePolicy {
    let definition = Definition::new(Some(60 * SECOND), Some(100), None).unwrap();
    ArchivePolicy::new(name, 0, vec![definition], ArchivePolicy::default_methods()).unwrap()
}

fn resource(id: u128, project: &str) -> GivenResource {
    let new = GivenMetric::New { archive_policy_name: Some("minutes".to_owned()), unit: None };
    GivenResource {
        resource_type: "generic".to_owned(),
        original_id: Uuid::from_u128(id).to_string(),
        id: Uuid::from_u128(id),
        user_id: None,
        project_id: Some(project.to_owned()),
        started_at: Some(Timestamp::EPOCH),
        ended_at: None,
        attributes: Vec::new(),
        metrics: vec![("cpu".to_owned(), new)],
    }
}

fn mean() -> MeasuresQuery {
    MeasuresQuery {
        start: None,
        stop: None,
        aggregation: "mean".to_owned(),
        granularity: None,
        resample: None,
    }
}

fn operation(text: &str) -> archive::operations::Node {
    archive::operations::parse(&archive::operations::Term::from_text(text).unwrap()).unwrap()
}

fn batch(id: u128, points: &[(i64, f64)]) -> ResourceMeasures {
    let points = points.iter().map(|(seconds, value)| (seconds * SECOND, *value));
    let measures = NamedMeasures {
        name: "cpu".to_owned(),
        batch: Batch::new(points).unwrap(),
        archive_policy_name: Some("minutes".to_owned()),
        unit: None,
    };
    let id = Uuid::from_u128(id);
    ResourceMeasures { original_id: id.to_string(), id, metrics: vec![measures] }
}

#[tokio::test]
async fn measures_survive_a_restart_and_can_be_computed_with() {
    let directory = tempfile::tempdir().unwrap();
    let admin = Caller::named("admin");
    {
        let metrics = open(directory.path()).await;
        metrics.create_archive_policy(&minutes("minutes")).await.unwrap();
        for id in [1, 2] {
            metrics.create_resource(&admin, resource(id, "p")).await.unwrap();
        }
        let measures = vec![batch(1, &[(60, 1.0), (61, 3.0)]), batch(2, &[(60, 6.0), (120, 9.0)])];
        metrics.add_resource_batch(&admin, measures, true).await.unwrap();
        for _ in 0..Metrics::STEPS {
            metrics.maintain().await.unwrap();
        }
    }
    let metrics = open(directory.path()).await;
    let cpu = metrics.named_metric("generic", Uuid::from_u128(1), "cpu").await.unwrap();
    let read = metrics.measures(&cpu, mean()).await.unwrap();
    assert_eq!(
        model::json::to_string(&view::measures(&read)),
        r#"[["1970-01-01T00:01:00+00:00", 60.0, 2.0]]"#
    );
    let query = AggregatesQuery {
        operation: operation("(aggregate sum (metric c* mean))").into(),
        start: None,
        stop: None,
        granularity: None,
        gaps: archive::operations::Gaps::Drop,
        details: false,
    };
    let search = ResourceSearch {
        resource_type: "generic".to_owned(),
        filter: None,
        group_by: Vec::new(),
        use_history: false,
    };
    let summed = metrics.aggregates_of_resources(&admin, &query, &search).await.unwrap();
    let values: Vec<f64> =
        summed.series.iter().flat_map(|(_, measures)| measures).map(|one| one.value).collect();
    assert_eq!(values, [8.0, 9.0]);
    metrics.delete_metric(&admin, &cpu).await.unwrap();
    assert_eq!(metrics.metric(cpu.id).await.unwrap_err().kind, Kind::Unknown);
    assert_eq!(metrics.delete_archive_policy("minutes").await.unwrap_err().kind, Kind::Invalid);
}

/// A policy's name can be given to another one once nothing refers to the first one.
#[tokio::test]
async fn a_policy_of_an_old_name_is_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let metrics = open(directory.path()).await;
    let admin = Caller::named("admin");
    let hours = Definition::new(Some(3_600 * SECOND), None, None).unwrap();
    let hours = ArchivePolicy::new("minutes", 0, vec![hours], ArchivePolicy::default_methods()).unwrap();
    for policy in [minutes("minutes"), hours] {
        metrics.create_archive_policy(&policy).await.unwrap();
        let made = metrics.create_metric(&admin, None, None, Some("minutes".to_owned()), None).await.unwrap();
        let points = Batch::new([(60 * SECOND, 1.0), (120 * SECOND, 3.0)]).unwrap();
        metrics.add_measures(&admin, made.clone(), points).await.unwrap();
        let expected = if policy.definition()[0].granularity() == 60 * SECOND { 2 } else { 1 };
        assert_eq!(metrics.measures(&made, mean()).await.unwrap().len(), expected);
        metrics.delete_metric(&admin, &made).await.unwrap();
        metrics.delete_archive_policy("minutes").await.unwrap();
    }
}

#[tokio::test]
async fn projects_see_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let metrics = open(directory.path()).await;
    metrics.create_archive_policy(&minutes("minutes")).await.unwrap();
    let service = Caller::of_project("ceilometer", "service", vec!["service".to_owned()]);
    for (id, project) in [(1, "p1"), (2, "p2")] {
        metrics.create_resource(&service, resource(id, project)).await.unwrap();
    }
    let user = |project| Caller::of_project("u", project, vec!["member".to_owned()]);
    for (caller, seen) in
        [(user("p1"), vec![1]), (user("p2"), vec![2]), (user("p3"), vec![]), (user("service"), vec![1, 2])]
    {
        let query = ResourceQuery::of("generic");
        let listed = metrics.list_resources(&caller, Rule::ListResource, query).await.unwrap();
        let mut ids: Vec<u128> = listed.iter().map(|resource| resource.id.as_u128()).collect();
        ids.sort_unstable();
        assert_eq!(ids, seen, "{caller:?}");
        let listed = metrics.list_metrics(&caller, None, Page::default()).await.unwrap();
        assert_eq!(listed.len(), seen.len(), "{caller:?}");
    }
    let denied = metrics.add_resource_batch(&user("p1"), vec![batch(1, &[(60, 1.0)])], false).await;
    assert_eq!(denied.unwrap_err().kind, Kind::Forbidden);
}

/// The story: metrics with a few thousand measures each at times of their own made a table of thousands of millions of cells.
#[tokio::test]
async fn tables_have_a_bound() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:///{}", directory.path().join("index.sqlite").display());
    let settings = Settings { max_cells: 2_000, ..Settings::default() };
    let opened = Metrics::open(&directory.path().join("measures"), &url, settings, Clock::machine()).await;
    let metrics = opened.unwrap().0;
    let admin = Caller::named("admin");
    let definition = Definition::new(Some(60 * SECOND), None, None).unwrap();
    let policy =
        ArchivePolicy::new("minutes", 0, vec![definition], ArchivePolicy::default_methods()).unwrap();
    metrics.create_archive_policy(&policy).await.unwrap();
    for number in 0..30_i64 {
        let id = u128::try_from(number).unwrap() + 1;
        metrics.create_resource(&admin, resource(id, "p")).await.unwrap();
        // Times that no other one has.
        let points: Vec<(i64, f64)> = (0..3).map(|place| (60 * (number * 3 + place), 1.0)).collect();
        metrics.add_resource_batch(&admin, vec![batch(id, &points)], false).await.unwrap();
    }
    let absolute = |stop: Option<i64>| AggregatesQuery {
        // All series are needed together.
        operation: operation("(abs (metric cpu mean))").into(),
        start: None,
        stop,
        granularity: None,
        gaps: archive::operations::Gaps::Drop,
        details: false,
    };
    let search = ResourceSearch {
        resource_type: "generic".to_owned(),
        filter: None,
        group_by: Vec::new(),
        use_history: false,
    };
    // 30 metrics at 90 times.
    let refused = metrics.aggregates_of_resources(&admin, &absolute(None), &search).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Invalid);
    assert!(format!("{refused:?}").contains("More than 2000 values"), "{refused:?}");
    // 30 metrics at 60 times.
    let stop = Some(60 * 60 * SECOND);
    let computed = metrics.aggregates_of_resources(&admin, &absolute(stop), &search).await.unwrap();
    assert_eq!(computed.series.iter().map(|(_, measures)| measures.len()).sum::<usize>(), 60);
}
