//! [`Plan`]: the sources of `polling.yaml` coupled with the pollsters that there are.

use std::sync::Arc;

use definitions::{Problem, Severity};
use pollsters::{LoadedPollster, MakeError, NAMESPACES, Registry, Resource};

use crate::config::{PollingConfig, PollingSource};
use crate::discover::name_of;
use crate::partition::of_resources;

/// Names that a message lists.
const SHOWN: usize = 8;

/// What an agent does: one task for each interval.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order in which the intervals first appear.
    pub tasks: Vec<TaskPlan>,
}

/// What is done at one interval.
#[derive(Debug)]
pub struct TaskPlan {
    /// Seconds from the start of one cycle to the start of the next.
    pub interval_seconds: u64,
    /// The sources with this interval, each name once, in the order of the file.
    pub sources: Vec<SourcePlan>,
}

/// The pollsters of one source.
#[derive(Debug)]
pub struct SourcePlan {
    /// Its name.
    pub name: String,
    /// Its pollsters.
    pub assignments: Vec<Assignment>,
}

/// A pollster with the resources that its source gives it.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The pollster.
    pub pollster: Arc<LoadedPollster>,
    /// Resources that need not be discovered.
    pub resources: Arc<[Resource]>,
    /// What stands for them in the name of the group of agents that share them.
    pub resources_group: Arc<str>,
    /// Discoveries, as they are written; if nothing comes of both, the pollster's own is asked.
    pub discovery: Arc<[String]>,
}

impl Plan {
    /// Couples them. Sources of the same name and interval are one, and where both select a pollster the later one's
    /// resources and discovery count, as in Ceilometer.
    ///
    /// The problems are warnings, and fatal ones for what is selected and cannot be made.
    #[must_use]
    pub fn new(config: &PollingConfig, registry: &Registry) -> (Self, Vec<Problem>) {
        let mut plan = Self::default();
        let mut problems = Vec::new();
        for source in &config.sources {
            check_names(source, registry, &mut problems);
            check_discovery(source, registry, &mut problems);
            let resources: Arc<[Resource]> =
                source.resources.iter().map(|text| Resource::text(text)).collect();
            let resources_group: Arc<str> = of_resources(&resources).into();
            let discovery: Arc<[String]> = source.discovery.iter().map(|entry| entry.text.clone()).collect();
            let mut unable: Vec<(&MakeError, Vec<&str>)> = Vec::new();
            for (name, made) in registry.pollsters().filter(|(name, _)| source.filter.matches(name)) {
                let own = made.map(|pollster| pollster.discovery.as_deref());
                let own = own.map(|own| own.and_then(|own| registry.discovery(own)));
                let problem = match own {
                    Err(error) | Ok(Some(Err(error))) => Some(error),
                    Ok(_) => None,
                };
                if let Some(error) = problem {
                    match unable.iter_mut().find(|(known, _)| *known == error) {
                        Some((_, names)) => names.push(name),
                        None => unable.push((error, vec![name])),
                    }
                    continue;
                }
                let Ok(pollster) = made else { continue };
                let (resources, discovery) = (Arc::clone(&resources), Arc::clone(&discovery));
                let (pollster, resources_group) = (Arc::clone(pollster), Arc::clone(&resources_group));
                plan.add(source, Assignment { pollster, resources, resources_group, discovery });
            }
            for (MakeError { message, hint }, names) in unable {
                let names = listed(&names);
                let message =
                    format!("the source {:?} selects {names}, which cannot run: {message}", source.name);
                problems.push(source.place.problem(Severity::Fatal, message, hint.clone()));
            }
        }
        (plan, problems)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn add(&mut self, source: &PollingSource, assignment: Assignment) {
        let interval_seconds = source.interval_seconds;
        let task = place_or_push(
            &mut self.tasks,
            |task| task.interval_seconds == interval_seconds,
            || TaskPlan { interval_seconds, sources: Vec::new() },
        );
        let Some(task) = task else { return };
        let of_source = place_or_push(
            &mut task.sources,
            |known| known.name == source.name,
            || SourcePlan { name: source.name.clone(), assignments: Vec::new() },
        );
        let Some(of_source) = of_source else { return };
        let known =
            of_source.assignments.iter_mut().find(|known| known.pollster.name == assignment.pollster.name);
        match known {
            Some(known) => *known = assignment,
            None => of_source.assignments.push(assignment),
        }
    }
}

/// The entry that is `wanted`; a new one behind all others if there is none.
fn place_or_push<T>(
    list: &mut Vec<T>,
    wanted: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> Option<&mut T> {
    let place = list.iter().position(wanted).unwrap_or_else(|| {
        list.push(make());
        list.len() - 1
    });
    list.get_mut(place)
}

/// Warns of meters whose pollsters there are not.
fn check_names(source: &PollingSource, registry: &Registry, problems: &mut Vec<Problem>) {
    for entry in &source.meters {
        let name = entry.text.as_str();
        if name.contains(['*', '?', '[', '!']) || is_known(name, registry) {
            continue;
        }
        let hint = "`nephoscope pollsters` lists what is built in; others are defined in [DEFAULT] pollsters_definitions_dirs";
        let message = format!("no pollster is named {name:?}");
        problems.push(entry.place.problem(Severity::Warning, message, hint));
    }
}

/// Whether a pollster of that name is in any namespace: one file serves agents of all of them.
fn is_known(name: &str, registry: &Registry) -> bool {
    let in_tables =
        NAMESPACES.iter().any(|namespace| namespace.pollsters.iter().any(|line| line.name == name));
    in_tables || registry.is_known(name)
}

fn check_discovery(source: &PollingSource, registry: &Registry, problems: &mut Vec<Problem>) {
    for entry in &source.discovery {
        let name = name_of(&entry.text);
        match registry.discovery(&name) {
            Some(Ok(_)) => {}
            Some(Err(MakeError { message, hint })) => {
                let message = format!("the discovery {name} cannot run: {message}");
                problems.push(entry.place.problem(Severity::Fatal, message, hint.clone()));
            }
            None => {
                let known = registry.discovery_names().join(", ");
                let message = format!("there is no discovery {name:?} in the namespaces of this agent");
                let hint = format!("it finds nothing; the discoveries are {known}");
                problems.push(entry.place.problem(Severity::Warning, message, hint));
            }
        }
    }
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
