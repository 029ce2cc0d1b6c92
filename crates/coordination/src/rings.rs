//! [`Rings`]: what one look at the back end has shown.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use observability::clock::MonotonicTime;

use crate::ring::HashRing;

/// Losses that are told apart; of more at a time, the oldest count as one.
const LOSSES_KEPT: usize = 16;

/// The groups as they were seen last.
#[derive(Debug, Default)]
pub struct Rings {
    pub(crate) member: String,
    pub(crate) groups: HashMap<String, Arc<HashRing>>,
    pub(crate) losses: Losses,
}

/// How often members were found to be gone, since the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Losses {
    count: u64,
    /// For the newest: when those that are gone were still there.
    seen_until: VecDeque<MonotonicTime>,
}

impl Losses {
    pub(crate) fn add(&mut self, seen_until: MonotonicTime) {
        if self.seen_until.len() == LOSSES_KEPT {
            self.seen_until.pop_front();
        }
        self.seen_until.push_back(seen_until);
        self.count += 1;
    }

    /// The first that came after those of `before`.
    fn after(&self, before: &Self) -> Option<MonotonicTime> {
        let new = usize::try_from(self.count - before.count.min(self.count)).unwrap_or(usize::MAX);
        if new == 0 {
            return None;
        }
        self.seen_until.get(self.seen_until.len().saturating_sub(new)).copied()
    }
}

impl Rings {
    /// Whether `key` is this agent's among the members of a group. In a group that was never seen it is: better twice
    /// than not at all.
    #[must_use]
    pub fn owns(&self, group: &str, key: &str) -> bool {
        let owner = self.groups.get(group).and_then(|ring| ring.owner(key));
        owner.is_none_or(|owner| owner == self.member)
    }

    /// A group's ring, if it was seen.
    #[must_use]
    pub fn group(&self, group: &str) -> Option<&HashRing> {
        self.groups.get(group).map(|ring| &**ring)
    }

    /// Of members that are gone here, and are not in earlier rings: when the first of them was still seen.
    pub(crate) fn lost_since(&self, before: &Self) -> Option<MonotonicTime> {
        self.losses.after(&before.losses)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use observability::clock::Clock;

    use super::*;

    #[test]
    fn the_first_loss_after_others_is_found() {
        let start = Clock::machine().monotonic();
        let at = |seconds| start.plus(Duration::from_secs(seconds));
        let mut losses = Losses::default();
        let none = losses.clone();
        assert_eq!(losses.after(&none), None);
        losses.add(at(1));
        let one = losses.clone();
        losses.add(at(2));
        losses.add(at(3));
        assert_eq!(
            [losses.after(&none), losses.after(&one), losses.after(&losses)],
            [Some(at(1)), Some(at(2)), None]
        );
        for second in 4..40 {
            losses.add(at(second));
        }
        assert_eq!(losses.after(&none), Some(at(24)), "what is known of the oldest");
    }
}
