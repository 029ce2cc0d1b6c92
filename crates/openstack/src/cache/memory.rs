//! Entries in this process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};

/// Entries at most; beyond, the oldest go.
const MAX_ENTRIES: usize = 100_000;
/// Bytes of keys and values at most; beyond, the oldest go.
const MAX_BYTES: usize = 32 << 20;

pub(super) struct Memory {
    expiration: Duration,
    clock: Clock,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Box<str>, Entry>,
    /// Keys in the order in which they were set, which is that in which they expire; a key that was set again stands
    /// there twice.
    by_age: VecDeque<(Box<str>, u64)>,
    bytes: usize,
    next: u64,
}

struct Entry {
    value: Box<str>,
    expires_at: MonotonicTime,
    number: u64,
}

impl Memory {
    pub(super) fn new(expiration: Duration, clock: Clock) -> Self {
        Self { expiration, clock, entries: Mutex::default() }
    }

    pub(super) fn get(&self, key: &str) -> Option<String> {
        let now = self.clock.monotonic();
        let entries = self.lock();
        let entry = entries.by_key.get(key).filter(|entry| now < entry.expires_at)?;
        Some(entry.value.to_string())
    }

    pub(super) fn set(&self, key: &str, value: &str) {
        let now = self.clock.monotonic();
        let mut entries = self.lock();
        let number = entries.next;
        entries.next += 1;
        let entry = Entry { value: value.into(), expires_at: now.plus(self.expiration), number };
        entries.bytes += key.len() + value.len();
        if let Some(former) = entries.by_key.insert(key.into(), entry) {
            entries.bytes -= key.len() + former.value.len();
        }
        entries.by_age.push_back((key.into(), number));
        entries.purge(now);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Lets go of what has expired, and of the oldest while there is too much.
    fn purge(&mut self, now: MonotonicTime) {
        while let Some((key, number)) = self.by_age.front() {
            let holds = self.by_key.get(key).filter(|entry| entry.number == *number);
            let is_too_much = self.by_age.len() > MAX_ENTRIES || self.bytes > MAX_BYTES;
            if holds.is_some_and(|entry| now < entry.expires_at) && !is_too_much {
                return;
            }
            let is_stale = holds.is_none();
            if let Some((key, _)) = self.by_age.pop_front()
                && !is_stale
                && let Some(entry) = self.by_key.remove(&key)
            {
                self.bytes -= key.len() + entry.value.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_expire() {
        let (clock, hand) = Clock::test("2026-11-26T02:00:00Z".parse().unwrap());
        let memory = Memory::new(Duration::from_mins(10), clock);
        memory.set("a", "1");
        hand.advance(Duration::from_mins(9));
        memory.set("b", "2");
        assert_eq!((memory.get("a").as_deref(), memory.get("b").as_deref()), (Some("1"), Some("2")));
        hand.advance(Duration::from_mins(1));
        assert_eq!((memory.get("a"), memory.get("b").as_deref()), (None, Some("2")));
        memory.set("b", "3");
        let entries = memory.lock();
        assert_eq!((entries.by_key.len(), entries.bytes), (1, 2));
    }

    #[test]
    fn there_is_a_bound() {
        let memory = Memory::new(Duration::from_mins(10), Clock::machine());
        for number in 0..MAX_ENTRIES + 10 {
            memory.set(&number.to_string(), "x");
        }
        assert_eq!(memory.get("0"), None);
        assert_eq!(memory.get("10").as_deref(), Some("x"));
        let entries = memory.lock();
        assert_eq!((entries.by_key.len(), entries.by_age.len()), (MAX_ENTRIES, MAX_ENTRIES));
        drop(entries);
        let large = "y".repeat(1 << 20);
        for number in 0..40 {
            memory.set(&format!("large {number}"), &large);
        }
        assert!(memory.lock().bytes <= MAX_BYTES);
        // One key set over and over does not grow.
        for _ in 0..2 * MAX_ENTRIES {
            memory.set("same", "z");
        }
        assert!(memory.lock().by_age.len() <= MAX_ENTRIES);
        assert_eq!(memory.get("same").as_deref(), Some("z"));
    }
}
