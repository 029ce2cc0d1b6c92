//! [`ComputeMetrics`]: what the namespace `compute` counts.

use observability::metrics::{Component, Counter, CounterFamily, Gauge, Histogram};

use super::nova::NovaMetrics;

/// Counters of the namespace; cheap to clone.
#[derive(Debug, Clone)]
pub struct ComputeMetrics {
    pub(crate) calls: CounterFamily<1>,
    pub(crate) call_errors: CounterFamily<2>,
    pub(crate) connections_made: Counter,
    pub(crate) connections: Gauge,
    pub(crate) stuck_calls: Gauge,
    pub(crate) surveys: Counter,
    pub(crate) survey_errors: CounterFamily<1>,
    pub(crate) survey_duration: Histogram,
    pub(crate) limited_surveys: Counter,
    pub(crate) domains: Gauge,
    pub(crate) hung_domains: Gauge,
    pub(crate) skipped_domains: Gauge,
    pub(crate) events: Counter,
    pub(crate) lookup_errors: CounterFamily<2>,
    pub(crate) nova: NovaMetrics,
}

impl ComputeMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            calls: component.counter_family("libvirt_calls", ["call"], "Round trips to libvirt"),
            call_errors: component.counter_family(
                "libvirt_call_errors",
                ["call", "cause"],
                "Calls to libvirt that were refused, not answered in time, or cut off",
            ),
            connections_made: component.counter("libvirt_connections_made", "Connections to libvirt that were opened"),
            connections: component.gauge("libvirt_connections", "Connections to libvirt that are open"),
            stuck_calls: component
                .gauge("libvirt_stuck_calls", "Calls that libvirt has not answered, because a domain hangs"),
            surveys: component.counter("surveys", "Readings of all domains, one in each cycle that needs it"),
            survey_errors: component.counter_family(
                "survey_errors",
                ["cause"],
                "Readings of all domains that failed; nothing was polled from libvirt in that cycle",
            ),
            survey_duration: component
                .duration_histogram("survey_duration", "Time that a reading of all domains takes"),
            limited_surveys: component.counter(
                "limited_surveys",
                "Readings without processors, memory and disks of any domain, because too many calls are stuck",
            ),
            domains: component.gauge("domains", "Domains that libvirt told of in the last reading"),
            hung_domains: component.gauge("hung_domains", "Domains whose hypervisor process does not answer"),
            skipped_domains: component.gauge(
                "skipped_domains",
                "Domains that are no instances: without Nova's metadata, or with metadata that cannot be used",
            ),
            events: component.counter("libvirt_events", "Events that libvirt told"),
            lookup_errors: component.counter_family(
                "nova_lookup_errors",
                ["what", "cause"],
                "Look-ups in Nova that failed; samples go without what they would have told",
            ),
            nova: NovaMetrics::register(component),
        }
    }
}
