//! Metrics whose states are damaged get their chunks again.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::{Medium, MediumFile, MediumLock};

use archive::{AggregatedSeries, Batch, Method, Statistic};
use nephoscope_metric_store::{
    Aggregates, CheckpointError, Limits, Measures, MetricId, Opened, PolicyNumber, Sizes, Stats, Store, fsck,
};
use testkit::faults::{Fault, FaultyMedium, Survival};

use super::model::{self, Model};
use super::{DIRECTORY, limits};

fn open(medium: &FaultyMedium) -> (Store, Opened) {
    Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits()).unwrap()
}

fn checkpoint(store: &Store) {
    for _ in 0..Store::SHARDS {
        store.checkpoint_next().unwrap();
    }
}

/// The files below a directory of the store.
fn files(medium: &FaultyMedium, directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(DIRECTORY).join(directory);
    medium.paths().into_iter().filter(|path| path.starts_with(&directory)).collect()
}

fn remove(medium: &FaultyMedium, directory: &str) {
    for path in files(medium, directory) {
        medium.remove(&path).unwrap();
    }
}

fn change_states(medium: &FaultyMedium, change: impl Fn(&mut Vec<u8>)) {
    for path in files(medium, "states") {
        let mut bytes = medium.contents(&path).unwrap();
        change(&mut bytes);
        medium.put(&path, &bytes);
    }
}

/// The state of the store's only metric. Another shard's has the policies.
fn state_of_the_metric(medium: &FaultyMedium) -> PathBuf {
    let [_, own] = files(medium, "states").try_into().unwrap();
    own
}

/// Puts back what was found; all metrics have the policies that the model gives them.
fn put_back(store: &Store, lost: &[MetricId]) {
    let numbers: Vec<PolicyNumber> =
        model::policies().iter().map(|policy| store.put_policy(policy).unwrap()).collect();
    let with_policy = |id: &MetricId| (*id, numbers[usize::from(id.0[0]) % numbers.len()]);
    store.put_back(&lost.iter().map(with_policy).collect::<Vec<_>>()).unwrap();
}

/// A store that has lived a while, and what it holds.
fn lived(seed: u64) -> (FaultyMedium, Model, Stats) {
    let (medium, mut expected) = (FaultyMedium::new(), Model::default());
    let (store, _) = open(&medium);
    for policy in model::policies() {
        expected.put_policy(store.put_policy(&policy).unwrap(), policy);
    }
    let mut random = fastrand::Rng::with_seed(seed);
    for step in 0..300 {
        let request = expected.request(&mut random, step);
        expected.write(&request);
        store.write(request).unwrap();
        if step % 9 == 8 {
            checkpoint(&store);
        }
    }
    expected.check(&store);
    let stats = store.stats().unwrap();
    (medium, expected, stats)
}

fn each_series(mut check: impl FnMut(MetricId, Method, i64)) {
    for byte in 0..5_u8 {
        let policy = &model::policies()[usize::from(byte) % 3];
        for definition in policy.definition() {
            for method in policy.methods().iter() {
                check(MetricId([byte; 16]), method, definition.granularity());
            }
        }
    }
}

fn bits(series: &AggregatedSeries) -> Vec<(i64, u64)> {
    series.points().iter().map(|(time, value)| (time, value.to_bits())).collect()
}

/// Of each series, everything up to the newest chunk is there, to the bit. Says how many aggregates there are.
fn check_begins(store: &Store, whole: &Store) -> usize {
    let mut all = 0;
    each_series(|metric, method, granularity| {
        let had = bits(&whole.aggregated(metric, method, granularity).unwrap());
        let has =
            store.aggregated(metric, method, granularity).map(|series| bits(&series)).unwrap_or_default();
        let Some((last, _)) = has.last().copied() else { return };
        let policy = &model::policies()[usize::from(metric.0[0]) % 3];
        let most = policy.definition_of(granularity).unwrap().points();
        assert!(most.is_none_or(|most| has.len() as u64 <= most), "{metric:?} {method} at {granularity}");
        // What is too old is reckoned from the newest one.
        let oldest = had.first().map_or(i64::MIN, |(first, _)| *first);
        let has: Vec<_> = has.into_iter().filter(|(time, _)| *time >= oldest).collect();
        let had: Vec<_> = had.into_iter().filter(|(time, _)| *time <= last).collect();
        assert_eq!(has, had, "{metric:?} {method} at {granularity}");
        all += had.len();
    });
    all
}

