//! What the polling agent counts.
//!
//! Every sample made is brought to the pipelines, whose counters tell what becomes of it, or lost under a named cause.

use notification::NameMetrics;
use observability::causes;
use observability::metrics::{CauseCounter, Component, CounterFamily, GaugeFamily, HistogramFamily};

causes! {
    /// Why a pollster was not run in a cycle.
    pub enum Skipped {
        /// Nothing was discovered for it.
        NoResources => "no_resources",
        /// The discovery of its resources failed.
        DiscoveryFailed => "discovery_failed",
        /// All its resources were polled by it already in this cycle, for another source.
        PolledAlready => "polled_already",
        /// All its resources are of those that it can never read.
        GivenUp => "given_up",
        /// It, or all its resources, are another agent's.
        OtherAgent => "other_agent",
        /// The agent was told to stop.
        Stopping => "stopping",
    }
}

causes! {
    /// Why samples that were made go nowhere.
    pub enum Lost {
        /// `[polling] enable_notifications` is off, and nobody else wants them.
        NotificationsOff => "notifications_off",
        /// The agent ended before a publisher had accepted them, or has given their pollster up.
        Undelivered => "undelivered",
    }
}

/// Counters of the agent; cheap to clone.
#[derive(Debug, Clone)]
pub struct PollingMetrics {
    pub(crate) cycles: CounterFamily<1>,
    pub(crate) cycle_duration: HistogramFamily<1>,
    pub(crate) overruns: CounterFamily<1>,
    pub(crate) missed: CounterFamily<1>,
    pub(crate) takeovers: CounterFamily<1>,
    pub(crate) polls: CounterFamily<1>,
    pub(crate) poll_duration: HistogramFamily<1>,
    pub(crate) poll_errors: CounterFamily<2>,
    pub(crate) skipped: CauseCounter<Skipped>,
    pub(crate) samples: CounterFamily<1>,
    pub(crate) lost: CauseCounter<Lost>,
    pub(crate) discoveries: CounterFamily<1>,
    pub(crate) discovery_errors: CounterFamily<2>,
    pub(crate) discovered: GaugeFamily<1>,
    pub(crate) own: GaugeFamily<2>,
    pub(crate) given_up: GaugeFamily<1>,
    /// Names of users and projects looked up.
    pub(crate) names: NameMetrics,
}

impl PollingMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            cycles: component.counter_family("cycles", ["interval"], "Cycles that have ended"),
            cycle_duration: component.duration_histogram_family(
                "cycle_duration",
                ["interval"],
                "Time that a cycle takes, with waits for the pipelines",
            ),
            overruns: component.counter_family(
                "overruns",
                ["interval"],
                "Cycles that took longer than their interval, so that the next began late",
            ),
            missed: component.counter_family(
                "cycles_missed",
                ["interval"],
                "Cycles that were never begun, because those before them took too long",
            ),
            takeovers: component.counter_family(
                "takeovers",
                ["interval"],
                "Times that what an agent had that is gone was polled between two cycles",
            ),
            polls: component.counter_family("polls", ["pollster"], "Runs of pollsters"),
            poll_duration: component.duration_histogram_family(
                "poll_duration",
                ["pollster"],
                "Time that a pollster takes, with waits for the pipelines",
            ),
            poll_errors: component.counter_family(
                "poll_errors",
                ["pollster", "cause"],
                "Runs of pollsters that ended early; what they had read by then counts",
            ),
            skipped: component.counter_by_cause("polls_skipped", "Pollsters that were not run in a cycle"),
            samples: component.counter_family("samples", ["pollster"], "Samples made"),
            lost: component.counter_by_cause("samples_lost", "Samples that go nowhere"),
            discoveries: component.counter_family("discoveries", ["discovery"], "Runs of discoveries"),
            discovery_errors: component.counter_family(
                "discovery_errors",
                ["discovery", "cause"],
                "Runs of discoveries that failed; their pollsters had no resources in that cycle",
            ),
            discovered: component.gauge_family(
                "discovered_resources",
                ["discovery"],
                "Resources that a discovery found when it ran last",
            ),
            own: component.gauge_family(
                "own_resources",
                ["kind", "name"],
                "This agent's part of what a discovery found, or of the resources of a source",
            ),
            given_up: component.gauge_family(
                "given_up_resources",
                ["pollster"],
                "Resources that a pollster can never read, and is not given any more",
            ),
            names: NameMetrics::register(component),
        }
    }
}
