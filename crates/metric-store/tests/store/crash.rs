//! Each file operation in turn fails, or is the last one before a crash; what the store holds then is compared with the
//! model.

use std::path::Path;
use std::sync::Arc;

use nephoscope_metric_store::Store;
use testkit::faults::{Fault, FaultyMedium, Survival};

use super::model::{self, Model};
use super::{DIRECTORY, limits};

/// What the store may hold: what was accepted, or that with one request that failed. Such a request may come back with a
/// restart of the process and be gone after a power cut.
#[derive(Debug, Clone, Default)]
struct Expected {
    surely: Model,
    perhaps: Option<Model>,
}

impl Expected {
    /// How the store differs from both.
    fn difference(&self, store: &Store) -> Option<String> {
        let difference = self.surely.differs(store)?;
        let Some(perhaps) = &self.perhaps else { return Some(difference) };
        perhaps.differs(store).map(|other| format!("neither {difference}\nnor {other}"))
    }
}

fn open(medium: &FaultyMedium) -> Option<Store> {
    let (store, _) = Store::open(Arc::new(medium.clone()), Path::new(DIRECTORY), limits()).ok()?;
    // Nothing is to be learnt from what a stopped machine reads.
    (!medium.has_crashed()).then_some(store)
}

const STEPS: i64 = 12;