#[test]
fn without_states_and_log_everything_that_stands_in_chunks_is_there() {
    for seed in 0..12 {
        let (medium, _, stats) = lived(seed);
        let whole = open(&medium.after_crash(Survival::Everything)).0;
        for harm in [
            (|bytes: &mut Vec<u8>| bytes.fill(0)) as fn(&mut Vec<u8>),
            |bytes| bytes[20] ^= 1,
            |bytes| bytes.truncate(10),
            Vec::clear,
        ] {
            let damaged = medium.after_crash(Survival::Everything);
            change_states(&damaged, harm);
            remove(&damaged, "log");
            let (store, opened) = open(&damaged);
            assert!(opened.damaged_state_bytes > 0 && opened.lost.len() == 5, "{opened:?}");
            put_back(&store, &opened.lost);
            let found = store.stats().unwrap();
            assert!(found.chunk_rows >= stats.chunk_rows, "{found:?}, {stats:?}");
            assert!(check_begins(&store, &whole) > 500);
            // Over checkpoints and starts it stays as it is.
            checkpoint(&store);
            check_begins(&store, &whole);
            drop(store);
            let (store, opened) = open(&damaged);
            assert_eq!((opened.damaged_state_bytes, opened.lost.len()), (0, 0));
            assert!(check_begins(&store, &whole) > 500);
        }
    }
}

const MINUTE: i64 = 60_000_000_000;

fn write(store: &Store, policy: PolicyNumber, metric: u8, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        let batch = Batch::new([(minute * MINUTE, f64::from(metric))]).unwrap();
        store.write(vec![Measures { metric: MetricId([metric; 16]), policy, batch }]).unwrap();
    }
}

fn minutes(store: &Store, metric: u8) -> Vec<i64> {
    let count = Method::plain(Statistic::Count);
    let series = store.measures(MetricId([metric; 16]), count, MINUTE, None, None);
    let starts =
        |series: archive::Series| series.points().timestamps().iter().map(|at| at / MINUTE).collect();
    series.map(starts).unwrap_or_default()
}

/// Metrics 3 and 6 with 50 minutes, of which all but the last ones stand in chunks, some merged.
fn regular() -> (FaultyMedium, PolicyNumber, [u64; 2]) {
    regular_with(limits().chunks)
}

fn regular_with(chunks: Sizes) -> (FaultyMedium, PolicyNumber, [u64; 2]) {
    let medium = FaultyMedium::new();
    let limits = Limits { chunks, ..limits() };
    let (store, _) = Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits).unwrap();
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    for begin in (0..50).step_by(5) {
        write(&store, policy, 3, begin..begin + 5);
        write(&store, policy, 6, begin..begin + 5);
        checkpoint(&store);
    }
    drop(store);
    let rows = [6, 3].map(|other| {
        let (store, _) = open(&medium.after_crash(Survival::Everything));
        store.remove(vec![MetricId([other; 16])]).unwrap();
        store.stats().unwrap().chunk_rows
    });
    assert!(rows.iter().all(|rows| (35..50).contains(rows)), "{rows:?}");
    (medium, policy, rows)
}

