use std::time::Duration;

use model::{MeterKind, Subject, Timestamp, Trait, TraitValue, Value};
use observability::metrics::Metrics;

use super::*;
use crate::PipelineMetrics;

const DEADLINE: Duration = Duration::from_secs(30);

struct World {
    tap: Tap,
    metrics: Metrics,
}

impl World {
    fn new() -> Self {
        let metrics = Metrics::new();
        Self { tap: Tap::new(&PipelineMetrics::register(&metrics.component("pipeline"))), metrics }
    }

    fn subscribe(&self, query: &TapQuery) -> TapSubscription {
        self.tap.subscribe(TapFilter::new(query).unwrap()).unwrap()
    }

    fn show(&self, records: &Records) {
        self.tap.show(records, |name| [Arc::from(format!("to-{name}"))].into());
    }

    fn count(&self, series: &str) -> u64 {
        let page = self.metrics.prometheus_text();
        let line =
            page.lines().find_map(|line| line.strip_prefix(&format!("nephoscope_pipeline_tap_{series} ")));
        line.unwrap_or_else(|| panic!("{series} is missing in {page}")).parse().unwrap()
    }
}

fn sample(name: &str, resource: impl Into<Value>, project: impl Into<Value>) -> Arc<Sample> {
    Arc::new(Sample {
        name: name.into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: 1.into(),
        subject: Subject {
            project_id: project.into(),
            resource_metadata: Value::Null.into(),
            ..Subject::new(resource)
        }
        .into(),
        timestamp: "2026-07-21T13:56:12".into(),
        source: "openstack".into(),
        id: "i".into(),
        monotonic_time: None,
    })
}

fn event(event_type: &str, traits: &[(&str, &str)]) -> Arc<Event> {
    let entry = |(name, value): &(&str, &str)| Trait {
        name: (*name).into(),
        value: TraitValue::Text((*value).into()),
    };
    Arc::new(Event {
        message_id: "m".into(),
        event_type: event_type.into(),
        generated: Timestamp::parse("2026-07-21T13:56:12").unwrap(),
        traits: traits.iter().map(entry).collect(),
        raw: Value::Null,
    })
}

async fn next(subscription: &mut TapSubscription) -> Vec<Seen> {
    tokio::time::timeout(DEADLINE, subscription.next(usize::MAX)).await.expect("nothing came")
}

fn names(seen: &[Seen]) -> Vec<String> {
    let name = |seen: &Seen| match seen {
        Seen::Sample(sample, _) => sample.name.to_string(),
        Seen::Event(event, _) => event.event_type.to_string(),
        Seen::Skipped(count) => format!("{count} skipped"),
    };
    seen.iter().map(name).collect()
}

#[test]
fn a_filter_selects_what_its_query_says() {
    let query =
        |meters: &[&str], event_types: &[&str], resource: Option<&str>, project: Option<&str>| TapQuery {
            meters: meters.iter().map(|text| (*text).to_owned()).collect(),
            event_types: event_types.iter().map(|text| (*text).to_owned()).collect(),
            resource: resource.map(str::to_owned),
            project: project.map(str::to_owned),
        };
    // What passes of: the sample image.size of r/1 and project 7, the event image.delete of i-1 and project p.
    for (query, passes_sample, passes_event) in [
        (query(&[], &[], None, None), true, true),
        (query(&["image.size"], &[], None, None), true, false),
        (query(&["image.*"], &[], None, None), true, false),
        (query(&["cpu", "*.size"], &[], None, None), true, false),
        (query(&["image"], &[], None, None), false, false),
        (query(&[], &["image.*"], None, None), false, true),
        (query(&[], &["image.d?lete"], None, None), false, true),
        (query(&["cpu"], &["image.*"], None, None), false, true),
        (query(&["*"], &["*"], None, None), true, true),
        (query(&[], &[], Some("r/1"), None), true, false),
        (query(&[], &[], Some("r"), None), false, false),
        (query(&[], &[], Some("?[/-]1"), None), true, true),
        (query(&[], &[], Some("i-1"), None), false, true),
        // The user and the project are no resources.
        (query(&[], &[], Some("u"), None), false, false),
        (query(&[], &[], Some("p"), None), false, false),
        // A project that came as a number.
        (query(&[], &[], None, Some("7")), true, false),
        (query(&[], &[], None, Some("p")), false, true),
        (query(&[], &[], None, Some("*")), true, true),
        (query(&["image.*"], &[], Some("r/1"), Some("p")), false, false),
    ] {
        let filter = TapFilter::new(&query).unwrap();
        let of_event = [("image_id", "i-1"), ("user_id", "u"), ("tenant_id", "p"), ("name", "x")];
        assert_eq!(filter.selects_sample(&sample("image.size", "r/1", 7)), passes_sample, "{query:?}");
        assert_eq!(filter.selects_event(&event("image.delete", &of_event)), passes_event, "{query:?}");
    }
}

#[test]
fn an_id_that_looks_like_a_glob_matches_itself_and_none_matches_no_null() {
    let query = |id: &str| TapQuery { resource: Some(id.into()), ..TapQuery::default() };
    let filter = TapFilter::new(&query("port[1]")).unwrap();
    assert!(filter.selects_sample(&sample("a", "port[1]", Value::Null)));
    assert!(filter.selects_sample(&sample("a", "port1", Value::Null)));
    assert!(!TapFilter::new(&query("*")).unwrap().selects_sample(&sample("a", Value::Null, Value::Null)));
}

