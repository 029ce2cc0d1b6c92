//! [`Answered`]: what of an offer is done with, when an attempt fails half-way.

use std::collections::HashSet;
use std::sync::Arc;

use pipeline::{Records, Refusal, Refusals};

use super::Place;

/// The records of an offer that were taken or refused in attempts that failed later on. The next attempt leaves them out, so
/// that no record is delivered again and again because of another one.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// The offer; `None` between offers.
    groups: Option<Arc<[Records]>>,
    places: HashSet<Place>,
    refusals: Refusals,
}

impl Answered {
    /// Goes on with an offer that is known, or begins with another.
    pub(crate) fn begin(&mut self, groups: &Arc<[Records]>) {
        if !self.groups.as_ref().is_some_and(|known| Arc::ptr_eq(known, groups)) {
            *self = Self { groups: Some(Arc::clone(groups)), ..Self::default() };
        }
    }

    /// Whether something is left to be done with a record.
    pub(crate) fn is_open(&self, place: Place) -> bool {
        !self.places.contains(&place)
    }

    /// Records that the peer has taken or refused.
    pub(super) fn add(&mut self, places: impl IntoIterator<Item = Place>) {
        self.places.extend(places);
    }

    /// A record that cannot be sent at all.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.places.insert(Place::of(&refusal));
        self.refusals.push(refusal);
    }

    pub(super) const fn refusals(&mut self) -> &mut Refusals {
        &mut self.refusals
    }

    /// Everything was answered: what was refused of it.
    pub(crate) fn end(&mut self) -> Refusals {
        std::mem::take(self).refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_offer_begins_anew() {
        let [one, other]: [Arc<[Records]>; 2] = [Arc::new([]), Arc::new([])];
        let place = |record| Place { group: 0, record };
        let refusal = Refusal { group: 0, record: 2, cause: "x", reason: String::new() };
        let mut answered = Answered::default();
        answered.begin(&one);
        answered.add([place(1)]);
        answered.refuse(refusal.clone());
        answered.begin(&one);
        assert_eq!([0, 1, 2].map(|record| answered.is_open(place(record))), [true, false, false]);
        answered.begin(&other);
        assert!(answered.is_open(place(1)) && answered.is_open(place(2)));
        assert!(answered.end().is_empty());
        answered.begin(&one);
        answered.refuse(refusal);
        assert_eq!(answered.end().len(), 1);
        // The same place in memory may be another offer by now.
        answered.begin(&one);
        assert!(answered.is_open(place(2)));
    }
}