/// Chunks that were merged into others, and still stand in the files, are no part of what is put back.
#[test]
fn each_aggregate_is_put_back_once() {
    let mut sizes = limits().chunks;
    sizes.sparse_file_bytes = 1 << 30;
    let (medium, _, rows) = regular_with(sizes);
    let report = fsck(&(Arc::new(medium.clone()) as _), Path::new(DIRECTORY)).unwrap();
    assert!(report.unnamed_chunks > 4, "{report:?}");
    change_states(&medium, |bytes| bytes.fill(0));
    let (store, opened) = open(&medium);
    assert_eq!(opened.lost, [3, 6].map(|metric| MetricId([metric; 16])));
    put_back(&store, &opened.lost);
    assert_eq!(store.stats().unwrap().chunk_rows, rows.iter().sum::<u64>());
    assert_eq!(store.stats().unwrap().damaged_reads, 0);
    for (metric, rows) in [3, 6].into_iter().zip(rows) {
        let chunks: Vec<i64> = (0..i64::try_from(rows).unwrap()).collect();
        assert_eq!(minutes(&store, metric)[..chunks.len()], chunks);
    }
}

/// Chunks that were too old stand in the files as well, and go again, also without further measures.
#[test]
fn what_was_too_old_goes_again() {
    let mut sizes = limits().chunks;
    sizes.sparse_file_bytes = 1 << 30;
    let medium = FaultyMedium::new();
    let limits = Limits { chunks: sizes, ..limits() };
    let open = || Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits).unwrap();
    let (store, _) = open();
    // Forty times 7 s, and three minutes.
    let policy = store.put_policy(&model::policies()[2]).unwrap();
    for begin in (0..400).step_by(5) {
        write(&store, policy, 3, begin..begin + 5);
        checkpoint(&store);
    }
    let rows = store.stats().unwrap().chunk_rows;
    drop(store);
    change_states(&medium, |bytes| bytes.fill(0));
    let (store, opened) = open();
    let policy = store.put_policy(&model::policies()[2]).unwrap();
    store.put_back(&[(opened.lost[0], policy)]).unwrap();
    assert!(store.stats().unwrap().chunk_rows > 10 * rows);
    checkpoint(&store);
    let left = store.stats().unwrap().chunk_rows;
    assert!(left <= 2 * rows && left > 0, "{left} of {rows}");
}

/// What comes later is added to it.
#[test]
fn what_comes_later_is_added() {
    let (medium, _, [rows, _]) = regular();
    change_states(&medium, |bytes| bytes.fill(0));
    let (store, opened) = open(&medium);
    put_back(&store, &opened.lost);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    write(&store, policy, 3, 53..80);
    checkpoint(&store);
    let found = minutes(&store, 3);
    assert!(found.starts_with(&(0..i64::try_from(rows).unwrap()).collect::<Vec<_>>()), "{found:?}");
    assert!(found.ends_with(&(53..80).collect::<Vec<_>>()), "{found:?}");
    drop(store);
    assert_eq!(minutes(&open(&medium).0, 3), found);
}

/// The log begins in the middle of a group that was final: what it has of that group does not replace what a chunk has.
#[test]
fn a_group_that_was_final_is_not_computed_from_a_part_of_its_measures() {
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    let metric = MetricId([3; 16]);
    let write = |thirds: std::ops::Range<i64>| {
        for third in thirds {
            let batch = Batch::new([(third * MINUTE / 3, 1.0)]).unwrap();
            store.write(vec![Measures { metric, policy, batch }]).unwrap();
        }
    };
    write(0..61);
    checkpoint(&store);
    write(61..121);
    // All shards but the last one.
    (1..Store::SHARDS).for_each(|_| store.checkpoint_next().unwrap());
    drop(store);
    let own = state_of_the_metric(&medium);
    medium.put(&own, b"no state");
    let (store, opened) = open(&medium);
    let method = Method::plain(Statistic::Count);
    let counts = |store: &Store| {
        let series = store.measures(metric, method, MINUTE, None, None).unwrap();
        series.points().iter().map(|(at, count)| (at / MINUTE, count)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&store)[0], (20, 2.0), "the log begins there");
    put_back(&store, &opened.lost);
    let expected: Vec<(i64, f64)> = (0..40).map(|minute| (minute, 3.0)).chain([(40, 1.0)]).collect();
    assert_eq!(counts(&store), expected);
    checkpoint(&store);
    assert_eq!(counts(&store), expected);
}

