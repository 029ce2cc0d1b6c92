//! A back end in memory, for tests that move the time by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};
use redis::ServerError;

use super::{BackendError, Found, Question};

/// One member's way to the place where all clones meet.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBackend {
    place: Arc<Mutex<Place>>,
    alive: Duration,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Place {
    is_down: bool,
    /// When each member showed last that it is alive, by group.
    groups: BTreeMap<String, BTreeMap<String, MonotonicTime>>,
}

impl MemoryBackend {
    pub(crate) fn new(alive: Duration, clock: Clock) -> Self {
        Self { place: Arc::default(), alive, clock }
    }

    /// It answers nobody, or all again; it forgets nothing.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.place().is_down = is_down;
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answering(&self) -> Result<MutexGuard<'_, Place>, BackendError> {
        let place = self.place();
        if place.is_down {
            return Err(ServerError::Connection { server: "memory".into(), reason: "down".into() }.into());
        }
        Ok(place)
    }

    pub(crate) fn look(&self, question: &Question) -> Result<BTreeMap<String, Found>, BackendError> {
        let (now, mut place) = (self.clock.monotonic(), self.answering()?);
        let of_group = |group: &String| {
            let is_new = !place.groups.contains_key(group);
            let seen = place.groups.entry(group.clone()).or_default();
            seen.insert(question.member.clone(), now);
            let is_alive = |at: &MonotonicTime| now.since(*at) < self.alive;
            if question.prunes {
                seen.retain(|_, at| is_alive(at));
            }
            let alive = seen.iter().filter(|(_, at)| is_alive(at));
            (group.clone(), Found { is_new, members: alive.map(|(member, _)| (member.clone(), 1)).collect() })
        };
        Ok(question.groups.iter().map(of_group).collect())
    }

    pub(crate) fn leave(&self, member: &str, groups: &BTreeSet<String>) -> Result<(), BackendError> {
        let mut place = self.answering()?;
        for group in groups {
            place.groups.get_mut(group).and_then(|seen| seen.remove(member));
        }
        Ok(())
    }
}
