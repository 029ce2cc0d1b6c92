//! What exporters count.

use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, Gauge};

causes! {
    /// Why no scrape has a sample that the publisher accepts.
    pub enum NotShown {
        /// There are as many series as there may be.
        MaxSeries => "max_series",
        /// Its series has a value that was measured later.
        Outdated => "outdated",
    }
}

/// Metrics of all exporters of a process; cheap to clone.
#[derive(Debug, Clone)]
pub struct ExporterMetrics {
    pub(super) series: Gauge,
    pub(super) scrapes: Counter,
    pub(super) not_shown: CauseCounter<NotShown>,
}

impl ExporterMetrics {
    /// Registers the metrics under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            series: component.gauge("series", "Series that are kept for Prometheus to scrape"),
            scrapes: component.counter("scrapes", "Requests that were answered with series"),
            not_shown: component.counter_by_cause(
                "samples_not_shown",
                "Samples that were accepted and that no scrape has, because something else had to be kept",
            ),
        }
    }
}
