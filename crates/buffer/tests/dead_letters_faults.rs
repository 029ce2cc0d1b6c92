//! Dead letters on a medium that fails at each operation in turn: short write, full disk, input/output error, crash.
//! A letter whose write was reported as done is there after a power cut, whole; one that was taken away is gone; no
//! other letter is touched.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use nephoscope_buffer::dead_letters::{
    DeadLetterError, DeadLetters, FILES_MAX, Letter, LetterId, Limits, Lock,
};
use testkit::faults::{Fault, FaultyMedium, Survival};

const BATCHES: usize = 4;
const LETTERS: usize = 3;
/// Times that something is tried before the fault must be over.
const TRIES: usize = 4;

fn store(medium: &FaultyMedium) -> DeadLetters {
    let limits = Limits { bytes: 1 << 20, files: FILES_MAX };
    DeadLetters::new(Path::new("/state"), Arc::new(medium.clone()), limits)
}

fn letter(number: usize) -> Letter {
    Letter { body: format!("body {number}").into_bytes(), ..Letter::default() }
}

fn survivals() -> impl Iterator<Item = Survival> {
    [Survival::OnlySynced, Survival::Everything].into_iter().chain((0..12).map(Survival::Torn))
}

/// A program on a medium that may crash; it goes on with what the crash leaves.
struct Machine<'test> {
    medium: FaultyMedium,
    store: DeadLetters,
    survival: Survival,
    context: &'test str,
}

impl<'test> Machine<'test> {
    fn new(medium: FaultyMedium, survival: Survival, context: &'test str) -> Self {
        Self { store: store(&medium), medium, survival, context }
    }

    /// Tries until it succeeds.
    fn persist(&mut self, attempt: impl Fn(&DeadLetters) -> Result<(), DeadLetterError>) {
        for _ in 0..TRIES {
            match attempt(&self.store) {
                Ok(()) => return,
                Err(_) if self.medium.has_crashed() => {
                    self.medium = self.medium.after_crash(self.survival);
                    self.store = store(&self.medium);
                }
                Err(_) => {}
            }
        }
        panic!("{}: it fails for ever", self.context);
    }
}

/// How often each body is there; panics at anything that is damaged.
fn count(medium: &FaultyMedium, context: &str) -> Vec<usize> {
    let store = store(medium);
    let mut counts = vec![0; BATCHES * LETTERS];
    for file in store.files().unwrap() {
        let contents = store.read(&file).unwrap();
        assert!(contents.damaged.is_empty(), "{context}: {file}: {:?}", contents.damaged);
        for stored in contents.letters {
            let text = String::from_utf8(stored.letter.body).unwrap();
            counts[text.strip_prefix("body ").unwrap().parse::<usize>().unwrap()] += 1;
        }
    }
    counts
}

