//! [`Exporter`]: the last samples of each pollster, for Prometheus to scrape (`[polling] enable_prometheus_exporter`), beside
//! the message bus or without it.
//!
//! - Who owns what. A series belongs to the pollster that gave its sample, in its source and at its interval, whatever the
//!   sample is named. What a run gives replaces all that the run before it gave, at once and at its end, so that no scrape
//!   sees a hole or half a set, and nothing stays that does not come any more. If two owners give the same series, the
//!   later one's value is shown.
//! - A run that ends early (or one whose discovery fails) replaces only what it gives; the rest stays as it was for
//!   [`KEPT_INTERVALS`], and goes then. What it gives replaces the series of the same resource also where labels that
//!   describe it (its flavor, its name) are others now: no resource counts twice.
//! - Names and labels are those of `publishers::series`, in one of two modes: [`ExporterMode`].
//!
//! Values have no time, as with Ceilometer: they are those of the moment. Served by
//! `publishers::exporter::server`, on the addresses of [`Listeners`].

mod collect;
mod identity;
mod listen;
mod metrics;
mod modern;
mod show;
mod store;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Sample;
use observability::clock::MonotonicTime;
use publishers::series::{Shows, Snapshot};

use crate::plan::Plan;
use crate::poll::STALL;
pub use listen::{AddressError, ListenAddress, ListenError, Listeners};
pub use metrics::{Dropped, ExporterMetrics, NotShown};

use collect::Collection;
use show::Info;
use store::{Ended, Store};

/// Intervals for which the series of a pollster outlive its last good run, while further ones fail: with the run after that
/// they are dropped.
pub const KEPT_INTERVALS: u32 = 3;
/// A series is shown for so long beside its kept intervals if its pollster does not come to an end at all: because it is
/// slow, or because what takes samples is. One that hangs is given up by then.
const LATEST_END: Duration = STALL;

/// How samples are named and labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExporterMode {
    /// As Ceilometer's exporter does it: every metric a gauge, all labels with each series.
    #[default]
    Compatible,
    /// As Prometheus recommends it: cumulative meters are counters, values are in base units which names end with, and what
    /// describes a resource is one series of `ceilometer_resource_info`.
    Modern,
}

impl ExporterMode {
    /// From the value of `[nephoscope] exporter_mode`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "compatible" => Some(Self::Compatible),
            "modern" => Some(Self::Modern),
            _ => None,
        }
    }
}

/// Whose series they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Owner {
    pub(crate) pollster: Arc<str>,
    pub(crate) source: Arc<str>,
    pub(crate) interval_seconds: u64,
}

impl Owner {
    pub(crate) fn new(pollster: &str, source: &str, interval_seconds: u64) -> Self {
        Self { pollster: pollster.into(), source: source.into(), interval_seconds }
    }

    /// How old series may be when a run fails. Half an interval more than it says, so that it does not depend on the moment.
    fn kept(&self) -> Duration {
        let interval = Duration::from_secs(self.interval_seconds);
        interval.saturating_mul(KEPT_INTERVALS).saturating_add(interval / 2)
    }

    /// How old series may be in any case.
    fn latest(&self) -> Duration {
        self.kept().saturating_add(LATEST_END)
    }
}

/// The series of all pollsters.
#[derive(Debug)]
pub struct Exporter {
    mode: ExporterMode,
    store: Store,
    metrics: ExporterMetrics,
    /// What was made of the resources last; it is not made again for each scrape.
    info: Mutex<Option<Info>>,
}

impl Exporter {
    /// It has nothing yet, and shows at most `max_series` series (their labels may take 1 KiB each, all taken together).
    #[must_use]
    pub fn new(mode: ExporterMode, max_series: usize, metrics: ExporterMetrics) -> Self {
        Self { mode, store: Store::new(max_series), metrics, info: Mutex::default() }
    }

    /// What counts it.
    #[must_use]
    pub const fn metrics(&self) -> &ExporterMetrics {
        &self.metrics
    }

    /// Goes on with the pollsters of `plan`: what others have given disappears, at once. Where the plan has the same pollster
    /// for another source or at another interval, that one takes over what is shown until its first run.
    pub fn keep(&self, plan: &Plan) {
        let sources = plan
            .tasks
            .iter()
            .flat_map(|task| task.sources.iter().map(|source| (task.interval_seconds, source)));
        let owners = sources.flat_map(|(interval_seconds, source)| {
            let pollsters = source.assignments.iter().map(|assignment| assignment.pollster.name.as_str());
            pollsters.map(move |pollster| Owner::new(pollster, &source.name, interval_seconds))
        });
        let dropped = self.store.keep(owners.collect());
        self.metrics.dropped.add(Dropped::NotPolled, dropped);
        self.count();
    }

    /// A run of a pollster, in a source with that interval, begins.
    #[must_use]
    pub fn begin(self: &Arc<Self>, pollster: &str, source: &str, interval_seconds: u64) -> Collecting {
        let owner = Owner::new(pollster, source, interval_seconds);
        Collecting { exporter: Arc::clone(self), owner, collection: Collection::new(self.mode) }
    }

    /// Brings the gauge up to date.
    fn count(&self) {
        self.metrics.series.set(i64::try_from(self.store.len()).unwrap_or(i64::MAX));
    }
}

impl Shows for Exporter {
    fn snapshot(&self, now: MonotonicTime, wanted: &dyn Fn(&str) -> bool) -> Snapshot {
        let (shelf, stale) = self.store.shelf(now);
        if stale > 0 {
            self.metrics.dropped.add(Dropped::Stale, stale);
            self.count();
        }
        let mut families = show::families(&shelf.sets, wanted);
        if self.mode == ExporterMode::Modern && wanted(modern::INFO) {
            let mut known = self.info.lock().unwrap_or_else(PoisonError::into_inner);
            let info = match known.take() {
                Some(info) if info.version == shelf.version => info,
                _ => Info::of(&shelf),
            };
            families.extend(info.family());
            *known = Some(info);
        }
        Snapshot { families }
    }
}

/// What a run has given so far. Dropped, it changes nothing.
#[derive(Debug)]
pub struct Collecting {
    exporter: Arc<Exporter>,
    owner: Owner,
    collection: Collection,
}

impl Collecting {
    /// Takes samples; those whose volume is no number are left out and counted.
    pub fn add(&mut self, samples: &[Arc<Sample>]) {
        for sample in samples {
            if let Err(error) = self.collection.add(sample) {
                self.exporter.metrics.not_shown.increment(NotShown::Volume);
                tracing::debug!(
                    meter = %sample.name,
                    resource = ?sample.resource_id,
                    volume = ?sample.volume,
                    "not shown to Prometheus: {error}"
                );
            }
        }
    }

    /// The run has ended, and is shown. `is_whole`: it has given all that there is.
    pub fn end(self, is_whole: bool, now: MonotonicTime) {
        let Self { exporter, owner, collection } = self;
        let ended = if is_whole { Ended::Whole } else { Ended::Early };
        let (set, repeated) = collection.into_set(now);
        let replaced = exporter.store.replace(&owner, set, ended);
        exporter.metrics.not_shown.add(NotShown::Repeated, repeated);
        exporter.metrics.dropped.add(Dropped::Stale, replaced.stale);
        if replaced.no_room > 0 {
            exporter.metrics.not_shown.add(NotShown::MaxSeries, replaced.no_room);
            tracing::warn!(
                pollster = &*owner.pollster,
                source = &*owner.source,
                series = replaced.no_room,
                "no room for these series: Prometheus does not see them; [nephoscope] exporter_max_series is the limit"
            );
        }
        exporter.count();
    }
}
