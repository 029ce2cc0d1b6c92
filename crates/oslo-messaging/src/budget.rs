//! How many bytes of undelivered and unresolved messages one listener may hold in this process.
//!
//! `basic.qos` bounds messages, not bytes: a queue of small notifications may turn into a queue of huge ones within
//! one prefetch window. So the last word is had by the socket: while the budget is used up it is not read, and TCP
//! holds the broker back. One message larger than the whole budget still passes, alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;

/// Least that is read when the budget is nearly used up, so that progress stays possible, in bytes.
const READ_BYTES_MIN: usize = 64 * 1024;
/// Most that one read takes, in bytes: bounds the overshoot past the budget.
const READ_BYTES_MAX: usize = 256 * 1024;
/// What a long pause lets through each time, in bytes. The prefetch bounds the sum.
const TRICKLE_BYTES: usize = 16 * 1024;

/// The bytes of one listener, over all its connections.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    held: AtomicU64,
    pauses: AtomicU64,
    reader: AtomicWaker,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
            reader: AtomicWaker::new(),
        })
    }

    /// Takes `bytes` until the returned value is dropped.
    pub(crate) fn hold(self: &Arc<Self>, bytes: u64) -> Held {
        self.held.fetch_add(bytes, Ordering::AcqRel);
        Held { budget: Arc::clone(self), bytes }
    }

    /// Bytes held now.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    /// How often reading was paused since the start.
    pub(crate) fn pauses(&self) -> u64 {
        self.pauses.load(Ordering::Relaxed)
    }

    fn release(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::AcqRel);
        self.reader.wake();
    }
}

/// A part of the [`Budget`], given back on drop.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Held {
    /// Adds another part of the same budget to this one.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.release(self.bytes);
        }
    }
}

/// What one connection has read and not yet handed to a queue worker: the client library's inside.
///
/// The estimate drifts by the bytes of frames that carry no delivery; whenever all workers have emptied their streams
/// at once, nothing is inside and the estimate starts anew.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Arc<Budget>,
    inside: AtomicI64,
    busy_workers: AtomicUsize,
    /// Deliveries can come only while there are any.
    consumers: AtomicUsize,
    trickle: AtomicBool,
}

