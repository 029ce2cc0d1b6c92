use archive::Definition;
use testkit::faults::FaultyMedium;

use super::*;

const SECOND: i64 = 1_000_000_000;

fn measures(metric: MetricId, policy: PolicyNumber) -> Vec<Measures> {
    let batch = Batch::new([(SECOND, 1.0)]).unwrap();
    vec![Measures { metric, policy, batch }]
}

#[test]
fn shards_of_others_are_neither_written_nor_looked_after() {
    let medium = FaultyMedium::new();
    let open = || Store::open(Arc::new(medium.clone()), Path::new("/store"), Limits::default()).unwrap().0;
    let definition = Definition::new(Some(SECOND), Some(10), None).unwrap();
    let policy = ArchivePolicy::new("p", 0, vec![definition], ArchivePolicy::default_methods()).unwrap();
    let mut store = open();
    let policy = store.put_policy(&policy).unwrap();
    let metrics: Vec<MetricId> = (0..100_u128).map(|number| MetricId(number.to_be_bytes())).collect();
    for metric in &metrics {
        store.write(measures(*metric, policy)).unwrap();
    }
    let own = ShardNumber::of(metrics[0]);
    store.ownership = Ownership::of([own]);
    for metric in &metrics {
        let is_own = ShardNumber::of(*metric) == own;
        let results = [
            store.write(measures(*metric, policy)).map(|_| ()),
            store.import(vec![Aggregates { metric: *metric, policy, granularity: SECOND, series: vec![] }]),
            // Not a part of it either.
            if is_own { Ok(()) } else { store.remove(vec![metrics[0], *metric]) },
        ];
        for result in results {
            match result {
                Ok(()) => assert!(is_own, "{metric:?}"),
                Err(WriteError::NotOwned { metric: refused }) => assert!(!is_own && refused == *metric),
                Err(error) => panic!("{metric:?}: {error}"),
            }
        }
    }
    for _ in 0..3 {
        store.checkpoint_next().unwrap();
    }
    let states = medium.paths().into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let states: Vec<String> = states.filter(|name| name.starts_with("shard-")).collect();
    assert_eq!(states, [format!("shard-{:02}-{:020}.state", own.index(), 3)]);
    // Whoever opens it owns all of it, and what was refused is as it was.
    drop(store);
    let store = open();
    assert!(ShardNumber::all().all(|shard| store.ownership.owns(shard)));
    assert_eq!(store.metric_ids().len(), metrics.len());
}
