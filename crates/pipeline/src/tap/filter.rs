//! [`TapFilter`]: which records a subscriber of a tap wants to see.

use std::borrow::Cow;

use expression::fnmatch::Glob;
use model::pytext::to_str;
use model::{Event, Sample, Value};

/// Globs of one kind at most.
pub const MAX_PATTERNS: usize = 64;
/// Length of one glob at most, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// Traits that name the project of an event.
const PROJECT_TRAITS: [&str; 2] = ["project_id", "tenant_id"];
/// Traits that end like those that name a resource, and name something else.
const NOT_RESOURCES: [&str; 7] =
    ["project_id", "tenant_id", "user_id", "request_id", "domain_id", "trace_id", "initiator_project_id"];

/// What a subscriber asks for. Globs are Python's `fnmatch`; a text without wildcards stands for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapQuery {
    /// Meters whose samples are wanted.
    pub meters: Vec<String>,
    /// Types of the events that are wanted.
    pub event_types: Vec<String>,
    /// The resource's id.
    pub resource: Option<String>,
    /// The project's id.
    pub project: Option<String>,
}

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TapFilterError {
    /// More globs than [`MAX_PATTERNS`].
    #[error("{count} patterns are too many: at most {MAX_PATTERNS}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A glob is longer than [`MAX_PATTERN_BYTES`].
    #[error("a pattern of {bytes} bytes is too long: at most {MAX_PATTERN_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// A compiled [`TapQuery`].
///
/// With neither meters nor event types, all samples and events pass these two; with one of them, only that kind does;
/// with both, either does. Resource and project must match as well, where given.
#[derive(Debug, Clone, Default)]
pub struct TapFilter {
    meters: Vec<Glob>,
    event_types: Vec<Glob>,
    resource: Option<IdPattern>,
    project: Option<IdPattern>,
}

/// An id, or a glob of ids. What is written matches itself even if it has a bracket.
#[derive(Debug, Clone)]
struct IdPattern(Glob);

impl IdPattern {
    fn matches(&self, value: &Value) -> bool {
        let text: Cow<'_, str> = match value {
            Value::Null => return false,
            Value::Str(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(to_str(other)),
        };
        *text == *self.0.as_str() || self.0.is_match(&text)
    }
}

impl TapFilter {
    /// Compiles `query`.
    ///
    /// # Errors
    /// [`TapFilterError`] when it is larger than anybody needs.
    pub fn new(query: &TapQuery) -> Result<Self, TapFilterError> {
        let globs = |texts: &[String]| -> Result<Vec<Glob>, TapFilterError> {
            if texts.len() > MAX_PATTERNS {
                return Err(TapFilterError::TooMany { count: texts.len() });
            }
            texts.iter().map(|text| glob(text)).collect()
        };
        let id =
            |text: &Option<String>| text.as_deref().map(glob).transpose().map(|glob| glob.map(IdPattern));
        Ok(Self {
            meters: globs(&query.meters)?,
            event_types: globs(&query.event_types)?,
            resource: id(&query.resource)?,
            project: id(&query.project)?,
        })
    }

    pub(super) fn selects_sample(&self, sample: &Sample) -> bool {
        passes(&self.meters, &self.event_types, &sample.name)
            && self.resource.as_ref().is_none_or(|id| id.matches(&sample.resource_id))
            && self.project.as_ref().is_none_or(|id| id.matches(&sample.project_id))
    }

    /// An event's resource is any trait whose name ends in `_id`, but for those of projects, users and requests.
    pub(super) fn selects_event(&self, event: &Event) -> bool {
        let has = |id: &IdPattern, of_interest: &dyn Fn(&str) -> bool| {
            let mut traits = event.traits.iter().filter(|entry| of_interest(&entry.name));
            traits.any(|entry| id.matches(&entry.value.to_value()))
        };
        let names_resource = |name: &str| name.ends_with("_id") && !NOT_RESOURCES.contains(&name);
        passes(&self.event_types, &self.meters, &event.event_type)
            && self.resource.as_ref().is_none_or(|id| has(id, &names_resource))
            && self.project.as_ref().is_none_or(|id| has(id, &|name| PROJECT_TRAITS.contains(&name)))
    }
}

fn glob(text: &str) -> Result<Glob, TapFilterError> {
    match text.len() {
        bytes if bytes > MAX_PATTERN_BYTES => Err(TapFilterError::TooLong { bytes }),
        _ => Ok(Glob::new(text)),
    }
}

/// Whether `name` passes the globs of its kind; without any, only if the other kind has none either.
fn passes(own: &[Glob], other: &[Glob], name: &str) -> bool {
    if own.is_empty() { other.is_empty() } else { own.iter().any(|glob| glob.is_match(name)) }
}
