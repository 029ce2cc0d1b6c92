//! Resource definitions (Ceilometer's `gnocchi_resources.yaml`): which samples and events become which resources,
//! attributes and metrics of Gnocchi.
//!
//! Source of behaviour: `ceilometer/publisher/gnocchi.py` (`ResourcesDefinition`, `publish_samples`,
//! `publish_events`). What is said to Gnocchi, and when, is the publisher's business; here is only what follows from
//! the definitions.

mod compile;
mod event;
mod sample;

use std::collections::HashMap;
use std::sync::Arc;

use expression::Glob;
use model::Value;

pub use event::{Associated, ResourceEffect};
pub use sample::ResourceMeasure;

use crate::cache::Cache;
use crate::problem::parse_yaml;
use crate::{Field, Place, Problem, Severity, Source};

/// How many characters Gnocchi takes as the id of a resource; with a longer one it refuses the whole batch.
pub const MAX_RESOURCE_ID_CHARACTERS: usize = 255;

/// The archive policy of metrics for which a file names none.
const DEFAULT_ARCHIVE_POLICY: &str = "ceilometer-low";

/// What the publisher's URL says about the definitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceSettings {
    /// `archive_policy`: the policy of every metric, whatever the file says (but for the deprecated key
    /// `archive_policy` of a resource type, which upstream lets win).
    pub archive_policy: Option<String>,
}

/// What an event does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The resource is created.
    Create,
    /// The resource, and those associated with it, get other attributes.
    Update,
    /// The resource, and those associated with it, end.
    Delete,
}

impl Operation {
    /// In the order in which they are tried.
    const ALL: [Self; 3] = [Self::Create, Self::Delete, Self::Update];

    /// Its key in a definition.
    const fn key(self) -> &'static str {
        match self {
            Self::Create => "event_create",
            Self::Update => "event_update",
            Self::Delete => "event_delete",
        }
    }

    /// `create`, `update` or `delete`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Why Gnocchi gets nothing of a sample or event. Each has a short [`label`](Self::label) for a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unmapped {
    /// No resource type has the sample's meter; upstream warns once a name.
    #[error("no resource type has the metric {name}")]
    Metric {
        /// The meter.
        name: String,
    },
    /// The id is no text. With a null or a number upstream loses the whole batch.
    #[error("the resource id {value} is not a text")]
    ResourceId {
        /// Its Python text, cut.
        value: String,
    },
    /// The id is longer than Gnocchi takes; upstream sends it and loses the whole batch.
    #[error("the resource id has {characters} characters, Gnocchi takes {MAX_RESOURCE_ID_CHARACTERS}")]
    ResourceIdLength {
        /// How many it has.
        characters: usize,
    },
    /// No resource type has events of that type.
    #[error("no resource type has events of the type {event_type}")]
    EventType {
        /// The type.
        event_type: String,
    },
    /// The event has no trait that gives the id. Upstream loses the rest of the batch as well.
    #[error("the event has no trait {name}, which gives the id of the {resource_type}")]
    MissingId {
        /// The trait.
        name: Arc<str>,
        /// The resource type.
        resource_type: Arc<str>,
    },
}

impl Unmapped {
    /// A name for counters, from a small fixed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Metric { .. } => "unknown_metric",
            Self::ResourceId { .. } => "resource_id",
            Self::ResourceIdLength { .. } => "resource_id_length",
            Self::EventType { .. } => "unknown_event",
            Self::MissingId { .. } => "missing_id",
        }
    }
}

/// An attribute of a sample's resource.
#[derive(Debug)]
struct Attribute {
    name: Arc<str>,
    field: Field,
    /// The same without its first step, `resource_metadata`, where that can be taken off: most attributes are found
    /// without putting the whole sample together.
    in_metadata: Option<Field>,
}

/// A metric of a resource type.
#[derive(Debug)]
struct Metric {
    name: Arc<str>,
    /// `None` leaves the choice to Gnocchi's archive policy rules.
    archive_policy: Option<Arc<str>>,
}

/// A resource type whose resources are changed together with another one's.
#[derive(Debug)]
struct AssociatedType {
    resource_type: Arc<str>,
    /// The search, cut where the id goes in.
    before: String,
    after: String,
}

/// One compiled resource definition.
#[derive(Debug)]
pub struct ResourceDefinition {
    resource_type: Arc<str>,
    place: Place,
    metrics: Vec<Metric>,
    attributes: Vec<Attribute>,
    /// By [`Operation::ALL`].
    events: [Vec<Glob>; Operation::ALL.len()],
    /// The trait with the id; every definition with events has one.
    event_id: Option<Arc<str>>,
    /// From attribute to trait, without the id.
    event_attributes: Vec<(Arc<str>, Arc<str>)>,
    associated: Vec<AssociatedType>,
}

impl ResourceDefinition {
    /// The resource type, such as `instance`.
    #[must_use]
    pub const fn resource_type(&self) -> &Arc<str> {
        &self.resource_type
    }