impl Meter {
    pub(crate) fn new(budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            budget,
            inside: AtomicI64::new(0),
            busy_workers: AtomicUsize::new(0),
            consumers: AtomicUsize::new(0),
            trickle: AtomicBool::new(false),
        })
    }

    /// How many bytes the socket may give out now; `None` registers `waker` for when that changes.
    pub(crate) fn allowance(&self, waker: &Waker) -> Option<usize> {
        if let Some(bytes) = self.allowance_now() {
            return Some(bytes);
        }
        self.budget.reader.register(waker);
        // Released between the look and the registration: look again, or the wake-up would be lost.
        let now = self.allowance_now();
        if now.is_none() {
            self.budget.pauses.fetch_add(1, Ordering::Relaxed);
        }
        now
    }

    fn allowance_now(&self) -> Option<usize> {
        let left = self.left();
        if left > 0 {
            return Some(usize::try_from(left).unwrap_or(usize::MAX).clamp(READ_BYTES_MIN, READ_BYTES_MAX));
        }
        self.trickle.swap(false, Ordering::AcqRel).then_some(TRICKLE_BYTES)
    }

    /// What is left of the budget, in bytes; 0 means that reading pauses.
    fn left(&self) -> u64 {
        let held = self.budget.held_bytes();
        if held == 0 || self.consumers.load(Ordering::Acquire) == 0 {
            return u64::MAX;
        }
        let inside = u64::try_from(self.inside.load(Ordering::Acquire)).unwrap_or(0);
        self.budget.limit.saturating_sub(held.saturating_add(inside))
    }

    /// Whether reading pauses, or would if it were tried.
    pub(crate) fn is_paused(&self) -> bool {
        self.left() == 0
    }

    /// Lets a little through a pause. Called now and then, more often than the heartbeat.
    pub(crate) fn trickle(&self) {
        if self.is_paused() {
            self.trickle.store(true, Ordering::Release);
            self.budget.reader.wake();
        }
    }

    /// A consumer has been started.
    pub(crate) fn consumer_started(&self) {
        self.consumers.fetch_add(1, Ordering::AcqRel);
    }

    /// A consumer has ended.
    pub(crate) fn consumer_ended(&self) {
        self.consumers.fetch_sub(1, Ordering::AcqRel);
        self.budget.reader.wake();
    }

    /// The socket gave out `bytes`.
    pub(crate) fn read(&self, bytes: usize) {
        self.inside.fetch_add(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::AcqRel);
    }

    /// A worker took a delivery of about `wire_bytes`.
    pub(crate) fn taken(&self, wire_bytes: u64) {
        self.inside.fetch_sub(i64::try_from(wire_bytes).unwrap_or(i64::MAX), Ordering::AcqRel);
    }

    /// A worker found something in its stream after having found it empty.
    pub(crate) fn worker_busy(&self) {
        self.busy_workers.fetch_add(1, Ordering::AcqRel);
    }

    /// A busy worker found its stream empty, or ended.
    pub(crate) fn worker_idle(&self) {
        if self.busy_workers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.inside.store(0, Ordering::Release);
            self.budget.reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    #[test]
    fn reading_stops_at_the_limit_and_resumes_on_release() {
        let budget = Budget::new(1_000_000);
        let meter = Meter::new(Arc::clone(&budget));
        meter.consumer_started();
        let (woken, waker) = waker();
        assert_eq!(meter.allowance(&waker), Some(READ_BYTES_MAX));
        let held = budget.hold(999_999);
        assert_eq!(meter.allowance(&waker), Some(READ_BYTES_MIN));
        meter.read(10);
        assert_eq!(meter.allowance(&waker), None);
        assert_eq!(budget.pauses(), 1);
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        drop(held);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(meter.allowance(&waker), Some(READ_BYTES_MAX));
        assert_eq!(budget.held_bytes(), 0);
    }

    #[test]
    fn a_message_larger_than_the_budget_passes_alone() {
        let budget = Budget::new(1_000);
        let meter = Meter::new(Arc::clone(&budget));
        meter.consumer_started();
        let (_, waker) = waker();
        meter.read(50_000_000);
        assert!(meter.allowance(&waker).is_some(), "nothing is held: keep reading");
        let held = budget.hold(1);
        assert_eq!(meter.allowance(&waker), None, "something is held: let it be resolved first");
        drop(held);
        assert!(meter.allowance(&waker).is_some());
    }

    #[test]
    fn drift_is_forgotten_when_all_workers_are_idle() {
        let budget = Budget::new(1_000);
        let meter = Meter::new(Arc::clone(&budget));
        meter.consumer_started();
        let (woken, waker) = waker();
        let _held = budget.hold(1);
        meter.worker_busy();
        meter.worker_busy();
        meter.read(5_000);
        meter.taken(100);
        assert_eq!(meter.allowance(&waker), None);
        meter.worker_idle();
        assert_eq!(meter.allowance(&waker), None, "another worker may still have some");
        meter.worker_idle();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(meter.allowance(&waker).is_some());
    }

    #[test]
    fn a_pause_needs_a_consumer_and_lets_a_trickle_through() {
        let budget = Budget::new(1_000);
        let meter = Meter::new(Arc::clone(&budget));
        let (woken, waker) = waker();
        let _held = budget.hold(5_000);
        assert!(meter.allowance(&waker).is_some(), "handshakes and declarations are not held up");
        meter.trickle();
        assert_eq!(woken.0.load(Ordering::SeqCst), 0, "there is no pause");
        meter.consumer_started();
        assert_eq!(meter.allowance(&waker), None);
        meter.trickle();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(meter.allowance(&waker), Some(TRICKLE_BYTES));
        assert_eq!(meter.allowance(&waker), None);
        meter.consumer_ended();
        assert_eq!(woken.0.load(Ordering::SeqCst), 2);
        assert!(meter.allowance(&waker).is_some());
    }

    #[test]
    fn absorbing_keeps_the_sum() {
        let budget = Budget::new(1_000);
        let mut first = budget.hold(10);
        first.absorb(budget.hold(20));
        assert_eq!(budget.held_bytes(), 30);
        drop(first);
        assert_eq!(budget.held_bytes(), 0);
    }
}
