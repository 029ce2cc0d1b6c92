//! Which delivery tags of one channel are resolved, and what may be said to the broker about them.
//!
//! A ledger lives as long as its channel: it *is* the generation. A receipt resolved after that finds the ledger
//! closed and does nothing, so that no tag is ever acknowledged on another channel. Tags are consecutive on a channel,
//! so a queue of states with the first tag's number is enough. Its length is bounded by the prefetch in force (twice
//! that, for a moment, when the prefetch changes).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What became of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Acknowledge.
    Accept,
    /// Give it back to the queue, later.
    Requeue,
    /// Discard it (or dead-letter it, if the queue is set up so).
    Reject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not resolved.
    Out,
    /// May be acknowledged.
    Accepted,
    /// Waits for its requeue.
    Waiting,
    /// The broker has been told.
    Told,
}

/// Things to tell the broker, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// `basic.reject` without requeue.
    pub(crate) reject: Vec<u64>,
    /// `basic.ack` of single tags, ascending.
    pub(crate) ack_each: Vec<u64>,
    /// `basic.ack` with `multiple`: this tag, and all before it that are not told yet.
    pub(crate) ack_up_to: Option<u64>,
    /// How many messages `ack_each` and `ack_up_to` acknowledge.
    pub(crate) acknowledged: usize,
}

impl Settlement {
    pub(crate) fn is_empty(&self) -> bool {
        self.reject.is_empty() && self.ack_each.is_empty() && self.ack_up_to.is_none()
    }
}

/// A number of messages in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// Handed out and not resolved.
    pub(crate) out: usize,
    /// Accepted, and the broker not told.
    pub(crate) accepted: usize,
    /// Rejected, and the broker not told.
    pub(crate) rejected: usize,
    /// To be requeued, and the worker not told.
    pub(crate) requeued: usize,
    /// Not told to the broker, in whatever state.
    pub(crate) unsettled: usize,
}

/// The tags of one channel.
#[derive(Debug)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    open: bool,
    /// Tag of `states[0]`.
    first: u64,
    states: VecDeque<State>,
    reject: Vec<u64>,
    requeue: Vec<u64>,
    accepted: usize,
    out: usize,
    told: usize,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            open: true,
            first: 1,
            states: VecDeque::new(),
            reject: Vec::new(),
            requeue: Vec::new(),
            accepted: 0,
            out: 0,
            told: 0,
        };
        Self { inner: Mutex::new(inner), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery arrived. `false` when its tag is not the next one, which no sane broker does.
    pub(crate) fn delivered(&self, tag: u64) -> bool {
        let mut inner = self.lock();
        let next = inner.first + inner.states.len() as u64;
        if tag != next {
            return false;
        }
        inner.states.push_back(State::Out);
        inner.out += 1;
        true
    }

    /// Resolves `count` deliveries from tag `first` on. `false` when the channel has gone.
    pub(crate) fn resolve(&self, first: u64, count: usize, outcome: impl Fn(usize) -> Outcome) -> bool {
        {
            let mut inner = self.lock();
            if !inner.open {
                return false;
            }
            for index in 0..count {
                inner.resolve_one(first + index as u64, outcome(index));
            }
        }
        self.changed.notify_one();
        true
    }

    /// Completes when something was resolved since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn standing(&self) -> Standing {
        let inner = self.lock();
        Standing {
            out: inner.out,
            accepted: inner.accepted,
            rejected: inner.reject.len(),
            requeued: inner.requeue.len(),
            unsettled: inner.states.len() - inner.told,
        }
    }

    /// Takes what can be told now. With `each`, accepted tags behind an unresolved one are included, one by one.
    pub(crate) fn settle(&self, each: bool) -> Settlement {
        self.lock().settle(each)
    }

    /// Takes the tags that were given back since the last call.
    pub(crate) fn take_requeued(&self) -> Vec<u64> {
        std::mem::take(&mut self.lock().requeue)
    }

    /// The broker has been told to requeue these.
    pub(crate) fn requeued(&self, tags: &[u64]) {
        let mut inner = self.lock();
        for tag in tags {
            inner.tell(*tag);
        }
        inner.trim();
    }

    /// The channel has gone: nothing resolved from now on counts. Returns how many messages were not settled.
    pub(crate) fn close(&self) -> usize {
        let mut inner = self.lock();
        let unsettled = inner.states.len() - inner.told;
        inner.open = false;
        inner.states = VecDeque::new();
        inner.reject = Vec::new();
        inner.requeue = Vec::new();
        inner.accepted = 0;
        inner.out = 0;
        inner.told = 0;
        unsettled
    }
}

