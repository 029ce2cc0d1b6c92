//! Sets put together to what a scrape shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use publishers::series::{FamilyShot, Kind, write_label};

use super::collect::Description;
use super::modern;
use super::store::{Numbered, Part, Shelf};

/// The families of all sets, of those names that are `wanted`. Of a series that several sets have, the newest is shown.
pub(super) fn families(sets: &[Numbered], wanted: &dyn Fn(&str) -> bool) -> Vec<FamilyShot> {
    let mut by_name: BTreeMap<&Arc<str>, Vec<(u64, &Part)>> = BTreeMap::new();
    for (number, set) in sets {
        for (name, part) in set.families.iter().filter(|(name, _)| wanted(name)) {
            by_name.entry(name).or_default().push((*number, part));
        }
    }
    by_name.into_iter().filter_map(|(name, parts)| family(name, &parts)).collect()
}

fn family(name: &Arc<str>, parts: &[(u64, &Part)]) -> Option<FamilyShot> {
    let (_, first) = parts.first()?;
    let is_agreed = parts.iter().all(|(_, part)| part.kind == first.kind);
    let series = match parts {
        [(_, one)] => Arc::clone(&one.series),
        several => {
            let all =
                several.iter().flat_map(|(number, part)| part.series.iter().map(move |one| (*number, one)));
            let mut all: Vec<(u64, &(Arc<str>, f64))> = all.collect();
            all.sort_unstable_by(|(one, (labels, _)), (other, (others, _))| {
                labels.cmp(others).then(other.cmp(one))
            });
            all.dedup_by(|(_, older), (_, kept)| older.0 == kept.0);
            all.into_iter().map(|(_, one)| one.clone()).collect()
        }
    };
    Some(FamilyShot {
        name: Arc::clone(name),
        help: Arc::clone(&first.help),
        kind: first.kind.filter(|_| is_agreed),
        unit: first.unit,
        series,
    })
}

/// One series for each resource, with all that is known of it.
#[derive(Debug)]
pub(super) struct Info {
    /// Of the shelf that it was made of.
    pub(super) version: u64,
    series: Arc<[(Arc<str>, f64)]>,
}

impl Info {
    /// What all pollsters say of their resources. Where they do not agree, the last one counts: two series of a resource
    /// would make it impossible to join them with others.
    pub(super) fn of(shelf: &Shelf) -> Self {
        let mut sets: Vec<&Numbered> = shelf.sets.iter().collect();
        sets.sort_unstable_by_key(|(number, _)| *number);
        let mut resources: BTreeMap<&Arc<str>, Description> = BTreeMap::new();
        for (_, set) in sets {
            for (resource, labels) in &set.resources {
                let known = resources.entry(resource).or_default();
                known.extend(labels.iter().map(|(name, value)| (*name, Arc::clone(value))));
            }
        }
        let series = resources.into_iter().map(|(resource, labels)| (text(resource, &labels), 1.0));
        Self { version: shelf.version, series: series.collect() }
    }

    /// Nothing where there are no resources.
    pub(super) fn family(&self) -> Option<FamilyShot> {
        (!self.series.is_empty()).then(|| FamilyShot {
            name: modern::INFO.into(),
            help: modern::INFO_HELP.into(),
            kind: Some(Kind::Info),
            unit: None,
            series: Arc::clone(&self.series),
        })
    }
}

/// Labels sorted by name, that of the resource among them.
fn text(resource: &str, labels: &Description) -> Arc<str> {
    let mut all: BTreeMap<&str, &str> = labels.iter().map(|(name, value)| (*name, &**value)).collect();
    all.insert(modern::RESOURCE, resource);
    let mut text = String::with_capacity(256);
    for (name, value) in all {
        text.push(if text.is_empty() { '{' } else { ',' });
        write_label(name, value, &mut text);
    }
    text.push('}');
    text.into()
}