/// A metric that was deleted meanwhile does not come back, and its chunks go.
#[test]
fn what_is_not_in_use_is_forgotten() {
    let (medium, _, _) = regular();
    change_states(&medium, |bytes| bytes.fill(0));
    // A start that comes to nothing.
    drop(open(&medium));
    let (store, opened) = open(&medium);
    let error = store.checkpoint_next().unwrap_err();
    assert!(matches!(error, CheckpointError::Lost), "{error}");
    assert!(store.backup(Path::new("/backup")).is_err());
    let unknown = open(&lived(1).0).0.put_policy(&model::policies()[2]).unwrap();
    let refused = store.put_back(&[(opened.lost[0], unknown)]);
    assert!(matches!(refused, Err(CheckpointError::UnknownPolicy { .. })), "{refused:?}");
    assert!(store.checkpoint_next().is_err(), "they still wait");
    // The policy stood in the states, and its number is not given again.
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    store.put_back(&[(opened.lost[1], policy)]).unwrap();
    store.remove(vec![MetricId([3; 16])]).unwrap();
    assert!(!store.metric_ids().contains(&MetricId([3; 16])) && minutes(&store, 6).len() > 35);
    let before = store.stats().unwrap().chunk_rows;
    for _ in 0..3 {
        checkpoint(&store);
    }
    assert!(store.stats().unwrap().chunk_rows >= before);
    drop(store);
    let (store, opened) = open(&medium);
    assert!(opened.lost.is_empty() && !store.metric_ids().contains(&MetricId([3; 16])));
}

/// A frame in the middle of a state: that metric alone is lost, and found.
#[test]
fn a_damaged_frame_concerns_one_metric() {
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    // Several metrics in each shard.
    let metrics: Vec<MetricId> = (0..300_u128).map(|number| MetricId(number.to_be_bytes())).collect();
    for minute in 0..30 {
        let batch = Batch::new([(minute * MINUTE, 1.0)]).unwrap();
        let measures = |metric: &MetricId| Measures { metric: *metric, policy, batch: batch.clone() };
        store.write(metrics.iter().map(measures).collect()).unwrap();
        if minute % 10 == 9 {
            checkpoint(&store);
        }
    }
    let whole = store.stats().unwrap();
    drop(store);
    let state = files(&medium, "states").into_iter().nth(5).unwrap();
    let mut bytes = medium.contents(&state).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    medium.put(&state, &bytes);
    // Whoever only looks changes nothing.
    let report = fsck(&(Arc::new(medium.clone()) as _), Path::new(DIRECTORY)).unwrap();
    assert_eq!((report.lost, report.findings_count), (1, 1), "{report:?}");
    assert_eq!(open(&medium).1.sample.len(), 299);
    for _ in 0..2 {
        // A start that does not come to write states finds the same again.
        let (store, opened) = open(&medium);
        assert_eq!((opened.lost.len(), opened.damaged_state_bytes > 0), (1, true));
        store.put_back(&[(opened.lost[0], policy)]).unwrap();
        let stats = store.stats().unwrap();
        assert_eq!((stats.metrics, stats.chunk_rows), (300, whole.chunk_rows));
    }
    let copy = state.with_extension("damaged");
    assert_eq!(medium.contents(copy), Some(bytes), "kept once");
}