impl Inner {
    fn state(&mut self, tag: u64) -> Option<&mut State> {
        let index = usize::try_from(tag.checked_sub(self.first)?).ok()?;
        self.states.get_mut(index)
    }

    fn resolve_one(&mut self, tag: u64, outcome: Outcome) {
        let Some(state) = self.state(tag) else { return };
        if *state != State::Out {
            return;
        }
        match outcome {
            Outcome::Accept => {
                *state = State::Accepted;
                self.accepted += 1;
            }
            Outcome::Requeue => {
                *state = State::Waiting;
                self.requeue.push(tag);
            }
            Outcome::Reject => {
                // Told at the next settlement, before any acknowledgement that passes it.
                *state = State::Told;
                self.told += 1;
                self.reject.push(tag);
            }
        }
        self.out -= 1;
    }

    fn tell(&mut self, tag: u64) {
        if let Some(state) = self.state(tag)
            && *state != State::Told
        {
            *state = State::Told;
            self.told += 1;
        }
    }

    fn settle(&mut self, each: bool) -> Settlement {
        let mut settlement = Settlement { reject: std::mem::take(&mut self.reject), ..Settlement::default() };
        while let Some(state @ (State::Accepted | State::Told)) = self.states.front().copied() {
            if state == State::Accepted {
                // A tag with `multiple` must itself be outstanding at the broker, hence never a told one.
                settlement.ack_up_to = Some(self.first);
                settlement.acknowledged += 1;
                self.accepted -= 1;
            } else {
                self.told -= 1;
            }
            self.states.pop_front();
            self.first += 1;
        }
        if each && self.accepted > 0 {
            for (tag, state) in (self.first..).zip(self.states.iter_mut()) {
                if *state == State::Accepted {
                    *state = State::Told;
                    settlement.ack_each.push(tag);
                }
            }
            settlement.acknowledged += settlement.ack_each.len();
            self.told += settlement.ack_each.len();
            self.accepted = 0;
        }
        settlement
    }

