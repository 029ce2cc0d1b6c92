//! [`Cycle`]: what pollsters and discoveries are told of the cycle that they run in.

use observability::clock::Clock;

use crate::CycleCache;

/// One cycle of a polling task.
#[derive(Debug)]
pub struct Cycle {
    /// What has been read in this cycle.
    pub cache: CycleCache,
    /// The time.
    pub clock: Clock,
    /// Whose cycle it is: the interval of the task, in seconds. What a pollster remembers of former cycles it remembers for
    /// each task by itself.
    pub task: u64,
}

impl Cycle {
    /// A cycle of no task, in which nothing has been read yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::of_task(clock, 0)
    }

    /// A cycle of the task of that interval, in seconds.
    #[must_use]
    pub fn of_task(clock: Clock, interval_seconds: u64) -> Self {
        Self { cache: CycleCache::default(), clock, task: interval_seconds }
    }

    /// Seconds of the monotonic clock now, as samples carry them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
    pub fn monotonic_seconds(&self) -> f64 {
        self.clock.monotonic().as_micros() as f64 / 1e6
    }
}
