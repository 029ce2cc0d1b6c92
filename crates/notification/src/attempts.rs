//! How often a notification was given back, so that it is not given back for ever.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};
use oslo_messaging::Delivery;

/// Notifications that are remembered at most. When none can be forgotten, further ones are given up at once, because
/// what is not counted would come for ever.
const REMEMBERED_MAX: usize = 65_536;
/// One that has not come for so long was taken by somebody else; far longer than any wait before it comes again.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// What to do with a notification that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Give it back.
    Again,
    /// It was tried so often; give it up.
    GiveUp { attempts: u64 },
}

/// Counts attempts by notification.
#[derive(Debug)]
pub(crate) struct Attempts {
    limit: u64,
    clock: Clock,
    hasher: RandomState,
    known: Mutex<HashMap<u64, Known>>,
}

#[derive(Debug)]
struct Known {
    attempts: u64,
    last: MonotonicTime,
}

impl Attempts {
    /// Gives each notification back `limit` times; 0 is without end.
    pub(crate) fn new(limit: u64, clock: Clock) -> Self {
        Self { limit, clock, hasher: RandomState::new(), known: Mutex::default() }
    }

    /// The notification has failed once more.
    pub(crate) fn failed(&self, queue: &str, message_id: Option<&str>, delivery: &Delivery) -> Verdict {
        if self.limit == 0 {
            return Verdict::Again;
        }
        let key = match message_id {
            Some(id) => self.hasher.hash_one((queue, id)),
            None => self.hasher.hash_one((queue, &delivery.body)),
        };
        // A quorum queue has counted for everybody, and across restarts.
        let by_broker = delivery.delivery_count.unwrap_or(0).saturating_add(1);
        let now = self.clock.monotonic();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX && !known.contains_key(&key) {
            known.retain(|_, entry| now.since(entry.last) < FORGOTTEN_AFTER);
            if known.len() >= REMEMBERED_MAX {
                return Verdict::GiveUp { attempts: by_broker };
            }
        }
        let entry = known.entry(key).or_insert(Known { attempts: 0, last: now });
        entry.attempts = entry.attempts.saturating_add(1).max(by_broker);
        entry.last = now;
        let attempts = entry.attempts;
        if attempts <= self.limit {
            return Verdict::Again;
        }
        known.remove(&key);
        Verdict::GiveUp { attempts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(limit: u64) -> (Attempts, observability::clock::TestClock) {
        let (clock, hand) = Clock::test("2026-11-25T00:00:00Z".parse().unwrap());
        (Attempts::new(limit, clock), hand)
    }

    fn run(attempts: &Attempts, id: Option<&str>, delivery: &Delivery, times: usize) -> Vec<Verdict> {
        (0..times).map(|_| attempts.failed("q", id, delivery)).collect()
    }

    #[test]
    fn each_notification_is_given_back_as_often_as_the_limit_says() {
        let (attempts, _) = attempts(2);
        let expected = [Verdict::Again, Verdict::Again, Verdict::GiveUp { attempts: 3 }, Verdict::Again];
        assert_eq!(run(&attempts, Some("a"), &Delivery::default(), 4), expected, "forgotten once given up");
        assert_eq!(run(&attempts, Some("b"), &Delivery::default(), 3), expected[..3]);
        let bodies = [b"x".to_vec(), b"y".to_vec()].map(|body| Delivery { body, ..Delivery::default() });
        for delivery in &bodies {
            assert_eq!(run(&attempts, None, delivery, 3), expected[..3]);
        }
    }

    #[test]
    fn what_the_broker_has_counted_counts() {
        let (attempts, _) = attempts(3);
        let delivery = Delivery { delivery_count: Some(3), ..Delivery::default() };
        assert_eq!(attempts.failed("q", Some("a"), &delivery), Verdict::GiveUp { attempts: 4 });
        let delivery = Delivery { delivery_count: Some(1), ..Delivery::default() };
        let expected = [Verdict::Again, Verdict::Again, Verdict::GiveUp { attempts: 4 }];
        assert_eq!(run(&attempts, Some("b"), &delivery, 3), expected);
    }

    #[test]
    fn without_a_limit_there_is_no_end_and_nothing_is_remembered() {
        let (attempts, _) = attempts(0);
        assert_eq!(run(&attempts, Some("a"), &Delivery::default(), 100), [Verdict::Again; 100]);
        assert_eq!(attempts.known.lock().unwrap().len(), 0);
    }

    #[test]
    fn memory_is_bounded_and_what_cannot_be_counted_is_given_up() {
        let (attempts, hand) = attempts(1);
        for number in 0..REMEMBERED_MAX {
            let id = number.to_string();
            assert_eq!(attempts.failed("q", Some(&id), &Delivery::default()), Verdict::Again);
        }
        let given_up = Verdict::GiveUp { attempts: 1 };
        assert_eq!(attempts.failed("q", Some("one more"), &Delivery::default()), given_up);
        hand.advance(FORGOTTEN_AFTER);
        assert_eq!(attempts.failed("q", Some("one more"), &Delivery::default()), Verdict::Again);
        assert_eq!(attempts.known.lock().unwrap().len(), 1);
    }
}
