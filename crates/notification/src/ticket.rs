//! [`Ticket`]: the fate of a batch, while publishers and the dead letters each do their part.

use std::sync::{Mutex, MutexGuard, PoisonError};

use oslo_messaging::Receipt;

use crate::metrics::{AgentMetrics, Dropped, Outcome, Requeued};

/// The receipt of a batch, with what is known of its messages. Whoever holds a share of the batch's delivery token may
/// still decide over single messages; the last one resolves it.
#[derive(Debug)]
pub(crate) struct Ticket {
    inner: Mutex<Inner>,
    metrics: AgentMetrics,
}

#[derive(Debug)]
struct Inner {
    /// Taken when the batch is resolved.
    receipt: Option<Receipt>,
    total: u64,
    ignored: u64,
    requeued: u64,
    /// Set aside or dropped: acknowledged with the rest, or rejected.
    dead: Dead,
    rejected: Dead,
}

#[derive(Debug, Default)]
struct Dead {
    kept: u64,
    dropped: u64,
}

/// A message that cannot be processed, as the broker is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its place in the batch.
    pub(crate) index: usize,
    pub(crate) cause: &'static str,
    /// It is rejected, so that a broker that keeps dead letters itself gets it; else it is acknowledged.
    pub(crate) reject: bool,
}

impl Ticket {
    pub(crate) fn new(receipt: Receipt, metrics: &AgentMetrics) -> Self {
        let total = receipt.len() as u64;
        metrics.notifications.inc_by(total);
        metrics.in_hand.inc_by(signed(total));
        let inner = Inner {
            receipt: Some(receipt),
            total,
            ignored: 0,
            requeued: 0,
            dead: Dead::default(),
            rejected: Dead::default(),
        };
        Self { inner: Mutex::new(inner), metrics: metrics.clone() }
    }

    /// Nobody wants one of the messages.
    pub(crate) fn ignore_one(&self) {
        self.lock().ignored += 1;
    }

    /// Message `index` goes back to the queue.
    pub(crate) fn requeue_one(&self, index: usize, cause: Requeued) {
        let mut inner = self.lock();
        inner.requeued += 1;
        self.metrics.requeued.increment(cause);
        if let Some(receipt) = &mut inner.receipt {
            receipt.requeue_one(index);
        }
    }

    /// The message is safe among the dead letters.
    pub(crate) fn kept(&self, place: Place) {
        self.metrics.dead_letters.with([place.cause]).inc();
        self.let_go(place, |dead| dead.kept += 1);
    }

    /// The message is lost.
    pub(crate) fn dropped(&self, place: Place, cause: Dropped) {
        self.metrics.dropped.increment(cause);
        self.let_go(place, |dead| dead.dropped += 1);
    }

    /// All shares are gone; `delivered` says whether every holder accepted.
    pub(crate) fn resolve(&self, delivered: bool) {
        let mut inner = self.lock();
        let Some(receipt) = inner.receipt.take() else { return };
        let rejected = inner.rejected.kept + inner.rejected.dropped;
        let outcomes = &self.metrics.outcomes;
        // The broker is told when the books are made: whoever sees an empty queue finds them balanced.
        if delivered {
            let kept = inner.dead.kept + inner.rejected.kept;
            let dropped = inner.dead.dropped + inner.rejected.dropped;
            let rest = inner.total.saturating_sub(inner.ignored + inner.requeued + kept + dropped);
            outcomes.add(Outcome::Delivered, rest);
            outcomes.add(Outcome::Ignored, inner.ignored);
            outcomes.add(Outcome::Requeued, inner.requeued);
            outcomes.add(Outcome::DeadLetter, kept);
            outcomes.add(Outcome::Dropped, dropped);
            self.metrics.in_hand.dec_by(signed(inner.total));
            receipt.accept();
        } else {
            self.metrics.undelivered.inc();
            // What was rejected is; everything else comes again, and what has its letter gets another one.
            let rest = inner.total.saturating_sub(rejected);
            self.metrics.requeued.add(Requeued::Undelivered, rest.saturating_sub(inner.requeued));
            outcomes.add(Outcome::Requeued, rest);
            outcomes.add(Outcome::DeadLetter, inner.rejected.kept);
            outcomes.add(Outcome::Dropped, inner.rejected.dropped);
            self.metrics.in_hand.dec_by(signed(inner.total));
            receipt.requeue();
        }
    }

    fn let_go(&self, place: Place, count: impl FnOnce(&mut Dead)) {
        let mut inner = self.lock();
        if !place.reject {
            return count(&mut inner.dead);
        }
        count(&mut inner.rejected);
        if let Some(receipt) = &mut inner.receipt {
            receipt.reject_one(place.index, place.cause);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Forgotten on the way, by a panic for example: the broker delivers the batch again.
        self.resolve(false);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
