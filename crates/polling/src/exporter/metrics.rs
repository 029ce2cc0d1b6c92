//! What the exporter counts.

use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, Gauge};

causes! {
    /// Why no scrape has a sample.
    pub enum NotShown {
        /// Its volume is no number.
        Volume => "volume",
        /// Another sample of the same run has the same name and labels, and came later.
        Repeated => "repeated",
        /// There are as many series as there may be.
        MaxSeries => "max_series",
    }
}

causes! {
    /// Why a series is not shown any more, other than that its pollster does not give it any more.
    pub enum Dropped {
        /// The runs that should have given it again have failed for too long, or do not end.
        Stale => "stale",
        /// Its pollster is not polled any more since the configuration was read again.
        NotPolled => "not_polled",
    }
}

/// Metrics of the exporter; cheap to clone.
#[derive(Debug, Clone)]
pub struct ExporterMetrics {
    pub(crate) series: Gauge,
    pub(crate) scrapes: Counter,
    pub(crate) not_shown: CauseCounter<NotShown>,
    pub(crate) dropped: CauseCounter<Dropped>,
}

impl ExporterMetrics {
    /// Registers the metrics under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            series: component.gauge("series", "Series of polled samples that Prometheus can scrape"),
            scrapes: component.counter("scrapes", "Requests that were answered with series"),
            not_shown: component.counter_by_cause(
                "samples_not_shown",
                "Polled samples that no scrape has; what else is done with them goes on",
            ),
            dropped: component.counter_by_cause(
                "series_dropped",
                "Series that have disappeared although no run of their pollster said so",
            ),
        }
    }
}
