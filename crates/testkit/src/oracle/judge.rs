//! The judge: compares what was delivered with what the oracle knows.

use std::fmt;

use super::{Id, Oracle};

/// Examples that a verdict shows of each offence.
const SHOWN: usize = 10;

/// Collects deliveries and pronounces a [`Verdict`].
#[derive(Debug)]
pub struct Judge<'oracle> {
    oracle: &'oracle Oracle,
    /// Times each issued id was delivered.
    times: Vec<u32>,
    invented: Offence,
    corrupted: Offence,
}

/// How often something wrong was seen, with the first few examples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Offence {
    count: u64,
    examples: Vec<String>,
}

impl Offence {
    fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < SHOWN {
            self.examples.push(example());
        }
    }
}

impl<'oracle> Judge<'oracle> {
    /// A judge who has seen nothing yet.
    pub fn new(oracle: &'oracle Oracle) -> Self {
        Self { oracle, times: Vec::new(), invented: Offence::default(), corrupted: Offence::default() }
    }

    /// Takes note of one delivery: its id and its payload as they arrived.
    pub fn delivered(&mut self, id: &str, payload: &str) {
        let Some(known) = self.issued(id) else { return };
        let expected = Oracle::payload(known);
        if payload != expected {
            self.corrupted.add(|| format!("{id}: {payload:?} instead of {expected:?}"));
            return;
        }
        self.count(known);
    }

    /// Takes note of one delivery that carries no payload.
    pub fn delivered_id(&mut self, id: &str) {
        if let Some(known) = self.issued(id) {
            self.count(known);
        }
    }

    /// Takes note of something that could not be read at all, for example a torn line between whole ones.
    pub fn unreadable(&mut self, what: &str) {
        self.corrupted.add(|| format!("unreadable: {what:?}"));
    }

    fn issued(&mut self, id: &str) -> Option<Id> {
        let known = id
            .parse::<Id>()
            .ok()
            .filter(|known| known.run == self.oracle.run && (known.number as usize) < self.oracle.issued());
        if known.is_none() {
            self.invented.add(|| id.to_owned());
        }
        known
    }

    fn count(&mut self, id: Id) {
        let index = id.number as usize;
        if self.times.len() <= index {
            self.times.resize(index + 1, 0);
        }
        self.times[index] = self.times[index].saturating_add(1);
    }

    /// Compares with the obligations of this moment.
    pub fn verdict(&self) -> Verdict {
        let confirmed = self.oracle.lock().clone();
        let mut verdict = Verdict {
            issued: confirmed.len(),
            obligations: 0,
            delivered: self.times.iter().filter(|times| **times > 0).count(),
            duplicates: self.times.iter().map(|times| u64::from(times.saturating_sub(1))).sum(),
            missing: Offence::default(),
            invented: self.invented.clone(),
            corrupted: self.corrupted.clone(),
        };
        for (number, _) in (0_u32..).zip(&confirmed).filter(|(_, confirmed)| **confirmed) {
            verdict.obligations += 1;
            if self.times.get(number as usize).is_none_or(|times| *times == 0) {
                verdict.missing.add(|| Id { run: self.oracle.run, number }.to_string());
            }
        }
        verdict
    }
}

/// What the judge found. Its `Display` is one line, with a few examples of each offence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    issued: usize,
    obligations: usize,
    delivered: usize,
    duplicates: u64,
    missing: Offence,
    invented: Offence,
    corrupted: Offence,
}

impl Verdict {
    /// Ids that were issued.
    pub fn issued(&self) -> usize {
        self.issued
    }

    /// Ids that the broker confirmed: each must be delivered.
    pub fn obligations(&self) -> usize {
        self.obligations
    }

    /// Distinct ids that were delivered, whole.
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// Deliveries beyond the first of each id.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Obligations that were not delivered.
    pub fn missing(&self) -> u64 {
        self.missing.count
    }

    /// Deliveries whose id was never issued.
    pub fn invented(&self) -> u64 {
        self.invented.count
    }

    /// Deliveries whose payload is not their id's, or that could not be read.
    pub fn corrupted(&self) -> u64 {
        self.corrupted.count
    }

