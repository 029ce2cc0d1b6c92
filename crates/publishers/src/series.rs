//! Samples as Prometheus has them: the series that a sample belongs to, the store of their last values, and the text of a
//! scrape. Nothing here listens, sends or reads a clock.
//!
//! Names and labels are those of the exporter in Ceilometer's polling agent (`polling/prom_exporter.py`), so that queries and
//! dashboards go on working, with three differences:
//!
//! - all series of a meter have the same labels; one that a sample has no value for is empty, which Prometheus treats as
//!   absent. Ceilometer takes the labels of the first sample, and puts the values of others under the wrong names;
//! - characters that names cannot have are `_`, also in the label that is named after the meter's first part;
//! - the type is what the meter is ([`Kind`]).

mod labels;
mod snapshot;
mod store;
mod text;

use std::borrow::Cow;

use model::pytext::{self, NumberError};
use model::{MeterKind, Sample};

pub use snapshot::{FamilyShot, Shows, Snapshot, write_label};
pub use store::{SeriesLimits, SeriesStore, Updated};
pub use text::{Exposition, Format};

/// What every metric's name begins with.
const PREFIX: &str = "ceilometer_";
/// What OpenMetrics wants a counter's name to end with.
const TOTAL: &str = "_total";
/// What it wants the name of an info family to end with.
const INFO: &str = "_info";

/// What a series is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A cumulative meter.
    Counter,
    /// A gauge; and the last change of a delta meter. (The sum of its changes would begin again with each restart, and
    /// with each time that the series has been forgotten.)
    Gauge,
    /// Labels of something, with the value 1. No meter is one.
    Info,
}

/// How series are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Naming {
    /// Whether the names of counters get the suffix that OpenMetrics wants. Ceilometer has none.
    pub total_suffix: bool,
}

/// The series of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series<'s> {
    /// The metric's name: `ceilometer_cpu`.
    pub name: String,
    /// Counter or gauge.
    pub kind: Kind,
    /// The meter's own name.
    pub meter: &'s str,
    labels: Vec<(Cow<'s, str>, Cow<'s, str>)>,
}

impl<'s> Series<'s> {
    /// The series that a sample belongs to.
    #[must_use]
    pub fn of(sample: &'s Sample, naming: Naming) -> Self {
        let kind = match sample.kind {
            MeterKind::Cumulative => Kind::Counter,
            MeterKind::Gauge | MeterKind::Delta => Kind::Gauge,
        };
        let mut name = String::with_capacity(PREFIX.len() + sample.name.len() + TOTAL.len());
        name.push_str(PREFIX);
        name.extend(sample.name.chars().map(|character| {
            if character.is_ascii_alphanumeric() || character == ':' { character } else { '_' }
        }));
        if naming.total_suffix && kind == Kind::Counter && !name.ends_with(TOTAL) {
            name.push_str(TOTAL);
        }
        Self { name, kind, meter: &sample.name, labels: labels::of(sample) }
    }

    /// Names and values of all labels, sorted by name. Values may be empty.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Appends `{name="value",…}`, which both text formats have.
    pub fn write_labels(&self, out: &mut String) {
        snapshot::write_labels(self.labels(), out);
    }

    /// The same without labels that have no value, as Ceilometer's exporter prints it: it leaves them out, but for those
    /// that only some meters have.
    pub fn write_labels_with_values(&self, out: &mut String) {
        let has_metadata =
            self.labels().any(|(name, value)| name == labels::SERVER_GROUP && !value.is_empty());
        let is_shown = |name: &str, value: &str| {
            !value.is_empty() || (has_metadata && labels::OF_SOME_METERS.contains(&name))
        };
        snapshot::write_labels(self.labels().filter(|(name, value)| is_shown(name, value)), out);
    }
}

/// The volume of a sample as a double, as Python's `float` makes one of it.
///
/// # Errors
/// Where Python raises: nothing, a list, a text that is no number.
pub fn value_of(sample: &Sample) -> Result<f64, NumberError> {
    pytext::float_of(&sample.volume)
}

/// A value of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Point<'s> {
    /// The series.
    pub series: Series<'s>,
    /// The value.
    pub value: f64,
    /// When it was measured, in microseconds since 1970, if that is known.
    pub measured_at: Option<i64>,
}