/// The state before is there too, because it could not be removed: the log may have been cut behind it.
#[test]
fn what_came_after_an_older_state_is_found() {
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    let metric = |number: u128| MetricId(number.to_be_bytes());
    let write = |metrics: std::ops::Range<u128>| {
        for minute in 0..30 {
            let batch = Batch::new([(minute * MINUTE, 1.0)]).unwrap();
            let measures = |number| Measures { metric: metric(number), policy, batch: batch.clone() };
            store.write(metrics.clone().map(measures).collect()).unwrap();
        }
        checkpoint(&store);
    };
    write(0..300);
    let older = files(&medium, "states").remove(5);
    let contents = medium.contents(&older).unwrap();
    write(300..600);
    checkpoint(&store);
    let whole = store.stats().unwrap();
    drop(store);
    let newer = files(&medium, "states").remove(5);
    medium.put(&newer, b"no state");
    medium.put(&older, &contents);
    let (store, opened) = open(&medium);
    let is_later = |id: &MetricId| (300..600).contains(&u128::from_be_bytes(id.0));
    assert!(!opened.lost.is_empty() && opened.lost.iter().all(is_later), "{opened:?}");
    store.put_back(&opened.lost.iter().map(|id| (*id, policy)).collect::<Vec<_>>()).unwrap();
    assert_eq!(store.stats().unwrap().metrics, whole.metrics);
}

/// Chunks that a process has written, and did not come to sync, are durable before anything depends on them.
#[test]
fn what_was_not_synced_is_synced_before_it_is_named() {
    // Chunks stay where they are.
    let sizes = Sizes { sparse_file_bytes: 1 << 30, merged_chunks: 1_000, ..limits().chunks };
    let (medium, _, _) = regular_with(sizes);
    change_states(&medium, |bytes| bytes.fill(0));
    for path in files(&medium, "chunks") {
        let bytes = medium.contents(&path).unwrap();
        medium.remove(&path).unwrap();
        medium.sync_directory(path.parent().unwrap()).unwrap();
        assert_eq!(medium.append(&path).unwrap().write(&bytes).unwrap(), bytes.len());
    }
    let limits = Limits { chunks: sizes, ..limits() };
    let (store, opened) = Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits).unwrap();
    put_back(&store, &opened.lost);
    let found = [3, 6].map(|metric| minutes(&store, metric));
    assert!(found.iter().all(|found| found.len() > 35), "{found:?}");
    checkpoint(&store);
    drop(store);
    let (store, _) = open(&medium.after_crash(Survival::OnlySynced));
    assert_eq!([3, 6].map(|metric| minutes(&store, metric)), found);
}

#[test]
fn without_any_state_they_are_found_where_the_log_was_cut() {
    let (medium, _, [rows, _]) = regular();
    for has_log in [true, false] {
        let damaged = medium.after_crash(Survival::Everything);
        remove(&damaged, "states");
        if !has_log {
            remove(&damaged, "log");
        }
        let (store, opened) = open(&damaged);
        assert_eq!(opened.lost.len(), 2, "{has_log}");
        // A start that comes to no more than to write something.
        store.put_policy(&model::policies()[1]).unwrap();
        drop(store);
        let (store, opened) = open(&damaged);
        assert_eq!((opened.lost.len(), opened.sample.len()), (2, 0), "{has_log}");
        let policy = store.put_policy(&model::policies()[0]).unwrap();
        store.put_back(&opened.lost.iter().map(|id| (*id, policy)).collect::<Vec<_>>()).unwrap();
        assert!(minutes(&store, 3).len() >= usize::try_from(rows).unwrap());
        checkpoint(&store);
    }
}

/// A round of checkpoints is cut short: the next start knows that there were states of the other shards.
#[test]
fn without_any_state_a_round_that_is_cut_short_loses_nothing() {
    let (written, _, rows) = regular();
    let chunks = rows.map(|rows| (0..i64::try_from(rows).unwrap()).collect::<Vec<_>>());
    let mut was_lost_again = 0;
    // One that was set aside long ago is no state.
    for has_old_one in [false, true] {
        for steps in 0..=Store::SHARDS {
            let medium = written.after_crash(Survival::Everything);
            remove(&medium, "states");
            if has_old_one {
                medium.put(Path::new(DIRECTORY).join("states/shard-09-00000000000000000003.damaged"), b"old");
            }
            for steps in [steps, Store::SHARDS] {
                let (store, opened) = open(&medium);
                was_lost_again += usize::from(steps == Store::SHARDS && !opened.lost.is_empty());
                let policy = store.put_policy(&model::policies()[0]).unwrap();
                store.put_back(&opened.lost.iter().map(|id| (*id, policy)).collect::<Vec<_>>()).unwrap();
                for (metric, chunks) in [3, 6].into_iter().zip(&chunks) {
                    let found = minutes(&store, metric);
                    assert!(found.starts_with(chunks), "after {steps}: {metric} has {found:?}");
                }
                (0..steps).for_each(|_| store.checkpoint_next().unwrap());
            }
            assert!(open(&medium).1.lost.is_empty(), "{steps}");
        }
    }
    assert!(was_lost_again > 20, "{was_lost_again}");
}