    /// Whether there were obligations and all were kept, with nothing invented and nothing corrupted.
    pub fn is_good(&self) -> bool {
        self.obligations > 0
            && self.missing.count == 0
            && self.invented.count == 0
            && self.corrupted.count == 0
    }

    /// The verdict itself when it is good, else as an error with its text.
    pub fn check(self) -> Result<Self, crate::Error> {
        if self.is_good() { Ok(self) } else { Err(crate::Error::refused("verdict", self.to_string())) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} issued, {} obligations, {} delivered, {} duplicates",
            self.issued, self.obligations, self.delivered, self.duplicates
        )?;
        for (name, offence) in
            [("missing", &self.missing), ("invented", &self.invented), ("corrupted", &self.corrupted)]
        {
            write!(out, ", {} {name}", offence.count)?;
            if offence.count > 0 {
                let more = if offence.count > offence.examples.len() as u64 { ", …" } else { "" };
                write!(out, " ({}{more})", offence.examples.join(", "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An oracle with `confirmed` obligations, and one id that the broker never confirmed.
    fn oracle(confirmed: usize) -> (Oracle, Vec<Id>) {
        let oracle = Oracle::with_run(9);
        let ids: Vec<Id> = (0..=confirmed).map(|_| oracle.issue()).collect();
        ids[..confirmed].iter().for_each(|id| oracle.confirm(*id));
        (oracle, ids)
    }

    fn deliver(judge: &mut Judge<'_>, id: Id) {
        judge.delivered(&id.to_string(), &Oracle::payload(id));
    }

    #[test]
    fn kept_obligations_with_a_duplicate_and_an_unconfirmed_one_are_good() {
        let (oracle, ids) = oracle(3);
        let mut judge = Judge::new(&oracle);
        for id in ids.iter().chain(&ids[..1]) {
            deliver(&mut judge, *id);
        }
        let verdict = judge.verdict().check().unwrap();
        assert_eq!((verdict.obligations(), verdict.delivered(), verdict.duplicates()), (3, 4, 1));
    }

    #[test]
    fn a_missing_obligation_is_named() {
        let (oracle, ids) = oracle(30);
        let mut judge = Judge::new(&oracle);
        deliver(&mut judge, ids[30]);
        let verdict = judge.verdict();
        assert_eq!(verdict.missing(), 30);
        let text = verdict.to_string();
        assert!(text.contains(&ids[0].to_string()) && text.contains("…"), "{text}");
        assert_eq!(text.matches("00000009-").count(), SHOWN, "{text}");
        verdict.check().unwrap_err();
    }

    #[test]
    fn invented_corrupted_and_unreadable_deliveries_are_condemned() {
        let (oracle, ids) = oracle(2);
        let good = |judge: &mut Judge<'_>| ids.iter().for_each(|id| deliver(judge, *id));
        for (offend, invented, corrupted) in [
            ((|judge: &mut Judge<'_>| judge.delivered_id("no such thing")) as fn(&mut Judge<'_>), 1, 0),
            (|judge| judge.delivered_id("00000009-0000-4000-8000-000000000009"), 1, 0),
            (|judge| judge.delivered_id("00000008-0000-4000-8000-000000000000"), 1, 0),
            (|judge| judge.delivered("00000009-0000-4000-8000-000000000000", "other"), 0, 1),
            (|judge| judge.unreadable("{torn"), 0, 1),
        ] {
            let mut judge = Judge::new(&oracle);
            good(&mut judge);
            assert!(judge.verdict().is_good());
            offend(&mut judge);
            let verdict = judge.verdict();
            assert_eq!((verdict.invented(), verdict.corrupted()), (invented, corrupted), "{verdict}");
            assert!(!verdict.is_good());
        }
    }

    #[test]
    fn a_corrupted_delivery_does_not_keep_an_obligation() {
        let (oracle, ids) = oracle(1);
        let mut judge = Judge::new(&oracle);
        judge.delivered(&ids[0].to_string(), "torn");
        assert_eq!((judge.verdict().missing(), judge.verdict().corrupted()), (1, 1));
    }

    #[test]
    fn no_obligations_is_no_success() {
        let oracle = Oracle::new();
        assert!(!Judge::new(&oracle).verdict().is_good());
    }
}
