//! What the agent counts.

use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, CounterFamily};

causes! {
    /// Why a notification gives nothing, although it could be read.
    pub enum Ignored {
        /// No definition of an enabled pipeline wants its type and priority.
        Unwanted => "unwanted",
        /// Its priority is not one of oslo.messaging's seven.
        UnknownPriority => "unknown_priority",
    }
}

/// Counters of the agent; cheap to clone.
#[derive(Debug, Clone)]
pub struct AgentMetrics {
    /// Notifications taken from listeners.
    pub(crate) notifications: Counter,
    /// Notifications that give nothing.
    pub(crate) ignored: CauseCounter<Ignored>,
    /// Samples made.
    pub(crate) samples: Counter,
    /// Events made.
    pub(crate) events: Counter,
    /// Definitions that failed on a notification.
    pub(crate) failures: CounterFamily<2>,
    /// Notifications given back to the broker because `ack_on_event_error` is off.
    pub(crate) requeued: Counter,
    /// Batches of which not every publisher accepted everything.
    pub(crate) undelivered: Counter,
}

impl AgentMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            notifications: component.counter("notifications", "Notifications taken from the message bus"),
            ignored: component.counter_by_cause(
                "notifications_ignored",
                "Notifications that give neither samples nor events",
            ),
            samples: component.counter("samples", "Samples made of notifications"),
            events: component.counter("events", "Events made of notifications"),
            failures: component.counter_family(
                "conversion_failures",
                ["kind", "cause"],
                "Definitions that made nothing of a notification that they want",
            ),
            requeued: component.counter(
                "notifications_requeued",
                "Notifications given back because an event failed and ack_on_event_error is off",
            ),
            undelivered: component.counter(
                "batches_undelivered",
                "Batches that were given back to the broker, to be delivered again",
            ),
        }
    }
}