/// Nothing is lost while the log is whole: before it is cut for the first time, every shard has had its turn.
#[test]
fn a_store_without_states_whose_log_is_whole_has_lost_nothing() {
    let medium = FaultyMedium::new();
    let (store, opened) = open(&medium);
    assert!(opened.lost.is_empty());
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    write(&store, policy, 3, 0..40);
    checkpoint(&store);
    drop(store);
    remove(&medium, "states");
    assert!(!files(&medium, "chunks").is_empty());
    let (store, opened) = open(&medium);
    assert!(opened.lost.is_empty());
    assert_eq!(minutes(&store, 3), (0..40).collect::<Vec<_>>());
}

/// A chunk may reach over another one and have none of its times.
#[test]
fn a_chunk_in_the_gap_of_another_one_is_put_back() {
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    let import = |minutes: &mut dyn Iterator<Item = i64>| {
        let series = vec![(Method::plain(Statistic::Count), minutes.map(|at| (at * MINUTE, 1.0)).collect())];
        let metric = MetricId([3; 16]);
        store.import(vec![Aggregates { metric, policy, granularity: MINUTE, series }]).unwrap();
        checkpoint(&store);
    };
    import(&mut (20..32));
    import(&mut (0..15).chain(40..55));
    let stats = store.stats().unwrap();
    assert_eq!((stats.chunks, stats.chunk_rows), (2, 42));
    drop(store);
    change_states(&medium, |bytes| bytes.fill(0));
    let (store, opened) = open(&medium);
    put_back(&store, &opened.lost);
    assert_eq!(minutes(&store, 3), (0..15).chain(20..32).chain(40..55).collect::<Vec<_>>());
}

/// The log names a policy by a number that nobody knows any more.
#[test]
fn a_metric_whose_policy_was_lost_gets_the_one_that_is_told() {
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    for policy in &model::policies()[1..] {
        store.put_policy(policy).unwrap();
    }
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    write(&store, policy, 3, 0..40);
    // In the second round the log is cut.
    checkpoint(&store);
    checkpoint(&store);
    write(&store, policy, 3, 40..42);
    drop(store);
    change_states(&medium, |bytes| bytes.fill(0));
    let (store, opened) = open(&medium);
    // Numbers that the log has are not given to others.
    let other = store.put_policy(&model::policies()[2]).unwrap();
    let again = store.put_policy(&model::policies()[0]).unwrap();
    assert!(![again, other].contains(&policy), "{again:?} {other:?}");
    store.put_back(&[(opened.lost[0], again)]).unwrap();
    assert!(minutes(&store, 3).starts_with(&(0..36).collect::<Vec<_>>()));
    write(&store, again, 3, 42..60);
    assert!(minutes(&store, 3).ends_with(&(42..60).collect::<Vec<_>>()));
    // And they are there after a start that finds the same again.
    drop(store);
    let (store, opened) = open(&medium);
    store.put_back(&[(opened.lost[0], again)]).unwrap();
    let found = minutes(&store, 3);
    assert!(found.starts_with(&(0..36).collect::<Vec<_>>()), "{found:?}");
    assert!(found.ends_with(&(42..60).collect::<Vec<_>>()), "{found:?}");
    checkpoint(&store);
    drop(store);
    assert_eq!(minutes(&open(&medium).0, 3), found);
}

