//! Each file operation in turn fails, or is the last one before a crash; what the log holds then is compared with a model.

use std::sync::Arc;

use nephoscope_buffer::segment_log::{DamageKind, SegmentLog};
use testkit::faults::{Fault, FaultyMedium, Survival};

use super::{LIMITS, directory, ids, payloads, read_all};

/// Times that a step is tried before the fault must be over.
const TRIES: usize = 4;

/// What is done with the log.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Appends so many records.
    Append(u64),
    /// Reads at most so many and commits them.
    Deliver(usize),
    /// Reads at most so many, and begins again from what is committed.
    ReadInVain(usize),
    /// Ends the process and starts it again.
    Restart,
}

/// Every kind of step in every state: segments begin and end, are removed, the log becomes empty and is used again.
const SCRIPT: [Step; 18] = [
    Step::Append(1),
    Step::Append(3),
    Step::Deliver(2),
    Step::Append(9),
    Step::ReadInVain(4),
    Step::Restart,
    Step::Append(2),
    Step::Deliver(7),
    Step::Append(12),
    Step::Deliver(100),
    Step::Append(2),
    Step::Append(1),
    Step::Restart,
    Step::Restart,
    Step::Deliver(1),
    Step::Append(4),
    Step::Deliver(5),
    Step::Append(3),
];

/// What the log must hold.
#[derive(Debug, Default)]
struct Model {
    /// Records that `append` took, in order.
    taken: Vec<u64>,
    /// Of those, how many are surely, and how many are perhaps committed.
    committed: usize,
    perhaps_committed: usize,
    next_id: u64,
}

struct Run {
    medium: FaultyMedium,
    survival: Survival,
    log: Option<SegmentLog>,
    model: Model,
    context: String,
}

impl Run {
    fn new(medium: FaultyMedium, survival: Survival, context: String) -> Self {
        let mut run = Self { medium, survival, log: None, model: Model::default(), context };
        run.restart(&[]);
        run
    }

    /// Opens the log (after a crash, on what the crash left) and compares it with the model; `in_flight` was being
    /// appended.
    fn restart(&mut self, in_flight: &[u64]) {
        self.log = None;
        for attempt in 0.. {
            if self.medium.has_crashed() {
                self.medium = self.medium.after_crash(self.survival);
            }
            match SegmentLog::open(Arc::new(self.medium.clone()), directory(), LIMITS) {
                Ok(_) if self.medium.has_crashed() => {}
                Ok((log, recovery)) => {
                    for damage in &recovery.found.damage {
                        let expected = matches!(damage.kind, DamageKind::TornTail | DamageKind::NotASegment);
                        assert!(expected, "{}: {damage}", self.context);
                    }
                    assert_eq!(recovery.found.missing_records, 0, "{}", self.context);
                    assert_eq!(log.len(), recovery.records);
                    self.log = Some(log);
                    break;
                }
                Err(error) => assert!(attempt < TRIES, "{}: {error}", self.context),
            }
        }
        // A crash may come while this reads.
        let Some(mut log) = self.log.take() else { return };
        let Some(found) = self.read_everything(&mut log) else { return self.restart(in_flight) };
        let context = &self.context;
        assert_eq!(found.len() as u64, log.len(), "{context}");
        let Model { taken, committed, perhaps_committed, .. } = &mut self.model;
        // A suffix of what was taken, no shorter than what is perhaps committed allows, then a prefix of the append.
        let kept = found.iter().take_while(|id| !in_flight.contains(id)).count();
        let from =
            taken.len().checked_sub(kept).unwrap_or_else(|| panic!("{context}: {found:?} of {taken:?}"));
        assert!(
            (*committed..=*perhaps_committed).contains(&from),
            "{context}: {found:?} of {taken:?}, {committed} to {perhaps_committed} committed"
        );
        assert_eq!(found[..kept], taken[from..], "{context}");
        assert_eq!(found[kept..], in_flight[..found.len() - kept], "{context}");
        taken.extend_from_slice(&found[kept..]);
        (*committed, *perhaps_committed) = (from, from);
        log.rewind();
        self.log = Some(log);
    }

