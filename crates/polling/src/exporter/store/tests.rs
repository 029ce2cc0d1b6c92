use observability::clock::Clock;

use super::*;

fn set(now: MonotonicTime, families: &[(&str, &[(&str, f64)])]) -> Set {
    let families = families.iter().map(|(name, series)| {
        let series: Vec<(Arc<str>, f64)> =
            series.iter().map(|(labels, value)| ((*labels).into(), *value)).collect();
        let part = Part { help: "".into(), kind: Some(Kind::Gauge), unit: None, series: series.into() };
        ((*name).into(), part)
    });
    Set::new(now, families.collect(), BTreeMap::new())
}

fn owner(pollster: &str, source: &str, interval_seconds: u64) -> Owner {
    Owner::new(pollster, source, interval_seconds)
}

/// Number of series by name, over all sets.
fn counted(store: &Store, now: MonotonicTime) -> Vec<(String, usize)> {
    let (shelf, _) = store.shelf(now);
    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    for (name, part) in shelf.sets.iter().flat_map(|(_, set)| &set.families) {
        *all.entry(name.to_string()).or_default() += part.series.len();
    }
    all.into_iter().collect()
}

#[test]
fn room_is_shared_in_the_order_of_names_and_labels() {
    let (clock, _hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
    let now = clock.monotonic();
    let whole = |families| set(now, families).within(3, 1000);
    let (kept, no_room) = whole(&[("a", &[("1", 1.0), ("2", 1.0)]), ("b", &[("1", 1.0), ("2", 1.0)])]);
    assert_eq!((kept.series, no_room, kept.families.len()), (3, 1, 2));
    let (kept, no_room) = set(now, &[("aa", &[("111", 1.0), ("222", 1.0)])]).within(9, 6);
    assert_eq!((kept.series, no_room), (1, 1));
    let (kept, no_room) = set(now, &[("aa", &[("111", 1.0)])]).within(0, 0);
    assert_eq!((kept.series, no_room, kept.families.len()), (0, 1, 0));
}

#[test]
fn sets_of_an_owner_have_no_series_in_common_and_are_few() {
    let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
    let store = Store::new(100);
    let owner = owner("p", "s", 10);
    store.replace(
        &owner,
        set(clock.monotonic(), &[("m", &[("{a=\"1\"}", 0.0), ("{a=\"2\"}", 0.0), ("{a=\"3\"}", 0.0)])]),
        Ended::Whole,
    );
    for _ in 0..100 {
        hand.advance(std::time::Duration::from_secs(10));
        store.replace(&owner, set(clock.monotonic(), &[("m", &[("{a=\"1\"}", 1.0)])]), Ended::Early);
        let (shelf, _) = store.shelf(clock.monotonic());
        assert!(shelf.sets.len() <= 2, "{shelf:?}", shelf = shelf.sets);
    }
    assert_eq!(counted(&store, clock.monotonic()), [("m".to_owned(), 1)]);
    assert_eq!(store.len(), 1);
}

#[test]
fn a_resource_that_is_described_in_another_way_counts_once() {
    let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
    let store = Store::new(100);
    let owner = owner("p", "s", 10);
    let of = |resource: &str, flavor: &str| format!("{{flavor_name=\"{flavor}\",resource=\"{resource}\"}}");
    let (one, other) = (of("1", "small"), of("2", "small"));
    store.replace(&owner, set(clock.monotonic(), &[("m", &[(&one, 0.0), (&other, 0.0)])]), Ended::Whole);
    hand.advance(std::time::Duration::from_secs(10));
    let resized = of("1", "large");
    store.replace(&owner, set(clock.monotonic(), &[("m", &[(&resized, 1.0)])]), Ended::Early);
    let (shelf, _) = store.shelf(clock.monotonic());
    let series =
        shelf.sets.iter().flat_map(|(_, set)| set.families.values().flat_map(|part| part.series.iter()));
    let mut labels: Vec<&str> = series.map(|(labels, _)| &**labels).collect();
    labels.sort_unstable();
    assert_eq!(labels, [resized, other]);
}

#[test]
fn an_heir_is_of_the_same_pollster_and_rather_of_the_same_source() {
    let (clock, _hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
    let now = clock.monotonic();
    for (planned, expected) in [
        (vec![owner("p", "s", 10)], Some(owner("p", "s", 10))),
        (vec![owner("p", "a", 60), owner("p", "s", 10)], Some(owner("p", "s", 10))),
        (vec![owner("p", "a", 60), owner("q", "s", 60)], Some(owner("p", "a", 60))),
        (vec![owner("q", "s", 60)], None),
        (vec![], None),
    ] {
        let store = Store::new(100);
        store.replace(&owner("p", "s", 60), set(now, &[("m", &[("1", 1.0), ("2", 1.0)])]), Ended::Whole);
        let dropped = store.keep(planned.into_iter().collect());
        let owners: Vec<Owner> = store.lock().owners.keys().cloned().collect();
        assert_eq!(owners, expected.iter().cloned().collect::<Vec<_>>());
        assert_eq!(dropped, if expected.is_some() { 0 } else { 2 });
        // Nobody else gives anything from now on.
        store.replace(&owner("p", "s", 60), set(now, &[("late", &[("1", 1.0)])]), Ended::Whole);
        assert!(!counted(&store, now).iter().any(|(name, _)| name == "late"));
    }
    // One that has series of its own does not inherit.
    let store = Store::new(100);
    store.replace(&owner("p", "s", 60), set(now, &[("m", &[("1", 1.0)])]), Ended::Whole);
    store.replace(&owner("p", "t", 60), set(now, &[("m", &[("2", 1.0)])]), Ended::Whole);
    assert_eq!(store.keep(BTreeSet::from([owner("p", "t", 60)])), 1);
    assert_eq!(counted(&store, now), [("m".to_owned(), 1)]);
}