/// What the log has of a metric whose frame is damaged comes back too, although it is older than the state.
#[test]
fn of_a_damaged_frame_the_whole_log_is_read() {
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    write(&store, policy, 3, 0..30);
    checkpoint(&store);
    checkpoint(&store);
    write(&store, policy, 3, 30..40);
    // All but the last shard, whose number holds the log.
    (1..Store::SHARDS).for_each(|_| store.checkpoint_next().unwrap());
    write(&store, policy, 3, 40..42);
    drop(store);
    let own = state_of_the_metric(&medium);
    let mut bytes = medium.contents(&own).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    medium.put(&own, &bytes);
    let (store, opened) = open(&medium);
    store.put_back(&[(opened.lost[0], policy)]).unwrap();
    let found = minutes(&store, 3);
    assert!(found.ends_with(&(30..42).collect::<Vec<_>>()), "{found:?}");
}

/// Aggregates from elsewhere that only the log has stay where no chunk has any.
#[test]
fn imported_aggregates_of_the_log_stay() {
    let medium = FaultyMedium::new();
    let (store, _) = open(&medium);
    let policy = store.put_policy(&model::policies()[0]).unwrap();
    write(&store, policy, 3, 100..150);
    // Another shard's state has the policy.
    checkpoint(&store);
    checkpoint(&store);
    let method = Method::plain(Statistic::Count);
    let series = vec![(method, (0..20).chain(101..103).map(|minute| (minute * MINUTE, 7.0)).collect())];
    let metric = MetricId([3; 16]);
    store.import(vec![Aggregates { metric, policy, granularity: MINUTE, series }]).unwrap();
    drop(store);
    let own = state_of_the_metric(&medium);
    medium.put(&own, b"no state");
    let (store, opened) = open(&medium);
    store.put_back(&[(opened.lost[0], policy)]).unwrap();
    let found = store.measures(metric, method, MINUTE, None, None).unwrap();
    let found: Vec<(i64, f64)> = found.points().iter().map(|(at, value)| (at / MINUTE, value)).collect();
    let expected: Vec<(i64, f64)> =
        (0..20).map(|minute| (minute, 7.0)).chain((100..140).map(|minute| (minute, 1.0))).collect();
    assert_eq!(found[..expected.len()], expected);
}

/// A disk on which a part of a file cannot be read.
#[derive(Debug, Clone)]
struct BadPlace {
    medium: FaultyMedium,
    path: PathBuf,
    place: std::ops::Range<u64>,
}

#[derive(Debug)]
struct BadFile {
    file: Box<dyn MediumFile>,
    place: std::ops::Range<u64>,
}

impl MediumFile for BadFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.file.truncate(size)
    }
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if offset < self.place.end && offset + buffer.len() as u64 > self.place.start {
            return Err(io::Error::other("a bad place"));
        }
        self.file.read_at(offset, buffer)
    }
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.file.is_at(path)
    }
}

impl BadPlace {
    fn with_place(&self, path: &Path, file: Box<dyn MediumFile>) -> Box<dyn MediumFile> {
        let place = if path == self.path { self.place.clone() } else { 0..0 };
        Box::new(BadFile { file, place })
    }
}

