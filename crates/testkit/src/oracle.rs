//! Oracle and judge of fault tests.
//!
//! The [`Oracle`] issues ids, each with a payload that is a function of the id, and remembers which of them the
//! broker has confirmed: a confirmed id is an obligation. After the faults the [`Judge`] is told everything
//! that was delivered, and compares: every obligation was delivered, nothing was delivered that was never
//! issued, no payload differs from its id's. Duplicates are counted, not condemned: a fault test wants to see
//! at least one, as proof that the replay really ran.

mod judge;

use std::fmt::{self, Write};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use judge::{Judge, Verdict};

/// The name of one message. Written as a UUID (version 4 in form), so that it fits wherever services put ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Which oracle issued it: ids of two runs never meet.
    run: u32,
    /// Its place in the order of issue, from zero.
    number: u32,
}

impl Id {
    /// Its place in the order of issue, from zero.
    pub fn number(self) -> u32 {
        self.number
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:08x}-0000-4000-8000-{:012x}", self.run, self.number)
    }
}

/// A text that is no [`Id`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an oracle's id: {0}")]
pub struct NotAnId(String);

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let parse = || {
            let (run, rest) = text.split_once('-')?;
            let number = rest.strip_prefix("0000-4000-8000-")?;
            let id = Self {
                run: u32::from_str_radix(run, 16).ok()?,
                number: u32::from_str_radix(number.strip_prefix("0000")?, 16).ok()?,
            };
            // Only the one spelling that we write: no sign, no capitals, no missing digits.
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| NotAnId(text.to_owned()))
    }
}

/// Issues ids and remembers obligations. May be shared between threads.
#[derive(Debug)]
pub struct Oracle {
    run: u32,
    confirmed: Mutex<Vec<bool>>,
}

impl Default for Oracle {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle {
    /// An oracle whose ids no other oracle issues.
    pub fn new() -> Self {
        Self::with_run(fastrand::u32(..))
    }

    /// An oracle whose ids and payloads can be foretold.
    pub fn with_run(run: u32) -> Self {
        Self { run, confirmed: Mutex::new(Vec::new()) }
    }

    /// Issues the next id.
    ///
    /// # Panics
    /// After 2³² ids.
    #[expect(clippy::expect_used, reason = "no test issues four thousand million ids")]
    pub fn issue(&self) -> Id {
        let mut confirmed = self.lock();
        let number = u32::try_from(confirmed.len()).expect("ids are exhausted");
        confirmed.push(false);
        Id { run: self.run, number }
    }

    /// Takes note that the broker has taken responsibility for a message. An id of another oracle is ignored.
    pub fn confirm(&self, id: Id) {
        if id.run == self.run
            && let Some(entry) = self.lock().get_mut(id.number as usize)
        {
            *entry = true;
        }
    }

    /// How many ids were issued.
    pub fn issued(&self) -> usize {
        self.lock().len()
    }

    /// How many of them were confirmed.
    pub fn confirmed(&self) -> usize {
        self.lock().iter().filter(|confirmed| **confirmed).count()
    }

    /// The payload of an id: 16 to 271 lower-case hexadecimal digits that depend on every bit of it.
    pub fn payload(id: Id) -> String {
        let mut state = u64::from(id.run) << 32 | u64::from(id.number);
        let first = next(&mut state);
        let length = 16 + usize::from(first.to_be_bytes()[7]);
        let mut text = String::with_capacity(length + 16);
        let mut part = first;
        while text.len() < length {
            let _ = write!(text, "{part:016x}");
            part = next(&mut state);
        }
        text.truncate(length);
        text
    }

    fn lock(&self) -> MutexGuard<'_, Vec<bool>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SplitMix64: each output depends on every bit of the state.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_and_read_back() {
        let oracle = Oracle::with_run(0xdead_beef);
        oracle.issue();
        let id = oracle.issue();
        assert_eq!(id.to_string(), "deadbeef-0000-4000-8000-000000000001");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in [
            "",
            "deadbeef",
            "DEADBEEF-0000-4000-8000-000000000001",
            "deadbeef-0000-4000-8000-00000000001",
            "deadbeef-0000-4000-8000-+00000000001",
            "deadbeef-0000-4000-8000-100000000001",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        ] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn payloads_differ_and_can_be_foretold() {
        let oracle = Oracle::with_run(7);
        let payloads: std::collections::BTreeSet<String> =
            (0..2_000).map(|_| Oracle::payload(oracle.issue())).collect();
        assert_eq!(payloads.len(), 2_000);
        assert!(payloads.iter().all(|payload| (16..=271).contains(&payload.len())));
        let again = Oracle::with_run(7).issue();
        assert!(payloads.contains(&Oracle::payload(again)));
    }

    #[test]
    fn only_own_ids_become_obligations() {
        let (oracle, other) = (Oracle::with_run(1), Oracle::with_run(2));
        let id = oracle.issue();
        oracle.issue();
        oracle.confirm(other.issue());
        assert_eq!(oracle.confirmed(), 0);
        oracle.confirm(id);
        oracle.confirm(id);
        assert_eq!((oracle.issued(), oracle.confirmed()), (2, 1));
    }
}