/// Runs with one fault at operation 1, 2, … until a run is over before the fault's turn.
fn at_every_operation(
    fewest: u64,
    prepare: impl Fn() -> FaultyMedium,
    run: impl Fn(&mut Machine<'_>),
    check: impl Fn(FaultyMedium, &str),
) {
    for fault in [Fault::ShortWrite, Fault::NoSpace, Fault::InputOutput, Fault::Crash] {
        for survival in survivals() {
            for operation in 1.. {
                let context = format!("{fault:?} at operation {operation}, {survival:?}");
                let medium = prepare();
                medium.fail_at(operation, fault);
                let mut machine = Machine::new(medium.clone(), survival, &context);
                run(&mut machine);
                if medium.operations() < operation {
                    assert!(operation > fewest, "only {operation} operations were tried");
                    break;
                }
                check(machine.medium, &context);
            }
            if fault != Fault::Crash {
                break;
            }
        }
    }
}

fn write_all(machine: &mut Machine<'_>) {
    for batch in 0..BATCHES {
        let letters: Vec<Letter> = (0..LETTERS).map(|number| letter(batch * LETTERS + number)).collect();
        machine.persist(|store| {
            assert!(store.write(&letters)?.left_out.is_empty());
            Ok(())
        });
    }
}

#[test]
fn a_fault_at_any_operation_loses_no_letter_that_was_reported_as_written() {
    at_every_operation(25, FaultyMedium::new, write_all, |left, context| {
        // Power cut at the end: only what was synced is left. Written, not reported and written again is twice.
        for (number, times) in count(&left.after_crash(Survival::OnlySynced), context).into_iter().enumerate()
        {
            assert!((1..=2).contains(&times), "{context}: letter {number} is there {times} times");
        }
    });
}

fn filled() -> FaultyMedium {
    let mut machine = Machine::new(FaultyMedium::new(), Survival::OnlySynced, "no fault");
    write_all(&mut machine);
    machine.medium.after_crash(Survival::OnlySynced)
}

/// Of all batches but the last every second letter stays.
fn stays(number: usize) -> bool {
    !number.is_multiple_of(2) && number / LETTERS < BATCHES - 1
}

/// Takes letters away one by one, and all of the last batch at once.
fn take_away(machine: &mut Machine<'_>) {
    let last = (BATCHES - 1) * LETTERS;
    let each = (0..last).filter(|number| !stays(*number)).map(|number| vec![number]);
    let groups: Vec<Vec<usize>> = each.chain([(last..BATCHES * LETTERS).collect()]).collect();
    for group in groups {
        machine.persist(|store| {
            for file in store.files()? {
                let of_group = |body: &[u8]| group.iter().any(|number| letter(*number).body == body);
                let letters = store.read(&file)?.letters.into_iter();
                let ids: BTreeSet<LetterId> =
                    letters.filter(|stored| of_group(&stored.letter.body)).map(|stored| stored.id).collect();
                store.remove(&Lock::private(), &file, &ids)?;
            }
            Ok(())
        });
    }
}

#[test]
fn a_fault_at_any_operation_takes_away_what_was_meant_and_nothing_else() {
    at_every_operation(60, filled, take_away, |left, context| {
        for (number, times) in count(&left, context).into_iter().enumerate() {
            assert_eq!(times, usize::from(stays(number)), "{context}: letter {number}");
        }
        // Where syncing the directory failed, which was reported, a power cut brings a letter back, and never more.
        for (number, times) in count(&left.after_crash(Survival::OnlySynced), context).into_iter().enumerate()
        {
            assert!(times <= 1 && times >= usize::from(stays(number)), "{context}: letter {number}: {times}");
        }
    });
}

#[test]
fn a_full_disk_refuses_and_what_is_half_written_is_taken_away() {
    let medium = FaultyMedium::new();
    medium.set_capacity(Some(1000));
    let store = store(&medium);
    let many: Vec<Letter> = (0..10).map(letter).collect();
    assert!(store.write(&many).unwrap_err().to_string().contains("write"));
    assert_eq!(medium.paths().len(), 0, "{:?}", medium.paths());
    store.write(&many[..2]).unwrap();
    medium.set_capacity(None);
    store.write(&many[2..]).unwrap();
    assert_eq!(count(&medium.after_crash(Survival::OnlySynced), "full")[..10], [1; 10]);
}

#[test]
fn what_a_crash_left_half_written_is_removed_at_the_next_start() {
    let medium = FaultyMedium::new();
    medium.put("/state/dead-letters/.new-20261125T224501123-5f0e9a3c", b"{\"id\":");
    medium.put("/state/dead-letters/.edit-20261125T224501123-5f0e9a3c.jsonl", b"{\"id\":");
    let store = store(&medium);
    assert_eq!(store.open().unwrap().files, 0);
    assert_eq!(medium.paths().len(), 1, "a command's file is the next command's to remove");
    store.remove(&Lock::private(), "none.jsonl", &BTreeSet::new()).unwrap();
    assert_eq!(medium.paths().len(), 0);
}
