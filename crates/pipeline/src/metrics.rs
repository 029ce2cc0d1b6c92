//! The pipeline's own counters.
//!
//! They balance. For each kind, `records = records_unrouted + records_dropped + those that were routed`; for each
//! publisher, `records_routed = records_accepted + records_refused + records_waiting + records_given_back`. The gauge is raised before the
//! counter on the left and lowered after those on the right, so that at no moment a record is missing on the right.

use std::sync::Arc;

use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, CounterFamily, Gauge, GaugeFamily};

use crate::RecordsKind;
use crate::refused::RefusedCount;
use crate::tap::TapMetrics;

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
        /// The publisher's peer refuses the record for good; it is kept among the dead letters.
        Refused => "refused",
        /// It refuses the record, and the dead letters are full: the record is lost.
        DeadLettersFull => "dead_letters_full",
        /// It refuses the record, and no dead letters are kept: the record is lost.
        DeadLettersOff => "dead_letters_off",
        /// It refuses some of the records of a request and does not say which: they are lost.
        RefusedUnnamed => "refused_unnamed",
    }
}

/// Counters of everything that passes through pipelines; cheap to clone.
#[derive(Debug, Clone)]
pub struct PipelineMetrics {
    entered: CounterFamily<1>,
    unrouted: CounterFamily<1>,
    routed: CounterFamily<2>,
    waiting: GaugeFamily<2>,
    given_back: CounterFamily<2>,
    queued: CounterFamily<2>,
    accepted: CounterFamily<2>,
    refused: CounterFamily<3>,
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
    pub(crate) tap: TapMetrics,
}

impl PipelineMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            entered: component.counter_family("records", ["kind"], "Records brought to the pipelines"),
            unrouted: component.counter_family(
                "records_unrouted",
                ["kind"],
                "Records that no pipeline has a publisher for",
            ),
            routed: component.counter_family(
                "records_routed",
                ["publisher", "kind"],
                "Records that a pipeline selected for a publisher",
            ),
            waiting: component.gauge_family(
                "records_waiting",
                ["publisher", "kind"],
                "Records in memory that were routed to a publisher and are not safe yet",
            ),
            given_back: component.counter_family(
                "records_given_back",
                ["publisher", "kind"],
                "Records whose publisher ended before they were safe; their notifications come again",
            ),
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
            refused: component.counter_family(
                "records_refused",
                ["publisher", "kind", "cause"],
                "Records that a publisher's peer refuses for good, each counted as dropped as well",
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
            tap: TapMetrics::register(component),
        }
    }

    /// The counters of all pipelines of a kind.
    pub(crate) fn of_kind(&self, kind: RecordsKind) -> KindMetrics {
        KindMetrics {
            entered: self.entered.with([kind.as_str()]),
            unrouted: self.unrouted.with([kind.as_str()]),
        }
    }

    fn place(&self, publisher: &str, kind: RecordsKind, place: &str) -> PlaceMetrics {
        let labels = [publisher, kind.as_str(), place];
        PlaceMetrics { records: self.buffered_records.with(labels), bytes: self.buffered_bytes.with(labels) }
    }

    /// The counters of one publisher.
    pub(crate) fn of_publisher(&self, publisher: &str, kind: RecordsKind) -> Arc<PublisherMetrics> {
        Arc::new(PublisherMetrics {
            routed: self.routed.with([publisher, kind.as_str()]),
            waiting: self.waiting.with([publisher, kind.as_str()]),
            given_back: self.given_back.with([publisher, kind.as_str()]),
            queued: self.queued.with([publisher, kind.as_str()]),
            accepted: self.accepted.with([publisher, kind.as_str()]),
            refused: self.refused.clone(),
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

/// The counters of one kind, looked up once.
#[derive(Debug)]
pub(crate) struct KindMetrics {
    pub(crate) entered: Counter,
    pub(crate) unrouted: Counter,
}

/// The counters of one publisher, looked up once.
#[derive(Debug)]
pub(crate) struct PublisherMetrics {
    routed: Counter,
    waiting: Gauge,
    given_back: Counter,
    pub(crate) queued: Counter,
    pub(crate) accepted: Counter,
    refused: CounterFamily<3>,
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

    /// Counts records that are done with: accepted, but for those that were refused.
    pub(crate) fn count_delivered(&self, records: u64, refused: &RefusedCount) {
        for (cause, count) in &refused.by_cause {
            self.refused.with([&self.publisher, self.kind.as_str(), cause]).inc_by(*count);
        }
        let fates = [
            (Drop::Refused, refused.kept),
            (Drop::DeadLettersFull, refused.lost),
            (Drop::DeadLettersOff, refused.off),
            (Drop::RefusedUnnamed, refused.unnamed),
        ];
        for (fate, count) in fates {
            self.dropped.add(fate, count);
        }
        self.accepted.inc_by(records.saturating_sub(refused.total()));
    }

    pub(crate) fn count_buffer_failure(&self, cause: &str) {
        self.buffer_failures.with([&self.publisher, self.kind.as_str(), cause]).inc();
    }

    pub(crate) fn count_quarantined(&self, cause: &str, count: u64) {
        self.quarantined.with([&self.publisher, self.kind.as_str(), cause]).inc_by(count);
    }
}

/// Records that were routed to a publisher, counted as waiting until it is known what became of them.
#[derive(Debug)]
pub(crate) struct Waiting {
    metrics: Arc<PublisherMetrics>,
    records: u64,
}

impl Waiting {
    /// Counts `records` as routed and waiting.
    pub(crate) fn new(metrics: &Arc<PublisherMetrics>, records: usize) -> Self {
        let records = records as u64;
        metrics.waiting.inc_by(as_gauge(records));
        metrics.routed.inc_by(records);
        Self { metrics: Arc::clone(metrics), records }
    }

    /// They are safe, and have been counted as such.
    pub(crate) fn accepted(self) {
        self.metrics.waiting.dec_by(as_gauge(self.records));
    }

    /// They are not, and nobody will try again.
    pub(crate) fn given_back(self) {
        self.metrics.given_back.inc_by(self.records);
        self.metrics.waiting.dec_by(as_gauge(self.records));
    }
}
