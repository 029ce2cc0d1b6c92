//! [`Missing`]: says once what a meter lacks, and not in every cycle.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The instances of which a meter lacks something.
#[derive(Debug, Default)]
pub(super) struct Missing {
    known: Mutex<HashSet<String>>,
    /// Whether there are any: nearly always there are none.
    any: AtomicBool,
}

impl Missing {
    /// Takes note of what is missing of an instance, or that nothing is. Returns whether that is news; it is said then.
    #[inline]
    pub(super) fn note(&self, meter: &'static str, instance: &str, what: Option<String>) -> bool {
        (what.is_some() || self.any.load(Ordering::Relaxed)) && self.note_rarity(meter, instance, what)
    }

    fn note_rarity(&self, meter: &'static str, instance: &str, what: Option<String>) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(what) = what else {
            let is_back = known.remove(instance);
            self.any.store(!known.is_empty(), Ordering::Relaxed);
            if is_back {
                tracing::info!(meter, instance, "the meter's value is there again");
            }
            return is_back;
        };
        if known.contains(instance) {
            tracing::debug!(meter, instance, what, "the meter still has no value");
            return false;
        }
        known.insert(instance.to_owned());
        self.any.store(true, Ordering::Relaxed);
        drop(known);
        tracing::warn!(
            meter,
            instance,
            what,
            "the hypervisor does not give the meter's value: no sample until it does"
        );
        true
    }

    /// Forgets those that are not `there` any more.
    pub(super) fn retain(&self, there: impl Fn(&str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|id| there(id));
        self.any.store(!known.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_until_it_is_there_again() {
        let missing = Missing::default();
        let lacks = |instance| missing.note("m", instance, Some("value".to_owned()));
        assert!(lacks("u1") && !lacks("u1") && lacks("u2"));
        assert!(missing.note("m", "u1", None) && !missing.note("m", "u1", None));
        assert!(lacks("u1"));
        missing.retain(|id| id == "u1");
        assert!(!lacks("u1") && lacks("u2"));
    }
}
