//! [`Traffic`]: how a session's requests are spread over services that may be in trouble.
//!
//! Each service has a lane of its own:
//!
//! - So many requests are under way at a time.
//! - Where it answers 429 or 503, everybody who asks it waits, as long as it asks for (`Retry-After`) or twice as long each
//!   time, and the request is repeated; nobody waits longer than its patience.
//! - When several requests in a row have failed, or one was not answered in time, the lane is closed: requests fail at once,
//!   without being sent. After a while one is let through, the others wait for what becomes of it, and if that is an answer the
//!   lane is open again.
//!
//! What goes wrong in one lane is not felt in another. Everything is counted by service.

mod lane;
mod metrics;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};

pub use metrics::TrafficMetrics;

use self::lane::{Lane, Verdict};
use crate::Error;

/// Lanes at most; services beyond share the last.
const LANES_MAX: usize = 256;
/// Where those go.
const OTHERS: &str = "other";

/// The bounds of each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficLimits {
    /// Requests under way at a time.
    pub requests: usize,
    /// Failures in a row that close a lane. One that is not answered in time closes it alone.
    pub failures: u32,
    /// How long a lane is closed at first; twice as long after each request that tried it and failed.
    pub pause: Duration,
    /// The longest that it is closed.
    pub pause_max: Duration,
    /// The first wait for a service that answers 429 or 503 and does not say how long.
    pub back_off: Duration,
    /// The longest such wait.
    pub back_off_max: Duration,
}

impl Default for TrafficLimits {
    fn default() -> Self {
        Self {
            requests: 8,
            failures: 3,
            pause: Duration::from_secs(5),
            pause_max: Duration::from_mins(1),
            back_off: Duration::from_secs(1),
            back_off_max: Duration::from_secs(30),
        }
    }
}

/// The lanes. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Traffic(Arc<Inner>);

struct Inner {
    limits: TrafficLimits,
    clock: Clock,
    metrics: TrafficMetrics,
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
}

impl Traffic {
    /// Empty lanes.
    #[must_use]
    pub fn new(limits: TrafficLimits, clock: Clock, metrics: TrafficMetrics) -> Self {
        Self(Arc::new(Inner { limits, clock, metrics, lanes: Mutex::default() }))
    }

    /// Sends a request in the lane of `service`; again, if that asks for patience and there is some. `trouble` says what is
    /// wrong with an answer, as [`Response::error`](crate::Response::error) does.
    ///
    /// # Errors
    /// [`Error::LeftAlone`] if the lane is closed; whatever `send` gives.
    pub async fn run<T, F>(
        &self,
        service: &str,
        patience: Duration,
        trouble: impl Fn(&T) -> Option<Error>,
        mut send: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Inner { limits, clock, metrics, .. } = &*self.0;
        let lane = self.lane(service);
        let give_up = clock.monotonic().plus(patience);
        let mut back_off = limits.back_off;
        loop {
            if !patience.is_zero() {
                self.wait(&lane, give_up).await?;
            }
            let permit = lane.permit().await?;
            let probe = match lane.admit(clock).await {
                Ok(probe) => probe,
                Err(error) => {
                    metrics.requests.with([&lane.name, error.cause()]).inc();
                    return Err(error);
                }
            };
            let mut flight = lane.take_off(self);
            let sent = send().await;
            let found = match &sent {
                Ok(answer) => trouble(answer),
                Err(error) => Some(error.clone()),
            };
            let Verdict::Busy { retry_after, is_failure } = flight.land(found.as_ref()) else { return sent };
            drop((probe, permit));
            let wait = retry_after.unwrap_or(back_off);
            back_off = back_off.saturating_mul(2).min(limits.back_off_max);
            let until = clock.monotonic().plus(wait);
            if patience.is_zero() || until > give_up {
                if is_failure {
                    lane.failed(self, 1, found.as_ref());
                }
                return sent;
            }
            lane.busy_until(until);
            metrics.repeated.with([&lane.name]).inc();
            tracing::debug!(service = lane.name, seconds = wait.as_secs_f64(), "asked for patience");
        }
    }

    /// Waits until the service wants to be asked again.
    async fn wait(&self, lane: &Lane, give_up: MonotonicTime) -> Result<(), Error> {
        let clock = &self.0.clock;
        while let Some(until) = lane.is_busy_until(clock.monotonic()) {
            if until > give_up {
                return Err(Error::Unavailable {
                    message: format!("{}: it asks for more patience than there is", lane.name),
                    status: None,
                    retry_after: None,
                });
            }
            clock.sleep_until(until).await;
        }
        Ok(())
    }

    fn lane(&self, service: &str) -> Arc<Lane> {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if lanes.len() < LANES_MAX || lanes.contains_key(service) { service } else { OTHERS };
        if let Some(lane) = lanes.get(name) {
            return Arc::clone(lane);
        }
        let lane = Arc::new(Lane::new(name, self.0.limits.requests));
        lanes.insert(name.to_owned(), Arc::clone(&lane));
        lane
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Traffic").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
