//! A bounded number of things, lent one at a time.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Things that wait to be lent, and how many may be lent at once.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    idle: Mutex<Vec<T>>,
    permits: Arc<Semaphore>,
}

impl<T> Pool<T> {
    /// A pool that lends at most `size` things, some of which exist already.
    pub(crate) fn new(size: usize, idle: Vec<T>) -> Self {
        Self { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(size)) }
    }

    /// Waits, first come, first served, until one more may be lent. `None` when the deadline passes or the pool is
    /// closed.
    pub(crate) async fn permit(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let wait = Arc::clone(&self.permits).acquire_owned();
        timeout_at(deadline, wait).await.ok()?.ok()
    }

    /// The one that was given back last.
    pub(crate) fn take(&self) -> Option<T> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Gives one back.
    pub(crate) fn put(&self, thing: T) {
        if !self.permits.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(thing);
        }
    }

    /// Lends nothing any more and drops what is idle.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether [`Self::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}
