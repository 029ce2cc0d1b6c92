//! What requests to services are counted as.

use observability::metrics::{Component, CounterFamily, GaugeFamily, HistogramFamily};

/// Counters of requests, by service; cheap to clone.
#[derive(Debug, Clone)]
pub struct TrafficMetrics {
    pub(super) requests: CounterFamily<2>,
    pub(super) duration: HistogramFamily<1>,
    pub(super) repeated: CounterFamily<1>,
    pub(super) opened: CounterFamily<2>,
    pub(super) closed: GaugeFamily<1>,
}

impl TrafficMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            requests: component.counter_family(
                "requests",
                ["service", "outcome"],
                "Requests to services, by their type in the catalogue, and what came of them; left_alone: not sent, because the service was in trouble",
            ),
            duration: component.duration_histogram_family(
                "request_duration",
                ["service"],
                "Time that a request takes, with the whole answer",
            ),
            repeated: component.counter_family(
                "requests_repeated",
                ["service"],
                "Requests repeated because the service answered 429 or 503",
            ),
            opened: component.counter_family(
                "circuits_opened",
                ["service", "cause"],
                "How often a service was left alone for a while because its requests failed",
            ),
            closed: component.gauge_family(
                "circuits_open",
                ["service"],
                "1 while a service is left alone because its requests failed",
            ),
        }
    }
}
