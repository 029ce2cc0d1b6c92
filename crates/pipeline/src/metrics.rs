//! The pipeline's own counters.

use std::sync::Arc;

use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, CounterFamily, Gauge, GaugeFamily};

use crate::RecordsKind;

causes! {
    /// Why a record goes nowhere.
    pub enum Drop {
        /// The sample's volume is null.
        NullVolume => "null_volume",
        /// The sample's volume is neither a number nor a text that spells one.
        VolumeNotANumber => "volume_not_a_number",
        /// The record was buffered for longer than `buffer_max_age` allows.
        Expired => "expired",
        /// The record was buffered on disk and is damaged there, or was written by a later release.
        Damaged => "damaged",
    }
}

/// Counters of everything that passes through pipelines; cheap to clone.
#[derive(Debug, Clone)]
pub struct PipelineMetrics {
    queued: CounterFamily<2>,
    accepted: CounterFamily<2>,
    failures: CounterFamily<3>,
    buffered_records: GaugeFamily<3>,
    buffered_bytes: GaugeFamily<3>,
    oldest_age: GaugeFamily<2>,
    recovered: CounterFamily<2>,
    spilled: CounterFamily<2>,
    drained: CounterFamily<2>,
    buffer_failures: CounterFamily<3>,
    quarantined: CounterFamily<3>,
    pub(crate) orphans: Gauge,
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
            buffered_records: component.gauge_family(
                "buffer_records",
                ["publisher", "kind", "place"],
                "Records that wait for a publisher, in memory or on disk",
            ),
            buffered_bytes: component.gauge_family(
                "buffer_bytes",
                ["publisher", "kind", "place"],
                "Bytes that waiting records take, in memory (about) or on disk",
            ),
            oldest_age: component.gauge_family(
                "buffer_oldest_age_seconds",
                ["publisher", "kind"],
                "How long the oldest record on disk has been there; 0 without any",
            ),
            recovered: component.counter_family(
                "records_recovered",
                ["publisher", "kind"],
                "Records that an earlier run left on disk, those that were damaged since included",
            ),
            spilled: component.counter_family(
                "records_spilled",
                ["publisher", "kind"],
                "Records written to the buffer on disk",
            ),
            drained: component.counter_family(
                "records_drained",
                ["publisher", "kind"],
                "Records of the buffer on disk that a publisher accepted",
            ),
            buffer_failures: component.counter_family(
                "buffer_failures",
                ["publisher", "kind", "cause"],
                "Attempts to use the buffer on disk that failed, after which it is tried again",
            ),
            quarantined: component.counter_family(
                "buffer_quarantined",
                ["publisher", "kind", "cause"],
                "Damaged places that were passed over in the buffer on disk",
            ),
            orphans: component.gauge("buffer_orphans", "Buffers on disk whose publisher is in no pipeline"),
            dropped: component.counter_by_cause("records_dropped", "Records that go nowhere"),
        }
    }

    fn place(&self, publisher: &str, kind: RecordsKind, place: &str) -> PlaceMetrics {
        let labels = [publisher, kind.as_str(), place];
        PlaceMetrics { records: self.buffered_records.with(labels), bytes: self.buffered_bytes.with(labels) }
    }

    /// The counters of one publisher.
    pub(crate) fn of_publisher(&self, publisher: &str, kind: RecordsKind) -> Arc<PublisherMetrics> {
        Arc::new(PublisherMetrics {
            queued: self.queued.with([publisher, kind.as_str()]),
            accepted: self.accepted.with([publisher, kind.as_str()]),
            failures: self.failures.clone(),
            memory: self.place(publisher, kind, "memory"),
            disk: self.place(publisher, kind, "disk"),
            oldest_age: self.oldest_age.with([publisher, kind.as_str()]),
            recovered: self.recovered.with([publisher, kind.as_str()]),
            spilled: self.spilled.with([publisher, kind.as_str()]),
            drained: self.drained.with([publisher, kind.as_str()]),
            buffer_failures: self.buffer_failures.clone(),
            quarantined: self.quarantined.clone(),
            dropped: self.dropped.clone(),
            publisher: publisher.to_owned(),
            kind,
        })
    }
}

/// What waits in one place.
#[derive(Debug)]
pub(crate) struct PlaceMetrics {
    pub(crate) records: Gauge,
    pub(crate) bytes: Gauge,
}

impl PlaceMetrics {
    pub(crate) fn set(&self, records: u64, bytes: u64) {
        self.records.set(as_gauge(records));
        self.bytes.set(as_gauge(bytes));
    }

    pub(crate) fn add(&self, records: u64, bytes: u64) {
        self.records.inc_by(as_gauge(records));
        self.bytes.inc_by(as_gauge(bytes));
    }

    pub(crate) fn subtract(&self, records: u64, bytes: u64) {
        self.records.dec_by(as_gauge(records));
        self.bytes.dec_by(as_gauge(bytes));
    }
}

pub(crate) fn as_gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The counters of one publisher, looked up once.
#[derive(Debug)]
pub(crate) struct PublisherMetrics {
    pub(crate) queued: Counter,
    pub(crate) accepted: Counter,
    failures: CounterFamily<3>,
    pub(crate) memory: PlaceMetrics,
    pub(crate) disk: PlaceMetrics,
    pub(crate) oldest_age: Gauge,
    pub(crate) recovered: Counter,
    pub(crate) spilled: Counter,
    pub(crate) drained: Counter,
    buffer_failures: CounterFamily<3>,
    quarantined: CounterFamily<3>,
    pub(crate) dropped: CauseCounter<Drop>,
    publisher: String,
    kind: RecordsKind,
}

impl PublisherMetrics {
    pub(crate) fn count_failure(&self, cause: &str) {
        self.failures.with([&self.publisher, self.kind.as_str(), cause]).inc();
    }
    pub(crate) fn count_buffer_failure(&self, cause: &str) {
        self.buffer_failures.with([&self.publisher, self.kind.as_str(), cause]).inc();
    }

    pub(crate) fn count_quarantined(&self, cause: &str, count: u64) {
        self.quarantined.with([&self.publisher, self.kind.as_str(), cause]).inc_by(count);
    }
}
