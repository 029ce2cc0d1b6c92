//! [`Snapshot`]: the series of one moment, whoever keeps them.

use std::fmt;
use std::sync::Arc;

use observability::clock::MonotonicTime;

use super::{Kind, text};

/// Keeps series, and shows them to scrapers.
pub trait Shows: fmt::Debug + Send + Sync {
    /// Those of one moment, of the names that are `wanted`. Nobody sees half an update.
    fn snapshot(&self, now: MonotonicTime, wanted: &dyn Fn(&str) -> bool) -> Snapshot;
}

/// All series at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Each name once.
    pub families: Vec<FamilyShot>,
}

/// The series of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyShot {
    /// The name, as series have it.
    pub name: Arc<str>,
    /// The help text; may be empty.
    pub help: Arc<str>,
    /// What all its series are; `None` when they differ.
    pub kind: Option<Kind>,
    /// The unit, as OpenMetrics has it: `seconds`.
    pub unit: Option<&'static str>,
    /// Labels as text, each once, and the value.
    pub series: Arc<[(Arc<str>, f64)]>,
}

/// Appends `{name="value",…}`; nothing where there are no labels.
pub(super) fn write_labels<'l>(labels: impl Iterator<Item = (&'l str, &'l str)>, out: &mut String) {
    let start = out.len();
    for (name, value) in labels {
        out.push(if out.len() == start { '{' } else { ',' });
        write_label(name, value, out);
    }
    if out.len() > start {
        out.push('}');
    }
}

/// Appends `name="value"`.
pub fn write_label(name: &str, value: &str, out: &mut String) {
    out.push_str(name);
    out.push_str("=\"");
    text::escape(value, true, out);
    out.push('"');
}
