//! [`SharedGroups`]: of which groups an agent is a member, and what they are called.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use definitions::{Problem, Severity};
use pollsters::{Registry, Resource};
use sha2::{Digest as _, Sha256};

use super::Group;
use super::expression::{Surroundings, evaluate};
use crate::config::PollingConfig;
use crate::discover::name_of;
use crate::plan::Plan;

/// Names of groups of our own begin with this. The number is of the rules by which a group's members share: agents of
/// other rules must not meet in it.
const OWN: &str = "nephoscope-1";

/// How groups are named.
#[derive(Debug, Clone)]
pub struct GroupNames {
    prefix: String,
    with_python: bool,
}

impl GroupNames {
    /// Names for an agent of these namespaces. `prefix` is `[polling] partitioning_group_prefix`. `with_python`: as
    /// Ceilometer's agents name them, to share the work with those.
    #[must_use]
    pub fn new(namespaces: &[&str], prefix: Option<&str>, with_python: bool) -> Self {
        let mut namespaces = namespaces.to_vec();
        namespaces.sort_unstable();
        let mut all = namespaces.join("-");
        if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) {
            all = format!("{all}-{prefix}");
        }
        Self { prefix: all, with_python }
    }

    fn discovery(&self, group: &str) -> String {
        let prefix = &self.prefix;
        if self.with_python { format!("{prefix}-{group}") } else { format!("{OWN}-{prefix}-{group}") }
    }

    /// Python's agents hash with a key of their own each, and never meet in such a group.
    fn resources(&self, which: &str) -> String {
        format!("{OWN}-{}-static-{which}", self.prefix)
    }

    fn pollsters(&self, source: &str, result: &str) -> String {
        if self.with_python {
            format!("{source}-{result}")
        } else {
            format!("{OWN}-{}-pollsters-{source}-{result}", self.prefix)
        }
    }
}

/// The groups of one `polling.yaml`.
#[derive(Debug, Clone)]
pub struct SharedGroups {
    names: GroupNames,
    /// For sources whose pollsters are shared: the group.
    by_source: BTreeMap<String, String>,
    all: BTreeSet<String>,
}

impl SharedGroups {
    /// The groups of everything that is polled by the plan. With the problems of `group_id_coordination_expression`, which
    /// are fatal.
    #[must_use]
    pub fn new(
        names: GroupNames,
        config: &PollingConfig,
        plan: &Plan,
        registry: &Registry,
        surroundings: &dyn Surroundings,
    ) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut by_source = BTreeMap::new();
        for source in &config.sources {
            let Some(expression) = &source.group_id_coordination_expression else { continue };
            if !source.resources.is_empty() {
                let message = format!(
                    "the source {:?} has resources: its group_id_coordination_expression counts for nothing",
                    source.name
                );
                let hint = "agents share the resources; remove one of the two";
                problems.push(source.place.problem(Severity::Warning, message, hint));
                continue;
            }
            match evaluate(expression, &source.name, surroundings) {
                Ok(result) => {
                    by_source.insert(source.name.clone(), names.pollsters(&source.name, &result));
                }
                Err(error) => {
                    let message = format!("group_id_coordination_expression of {:?}: {error}", source.name);
                    let hint = "write a text in quotes, self.conf and an option's name, parts of it by .split('.')[0], \
                                or several joined by +";
                    problems.push(source.place.problem(Severity::Fatal, message, hint));
                }
            }
        }
        let mut all: BTreeSet<String> = BTreeSet::new();
        let discovery = |name: &str| match registry.discovery(name) {
            Some(Ok(loaded)) => Some(names.discovery(&loaded.discovery.group())),
            _ => None,
        };
        for source in plan.tasks.iter().flat_map(|task| &task.sources) {
            all.extend(by_source.get(&source.name).cloned());
            for assignment in &source.assignments {
                if !assignment.resources.is_empty() {
                    all.insert(names.resources(&assignment.resources_group));
                }
                all.extend(assignment.discovery.iter().filter_map(|url| discovery(&name_of(url))));
                all.extend(assignment.pollster.discovery.as_deref().and_then(|own| discovery(&name_of(own))));
            }
        }
        (Self { names, by_source, all }, problems)
    }

    /// Their names.
    #[must_use]
    pub const fn all(&self) -> &BTreeSet<String> {
        &self.all
    }

    /// Whether Ceilometer's agents are members, too.
    pub(crate) const fn with_python(&self) -> bool {
        self.names.with_python
    }

    /// What a group is called; nothing, where it is not shared.
    pub(crate) fn name(&self, group: Group<'_>) -> Option<Cow<'_, str>> {
        match group {
            Group::Discovery(group) => Some(Cow::Owned(self.names.discovery(group))),
            Group::Resources(which) => Some(Cow::Owned(self.names.resources(which))),
            Group::Pollsters(source) => self.by_source.get(source).map(|group| Cow::Borrowed(group.as_str())),
        }
    }
}

/// What stands for these resources, whatever their order: agents with the same ones share them.
pub(crate) fn of_resources(resources: &[Resource]) -> String {
    let ids: BTreeSet<&str> = resources.iter().map(Resource::id).collect();
    let mut digest = Sha256::new();
    for id in ids {
        digest.update(u64::try_from(id.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(id);
    }
    digest.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_pythons_names_or_their_own() {
        let own = GroupNames::new(&["compute", "central"], Some("dc1"), false);
        let python = GroupNames::new(&["compute", "central"], None, true);
        assert_eq!(own.discovery("global"), "nephoscope-1-central-compute-dc1-global");
        assert_eq!(python.discovery("LocalNode-node1"), "central-compute-LocalNode-node1");
        assert_eq!(own.pollsters("hosts", "rack7"), "nephoscope-1-central-compute-dc1-pollsters-hosts-rack7");
        assert_eq!(python.pollsters("hosts", "rack7"), "hosts-rack7");
        assert!(python.resources("x").starts_with("nephoscope-1-central-compute-static-"));
    }

    #[test]
    fn the_order_of_resources_does_not_matter_and_every_one_of_them_does() {
        let of = |ids: &[&str]| of_resources(&ids.iter().map(|id| Resource::text(id)).collect::<Vec<_>>());
        assert_eq!(of(&["a", "b"]), of(&["b", "a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["ab"]));
        assert_ne!(of(&["a"]), of(&["a", ""]));
        assert_eq!(of(&[]).len(), 16);
    }
}
