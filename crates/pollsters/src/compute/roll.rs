//! [`Roll`]: the instances of a cycle with what the hypervisor says of each, found once for all pollsters.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::sample_metadata::Subjects;
use super::{Inspection, Instance, Survey};
use crate::Resource;

/// The instances of a cycle. Most pollsters are given the same ones in the same order.
#[derive(Debug)]
pub(super) struct Roll {
    entries: Vec<Entry>,
    /// Where each instance is, by its id; made for the first that is not where it is expected.
    places: OnceLock<HashMap<String, usize>>,
}

/// An instance of the cycle.
#[derive(Debug)]
struct Entry {
    instance: Arc<Instance>,
    /// None, if the hypervisor does not have it.
    observed: Option<Observed>,
}

/// What the hypervisor says of an instance, and what its samples are about.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) inspection: Arc<Inspection>,
    pub(super) subjects: Arc<Subjects>,
}

/// What the roll has of an instance.
#[derive(Debug)]
pub(super) enum Found<'r> {
    /// This is known of it.
    Here(&'r Observed),
    /// The hypervisor does not have it.
    Gone,
    /// The roll was made of other instances.
    NotListed,
}

impl Roll {
    /// The roll of the instances among `resources`.
    pub(super) fn new(resources: &[Resource], survey: &Survey) -> Self {
        let entries: Vec<Entry> = resources
            .iter()
            .filter_map(Resource::instance)
            .map(|instance| Entry {
                instance: Arc::clone(instance),
                observed: Observed::of(instance, survey),
            })
            .collect();
        Self { entries, places: OnceLock::new() }
    }

    fn place(&self, id: &str) -> Option<usize> {
        let entries = || self.entries.iter().enumerate();
        let places = self
            .places
            .get_or_init(|| entries().map(|(place, of)| (of.instance.id.clone(), place)).collect());
        places.get(id).copied()
    }

    /// What is observed of an instance, which probably is the `hint`th.
    pub(super) fn find(&self, hint: usize, instance: &Arc<Instance>) -> Found<'_> {
        let is_it = |entry: &&Entry| Arc::ptr_eq(&entry.instance, instance);
        let elsewhere = || self.entries.get(self.place(&instance.id)?).filter(is_it);
        match self.entries.get(hint).filter(is_it).or_else(elsewhere) {
            Some(Entry { observed: Some(observed), .. }) => Found::Here(observed),
            Some(Entry { observed: None, .. }) => Found::Gone,
            None => Found::NotListed,
        }
    }
}

impl Observed {
    /// What that survey says of an instance.
    pub(super) fn of(instance: &Instance, survey: &Survey) -> Option<Self> {
        let inspection = Arc::clone(survey.domains.get(&instance.id)?);
        let subjects = instance.subjects(&inspection);
        Some(Self { inspection, subjects })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{inspection, instance, survey};
    use super::*;

    #[test]
    fn an_instance_is_found_wherever_it_stands_and_no_other_is_taken_for_it() {
        let [one, two, gone] = ["u1", "u2", "u3"].map(|id| Arc::new(instance(id)));
        let resources: Vec<Resource> =
            [&one, &gone, &two].map(|of| Resource::Instance(Arc::clone(of))).into();
        let survey = survey(1.0, [("u1", inspection()), ("u2", inspection())]);
        let roll = survey.roll(&resources);
        let is = |found: Found<'_>, id: &str| matches!(found, Found::Here(observed) if observed.subjects.whole.resource_id == id.into());
        for hint in 0..4 {
            assert!(is(roll.find(hint, &one), "u1"), "{hint}");
            assert!(is(roll.find(hint, &two), "u2"), "{hint}");
            assert!(matches!(roll.find(hint, &gone), Found::Gone), "{hint}");
        }
        // It has been described anew meanwhile.
        assert!(matches!(roll.find(0, &Arc::new(instance("u1"))), Found::NotListed));
    }
}