    /// Where it is written.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The names of its metrics, those that a later definition has taken over included.
    pub fn metrics(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.metrics.iter().map(|metric| &metric.name)
    }

    /// What events of that type do to its resources.
    #[must_use]
    pub fn operation(&self, event_type: &str) -> Option<Operation> {
        let matching = Operation::ALL.into_iter().zip(&self.events);
        let mut matching = matching.filter(|(_, globs)| globs.iter().any(|glob| glob.is_match(event_type)));
        matching.next().map(|(operation, _)| operation)
    }

    /// The definition as lines of `key: value`, sorted, for references and comparisons.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Metric { name, archive_policy } in &self.metrics {
            lines.push(format!("metric {name}: {}", archive_policy.as_deref().unwrap_or("by rule")));
        }
        for Attribute { name, field, .. } in &self.attributes {
            lines.push(format!("attribute {name}: {field}"));
        }
        for (operation, globs) in Operation::ALL.into_iter().zip(&self.events) {
            lines.extend(globs.iter().map(|glob| format!("{}: {}", operation.key(), glob.as_str())));
        }
        lines.extend(self.event_id.iter().map(|name| format!("event attribute id: {name}")));
        for (attribute, name) in &self.event_attributes {
            lines.push(format!("event attribute {attribute}: {name}"));
        }
        for AssociatedType { resource_type, before, after } in &self.associated {
            lines.push(format!("associated {resource_type}: {before}%s{after}"));
        }
        lines.sort();
        lines.insert(0, format!("resource_type: {}", self.resource_type));
        lines
    }
}

/// All resource definitions of a file, in its order.
#[derive(Debug)]
pub struct ResourceDefinitions {
    definitions: Vec<ResourceDefinition>,
    archive_policies: Vec<Value>,
    /// The definition, and the metric in it, by place.
    by_metric: HashMap<Arc<str>, (usize, usize)>,
    /// What an event type does to which definition's resources, by place.
    by_event: Cache<Option<(usize, Operation)>>,
}

impl ResourceDefinitions {
    /// Compiles the definitions of a file.
    ///
    /// What is wrong comes back as problems: a broken definition is left out (as upstream does); a file that cannot
    /// be read as definitions at all is [`Severity::Fatal`] (upstream's publisher is not loaded, and its sink drops
    /// everything).
    #[must_use]
    pub fn load(source: Source<'_>, settings: &ResourceSettings) -> (Self, Vec<Problem>) {
        let mut loaded = Self {
            definitions: Vec::new(),
            archive_policies: Vec::new(),
            by_metric: HashMap::new(),
            by_event: Cache::new(),
        };
        let mut problems = Vec::new();
        match parse_yaml(source) {
            Err(problem) => problems.push(problem),
            Ok(root) => {
                let path: Arc<str> = source.path.into();
                let mut faults = compile::Faults::default();
                if let Err(fault) = compile::file(&root, &path, settings, &mut loaded, &mut faults) {
                    problems.push(fault.into_problem(Severity::Fatal, source.path));
                }
                let faults = faults.0.into_iter();
                problems.extend(faults.map(|(severity, fault)| fault.into_problem(severity, source.path)));
            }
        }
        problems.sort_by_key(Problem::place);
        (loaded, problems)
    }

    /// The built-in definitions.
    #[must_use]
    pub fn builtin(settings: &ResourceSettings) -> Self {
        Self::load(crate::builtin::RESOURCES, settings).0
    }

    /// The definitions in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ResourceDefinition> {
        self.definitions.iter()
    }

    /// The archive policies to be created, as bodies of Gnocchi's `POST /v1/archive_policy`.
    #[must_use]
    pub fn archive_policies(&self) -> &[Value] {
        &self.archive_policies
    }

    /// The definition that has the metric.
    #[must_use]
    pub fn find_metric(&self, name: &str) -> Option<&ResourceDefinition> {
        self.by_metric.get(name).and_then(|(place, _)| self.definitions.get(*place))
    }

    /// The first definition that has events of that type, and what they do; quick for types seen before.
    #[must_use]
    pub fn find_event(&self, event_type: &str) -> Option<(&ResourceDefinition, Operation)> {
        let found = self.by_event.get_or(event_type, || {
            let mut asked = self.definitions.iter().enumerate();
            asked.find_map(|(place, definition)| Some((place, definition.operation(event_type)?)))
        });
        let (place, operation) = (*found)?;
        Some((self.definitions.get(place)?, operation))
    }
}

/// A resource id as Gnocchi needs it: it refuses `/`, for which upstream writes `_`.
fn encoded(id: &str) -> Result<String, Unmapped> {
    let characters = id.chars().count();
    if characters > MAX_RESOURCE_ID_CHARACTERS {
        return Err(Unmapped::ResourceIdLength { characters });
    }
    Ok(id.replace('/', "_"))
}
