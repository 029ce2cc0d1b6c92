//! One service's lane: turns, patience, and the circuit breaker.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};
use reqwest::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Traffic;
use crate::Error;

/// How long a request waits for its turn: longer than any before it may take.
const TURN_MAX: Duration = Duration::from_mins(5);

/// The lane of a service.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    turns: Semaphore,
    state: Mutex<State>,
    /// Held by the request that tries a closed lane.
    probe: tokio::sync::Mutex<()>,
}

/// That the request is the one that tries.
pub(super) type Probe<'l> = tokio::sync::MutexGuard<'l, ()>;

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Closed until then; after that one is let through.
    closed: Option<Closed>,
    /// The service does not want to be asked before.
    busy_until: Option<MonotonicTime>,
}

#[derive(Debug, Clone)]
struct Closed {
    until: MonotonicTime,
    pause: Duration,
    why: String,
}

/// What a request says of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers.
    Fine,
    /// It is there, and wants to be asked later.
    Busy { retry_after: Option<Duration>, is_failure: bool },
    /// It failed; so much does it count.
    Failed(u32),
    /// Nothing: the trouble is elsewhere.
    Nothing,
}

impl Verdict {
    fn of(trouble: Option<&Error>, enough: u32) -> Self {
        match trouble {
            None | Some(Error::Refused { .. }) => Self::Fine,
            Some(Error::Unavailable { status: Some(status), retry_after, .. })
                if matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) =>
            {
                let is_failure = *status == StatusCode::SERVICE_UNAVAILABLE;
                Self::Busy { retry_after: *retry_after, is_failure }
            }
            // Whoever waited for it has lost enough time.
            Some(Error::Timeout { .. }) => Self::Failed(enough),
            Some(Error::Unavailable { .. } | Error::Protocol { .. }) => Self::Failed(1),
            Some(
                Error::Configuration { .. }
                | Error::Credentials { .. }
                | Error::NoEndpoint { .. }
                | Error::LeftAlone { .. },
            ) => Self::Nothing,
        }
    }
}

/// A closed or open lane.
enum Gate {
    Open,
    Closed(Error),
    /// Closed, but it is time to try.
    ToTry,
}

impl Lane {
    pub(super) fn new(name: &str, requests: usize) -> Self {
        Self {
            name: name.to_owned(),
            turns: Semaphore::new(requests.max(1)),
            state: Mutex::default(),
            probe: tokio::sync::Mutex::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn.
    pub(super) async fn permit(&self) -> Result<SemaphorePermit<'_>, Error> {
        let turn = tokio::time::timeout(TURN_MAX, self.turns.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| Error::Timeout {
            message: format!("{}: no turn within {} s", self.name, TURN_MAX.as_secs()),
        })
    }

    /// Whether a request may be sent; [`Some`]: it is the one that tries.
    pub(super) async fn admit(&self, clock: &Clock) -> Result<Option<Probe<'_>>, Error> {
        match self.gate(clock.monotonic()) {
            Gate::Open => return Ok(None),
            Gate::Closed(error) => return Err(error),
            Gate::ToTry => {}
        }
        // Others wait for what becomes of the one that tries.
        let probe = self.probe.lock().await;
        match self.gate(clock.monotonic()) {
            Gate::Open => Ok(None),
            Gate::Closed(error) => Err(error),
            Gate::ToTry => Ok(Some(probe)),
        }
    }

    fn gate(&self, now: MonotonicTime) -> Gate {
        match &self.lock().closed {
            None => Gate::Open,
            Some(Closed { until, .. }) if now >= *until => Gate::ToTry,
            Some(Closed { until, why, .. }) => Gate::Closed(Error::LeftAlone {
                message: format!(
                    "{}: left alone for {} s more, after it failed: {why}",
                    self.name,
                    until.since(now).as_secs_f64().ceil()
                ),
            }),
        }
    }

    pub(super) fn busy_until(&self, until: MonotonicTime) {
        let mut state = self.lock();
        state.busy_until = state.busy_until.max(Some(until));
    }

    pub(super) fn is_busy_until(&self, now: MonotonicTime) -> Option<MonotonicTime> {
        self.lock().busy_until.filter(|until| *until > now)
    }

    /// A request leaves.
    pub(super) fn take_off<'l>(&'l self, traffic: &'l Traffic) -> Flight<'l> {
        let started = traffic.0.clock.monotonic();
        Flight { lane: self, traffic, started, has_landed: false }
    }

    fn works(&self, traffic: &Traffic) {
        let mut state = self.lock();
        state.failures = 0;
        if state.closed.take().is_some() {
            traffic.0.metrics.closed.with([&self.name]).set(0);
            tracing::info!(service = self.name, "it answers again");
        }
    }

    /// Counts failures, and closes the lane when there are enough.
    pub(super) fn failed(&self, traffic: &Traffic, weight: u32, trouble: Option<&Error>) {
        let super::Inner { limits, clock, metrics, .. } = &*traffic.0;
        let now = clock.monotonic();
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(weight);
        let pause = match &state.closed {
            None if state.failures < limits.failures => return,
            None => limits.pause,
            // It was under way already when the lane was closed.
            Some(Closed { until, .. }) if now < *until => return,
            Some(Closed { pause, .. }) => pause.saturating_mul(2).min(limits.pause_max),
        };
        let cause = trouble.map_or("cancelled", Error::cause);
        let why = trouble.map_or_else(|| "no answer in time".to_owned(), ToString::to_string);
        metrics.opened.with([&self.name, cause]).inc();
        metrics.closed.with([&self.name]).set(1);
        tracing::warn!(
            service = self.name,
            cause,
            seconds = pause.as_secs_f64(),
            "left alone for a while: {why}"
        );
        state.closed = Some(Closed { until: now.plus(pause), pause, why });
    }
}

/// A request under way. One that is given up by whoever waits for it was not answered in time.
pub(super) struct Flight<'l> {
    lane: &'l Lane,
    traffic: &'l Traffic,
    started: MonotonicTime,
    has_landed: bool,
}

impl Flight<'_> {
    /// It has ended; what that says of the service is taken note of, and returned.
    pub(super) fn land(&mut self, trouble: Option<&Error>) -> Verdict {
        self.has_landed = true;
        let super::Inner { limits, clock, metrics, .. } = &*self.traffic.0;
        let outcome = trouble.map_or("ok", Error::cause);
        metrics.requests.with([&self.lane.name, outcome]).inc();
        metrics.duration.with([&self.lane.name]).observe(clock.elapsed(self.started).as_secs_f64());
        let verdict = Verdict::of(trouble, limits.failures);
        match &verdict {
            Verdict::Fine => self.lane.works(self.traffic),
            Verdict::Failed(weight) => self.lane.failed(self.traffic, *weight, trouble),
            Verdict::Busy { .. } | Verdict::Nothing => {}
        }
        verdict
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.has_landed {
            let super::Inner { limits, metrics, .. } = &*self.traffic.0;
            metrics.requests.with([&self.lane.name, "cancelled"]).inc();
            self.lane.failed(self.traffic, limits.failures, None);
        }
    }
}
