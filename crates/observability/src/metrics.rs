//! What the program counts about itself.
//!
//! Every component declares its metrics as a struct of typed handles, made once from a [`Component`]:
//!
//! ```
//! use nephoscope_observability::causes;
//! use nephoscope_observability::metrics::{CauseCounter, Component, Counter, Metrics, Unit};
//!
//! causes! {
//!     /// Why a message was not delivered.
//!     pub enum Refusal {
//!         /// Its body could not be read.
//!         Malformed => "malformed",
//!         /// The receiver's queue was full.
//!         QueueFull => "queue_full",
//!     }
//! }
//!
//! #[derive(Debug, Clone)]
//! pub struct ListenerMetrics {
//!     pub received: Counter,
//!     pub received_bytes: Counter,
//!     pub refused: CauseCounter<Refusal>,
//! }
//!
//! impl ListenerMetrics {
//!     pub fn register(component: &Component) -> Self {
//!         Self {
//!             received: component.counter("messages", "Messages taken from the queue"),
//!             received_bytes: component.counter_in("received", Unit::Bytes, "Size of the bodies received"),
//!             refused: component.counter_by_cause("refusals", "Messages not delivered"),
//!         }
//!     }
//! }
//!
//! let metrics = Metrics::new();
//! let listener = ListenerMetrics::register(&metrics.component("listener"));
//! listener.refused.increment(Refusal::QueueFull);
//! assert!(metrics.prometheus_text().contains("nephoscope_listener_refusals_total{cause=\"queue_full\"} 1"));
//! ```
//!
//! Names are `nephoscope_<component>_<what>[_<unit>][_total]`; the unit and `_total` are added by the type, never
//! written by hand. A counter by cause shows every cause from the start, so that a first occurrence is an increase and
//! not a new series.

mod by_label;
mod cause;
mod process;
mod reference;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::info::Info;
pub use prometheus_client::registry::Unit;
use prometheus_client::registry::{Metric, Registry};

pub use by_label::{CounterFamily, GaugeFamily, HistogramFamily, MAX_SERIES_PER_FAMILY, OVERFLOW_LABEL};
pub use cause::{Cause, CauseCounter};
pub use reference::reference;

/// A count that only grows.
pub type Counter = prometheus_client::metrics::counter::Counter;
/// A whole number that goes up and down.
pub type Gauge = prometheus_client::metrics::gauge::Gauge;
/// A fraction that goes up and down.
pub type FloatGauge = prometheus_client::metrics::gauge::Gauge<f64, std::sync::atomic::AtomicU64>;
/// A distribution over fixed buckets.
pub type Histogram = prometheus_client::metrics::histogram::Histogram;

/// Buckets for the duration of a request or a cycle, in seconds: from half a millisecond to a minute.
pub const DURATION_BUCKETS_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// The first word of every metric's name.
pub const PREFIX: &str = "nephoscope";

/// All metrics of the process. Cheap to clone; clones share the same registry.
#[derive(Clone)]
pub struct Metrics(Arc<Mutex<Inner>>);

struct Inner {
    registry: Registry,
    inventory: BTreeMap<String, Description>,
}

