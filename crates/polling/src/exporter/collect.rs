//! [`Collection`]: what one run gives, on its way to be a [`Set`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use model::Sample;
use model::pytext::NumberError;
use observability::clock::MonotonicTime;
use publishers::series::{Kind, Naming, Series, value_of};

use super::store::{Part, Set};
use super::{ExporterMode, modern};

/// Names and values of the labels that describe a resource, sorted by name.
pub(super) type Description = BTreeMap<&'static str, Arc<str>>;

#[derive(Debug)]
pub(super) struct Collection {
    mode: ExporterMode,
    families: BTreeMap<String, Family>,
    /// In modern mode alone.
    resources: BTreeMap<Arc<str>, Description>,
}

#[derive(Debug)]
struct Family {
    help: String,
    /// `None`: its series differ.
    kind: Option<Kind>,
    unit: Option<&'static str>,
    series: Vec<(Arc<str>, f64)>,
}

/// A sample as it is shown.
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub(super) labels: String,
    pub(super) value: f64,
}

impl Collection {
    pub(super) const fn new(mode: ExporterMode) -> Self {
        Self { mode, families: BTreeMap::new(), resources: BTreeMap::new() }
    }

    /// Takes a sample, unless its volume is no number.
    pub(super) fn add(&mut self, sample: &Sample) -> Result<(), NumberError> {
        let value = value_of(sample)?;
        let series = Series::of(sample, Naming::default());
        let shape = match self.mode {
            ExporterMode::Compatible => compatible(series, value),
            ExporterMode::Modern => {
                if let Some((resource, labels)) = modern::described(&series) {
                    self.resources.entry(resource).or_default().extend(labels);
                }
                modern::shape(sample, &series, value)
            }
        };
        let Shape { name, kind, unit, labels, value } = shape;
        let family = match self.families.entry(name) {
            Entry::Occupied(known) => {
                let family = known.into_mut();
                if family.kind != Some(kind) {
                    family.kind = None;
                }
                family
            }
            Entry::Vacant(place) => {
                let help = match self.mode {
                    ExporterMode::Compatible => String::new(),
                    ExporterMode::Modern => modern::help(sample),
                };
                place.insert(Family { help, kind: Some(kind), unit, series: Vec::new() })
            }
        };
        family.series.push((labels.into(), value));
        Ok(())
    }

    /// All of it, read at that time; and how many samples were followed by another of the same series.
    pub(super) fn into_set(self, read_at: MonotonicTime) -> (Set, u64) {
        let mut repeated = 0;
        let families = self.families.into_iter().map(|(name, family)| {
            let Family { help, kind, unit, mut series } = family;
            let all = series.len();
            // Stable: of equal ones the later stays behind.
            series.sort_by(|(one, _), (other, _)| one.cmp(other));
            series.dedup_by(|later, kept| {
                let is_same = later.0 == kept.0;
                if is_same {
                    kept.1 = later.1;
                }
                is_same
            });
            repeated += u64::try_from(all - series.len()).unwrap_or(u64::MAX);
            (Arc::from(name), Part { help: help.into(), kind, unit, series: series.into() })
        });
        let families = families.collect();
        (Set::new(read_at, families, self.resources), repeated)
    }
}

/// As Ceilometer's exporter has it.
fn compatible(series: Series<'_>, value: f64) -> Shape {
    let mut labels = String::with_capacity(256);
    series.write_labels_with_values(&mut labels);
    Shape { name: series.name, kind: Kind::Gauge, unit: None, labels, value }
}

/// The value of a label; empty if the series does not have it.
pub(super) fn label<'s>(series: &'s Series<'_>, wanted: &str) -> &'s str {
    series.labels().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value)
}
