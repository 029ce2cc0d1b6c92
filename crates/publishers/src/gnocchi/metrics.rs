//! What Gnocchi publishers count.

use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter};

causes! {
    /// Why Gnocchi gets nothing of a record that the publisher accepts.
    pub enum Skipped {
        /// No resource type has the sample's meter.
        UnknownMetric => "unknown_metric",
        /// The sample is of Gnocchi's own project.
        FilteredProject => "filtered_project",
        /// No resource type has events of that type.
        UnknownEvent => "unknown_event",
    }
}

causes! {
    /// What the shared cache did not do.
    pub enum CacheFailure {
        /// It said nothing about an entry.
        Get => "get",
        /// It kept nothing.
        Set => "set",
    }
}

/// Counters of all Gnocchi publishers of a process; cheap to clone.
#[derive(Debug, Clone)]
pub struct GnocchiMetrics {
    pub(super) measures: Counter,
    pub(super) created: Counter,
    pub(super) updated: Counter,
    pub(super) updates_refused: Counter,
    pub(super) splits: Counter,
    pub(super) skipped: CauseCounter<Skipped>,
    pub(super) cache_failures: CauseCounter<CacheFailure>,
}

impl GnocchiMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            measures: component.counter("measures", "Measures that Gnocchi accepted"),
            created: component.counter("resources_created", "Resources created"),
            updated: component.counter("resources_updated", "Updates of resources that Gnocchi accepted"),
            updates_refused: component.counter(
                "resource_updates_refused",
                "Updates of attributes that Gnocchi refused; they are tried again when an attribute changes",
            ),
            splits: component
                .counter("batches_split", "Batches that were split to find what Gnocchi refuses"),
            skipped: component.counter_by_cause("records_skipped", "Records of which Gnocchi gets nothing"),
            cache_failures: component.counter_by_cause(
                "cache_failures",
                "Times that the cache of attributes did not do what it was asked; attributes are sent again",
            ),
        }
    }
}
