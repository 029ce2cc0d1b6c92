//! The one place that reads the time.
//!
//! A component takes a [`Clock`] and asks it; a test gives it a clock that it moves by hand. Wall time is for stamps
//! only and may jump; every duration is measured on the monotonic clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::sync::watch;

/// A reading of the monotonic clock (Linux: `CLOCK_MONOTONIC`, which does not advance while the machine sleeps).
///
/// Only differences between readings of the same clock mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicTime(Duration);

impl MonotonicTime {
    /// The time from `earlier` to `self`, or zero when `earlier` is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The reading that lies `duration` after this one, saturating at the end of the representable range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// Microseconds since the clock's origin, as systemd's `MONOTONIC_USEC` wants them.
    pub fn as_micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }
}

/// Wall and monotonic time, either the machine's or a test's. Cheap to clone; clones share the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    Machine,
    Test(Arc<TestTime>),
}

/// The hand that moves a test's clock. Clones move the same clock.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<TestTime>);

#[derive(Debug)]
struct TestTime {
    now: Mutex<TestNow>,
    moved: watch::Sender<()>,
}

#[derive(Debug, Clone, Copy)]
struct TestNow {
    wall: Timestamp,
    monotonic: Duration,
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        Self(Source::Machine)
    }

    /// A clock that stands still at `wall` until its [`TestClock`] moves it.
    pub fn test(wall: Timestamp) -> (Self, TestClock) {
        // The origin is not zero, so that a test may look back from its first instant.
        let now = TestNow { wall, monotonic: Duration::from_hours(1) };
        let time = Arc::new(TestTime { now: Mutex::new(now), moved: watch::Sender::new(()) });
        (Self(Source::Test(Arc::clone(&time))), TestClock(time))
    }

    /// Wall time, for stamps. It may jump in both directions.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Machine => Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MAX),
            Source::Test(time) => time.lock().wall,
        }
    }

    /// Wall time as the standard library's type, for comparison with file times.
    pub fn system_time(&self) -> SystemTime {
        SystemTime::try_from(self.now()).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Monotonic time, for durations and deadlines.
    pub fn monotonic(&self) -> MonotonicTime {
        match &self.0 {
            Source::Machine => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
                let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
                let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
                MonotonicTime(Duration::new(seconds, nanoseconds))
            }
            Source::Test(time) => MonotonicTime(time.lock().monotonic),
        }
    }

    /// The time that has passed since `earlier`.
    pub fn elapsed(&self, earlier: MonotonicTime) -> Duration {
        self.monotonic().since(earlier)
    }

    /// Waits until `duration` has passed on this clock. Must run inside a tokio runtime with its timer enabled.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Source::Machine => tokio::time::sleep(duration).await,
            Source::Test(time) => {
                let mut moved = time.moved.subscribe();
                let deadline = self.monotonic().plus(duration);
                while self.monotonic() < deadline {
                    // The sender lives in `time`, which we hold, so this wait can only end by a movement.
                    if moved.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until this clock reads `deadline` or later.
    pub async fn sleep_until(&self, deadline: MonotonicTime) {
        self.sleep(deadline.since(self.monotonic())).await;
    }
}

impl TestClock {
    /// Moves both clocks forward together, as time does, and wakes sleepers whose time has come.
    pub fn advance(&self, duration: Duration) {
        {
            let mut now = self.0.lock();
            now.monotonic = now.monotonic.saturating_add(duration);
            now.wall = now.wall.saturating_add(duration).unwrap_or(Timestamp::MAX);
        }
        self.0.moved.send_replace(());
    }

    /// Sets the wall clock alone, as an operator or a time service does. The monotonic clock does not notice.
    pub fn set_wall(&self, wall: Timestamp) {
        self.0.lock().wall = wall;
    }

    /// How many sleeps are waiting on this clock: lets a test wait until a loop has gone to sleep.
    pub fn sleepers(&self) -> usize {
        self.0.moved.receiver_count()
    }
}

impl TestTime {
    fn lock(&self) -> MutexGuard<'_, TestNow> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_machine_clock_moves_forward_and_agrees_with_the_standard_library() {
        let clock = Clock::machine();
        let earlier = clock.monotonic();
        let wall = clock.system_time();
        while clock.monotonic() == earlier {}
        assert!(clock.elapsed(earlier) > Duration::ZERO);
        let apart = SystemTime::now().duration_since(wall).unwrap_or_else(|jump| jump.duration());
        assert!(apart < Duration::from_mins(1), "{apart:?}");
    }

    #[test]
    fn differences_never_go_below_zero() {
        let (clock, hand) = Clock::test(start());
        let early = clock.monotonic();
        hand.advance(Duration::from_secs(5));
        assert_eq!(clock.elapsed(early), Duration::from_secs(5));
        assert_eq!(early.since(clock.monotonic()), Duration::ZERO);
        assert_eq!(clock.monotonic().as_micros(), 3_605_000_000);
    }

    #[test]
    fn a_wall_jump_leaves_the_monotonic_clock_alone() {
        let (clock, hand) = Clock::test(start());
        let before = clock.monotonic();
        hand.set_wall("2020-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(clock.monotonic(), before);
        assert_eq!(clock.now().to_string(), "2020-01-01T00:00:00Z");
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_test_clock_passes_its_deadline() {
        let (clock, hand) = Clock::test(start());
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(10)).await }
        });
        while hand.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        hand.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand.advance(Duration::from_secs(1));
        tokio::time::timeout(Duration::from_secs(30), sleeper).await.unwrap().unwrap();
    }
}
