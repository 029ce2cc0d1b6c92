//! [`Progress`]: what of an offer is done with.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pipeline::{Records, Refusal, Refusals};

use super::suspects::Faults;

/// What an attempt that failed half-way has done, so that the next one goes on from there. Places count the records of
/// all groups.
#[derive(Debug)]
pub(super) struct Progress {
    groups: Arc<[Records]>,
    /// Everything before is done with.
    pub(super) next: usize,
    /// Behind that: what Gnocchi has.
    done: HashSet<usize>,
    /// What it never will have.
    refused: BTreeMap<usize, (&'static str, String)>,
    /// When resources ended whose events are in the offer: the same at each attempt.
    pub(super) ended_at: String,
    /// What Gnocchi fails at.
    pub(super) faults: Faults,
}

impl Progress {
    pub(super) fn new(groups: Arc<[Records]>, ended_at: String) -> Self {
        let (done, refused, faults) = (HashSet::new(), BTreeMap::new(), Faults::default());
        Self { groups, next: 0, done, refused, ended_at, faults }
    }

    /// Whether it is about just these records.
    pub(super) fn is_of(&self, groups: &Arc<[Records]>) -> bool {
        Arc::ptr_eq(&self.groups, groups)
    }

    /// Whether anything is left to be done with a record in this attempt.
    pub(super) fn is_open(&self, place: usize) -> bool {
        let is_done = place < self.next || self.done.contains(&place) || self.refused.contains_key(&place);
        !is_done && !self.faults.is_aside(place)
    }

    /// Whether a record was refused.
    pub(super) fn is_refused(&self, place: usize) -> bool {
        self.refused.contains_key(&place)
    }

    pub(super) fn accept(&mut self, place: usize) {
        self.done.insert(place);
    }

    /// The first reason stays.
    pub(super) fn refuse(&mut self, place: usize, cause: &'static str, reason: impl Into<String>) {
        self.refused.entry(place).or_insert_with(|| (cause, reason.into()));
    }

    /// Everything before `place` is done with.
    pub(super) fn advance(&mut self, place: usize) {
        self.next = place;
        self.done.clear();
    }

    pub(super) fn into_refusals(mut self) -> Refusals {
        let mut refusals = Refusals::default();
        let mut start = 0;
        for (group, records) in self.groups.iter().enumerate() {
            let end = start + records.len();
            let later = self.refused.split_off(&end);
            for (place, (cause, reason)) in std::mem::replace(&mut self.refused, later) {
                refusals.push(Refusal { group, record: place - start, cause, reason });
            }
            start = end;
        }
        refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_records_of_their_groups() {
        let empty = || Records::Events(Vec::new());
        let three = || {
            let event = Arc::new(model::Event {
                message_id: "m".into(),
                event_type: "t".into(),
                generated: model::Timestamp::from_microseconds(0).unwrap(),
                traits: Vec::new(),
                raw: model::Value::Null,
            });
            Records::Events(vec![Arc::clone(&event), Arc::clone(&event), event])
        };
        let groups: Arc<[Records]> = Arc::new([empty(), three(), empty(), three()]);
        let mut progress = Progress::new(Arc::clone(&groups), String::new());
        let others: Arc<[Records]> = Arc::new([]);
        assert!(progress.is_of(&groups) && !progress.is_of(&others));
        progress.refuse(0, "a", "first");
        progress.refuse(0, "b", "second");
        progress.accept(1);
        progress.refuse(4, "c", "third");
        assert_eq!([0, 1, 2, 4].map(|place| progress.is_open(place)), [false, false, true, false]);
        progress.advance(3);
        assert_eq!([2, 3].map(|place| progress.is_open(place)), [false, true]);
        let refusals = progress.into_refusals();
        let seen: Vec<_> = refusals.iter().map(|seen| (seen.group, seen.record, seen.cause)).collect();
        assert_eq!(seen, [(1, 0, "a"), (3, 1, "c")]);
    }
}
