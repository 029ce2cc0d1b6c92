//! Work is spread over the day: metrics that all began together, and get their measures together, are not sealed together,
//! and neither an hour's boundary nor midnight is more than any other moment.

use std::path::Path;
use std::sync::Arc;

use archive::{ArchivePolicy, Batch, Definition};
use nephoscope_metric_store::{Limits, Measures, MetricId, Store};
use testkit::faults::FaultyMedium;

const SECOND: i64 = 1_000_000_000;
const METRICS: usize = 160;
/// Slots of an hour: in each, every metric gets a measure, and some shards have their turn.
const SLOTS: usize = 12;
const HOURS: usize = 72;
/// The first hours, in which nothing can be sealed yet, do not count.
const FIRST: usize = 16;

/// What was done in a slot.
#[derive(Debug, Clone, Copy)]
struct Work {
    /// Rows that went into chunks.
    sealed: u64,
    /// Operations on files.
    operations: u64,
}

/// Hundredths of what `of` is in the mean of all slots.
fn percent(work: &[Work], slots: &[Work], of: fn(&Work) -> u64) -> u64 {
    let mean = |work: &[Work]| work.iter().map(of).sum::<u64>() * 1_000 / work.len() as u64;
    mean(slots) * 100 / mean(work)
}

#[test]
fn no_hour_is_a_burst_and_midnight_is_none() {
    let medium = FaultyMedium::new();
    let shared = Arc::new(medium.clone());
    let (store, _) = Store::open(shared, Path::new("/state/metrics"), Limits::default()).unwrap();
    let definition =
        |seconds: i64, points| Definition::new(Some(seconds * SECOND), Some(points), None).unwrap();
    let definitions = vec![definition(300, 8_640), definition(3_600, 8_760)];
    let policy = ArchivePolicy::new("p", 0, definitions, ArchivePolicy::default_methods()).unwrap();
    let policy = store.put_policy(&policy).unwrap();
    let mut random = fastrand::Rng::with_seed(4);
    let ids: Vec<MetricId> = (0..METRICS).map(|_| MetricId(random.u128(..).to_be_bytes())).collect();
    // Midnight of some day, and a step for each shard in an hour.
    let (begin, mut steps) = (20_000 * 86_400, 0);
    let mut work = Vec::new();
    for slot in 0..HOURS * SLOTS {
        let (rows, operations) = (store.stats().unwrap().chunk_rows, medium.operations());
        let at = (begin + i64::try_from(slot).unwrap() * 300) * SECOND;
        let measures = ids.iter().map(|metric| {
            let batch = Batch::new([(at, f64::from(random.u32(0..10_000)) / 100.0)]).unwrap();
            Measures { metric: *metric, policy, batch }
        });
        store.write(measures.collect()).unwrap();
        while steps * SLOTS < (slot + 1) * Store::SHARDS {
            store.checkpoint_next().unwrap();
            steps += 1;
        }
        let sealed = store.stats().unwrap().chunk_rows.saturating_sub(rows);
        work.push(Work { sealed, operations: medium.operations() - operations });
    }
    let work = &work[FIRST * SLOTS..];
    let every = |slots: usize| work.iter().copied().step_by(slots).collect::<Vec<Work>>();
    let hours = every(SLOTS);
    // The first one that counts is eight hours later.
    let midnights: Vec<Work> = work.iter().copied().skip(8 * SLOTS).step_by(24 * SLOTS).collect();
    assert!(work.iter().map(|slot| slot.sealed).sum::<u64>() > 10_000, "nothing is sealed");
    for (what, slots, most) in [("hours", &hours, 150), ("midnights", &midnights, 300)] {
        let sealed = percent(work, slots, |work| work.sealed);
        let operations = percent(work, slots, |work| work.operations);
        assert!(sealed <= most && operations <= 150, "{what}: {sealed} % rows, {operations} % operations");
    }
}
