//! [`Missing`]: says once what a meter lacks, and not in every cycle.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Instance;

/// What a meter lacks of an instance.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lack<'s> {
    /// What is one value of the whole instance.
    Instance,
    /// What belongs to that disk.
    Disk(&'s str),
    /// What belongs to the network interface with that device.
    Nic(&'s str),
}

impl fmt::Display for Lack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance => f.write_str("the instance"),
            Self::Disk(device) => write!(f, "the disk {device}"),
            Self::Nic(device) => write!(f, "the network interface {device}"),
        }
    }
}

/// The instances of which a meter lacks something.
#[derive(Debug, Default)]
pub(super) struct Missing {
    known: Mutex<Known>,
    /// Whether there are any: of most meters there are none.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    /// Their ids.
    ids: HashSet<String>,
    /// What was found of the instance in each place, as long as that is true: places seldom change, and then no id has to
    /// be looked up.
    places: Vec<Option<(Arc<Instance>, bool)>>,
}

impl Known {
    /// Whether something is missing of the instance in that place; none if it was another one, or none, so far.
    fn at(&self, place: usize, instance: &Arc<Instance>) -> Option<bool> {
        let (known, is_missing) = self.places.get(place)?.as_ref()?;
        Arc::ptr_eq(known, instance).then_some(*is_missing)
    }

    fn remember(&mut self, place: usize, instance: &Arc<Instance>, is_missing: bool) {
        if place >= self.places.len() {
            self.places.resize(place + 1, None);
        }
        if let Some(known) = self.places.get_mut(place) {
            *known = Some((Arc::clone(instance), is_missing));
        }
    }
}

impl Missing {
    /// Takes note of what is missing of the instance in that place, or that nothing is. Returns whether that is news; it is
    /// said then.
    #[inline]
    pub(super) fn note(
        &self,
        meter: &'static str,
        place: usize,
        instance: &Arc<Instance>,
        what: Option<Lack<'_>>,
    ) -> bool {
        if what.is_none() && !self.any.load(Ordering::Relaxed) {
            return false;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.at(place, instance) == Some(what.is_some()) {
            return false;
        }
        self.note_rarity(&mut known, meter, place, instance, what)
    }

    #[cold]
    fn note_rarity(
        &self,
        known: &mut Known,
        meter: &'static str,
        place: usize,
        instance: &Arc<Instance>,
        what: Option<Lack<'_>>,
    ) -> bool {
        let id = instance.id.as_str();
        let is_news = match what {
            Some(_) => known.ids.insert(id.to_owned()),
            None => known.ids.remove(id),
        };
        if is_news {
            // The same instance may stand in another place of another task.
            known.places.clear();
        }
        known.remember(place, instance, what.is_some());
        self.any.store(!known.ids.is_empty(), Ordering::Relaxed);
        match what {
            Some(what) if is_news => {
                let what = what.to_string();
                tracing::warn!(
                    meter,
                    instance = id,
                    what,
                    "the hypervisor does not give the meter's value: no sample until it does"
                );
            }
            None if is_news => tracing::info!(meter, instance = id, "the meter's value is there again"),
            _ => {}
        }
        is_news
    }

    /// A run over so many `places` has ended. Forgets those that are not `there` any more, if there are others than those that
    /// it has `noted`.
    pub(super) fn ended(&self, noted: usize, places: usize, there: impl Fn(&str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.places.truncate(places);
        if known.ids.len() <= noted {
            return;
        }
        let before = known.ids.len();
        known.ids.retain(|id| there(id));
        if known.ids.len() != before {
            known.places.clear();
        }
        self.any.store(!known.ids.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::instance;
    use super::*;

    #[test]
    fn it_is_said_once_until_it_is_there_again() {
        let missing = Missing::default();
        let [one, other] = ["u1", "u2"].map(|id| Arc::new(instance(id)));
        let lacks = |instance, place| missing.note("m", place, instance, Some(Lack::Instance));
        let has = |instance, place| missing.note("m", place, instance, None);
        assert!(lacks(&one, 0) && !lacks(&one, 0) && lacks(&other, 1));
        assert!(has(&one, 0) && !has(&one, 0));
        assert!(lacks(&one, 0));
        missing.ended(2, 2, |_| false);
        assert!(!lacks(&one, 0), "as many as were noted");
        missing.ended(1, 2, |id| id == "u1");
        assert!(!lacks(&one, 0) && lacks(&other, 1));
    }

    #[test]
    fn an_instance_is_known_wherever_it_stands_and_however_it_is_described() {
        let missing = Missing::default();
        let [one, anew, other] = ["u1", "u1", "u2"].map(|id| Arc::new(instance(id)));
        let lacks = |instance, place| missing.note("m", place, instance, Some(Lack::Disk("vda")));
        let has = |instance, place| missing.note("m", place, instance, None);
        assert!(lacks(&one, 0) && !lacks(&anew, 0) && !lacks(&one, 7));
        // Another one in its place has all that is wanted, and it is back in one task before it is read in the other.
        assert!(!has(&other, 0) && has(&one, 7) && !has(&one, 0));
        assert!(lacks(&one, 7) && !lacks(&one, 0));
    }

    #[test]
    fn it_names_what_is_missing() {
        let named = [Lack::Instance, Lack::Disk("vda"), Lack::Nic("tap1")].map(|lack| lack.to_string());
        assert_eq!(named, ["the instance", "the disk vda", "the network interface tap1"]);
    }
}