#[test]
fn a_query_without_measure_is_refused() {
    let many = TapQuery { meters: vec!["*".into(); MAX_PATTERNS + 1], ..TapQuery::default() };
    assert_eq!(TapFilter::new(&many).unwrap_err(), TapFilterError::TooMany { count: MAX_PATTERNS + 1 });
    let long = TapQuery { project: Some("*".repeat(MAX_PATTERN_BYTES + 1)), ..TapQuery::default() };
    assert_eq!(TapFilter::new(&long).unwrap_err(), TapFilterError::TooLong { bytes: MAX_PATTERN_BYTES + 1 });
}

#[tokio::test]
async fn every_subscriber_sees_what_it_asked_for_in_order_with_its_destinations() {
    let world = World::new();
    let mut all = world.subscribe(&TapQuery::default());
    let mut some = world.subscribe(&TapQuery { meters: vec!["b*".into()], ..TapQuery::default() });
    world.show(&Records::Samples(["a", "b", "b.c"].map(|name| sample(name, "r", "p")).into()));
    world.show(&Records::Events(vec![event("e", &[])]));
    assert_eq!(names(&next(&mut all).await), ["a", "b", "b.c", "e"]);
    let seen = next(&mut some).await;
    assert_eq!(names(&seen), ["b", "b.c"]);
    let Seen::Sample(_, destinations) = &seen[1] else { panic!("{seen:?}") };
    assert_eq!(**destinations, [Arc::from("to-b.c")]);
    assert_eq!((world.count("records_total"), world.count("subscribers")), (6, 2));
    assert_eq!(world.count("records_skipped_total{cause=\"slow\"}"), 0);
}

#[tokio::test]
async fn a_slow_subscriber_misses_records_and_is_told_how_many_and_where() {
    let world = World::new();
    let mut slow = world.subscribe(&TapQuery::default());
    let mut quick = world.subscribe(&TapQuery::default());
    let batch = Records::Samples(vec![sample("a", "r", "p"); 100]);
    let rounds = 20;
    for _ in 0..rounds {
        world.show(&batch);
        assert_eq!(next(&mut quick).await.len(), 100, "a slow neighbour took something away");
    }
    let seen = next(&mut slow).await;
    let missed = rounds * 100 - MAX_WAITING_RECORDS;
    assert_eq!(seen.len(), MAX_WAITING_RECORDS + 1);
    assert_eq!(names(&seen[MAX_WAITING_RECORDS..]), [format!("{missed} skipped")]);
    // What comes after that is seen again.
    world.show(&Records::Samples(vec![sample("b", "r", "p")]));
    assert_eq!(names(&next(&mut slow).await), ["b"]);
    assert_eq!(world.count("records_skipped_total{cause=\"slow\"}"), missed as u64);
    assert_eq!(world.count("records_total"), 2 * (rounds as u64 * 100 + 1));
    // And whatever was selected and not taken is accounted for.
    drop(quick);
    assert_eq!(world.count("records_skipped_total{cause=\"gone\"}"), 1);
}

#[tokio::test]
async fn the_queue_is_bounded_by_bytes_too_and_a_giant_passes_alone() {
    let world = World::new();
    let mut subscription = world.subscribe(&TapQuery::default());
    let giant = sample("giant", "r".repeat(MAX_WAITING_BYTES + 1), "p");
    let batch = Records::Samples(vec![Arc::clone(&giant), giant, sample("small", "r", "p")]);
    world.show(&batch);
    assert_eq!(names(&next(&mut subscription).await), ["giant", "2 skipped"]);
    let half = sample("half", "r".repeat(MAX_WAITING_BYTES / 2), "p");
    world.show(&Records::Samples(vec![Arc::clone(&half), half, sample("small", "r", "p")]));
    assert_eq!(names(&next(&mut subscription).await), ["half", "1 skipped", "small"]);
}

#[tokio::test]
async fn a_subscriber_takes_its_records_in_pieces() {
    let world = World::new();
    let mut subscription = world.subscribe(&TapQuery::default());
    world.show(&Records::Samples(["a", "b", "c"].map(|name| sample(name, "r", "p")).into()));
    for name in ["a", "b", "c"] {
        assert_eq!(names(&subscription.next(1).await), [name]);
    }
    assert!(tokio::time::timeout(Duration::from_millis(1), subscription.next(1)).await.is_err());
}

#[tokio::test]
async fn a_tap_without_subscribers_keeps_nothing_and_their_number_is_bounded() {
    let world = World::new();
    world.show(&Records::Samples(vec![sample("a", "r", "p")]));
    let mut subscriptions: Vec<_> =
        (0..MAX_SUBSCRIBERS).map(|_| world.subscribe(&TapQuery::default())).collect();
    assert_eq!(world.tap.subscribe(TapFilter::default()).unwrap_err(), TooManySubscribers);
    subscriptions.pop();
    let mut last = world.subscribe(&TapQuery::default());
    world.show(&Records::Samples(vec![sample("b", "r", "p")]));
    assert_eq!(names(&next(&mut last).await), ["b"], "what came before is not shown");
    drop((subscriptions, last));
    assert_eq!(world.count("subscribers"), 0);
    assert_eq!(world.tap.0.watched.load(Ordering::Relaxed), 0);
}
