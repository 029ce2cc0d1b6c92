//! What is counted.

use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, Gauge, GaugeFamily};

causes! {
    /// Why the back end could not be looked at.
    pub enum Failed {
        /// No answer in time.
        Timeout => "timeout",
        /// No connection, or it broke.
        Connection => "connection",
        /// An answer that is none, or a refusal.
        Answer => "answer",
        /// The directory or its files.
        File => "file",
    }
}

/// Counters of the membership; cheap to clone.
#[derive(Debug, Clone)]
pub struct CoordinationMetrics {
    pub(crate) up: Gauge,
    pub(crate) looks: Counter,
    pub(crate) failures: CauseCounter<Failed>,
    pub(crate) members: GaugeFamily<1>,
    pub(crate) changes: Counter,
}

impl CoordinationMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            up: component.gauge("up", "Whether the back end answered when it was asked last"),
            looks: component.counter("looks", "Times that the back end was asked who is there"),
            failures: component.counter_by_cause("failures", "Times that the back end gave no answer"),
            members: component.gauge_family(
                "members",
                ["group"],
                "Members of a group that are alive, with this one",
            ),
            changes: component.counter("changes", "Members that have come or gone"),
        }
    }
}