    fn read_everything(&mut self, log: &mut SegmentLog) -> Option<Vec<u64>> {
        let mut all = Vec::new();
        let mut failures = 0;
        loop {
            match log.read(4, 1 << 20) {
                Ok(entries) if entries.is_empty() => return Some(all),
                Ok(entries) => all.extend(ids(&entries)),
                Err(error) => {
                    if self.medium.has_crashed() {
                        return None;
                    }
                    failures += 1;
                    assert!(failures < TRIES, "{}: {error}", self.context);
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(count) => self.append(count),
            Step::Deliver(count) => self.deliver(count),
            Step::ReadInVain(count) => {
                if let Some(log) = &mut self.log {
                    let _ = log.read(count, 1 << 20);
                    log.rewind();
                }
                if self.medium.has_crashed() {
                    self.restart(&[]);
                }
            }
            Step::Restart => self.restart(&[]),
        }
    }

    fn append(&mut self, count: u64) {
        let new: Vec<u64> = (self.model.next_id..).take(usize::try_from(count).unwrap()).collect();
        self.model.next_id += count;
        for attempt in 0.. {
            let appended = self.log.as_mut().unwrap().append(0, &payloads(new.iter().copied()));
            match appended {
                Ok(_) => return self.model.taken.extend(new),
                Err(_) if self.medium.has_crashed() => {
                    self.restart(&new);
                    if self.model.taken.last() == new.last() {
                        return;
                    }
                    // What the crash left of it is there now; the caller, who was told nothing, appends it all again.
                    let next = self.model.next_id;
                    self.model.next_id += count;
                    return self.append_again(next, count);
                }
                Err(error) => assert!(attempt < TRIES, "{}: {error}", self.context),
            }
        }
    }

    fn append_again(&mut self, first: u64, count: u64) {
        let new: Vec<u64> = (first..first + count).collect();
        self.log.as_mut().unwrap().append(0, &payloads(new.iter().copied())).unwrap();
        self.model.taken.extend(new);
    }

    fn deliver(&mut self, count: usize) {
        for attempt in 0.. {
            let log = self.log.as_mut().unwrap();
            let read = log.read(count, 1 << 20).map(|entries| {
                let from = self.model.committed;
                assert_eq!(ids(&entries), self.model.taken[from..from + entries.len()], "{}", self.context);
                entries.last().map(|last| (last.sequence + 1, from + entries.len()))
            });
            let result = match read {
                Ok(None) => return,
                Ok(Some((sequence, committed))) => {
                    self.model.perhaps_committed = committed;
                    let result = log.commit(sequence).or_else(|error| {
                        // The log goes on as if; committing again repairs it.
                        if self.medium.has_crashed() { Err(error) } else { log.commit(sequence) }
                    });
                    if result.is_ok() {
                        self.model.committed = committed;
                    }
                    result
                }
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => return,
                Err(_) if self.medium.has_crashed() => return self.restart(&[]),
                Err(error) => assert!(attempt < TRIES, "{}: {error}", self.context),
            }
        }
    }

    /// Power cut: only what was synced is left.
    fn end(mut self) {
        self.medium = self.medium.after_crash(Survival::OnlySynced);
        self.context.push_str(", at the end");
        self.restart(&[]);
        let mut log = self.log.take().unwrap();
        let end = log.end();
        read_all(&mut log);
        log.commit(end).unwrap();
        assert_eq!((log.len(), log.bytes()), (0, 0), "{}", self.context);
    }
}

/// Runs the script with the fault at operation 1, 2, … until a run is over before the fault's turn; returns how many
/// there were.
fn fail_everywhere(fault: Fault, survival: Survival) -> u64 {
    for operation in 1.. {
        let medium = FaultyMedium::new();
        medium.fail_at(operation, fault);
        let context = format!("{fault:?} at operation {operation}, {survival:?}");
        let mut run = Run::new(medium.clone(), survival, context);
        for step in SCRIPT {
            run.step(step);
        }
        let over = medium.operations() < operation;
        run.end();
        if over {
            return operation - 1;
        }
    }
    unreachable!()
}

#[test]
fn a_fault_at_any_operation_loses_and_repeats_nothing() {
    for fault in [Fault::ShortWrite, Fault::NoSpace, Fault::InputOutput] {
        let operations = fail_everywhere(fault, Survival::OnlySynced);
        assert!(operations > 100, "only {operations} operations were tried");
    }
}

#[test]
fn a_crash_at_any_operation_leaves_what_was_appended_and_not_committed() {
    let torn = (0..20).map(Survival::Torn);
    for survival in [Survival::OnlySynced, Survival::Everything].into_iter().chain(torn) {
        let operations = fail_everywhere(Fault::Crash, survival);
        assert!(operations > 100, "only {operations} operations were tried");
    }
}

#[test]
fn random_scripts_with_many_faults_and_crashes() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let medium = FaultyMedium::new();
        let mut run = Run::new(medium, Survival::Torn(seed), format!("seed {seed}"));
        // One fault at a time: what fails at every attempt is set aside.
        let (mut before, mut fault_at) = (0, 0);
        for _ in 0..60 {
            let operations = run.medium.operations();
            if (operations < before || operations >= fault_at) && random.bool() {
                let fault = [Fault::ShortWrite, Fault::NoSpace, Fault::InputOutput, Fault::Crash];
                let fault = fault[random.usize(0..4)];
                fault_at = operations + random.u64(1..12);
                run.medium.fail_at(fault_at, fault);
            }
            before = operations;
            let step = match random.u8(0..8) {
                0..4 => Step::Append(random.u64(1..12)),
                4..6 => Step::Deliver(random.usize(1..20)),
                6 => Step::ReadInVain(random.usize(1..20)),
                _ => Step::Restart,
            };
            run.step(step);
        }
        run.end();
    }
}