    fn trim(&mut self) {
        while self.states.front() == Some(&State::Told) {
            self.states.pop_front();
            self.told -= 1;
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed};

    use super::*;

    fn with(count: u64) -> Ledger {
        let ledger = Ledger::new();
        for tag in 1..=count {
            assert!(ledger.delivered(tag));
        }
        ledger
    }

    #[test]
    fn a_contiguous_run_is_one_acknowledgement() {
        let ledger = with(5);
        assert!(ledger.settle(false).is_empty());
        assert!(ledger.resolve(1, 3, |_| Outcome::Accept));
        let settlement = ledger.settle(false);
        assert_eq!(settlement, Settlement { ack_up_to: Some(3), acknowledged: 3, ..Settlement::default() });
        assert!(ledger.settle(false).is_empty());
        assert_eq!(ledger.standing(), Standing { out: 2, unsettled: 2, ..Standing::default() });
    }

    #[test]
    fn nothing_passes_an_unresolved_message_unless_asked() {
        let ledger = with(4);
        ledger.resolve(2, 2, |_| Outcome::Accept);
        assert!(ledger.settle(false).is_empty());
        let settlement = ledger.settle(true);
        assert_eq!(settlement.ack_each, [2, 3]);
        assert_eq!(settlement.ack_up_to, None);
        ledger.resolve(1, 1, |_| Outcome::Accept);
        assert_eq!(ledger.settle(false).ack_up_to, Some(1), "2 and 3 are told already");
        ledger.resolve(4, 1, |_| Outcome::Accept);
        assert_eq!(ledger.settle(false).ack_up_to, Some(4));
        assert_eq!(ledger.standing(), Standing::default());
    }

    #[test]
    fn a_rejected_tag_is_never_the_target_of_a_multiple_acknowledgement() {
        let ledger = with(3);
        ledger.resolve(1, 3, |index| if index == 2 { Outcome::Reject } else { Outcome::Accept });
        let settlement = ledger.settle(false);
        assert_eq!(settlement.reject, [3]);
        assert_eq!(settlement.ack_up_to, Some(2));
        assert_eq!(ledger.standing(), Standing::default());
    }

    #[test]
    fn a_message_waiting_for_its_requeue_is_not_acknowledged() {
        let ledger = with(3);
        ledger.resolve(1, 1, |_| Outcome::Requeue);
        ledger.resolve(2, 2, |_| Outcome::Accept);
        assert!(ledger.settle(false).is_empty());
        assert_eq!(ledger.take_requeued(), [1]);
        assert!(ledger.take_requeued().is_empty());
        assert!(ledger.settle(false).is_empty());
        ledger.requeued(&[1]);
        assert_eq!(ledger.settle(false).ack_up_to, Some(3));
    }

    #[test]
    fn a_closed_ledger_ignores_receipts() {
        let ledger = with(2);
        assert_eq!(ledger.close(), 2);
        assert!(!ledger.resolve(1, 2, |_| Outcome::Accept));
        assert!(ledger.settle(true).is_empty());
    }

    #[test]
    fn a_gap_in_the_tags_is_noticed() {
        let ledger = with(2);
        assert!(!ledger.delivered(4));
        assert!(!ledger.delivered(2));
        assert!(ledger.delivered(3));
    }

    #[test]
    fn a_second_resolution_changes_nothing() {
        let ledger = with(1);
        ledger.resolve(1, 1, |_| Outcome::Accept);
        ledger.resolve(1, 1, |_| Outcome::Requeue);
        assert_eq!(ledger.settle(false).ack_up_to, Some(1));
        assert!(ledger.take_requeued().is_empty());
    }

    /// What the broker does with a settlement; panics where RabbitMQ would close the channel.
    fn apply(unacked: &mut BTreeSet<u64>, acked: &mut BTreeSet<u64>, settlement: &Settlement) {
        for tag in &settlement.reject {
            assert!(unacked.remove(tag), "unknown tag rejected");
        }
        for tag in &settlement.ack_each {
            assert!(unacked.remove(tag), "unknown tag acknowledged");
            acked.insert(*tag);
        }
        if let Some(last) = settlement.ack_up_to {
            assert!(unacked.contains(&last), "unknown tag acknowledged with multiple");
            let rest = unacked.split_off(&(last + 1));
            acked.extend(std::mem::replace(unacked, rest));
        }
    }

    /// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
    fn config() -> Config {
        let mut config = Config { failure_persistence: None, ..Config::default() };
        if config.rng_seed == RngSeed::Random {
            config.rng_seed = RngSeed::Fixed(1);
        }
        config
    }

    proptest! {
        #![proptest_config(config())]

        /// Any order of deliveries, resolutions and settlements: exactly the accepted messages are acknowledged.
        #[test]
        fn exactly_the_accepted_are_acknowledged(steps in prop::collection::vec((0_u8..6, any::<u16>()), 1..200)) {
            let ledger = Ledger::new();
            let (mut next, mut unacked, mut acked) = (1_u64, BTreeSet::new(), BTreeSet::new());
            let (mut out, mut accepted) = (BTreeSet::new(), BTreeSet::new());
            let mut waiting: Vec<u64> = Vec::new();
            for (step, pick) in steps {
                let chosen = out.iter().copied().nth(usize::from(pick) % out.len().max(1));
                match (step, chosen) {
                    (0 | 1, _) => {
                        prop_assert!(ledger.delivered(next));
                        unacked.insert(next);
                        out.insert(next);
                        next += 1;
                    }
                    (2, Some(tag)) => { ledger.resolve(tag, 1, |_| Outcome::Accept); out.remove(&tag); accepted.insert(tag); }
                    (3, Some(tag)) => { ledger.resolve(tag, 1, |_| Outcome::Requeue); out.remove(&tag); }
                    (4, Some(tag)) => { ledger.resolve(tag, 1, |_| Outcome::Reject); out.remove(&tag); }
                    (5, _) => {
                        waiting.extend(ledger.take_requeued());
                        if pick % 3 == 0 {
                            for tag in &waiting { prop_assert!(unacked.remove(tag)); }
                            ledger.requeued(&waiting);
                            waiting.clear();
                        }
                        let settlement = ledger.settle(pick % 2 == 0);
                        let before = acked.len();
                        apply(&mut unacked, &mut acked, &settlement);
                        prop_assert_eq!(acked.len() - before, settlement.acknowledged);
                        prop_assert!(acked.is_subset(&accepted));
                    }
                    _ => {}
                }
            }
            let settlement = ledger.settle(true);
            apply(&mut unacked, &mut acked, &settlement);
            prop_assert_eq!(acked, accepted);
            prop_assert_eq!(ledger.standing().unsettled, unacked.len());
        }
    }
}
