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
mod store;
mod text;

use std::borrow::Cow;

use model::{MeterKind, Sample};

pub use store::{SeriesLimits, SeriesStore, Snapshot, Updated};
pub use text::{Exposition, Format};

/// What every metric's name begins with.
const PREFIX: &str = "ceilometer_";
/// What OpenMetrics wants a counter's name to end with.
const TOTAL: &str = "_total";

/// What a series is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A cumulative meter.
    Counter,
    /// A gauge; and the last change of a delta meter. (The sum of its changes would begin again with each restart, and
    /// with each time that the series has been forgotten.)
    Gauge,
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
        out.push('{');
        for (place, (name, value)) in self.labels.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            out.push_str(name);
            out.push_str("=\"");
            text::escape(value, true, out);
            out.push('"');
        }
        out.push('}');
    }
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