/// Writes a while; ends early when the machine stops. Says whether the script ran to its end.
fn run(medium: &FaultyMedium, expected: &mut Expected, steps: i64) -> bool {
    let mut random = fastrand::Rng::with_seed(11);
    // One failing operation at most: the second attempt succeeds unless the machine stopped.
    let Some(mut store) = open(medium).or_else(|| open(medium)) else { return false };
    for policy in model::policies() {
        let Ok(number) = store.put_policy(&policy).or_else(|_| store.put_policy(&policy)) else {
            return false;
        };
        expected.surely.put_policy(number, policy);
    }
    for step in 0..steps {
        if step % 8 == 7 {
            drop(store);
            let Some(opened) = open(medium).or_else(|| open(medium)) else { return false };
            store = opened;
            let difference = expected.difference(&store);
            if medium.has_crashed() {
                return false;
            }
            assert_eq!(difference, None);
        }
        let request = expected.surely.request(&mut random, step);
        let mut with = expected.surely.clone();
        with.write(&request);
        if store.write(request.clone()).is_ok() {
            expected.surely = with;
            if let Some(perhaps) = &mut expected.perhaps {
                perhaps.write(&request);
            }
        } else {
            expected.perhaps = Some(with);
        }
        if step % 5 == 4 {
            for _ in 0..Store::SHARDS {
                // What fails is done in the next turn.
                let _ = store.checkpoint_next();
            }
        }
        let difference = expected.difference(&store);
        // Nothing is to be learnt from what a stopped machine reads.
        if medium.has_crashed() {
            return false;
        }
        assert_eq!(difference, None);
    }
    true
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_accepted() {
    for survival in [Survival::OnlySynced, Survival::Everything, Survival::Torn(5)] {
        for operation in 1.. {
            let medium = FaultyMedium::new();
            medium.fail_at(operation, Fault::Crash);
            let mut expected = Expected::default();
            if run(&medium, &mut expected, STEPS) {
                assert!(operation > 40, "the script is short: {operation}");
                break;
            }
            let restarted = medium.after_crash(survival);
            let store = open(&restarted).unwrap();
            assert_eq!(expected.difference(&store), None);
        }
    }
}

#[test]
fn a_failing_operation_loses_nothing_that_was_accepted() {
    for fault in [Fault::ShortWrite, Fault::NoSpace, Fault::InputOutput] {
        let mut operation = 1;
        loop {
            let medium = FaultyMedium::new();
            medium.fail_at(operation, fault);
            let mut expected = Expected::default();
            assert!(run(&medium, &mut expected, STEPS), "{fault:?} at {operation}");
            let store = open(&medium.after_crash(Survival::OnlySynced)).unwrap();
            assert_eq!(expected.difference(&store), None);
            if medium.operations() < operation {
                break;
            }
            operation += 1;
        }
    }
}

/// A store after some requests, and what it holds. Its first shard has the policies only.
fn written() -> (FaultyMedium, Model) {
    let (medium, mut expected) = (FaultyMedium::new(), Model::default());
    let store = open(&medium).unwrap();
    for policy in model::policies() {
        expected.put_policy(store.put_policy(&policy).unwrap(), policy);
    }
    more(&store, &mut expected, 0);
    drop(store);
    (medium, expected)
}

fn more(store: &Store, expected: &mut Model, first: i64) {
    let mut random = fastrand::Rng::with_seed(12);
    for step in first..first + 60 {
        let request = expected.request(&mut random, step);
        expected.write(&request);
        store.write(request).unwrap();
    }
}

/// Takes steps, of which an operation fails, and once a step has failed one of the operations after it, and so on; says which
/// steps failed.
fn steps(
    medium: &FaultyMedium,
    store: &Store,
    turns: std::ops::Range<usize>,
    operations: &[u64],
) -> Vec<usize> {
    let mut operations = operations.iter();
    let mut arm = || {
        if let Some(operation) = operations.next() {
            medium.fail_at(medium.operations() + operation, Fault::InputOutput);
        }
    };
    arm();
    let mut failed = Vec::new();
    for turn in turns {
        if store.checkpoint_next().is_err() {
            failed.push(turn);
            arm();
        }
    }
    medium.recover();
    failed
}

/// What is in memory, and what a restart finds, whether the machine has stopped or not.
fn check_restarts(medium: &FaultyMedium, store: Store, expected: &Model, story: (u64, u64)) {
    assert_eq!(expected.differs(&store), None, "{story:?}");
    drop(store);
    for survival in [Survival::OnlySynced, Survival::Everything] {
        let store = open(&medium.after_crash(survival)).unwrap();
        assert_eq!(expected.differs(&store), None, "{story:?}, {survival:?}");
    }
}

const OPERATIONS: u64 = 20;

/// Every operation with each of some others that fail later.
fn pairs(later: impl Iterator<Item = u64> + Clone) -> impl Iterator<Item = (u64, u64)> {
    (1..OPERATIONS).flat_map(move |first| later.clone().map(move |second| (first, second)))
}

/// A state that fails leaves chunks that only memory names, in a file that nobody may take for done with when the next step
/// fails too.
#[test]
fn two_checkpoints_that_fail_lose_nothing() {
    let (written, expected) = written();
    let mut both = 0;
    for (first, second) in pairs(1..OPERATIONS) {
        let medium = written.after_crash(Survival::Everything);
        let store = open(&medium).unwrap();
        store.checkpoint_next().unwrap();
        both += u32::from(steps(&medium, &store, 1..Store::SHARDS, &[first, second]).len() == 2);
        check_restarts(&medium, store, &expected, (first, second));
    }
    assert!(both > 150, "{both}");
}

/// A state may be there whose directory could not be synced: what it names stays until there is a newer one.
#[test]
fn a_shard_that_fails_again_and_again_loses_nothing() {
    let (written, expected) = written();
    let mut both = 0;
    for (first, second) in pairs((2..OPERATIONS).step_by(3)) {
        let medium = written.after_crash(Survival::Everything);
        let (store, mut expected) = (open(&medium).unwrap(), expected.clone());
        store.checkpoint_next().unwrap();
        let [failed] = steps(&medium, &store, 1..Store::SHARDS, &[first])[..] else { continue };
        for round in 1..4 {
            more(&store, &mut expected, round * 60);
            (0..failed).for_each(|_| store.checkpoint_next().unwrap());
            both += u32::from(steps(&medium, &store, failed..Store::SHARDS, &[second]) == [failed]);
        }
        check_restarts(&medium, store, &expected, (first, second));
    }
    assert!(both > 100, "{both}");
}

/// The first state of a shard may be there although its directory could not be synced: metrics that are removed then do not
/// come back with it.
#[test]
fn what_is_removed_after_a_state_that_failed_stays_removed() {
    let (written, expected) = written();
    for operation in 1..OPERATIONS {
        let medium = written.after_crash(Survival::Everything);
        let (store, mut expected) = (open(&medium).unwrap(), expected.clone());
        store.checkpoint_next().unwrap();
        steps(&medium, &store, 1..Store::SHARDS, &[operation]);
        let metrics = store.metric_ids();
        assert!(!metrics.is_empty());
        store.remove(metrics.clone()).unwrap();
        for metric in metrics {
            expected.remove(metric);
        }
        // In the second round no shard needs the removals any more, and the log forgets them.
        (0..2 * Store::SHARDS).for_each(|_| store.checkpoint_next().unwrap());
        check_restarts(&medium, store, &expected, (operation, 0));
    }
}
