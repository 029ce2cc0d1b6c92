//! When a task runs.
//!
//! The first cycle begins at once (or after a random part of the jitter), each further one an interval after the one before
//! was due. A task never overlaps with itself: a cycle that takes longer than the interval is followed at once by the next,
//! and those that were missed meanwhile are counted and not made up for. Intervals are measured on the monotonic clock, so
//! that setting the wall clock changes nothing but the time in samples; while the machine sleeps, no time passes.
//!
//! Where agents share the work and one is gone, what has come to this one is polled between two cycles, if it cannot wait for
//! the next ([`Share::takeover`]). Cycles keep their times.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};
use observability::health::Check;
use observability::service_manager::Progress;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cycle::{CycleReport, Task};
use crate::metrics::PollingMetrics;
use crate::partition::Share;

/// Failures that the health page shows.
const SHOWN: usize = 3;

/// What runs the tasks of one interval.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) interval: Duration,
    /// The newest task; at its end, the interval is no longer in the plan.
    pub(crate) tasks: watch::Receiver<Arc<Task>>,
    pub(crate) jitter: Duration,
    pub(crate) clock: Clock,
    pub(crate) progress: Arc<Progress>,
    pub(crate) check: Arc<Check>,
    pub(crate) metrics: PollingMetrics,
}

impl Schedule {
    /// Runs cycles until `stop`, or until the interval is no longer in the plan. A cycle that runs then is finished.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Infallible> {
        let label = self.interval.as_secs().to_string();
        let mut due = self.clock.monotonic().plus(self.jitter.mul_f64(fastrand::f64()));
        self.check.ok();
        // What was this agent's in the last cycle.
        let mut last: Option<Arc<dyn Share>> = None;
        loop {
            self.progress.rest();
            let taken_over = loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    changed = self.tasks.changed() => if changed.is_err() { return Ok(()) },
                    () = self.clock.sleep_until(due) => break None,
                    share = takeover(last.as_ref(), due, self.interval) => break Some(share),
                }
            };
            self.progress.tick();
            let task = Arc::clone(&self.tasks.borrow_and_update());
            if let Some((share, before)) = taken_over {
                last = Some(Arc::clone(&share));
                let report = task.take_over(share, before, &self.progress, &stop).await;
                self.show_takeover(&report);
                continue;
            }
            // The process may have been held up for long.
            let (begun, held_up) = realigned(due, self.clock.monotonic(), self.interval);
            let share = task.share(&stop).await;
            last = Some(Arc::clone(&share));
            let report = task.run_with(share, &self.progress, &stop).await;
            self.show(&report);
            let next = Next::after(begun, self.clock.monotonic(), self.interval);
            due = next.due;
            if next.is_late {
                self.metrics.overruns.with([&label]).inc();
                tracing::warn!(
                    interval_seconds = self.interval.as_secs(),
                    missed = next.missed,
                    "a cycle took longer than its interval: the next begins at once"
                );
            }
            self.metrics.missed.with([&label]).inc_by(held_up + next.missed);
        }
    }

    fn show(&self, report: &CycleReport) {
        let CycleReport { polls, samples, failures } = report;
        tracing::info!(
            interval_seconds = self.interval.as_secs(),
            polls,
            samples,
            failures = failures.len(),
            "cycle ended"
        );
        if failures.is_empty() {
            self.check.ok();
        } else {
            self.show_failures(failures);
        }
    }

    fn show_takeover(&self, report: &CycleReport) {
        let CycleReport { polls, samples, failures } = report;
        tracing::info!(
            interval_seconds = self.interval.as_secs(),
            polls,
            samples,
            failures = failures.len(),
            "what an agent had that is gone was polled before the next cycle"
        );
        // What failed in the last cycle is not well by this.
        if !failures.is_empty() {
            self.show_failures(failures);
        }
    }

    fn show_failures(&self, failures: &[String]) {
        let shown = failures.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
        self.check.degraded(format_args!("{} failures in the last cycle: {shown}", failures.len()));
    }
}

/// Waits until what an agent had that is gone cannot wait; returns what is this agent's then, and what was.
async fn takeover(
    last: Option<&Arc<dyn Share>>,
    due: MonotonicTime,
    interval: Duration,
) -> (Arc<dyn Share>, Arc<dyn Share>) {
    let Some(before) = last else { return std::future::pending().await };
    (before.takeover(due, interval).await, Arc::clone(before))
}

/// From when a cycle that was due at `due` and begins now counts, and how many were missed by then.
fn realigned(due: MonotonicTime, now: MonotonicTime, interval: Duration) -> (MonotonicTime, u64) {
    match whole(now.since(due), interval) {
        0 => (due, 0),
        missed => (now, missed),
    }
}

/// When the next cycle begins.
#[derive(Debug, PartialEq, Eq)]
struct Next {
    due: MonotonicTime,
    /// It should have begun before.
    is_late: bool,
    /// So many others should have, too.
    missed: u64,
}

impl Next {
    /// After a cycle that was due at `due` and ended at `now`.
    fn after(due: MonotonicTime, now: MonotonicTime, interval: Duration) -> Self {
        let taken = now.since(due);
        if taken <= interval {
            return Self { due: due.plus(interval), is_late: false, missed: 0 };
        }
        Self { due: now, is_late: true, missed: whole(taken, interval).saturating_sub(1) }
    }
}

/// How often `interval` goes into `time`.
fn whole(time: Duration, interval: Duration) -> u64 {
    let times = time.as_nanos() / interval.as_nanos().max(1);
    u64::try_from(times).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_due_an_interval_after_the_one_before_or_at_once() {
        let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
        let start = clock.monotonic();
        hand.advance(Duration::from_hours(24));
        let at = |seconds: f64| start.plus(Duration::from_secs_f64(seconds));
        let interval = Duration::from_secs(10);
        for (ended, due, is_late, missed) in [
            (0.0, 10.0, false, 0),
            (9.9, 10.0, false, 0),
            (10.0, 10.0, false, 0),
            (10.1, 10.1, true, 0),
            (20.0, 20.0, true, 1),
            (25.0, 25.0, true, 1),
            (30.5, 30.5, true, 2),
        ] {
            let next = Next::after(start, at(ended), interval);
            assert_eq!(next, Next { due: at(due), is_late, missed }, "{ended}");
        }
        assert_eq!(realigned(start, at(9.9), interval), (start, 0));
        assert_eq!(realigned(start, at(35.0), interval), (at(35.0), 3));
    }
}
