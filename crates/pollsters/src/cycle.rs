//! [`Cycle`]: what pollsters and discoveries are told of the cycle that they run in.

use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};
use openstack::RequestBuilder;

use crate::CycleCache;

/// A service that asks for patience is waited for so long a part of the cycle's time.
const PATIENCE_PART: f64 = 0.25;
/// How long a cycle of no task may take.
const NO_TASK: Duration = Duration::from_mins(1);
/// A request may take this part of its cycle's time, so that there is time for others after one that hangs.
const REQUEST_PART: f64 = 0.75;
/// But so much at least.
const REQUEST_MIN: Duration = Duration::from_secs(5);

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
    /// When it began.
    begun: MonotonicTime,
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
        let begun = clock.monotonic();
        Self { cache: CycleCache::default(), clock, task: interval_seconds, begun }
    }

    /// How long the cycle may take without delaying the next.
    fn length(&self) -> Duration {
        if self.task == 0 { NO_TASK } else { Duration::from_secs(self.task) }
    }

    /// How long a service that asks for patience is waited for: not so long that the next cycle would be late.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let left = self.length().saturating_sub(self.clock.elapsed(self.begun));
        left.min(self.length().mul_f64(PATIENCE_PART))
    }

    /// The request, with the patience of this cycle: it may take a part of the cycle's time, and is repeated as long
    /// as there is patience where the service asks for that.
    pub fn patient(&self, request: RequestBuilder) -> RequestBuilder {
        request.at_most(self.length().mul_f64(REQUEST_PART).max(REQUEST_MIN)).patience(self.patience())
    }

    /// Seconds of the monotonic clock now, as samples carry them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
    pub fn monotonic_seconds(&self) -> f64 {
        self.clock.monotonic().as_micros() as f64 / 1e6
    }
}
