//! What the API counts, and what it logs of single requests.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use observability::causes;
use observability::clock::{Clock, MonotonicTime};
use observability::metrics::{
    CauseCounter, Component, Counter, CounterFamily, Gauge, HistogramFamily, Metrics,
};
use uuid::Uuid;

use crate::request::Request;
use crate::route::Route;

/// The header that names a request in answers, and the caller's own name of a chain of requests in requests.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");
/// What begins every such name.
const ID_PREFIX: &str = "req-";
/// The route of requests that no route has.
const NO_ROUTE: &str = "none";

causes! {
    /// Why a request was given up by a bound of the server.
    pub enum Refused {
        /// Its body is larger than any may be.
        BodyTooLarge => "body_too_large",
        /// Its body did not come in time.
        BodyTimeout => "body_timeout",
        /// Its body ended early.
        BodyBroken => "body_broken",
        /// It has more measures than any may have.
        TooManyMeasures => "too_many_measures",
        /// Too many requests, or too many of their bytes, were under way.
        Busy => "busy",
        /// It took longer than any may.
        Deadline => "deadline",
    }
}

/// Metrics of the API; cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiMetrics {
    requests: CounterFamily<3>,
    durations: HistogramFamily<2>,
    under_way: Gauge,
    measures: Counter,
    slow: Counter,
    pub(crate) refused: CauseCounter<Refused>,
}

impl ApiMetrics {
    /// Registers the metrics under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            requests: component.counter_family(
                "requests",
                ["method", "route", "status"],
                "Requests that were answered; the route is the path with its placeholders",
            ),
            durations: component.duration_histogram_family(
                "request_duration",
                ["method", "route"],
                "Time from a request's header to its answer, its body's way included",
            ),
            under_way: component.gauge("requests_under_way", "Requests that are not answered yet"),
            measures: component.counter("measures", "Measures that were accepted"),
            slow: component.counter("slow_requests", "Requests that were logged as slow"),
            refused: component
                .counter_by_cause("requests_refused", "Requests that were given up by a bound of the server"),
        }
    }
}

impl Default for ApiMetrics {
    /// Metrics that nobody is shown.
    fn default() -> Self {
        Self::register(&Metrics::new().component("metric_api"))
    }
}

/// A request while it is answered.
#[derive(Debug)]
pub(crate) struct Watched<'api> {
    metrics: &'api ApiMetrics,
    clock: &'api Clock,
    begin: MonotonicTime,
    pub(crate) id: String,
    /// What the caller calls it.
    callers_id: Option<String>,
    pub(crate) route: Option<&'static Route>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) status: StatusCode,
    /// Items of the answer, or measures that were accepted.
    pub(crate) rows: usize,
    /// Measures that were accepted.
    pub(crate) measures: usize,
}

impl<'api> Watched<'api> {
    pub(crate) fn begin(metrics: &'api ApiMetrics, clock: &'api Clock, headers: &HeaderMap) -> Self {
        metrics.under_way.inc();
        let id = format!("{ID_PREFIX}{}", Uuid::new_v4());
        let callers_id = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_id(id));
        Self {
            metrics,
            clock,
            begin: clock.monotonic(),
            id,
            callers_id: callers_id.map(str::to_owned),
            route: None,
        }
    }

    /// Names the request in its answer.
    pub(crate) fn name(&self, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::from_str(&self.id) {
            headers.insert(REQUEST_ID, id);
        }
    }

    /// Counts it, and logs it if it took `slow` or longer.
    pub(crate) fn end(&self, request: &Request, outcome: Outcome, slow: Option<Duration>) {
        let Outcome { status, rows, measures } = outcome;
        let duration = self.clock.elapsed(self.begin);
        let (method, path) = self.route.map_or((NO_ROUTE, ""), |route| (route.method, route.path));
        let route = if method == NO_ROUTE { NO_ROUTE.to_owned() } else { format!("/{path}") };
        self.metrics.requests.with([method, &route, status.as_str()]).inc();
        self.metrics.durations.with([method, &route]).observe(duration.as_secs_f64());
        self.metrics.measures.inc_by(measures as u64);
        let failed = status == StatusCode::INTERNAL_SERVER_ERROR;
        let slow = slow.is_some_and(|slow| duration >= slow);
        if !slow && !failed {
            return;
        }
        let caller = request.caller().ok();
        let (user, project) = (
            caller.and_then(|caller| caller.user_id()).unwrap_or_default(),
            caller.and_then(|caller| caller.project_id.as_deref()).unwrap_or_default(),
        );
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let callers_id = self.callers_id.as_deref().unwrap_or_default();
        let (request_id, status) = (&self.id, status.as_u16());
        if failed {
            tracing::error!(
                method,
                route,
                status,
                user,
                project,
                milliseconds,
                rows,
                request_id,
                callers_id,
                "a request failed"
            );
        } else {
            self.metrics.slow.inc();
            tracing::warn!(
                method,
                route,
                status,
                user,
                project,
                milliseconds,
                rows,
                request_id,
                callers_id,
                "a slow request"
            );
        }
    }
}

impl Drop for Watched<'_> {
    /// Also of a request whose client has gone.
    fn drop(&mut self) {
        self.metrics.under_way.dec();
    }
}

/// Whether a text is the name of a request: nothing else of a caller's gets into the log.
fn is_id(text: &str) -> bool {
    text.strip_prefix(ID_PREFIX).is_some_and(|id| id.len() == 36 && Uuid::try_parse(id).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_requests() {
        assert!(is_id("req-0a7a15ff-aa13-4ac2-897c-9bdf30ce175b"));
        for text in [
            "",
            "req-",
            "0a7a15ff-aa13-4ac2-897c-9bdf30ce175b",
            "req-0a7a15ffaa134ac2897c9bdf30ce175b",
            "req-\u{e9}",
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
