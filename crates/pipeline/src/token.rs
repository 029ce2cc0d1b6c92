//! [`DeliveryToken`]: proof that a batch was accepted, or not.
//!
//! The idea is that of Vector's finalizers: acknowledgement is tied to ownership, so that a path which
//! forgets a batch, returns early or panics reports "not delivered" by itself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::metrics::Waiting;

/// What became of a batch, once every holder of its token has spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every holder accepted it.
    Accepted,
    /// At least one holder dropped its token unresolved.
    NotDelivered,
}

/// One share in the delivery of a batch.
///
/// [`accept`](Self::accept) says that this holder has the data safe. Dropping the token says the
/// opposite. When the last share is gone, the callback given to [`new`](Self::new) runs, once, in the
/// thread that dropped it; it must be short and must not block.
pub struct DeliveryToken {
    shared: Option<Arc<Shared>>,
    /// The records that this share stands for, if they are counted.
    waiting: Option<Waiting>,
}

type Callback = Box<dyn FnOnce(Outcome) + Send + Sync>;

struct Shared {
    failed: AtomicBool,
    callback: Option<Callback>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let outcome = if *self.failed.get_mut() { Outcome::NotDelivered } else { Outcome::Accepted };
        if let Some(callback) = self.callback.take() {
            callback(outcome);
        }
    }
}

impl DeliveryToken {
    /// The first share of a batch.
    pub fn new(on_resolved: impl FnOnce(Outcome) + Send + Sync + 'static) -> Self {
        let shared = Shared { failed: AtomicBool::new(false), callback: Some(Box::new(on_resolved)) };
        Self { shared: Some(Arc::new(shared)), waiting: None }
    }

    /// A further share: the batch counts as accepted only when this one is accepted as well.
    #[must_use = "a share that is dropped means that the batch was not delivered"]
    pub fn share(&self) -> Self {
        Self { shared: self.shared.clone(), waiting: None }
    }

    /// A further share, whose records count as waiting until it is resolved.
    #[must_use = "a share that is dropped means that the batch was not delivered"]
    pub(crate) fn share_for(&self, waiting: Waiting) -> Self {
        Self { shared: self.shared.clone(), waiting: Some(waiting) }
    }

    /// This holder has the data safe.
    pub fn accept(mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.accepted();
        }
        drop(self.shared.take());
    }
}

impl Drop for DeliveryToken {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.given_back();
        }
        if let Some(shared) = self.shared.take() {
            shared.failed.store(true, Ordering::Release);
        }
    }
}

impl fmt::Debug for DeliveryToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares = self.shared.as_ref().map_or(0, Arc::strong_count);
        f.debug_struct("DeliveryToken").field("shares", &shares).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn observed() -> (DeliveryToken, Arc<Mutex<Vec<Outcome>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        (DeliveryToken::new(move |outcome| sink.lock().unwrap().push(outcome)), seen)
    }

    #[test]
    fn a_batch_is_accepted_when_every_share_is() {
        let (token, seen) = observed();
        let second = token.share();
        token.accept();
        assert!(seen.lock().unwrap().is_empty(), "resolved while a share was still out");
        second.accept();
        assert_eq!(*seen.lock().unwrap(), [Outcome::Accepted]);
    }

    #[test]
    fn a_share_dropped_in_any_place_means_not_delivered() {
        for dropped in 0..3 {
            let (token, seen) = observed();
            let mut shares = vec![token.share(), token.share(), token];
            drop(shares.remove(dropped));
            shares.into_iter().for_each(DeliveryToken::accept);
            assert_eq!(*seen.lock().unwrap(), [Outcome::NotDelivered], "share {dropped}");
        }
    }

    #[test]
    fn a_panic_on_the_way_means_not_delivered() {
        let (token, seen) = observed();
        let panicked = std::thread::spawn(move || {
            let _held = token;
            panic!("publisher bug");
        })
        .join();
        assert!(panicked.is_err());
        assert_eq!(*seen.lock().unwrap(), [Outcome::NotDelivered]);
    }
}