/// What a metric is, for the generated reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The name as it is exposed, with unit and `_total`.
    pub name: String,
    /// One sentence without a full stop.
    pub help: String,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: &'static str,
    /// Names of the labels, in order.
    pub labels: Vec<&'static str>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").field("registered", &self.lock().inventory.len()).finish()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// An empty registry.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner { registry: Registry::default(), inventory: BTreeMap::new() })))
    }

    /// The namespace of one component: `name` becomes the second word of its metrics.
    pub fn component(&self, name: &'static str) -> Component {
        Component { metrics: self.clone(), name }
    }

    /// Adds `nephoscope_build_info`, whose labels say what is running, with the value 1.
    pub fn register_build_info(&self, labels: &[(&'static str, String)]) {
        let info = Info::new(labels.to_vec());
        let names = labels.iter().map(|(name, _)| *name).collect();
        self.add("build", "What is running", None, Kind::Info, names, info);
    }

    /// Adds the metrics of the process itself under the names that every Prometheus client uses
    /// (`process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds`, …), read from `/proc` at
    /// each scrape.
    pub fn register_process(&self) {
        let mut inner = self.lock();
        if inner.inventory.contains_key(process::FIRST_NAME) {
            return;
        }
        for description in process::descriptions() {
            inner.inventory.insert(description.name.clone(), description);
        }
        inner.registry.register_collector(Box::new(process::ProcessCollector));
    }

    /// Everything as the Prometheus text format 0.0.4.
    pub fn prometheus_text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail; what a collector wrote before an error of its own is still valid.
        let _ = prometheus_text::encode(&mut out, &self.lock().registry);
        out
    }

    /// Everything as OpenMetrics text 1.0.0.
    pub fn openmetrics_text(&self) -> String {
        let mut out = String::new();
        if text::encode(&mut out, &self.lock().registry).is_err() {
            out.push_str("# EOF\n");
        }
        out
    }

    /// Every metric that was registered, by name.
    pub fn inventory(&self) -> Vec<Description> {
        self.lock().inventory.values().cloned().collect()
    }

    fn add(
        &self,
        stem: &str,
        help: &'static str,
        unit: Option<Unit>,
        kind: Kind,
        labels: Vec<&'static str>,
        metric: impl Metric,
    ) {
        let mut name = format!("{PREFIX}_{stem}");
        debug_assert!(
            is_snake_case(&name),
            "metric name {name:?} is not lower-case words joined by underscores"
        );
        let mut exposed = name.clone();
        if let Some(unit) = &unit {
            exposed.push('_');
            exposed.push_str(unit.as_str());
        }
        exposed.push_str(kind.suffix());
        let mut inner = self.lock();
        if inner.inventory.contains_key(&exposed) {
            // Exposing a name twice makes the whole scrape invalid; the second handle counts, unseen.
            drop(inner);
            tracing::error!(metric = exposed, "a metric was registered twice; the second one is not exposed");
            return;
        }
        let description =
            Description { name: exposed.clone(), help: help.to_owned(), kind: kind.as_str(), labels };
        inner.inventory.insert(exposed, description);
        name.shrink_to_fit();
        match unit {
            None => inner.registry.register(name, help, metric),
            Some(unit) => inner.registry.register_with_unit(name, help, unit, metric),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The namespace of one component, from which it makes its metrics.
///
/// `help` is one sentence without a full stop (the encoder adds it). A name that is registered a second time is
/// logged as an error, and the second metric counts without being exposed.
#[derive(Debug, Clone)]
pub struct Component {
    metrics: Metrics,
    name: &'static str,
}

impl Component {
    /// A counter `nephoscope_<component>_<what>_total`.
    pub fn counter(&self, what: &str, help: &'static str) -> Counter {
        self.add(what, help, None, Kind::Counter, Vec::new(), Counter::default())
    }

    /// A counter of a quantity: `nephoscope_<component>_<what>_<unit>_total`.
    pub fn counter_in(&self, what: &str, unit: Unit, help: &'static str) -> Counter {
        self.add(what, help, Some(unit), Kind::Counter, Vec::new(), Counter::default())
    }

    /// A counter with the label `cause`, every cause shown from the start.
    pub fn counter_by_cause<C: Cause>(&self, what: &str, help: &'static str) -> CauseCounter<C> {
        self.add(what, help, None, Kind::Counter, vec![cause::LABEL], CauseCounter::new())
    }

    /// A counter with labels whose values are only known at run time; see [`CounterFamily`] for its bound.
    pub fn counter_family<const N: usize>(
        &self,
        what: &str,
        labels: [&'static str; N],
        help: &'static str,
    ) -> CounterFamily<N> {
        self.add(
            what,
            help,
            None,
            Kind::Counter,
            labels.to_vec(),
            CounterFamily::new(labels, Counter::default),
        )
    }

    /// A counter of a quantity with labels: `nephoscope_<component>_<what>_<unit>_total`; see [`CounterFamily`] for
    /// its bound.
    pub fn counter_family_in<const N: usize>(
        &self,
        what: &str,
        unit: Unit,
        labels: [&'static str; N],
        help: &'static str,
    ) -> CounterFamily<N> {
        let family = CounterFamily::new(labels, Counter::default);
        self.add(what, help, Some(unit), Kind::Counter, labels.to_vec(), family)
    }

    /// A gauge `nephoscope_<component>_<what>`.
    pub fn gauge(&self, what: &str, help: &'static str) -> Gauge {
        self.add(what, help, None, Kind::Gauge, Vec::new(), Gauge::default())
    }

    /// A gauge of a quantity: `nephoscope_<component>_<what>_<unit>`.
    pub fn gauge_in(&self, what: &str, unit: Unit, help: &'static str) -> Gauge {
        self.add(what, help, Some(unit), Kind::Gauge, Vec::new(), Gauge::default())
    }

    /// A gauge of a fractional quantity: `nephoscope_<component>_<what>_<unit>`.
    pub fn float_gauge_in(&self, what: &str, unit: Unit, help: &'static str) -> FloatGauge {
        self.add(what, help, Some(unit), Kind::Gauge, Vec::new(), FloatGauge::default())
    }

    /// A gauge with labels whose values are only known at run time; see [`GaugeFamily`] for its bound.
    pub fn gauge_family<const N: usize>(
        &self,
        what: &str,
        labels: [&'static str; N],
        help: &'static str,
    ) -> GaugeFamily<N> {
        self.add(what, help, None, Kind::Gauge, labels.to_vec(), GaugeFamily::new(labels, Gauge::default))
    }

    /// A gauge of a quantity with labels: `nephoscope_<component>_<what>_<unit>`; see [`GaugeFamily`] for its bound.
    pub fn gauge_family_in<const N: usize>(
        &self,
        what: &str,
        unit: Unit,
        labels: [&'static str; N],
        help: &'static str,
    ) -> GaugeFamily<N> {
        let family = GaugeFamily::new(labels, Gauge::default);
        self.add(what, help, Some(unit), Kind::Gauge, labels.to_vec(), family)
    }

    /// A histogram of durations in seconds over [`DURATION_BUCKETS_SECONDS`].
    pub fn duration_histogram(&self, what: &str, help: &'static str) -> Histogram {
        self.histogram_in(what, Unit::Seconds, &DURATION_BUCKETS_SECONDS, help)
    }

    /// A histogram over the given upper bounds, ascending, without the last one (infinity is added).
    pub fn histogram_in(&self, what: &str, unit: Unit, buckets: &[f64], help: &'static str) -> Histogram {
        let histogram = Histogram::new(buckets.iter().copied());
        self.add(what, help, Some(unit), Kind::Histogram, Vec::new(), histogram)
    }

    /// A histogram of durations with labels whose values are only known at run time.
    pub fn duration_histogram_family<const N: usize>(
        &self,
        what: &str,
        labels: [&'static str; N],
        help: &'static str,
    ) -> HistogramFamily<N> {
        let family = HistogramFamily::new(labels, || Histogram::new(DURATION_BUCKETS_SECONDS));
        self.add(what, help, Some(Unit::Seconds), Kind::Histogram, labels.to_vec(), family)
    }

    fn add<M: Metric + Clone>(
        &self,
        what: &str,
        help: &'static str,
        unit: Option<Unit>,
        kind: Kind,
        labels: Vec<&'static str>,
        metric: M,
    ) -> M {
        self.metrics.add(&format!("{}_{what}", self.name), help, unit, kind, labels, metric.clone());
        metric
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

fn is_snake_case(name: &str) -> bool {
    !name.ends_with('_')
        && !name.ends_with("_total")
        && !name.contains("__")
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests;
