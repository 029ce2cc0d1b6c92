//! [`Roll`]: the instances of a cycle with what the hypervisor says of each, found once for all pollsters.

use std::collections::HashMap;
use std::sync::Arc;

use super::sample_metadata::Labels;
use super::{Inspection, Instance, Survey};
use crate::Resource;

/// The instances of a cycle. Most pollsters are given the same ones in the same order.
#[derive(Debug)]
pub(super) struct Roll {
    entries: Vec<Entry>,
    /// Where each instance is, by its id.
    places: HashMap<String, usize>,
}

/// An instance of the cycle.
#[derive(Debug)]
struct Entry {
    instance: Arc<Instance>,
    /// None, if the hypervisor does not have it.
    observed: Option<Observed>,
}

/// What the hypervisor says of an instance, and what samples of its parts carry.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) inspection: Arc<Inspection>,
    pub(super) labels: InstanceLabels,
}

/// What the samples of an instance and of its parts carry.
#[derive(Debug)]
pub(super) struct InstanceLabels {
    /// Of the instance itself.
    pub(super) whole: Labels,
    /// Of the instance with the number of its processors.
    pub(super) processors: Labels,
    /// Of each disk, in the order of the inspection.
    pub(super) disks: Vec<Labels>,
    /// Of each network interface, in the order of the inspection.
    pub(super) nics: Vec<Labels>,
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
        let places =
            entries.iter().enumerate().map(|(place, entry)| (entry.instance.id.clone(), place)).collect();
        Self { entries, places }
    }

    /// What is observed of an instance, which probably is the `hint`th.
    pub(super) fn find(&self, hint: usize, instance: &Arc<Instance>) -> Found<'_> {
        let is_it = |entry: &&Entry| Arc::ptr_eq(&entry.instance, instance);
        let elsewhere = || self.entries.get(*self.places.get(&instance.id)?).filter(is_it);
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
        let labels = InstanceLabels {
            whole: instance.labels(),
            processors: instance.labels_with_processors(inspection.machine.vcpus),
            disks: inspection.disks.iter().map(|disk| instance.labels_of_disk(disk)).collect(),
            nics: inspection.nics.iter().map(|nic| instance.labels_of_nic(nic)).collect(),
        };
        Some(Self { inspection, labels })
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
        let is = |found: Found<'_>, id: &str| matches!(found, Found::Here(observed) if observed.labels.whole.resource_id == id.into());
        for hint in 0..4 {
            assert!(is(roll.find(hint, &one), "u1"), "{hint}");
            assert!(is(roll.find(hint, &two), "u2"), "{hint}");
            assert!(matches!(roll.find(hint, &gone), Found::Gone), "{hint}");
        }
        // It has been described anew meanwhile.
        assert!(matches!(roll.find(0, &Arc::new(instance("u1"))), Found::NotListed));
    }
}