impl Medium for BadPlace {
    fn append(&self, path: &Path) -> io::Result<Box<dyn MediumFile>> {
        Ok(self.with_place(path, self.medium.append(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn MediumFile>> {
        Ok(self.with_place(path, self.medium.open(path)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.medium.rename(from, to)
    }
    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        self.medium.size(path)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.medium.sync_directory(directory)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.medium.remove(path)
    }
    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        self.medium.create_directory(directory)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.medium.list(directory)
    }
    fn lock(&self, directory: &Path) -> io::Result<Box<dyn MediumLock>> {
        self.medium.lock(directory)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == self.path {
            return Err(io::Error::other("a bad place"));
        }
        self.medium.read(path)
    }
}

/// What stands around a bad place of a file of chunks is found.
#[test]
fn a_bad_place_on_the_disk_costs_what_stands_there() {
    const BLOCK: u64 = 4_096;
    let written = FaultyMedium::new();
    let (store, _) = Store::open(Arc::new(written.clone()), Path::new(DIRECTORY), Limits::default()).unwrap();
    let policy = store.put_policy(&model::policies()[1]).unwrap();
    let metrics: Vec<MetricId> = (0..100_u128).map(|number| MetricId(number.to_be_bytes())).collect();
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..2 {
        for metric in &metrics {
            let points = (0..600).map(|minute| (minute * MINUTE, random.f64()));
            let batch = Batch::new(points).unwrap();
            store.write(vec![Measures { metric: *metric, policy, batch }]).unwrap();
        }
        checkpoint(&store);
    }
    drop(store);
    let path = files(&written, "chunks").remove(0);
    let size = written.contents(&path).unwrap().len() as u64;
    assert!(size > 10 * BLOCK, "{size}");
    change_states(&written, |bytes| bytes.fill(0));
    let rows = |place: std::ops::Range<u64>| {
        let medium = written.after_crash(Survival::Everything);
        let bad = Arc::new(BadPlace { medium, path: path.clone(), place });
        let (store, opened) = Store::open(bad, Path::new(DIRECTORY), Limits::default()).unwrap();
        let policy = store.put_policy(&model::policies()[1]).unwrap();
        store.put_back(&opened.lost.iter().map(|id| (*id, policy)).collect::<Vec<_>>()).unwrap();
        (opened.lost.len(), store.stats().unwrap().chunk_rows)
    };
    let (all, all_rows) = rows(0..0);
    assert_eq!(all, 100);
    let (found, found_rows) = rows(3 * BLOCK + 7..3 * BLOCK + 8);
    assert!(found >= 95 && found_rows < all_rows && found_rows > all_rows * 9 / 10, "{found} {found_rows}");
}

/// At each operation of a start over damaged states, and of the checkpoints after it, the machine stops or the operation fails:
/// the next start has what the chunks have.
#[test]
fn a_start_that_is_cut_short_is_made_up_for_by_the_next_one() {
    let (written, policy, rows) = regular();
    change_states(&written, |bytes| bytes.fill(0));
    let lives = |medium: &FaultyMedium| -> Option<Store> {
        let (store, opened) = Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits()).ok()?;
        let policy = store.put_policy(&model::policies()[0]).ok()?;
        store.put_back(&opened.lost.iter().map(|id| (*id, policy)).collect::<Vec<_>>()).ok()?;
        Some(store)
    };
    for fault in [Fault::Crash, Fault::NoSpace, Fault::InputOutput, Fault::ShortWrite] {
        for operation in 1.. {
            let medium = written.after_crash(Survival::Everything);
            medium.fail_at(operation, fault);
            if let Some(store) = lives(&medium) {
                for round in 0..2 {
                    let _ = (0..Store::SHARDS).try_for_each(|_| store.checkpoint_next());
                    let batch = Batch::new([((60 + round) * MINUTE, 3.0)]).unwrap();
                    let _ = store.write(vec![Measures { metric: MetricId([3; 16]), policy, batch }]);
                }
            }
            let is_over = medium.operations() < operation;
            for survival in [Survival::OnlySynced, Survival::Everything, Survival::Torn(5)] {
                let restarted = medium.after_crash(survival);
                let store = lives(&restarted).unwrap();
                for (metric, rows) in [3, 6].into_iter().zip(rows) {
                    let chunks: Vec<i64> = (0..i64::try_from(rows).unwrap()).collect();
                    let found = minutes(&store, metric);
                    let story = format!("{fault:?} at {operation}, {survival:?}: {metric} has {found:?}");
                    assert!(found.starts_with(&chunks), "{story}");
                }
                // And it goes on.
                checkpoint(&store);
                assert!(minutes(&store, 3).len() >= usize::try_from(rows[0]).unwrap());
            }
            if is_over {
                assert!(operation > 30, "{operation}");
                break;
            }
        }
    }
}
