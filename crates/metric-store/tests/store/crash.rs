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

/// A state that fails leaves chunks that only memory names, in a file that nobody may take for done with when the next step
/// fails too.
#[test]
fn two_checkpoints_that_fail_lose_nothing() {
    const OPERATIONS: u64 = 20;
    let written = FaultyMedium::new();
    let mut expected = Model::default();
    let store = open(&written).unwrap();
    for policy in model::policies() {
        expected.put_policy(store.put_policy(&policy).unwrap(), policy);
    }
    let mut random = fastrand::Rng::with_seed(12);
    for step in 0..60 {
        let request = expected.request(&mut random, step);
        expected.write(&request);
        store.write(request).unwrap();
    }
    drop(store);
    let mut failures = 0;
    for (first, second) in
        (1..OPERATIONS).flat_map(|first| (1..OPERATIONS).map(move |second| (first, second)))
    {
        let medium = written.after_crash(Survival::Everything);
        let store = open(&medium).unwrap();
        let mut later = Some(second);
        medium.fail_at(medium.operations() + first, Fault::InputOutput);
        for _ in 0..Store::SHARDS {
            if store.checkpoint_next().is_err() {
                failures += 1;
                medium.recover();
                if let Some(second) = later.take() {
                    medium.fail_at(medium.operations() + second, Fault::InputOutput);
                }
            }
        }
        medium.recover();
        assert_eq!(expected.differs(&store), None, "{first}, {second}");
        assert!(store.stats().unwrap().chunks > 0);
        drop(store);
        let store = open(&medium.after_crash(Survival::OnlySynced)).unwrap();
        assert_eq!(expected.differs(&store), None, "{first}, {second}");
    }
    assert!(failures > 300, "{failures}");
}
