//! The pipeline's own counters.

use std::sync::Arc;

use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, CounterFamily};

use crate::RecordsKind;

causes! {
    /// Why a record goes nowhere.
    pub enum Drop {
        /// The sample's volume is null.
        NullVolume => "null_volume",
        /// The sample's volume is neither a number nor a text that spells one.
        VolumeNotANumber => "volume_not_a_number",
    }
}

/// Counters of everything that passes through pipelines; cheap to clone.
#[derive(Debug, Clone)]
pub struct PipelineMetrics {
    queued: CounterFamily<2>,
    accepted: CounterFamily<2>,
    failures: CounterFamily<3>,
    /// Records that no pipeline can carry.
    pub(crate) dropped: CauseCounter<Drop>,
}

impl PipelineMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            queued: component.counter_family(
                "records_queued",
                ["publisher", "kind"],
                "Records put into a publisher's queue",
            ),
            accepted: component.counter_family(
                "records_accepted",
                ["publisher", "kind"],
                "Records that a publisher accepted",
            ),
            failures: component.counter_family(
                "publish_failures",
                ["publisher", "kind", "cause"],
                "Attempts to publish that were not accepted, after which the records are offered again",
            ),
            dropped: component.counter_by_cause("records_dropped", "Records that no pipeline can carry"),
        }
    }

    /// The counters of one publisher.
    pub(crate) fn of_publisher(&self, publisher: &str, kind: RecordsKind) -> Arc<PublisherMetrics> {
        Arc::new(PublisherMetrics {
            queued: self.queued.with([publisher, kind.as_str()]),
            accepted: self.accepted.with([publisher, kind.as_str()]),
            failures: self.failures.clone(),
            publisher: publisher.to_owned(),
            kind,
        })
    }
}

/// The counters of one publisher, looked up once.
#[derive(Debug)]
pub(crate) struct PublisherMetrics {
    pub(crate) queued: Counter,
    pub(crate) accepted: Counter,
    failures: CounterFamily<3>,
    publisher: String,
    kind: RecordsKind,
}

impl PublisherMetrics {
    pub(crate) fn count_failure(&self, cause: &str) {
        self.failures.with([&self.publisher, self.kind.as_str(), cause]).inc();
    }
}
