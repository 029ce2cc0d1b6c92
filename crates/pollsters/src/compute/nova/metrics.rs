//! What is counted of Nova.

use observability::metrics::{Component, Counter, CounterFamily};

/// Counters; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct NovaMetrics {
    pub(super) lists: Counter,
    pub(super) errors: CounterFamily<1>,
    pub(super) outdated: CounterFamily<1>,
}

impl NovaMetrics {
    /// Registers them.
    pub(crate) fn register(component: &Component) -> Self {
        Self {
            lists: component.counter("nova_lists", "Lists of this host's instances that Nova was asked for"),
            errors: component.counter_family(
                "nova_errors",
                ["cause"],
                "Questions that Nova or Glance did not answer, by cause",
            ),
            outdated: component.counter_family(
                "nova_outdated",
                ["what"],
                "Times that an older answer served because Nova or Glance gave no newer one: instances is the whole list \
                 of a cycle",
            ),
        }
    }
}
