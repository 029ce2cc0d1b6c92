//! Aggregates that were computed elsewhere.

use archive::{ArchivePolicy, Batch, Method, Series, Statistic};
use nephoscope_metric_store::{Aggregates, Measures, MetricId, Store};
use testkit::faults::FaultyMedium;

use super::{model, open};

const METRIC: MetricId = MetricId([9; 16]);

fn read(store: &Store, policy: &ArchivePolicy) -> Vec<(Method, i64, Series)> {
    let aggregations = policy
        .definition()
        .iter()
        .flat_map(|item| policy.methods().iter().map(move |method| (method, item.granularity())));
    aggregations
        .map(|(method, granularity)| {
            (method, granularity, store.measures(METRIC, method, granularity, None, None).unwrap())
        })
        .collect()
}

#[test]
fn aggregates_are_taken_as_they_are_and_measures_go_on_behind_them() {
    let policy = model::policies().remove(1);
    let elsewhere = open(&FaultyMedium::new());
    let number = elsewhere.put_policy(&policy).unwrap();
    let coarsest = policy.definition().iter().map(archive::Definition::granularity).max().unwrap();
    let mut random = fastrand::Rng::with_seed(4);
    let points = (0..400).map(|place| (place * coarsest / 7, random.f64()));
    let measures = Measures { metric: METRIC, policy: number, batch: Batch::new(points).unwrap() };
    elsewhere.write(vec![measures]).unwrap();
    let expected = read(&elsewhere, &policy);
    assert!(expected.iter().any(|(_, _, series)| !series.is_empty()));

    let medium = FaultyMedium::new();
    let store = open(&medium);
    let number = store.put_policy(&policy).unwrap();
    let import = |store: &Store| {
        let all = expected.iter().map(|(method, granularity, series)| Aggregates {
            metric: METRIC,
            policy: number,
            granularity: *granularity,
            series: vec![(*method, series.clone())],
        });
        store.import(all.collect()).unwrap();
    };
    import(&store);
    assert_eq!(read(&store, &policy), expected);
    // Once more, after a restart, and from chunks.
    import(&store);
    drop(store);
    let store = open(&medium);
    assert_eq!(read(&store, &policy), expected);
    for _ in 0..2 * Store::SHARDS {
        store.checkpoint_next().unwrap();
    }
    assert!(store.stats().unwrap().chunks > 0);
    drop(store);
    let store = open(&medium);
    assert_eq!(read(&store, &policy), expected);
    // A measure behind them.
    let newest = expected.iter().filter_map(|(_, _, series)| series.last()).max().unwrap();
    let later = (newest / coarsest + 2) * coarsest;
    let batch = Batch::new([(later, 5.0)]).unwrap();
    store.write(vec![Measures { metric: METRIC, policy: number, batch }]).unwrap();
    let last = Method::plain(Statistic::Last);
    let method = if policy.methods().contains(last) { last } else { policy.methods().iter().next().unwrap() };
    let series = store.measures(METRIC, method, coarsest, None, None).unwrap();
    assert_eq!(series.last(), Some(later));
    let before = expected.iter().find(|(known, granularity, _)| *known == method && *granularity == coarsest);
    let (_, _, before) = before.unwrap();
    assert!(series.len() == before.len() + 1 || series.first() > before.first(), "{series:?}");
}
