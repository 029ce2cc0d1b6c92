//! Meter definitions (Ceilometer's `meters.d`): which notifications become which samples.

mod compile;
mod convert;
mod explain;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use expression::Pattern;
use model::{Notification, Sample, Text, Value};
use yaml::Node;

pub(crate) use convert::{Context, Draft};

use crate::cache::Cache;
use crate::problem::{Fault, parse_yaml};
use crate::{Cause, ConversionError, Field, Needs, Place, Problem, SampleSettings, Severity, Source};

/// How many samples a lookup may make of one notification. The payloads of real services list some dozens of values.
pub const MAX_LOOKUP_SAMPLES: usize = 1000;

/// The attributes of a sample that a definition can set, in the order in which lookups check them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Name,
    Type,
    Volume,
    Unit,
    Timestamp,
    UserId,
    ProjectId,
    ResourceId,
}

impl Attribute {
    const ALL: [Self; 8] = [
        Self::Name,
        Self::Type,
        Self::Volume,
        Self::Unit,
        Self::Timestamp,
        Self::UserId,
        Self::ProjectId,
        Self::ResourceId,
    ];

    const fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Type => "type",
            Self::Volume => "volume",
            Self::Unit => "unit",
            Self::Timestamp => "timestamp",
            Self::UserId => "user_id",
            Self::ProjectId => "project_id",
            Self::ResourceId => "resource_id",
        }
    }
}

/// Where users and projects are looked for without a path of the definition: at the keys of the context, and below them
/// at a second key.
const FALLBACKS: [([&str; 2], &str); 2] = [USER_FALLBACK, PROJECT_FALLBACK];
const USER_FALLBACK: ([&str; 2], &str) = (["user_id", "ctxt"], "user");
const PROJECT_FALLBACK: ([&str; 2], &str) = (["project_id", "ctxt"], "tenant_id");

/// One compiled meter definition.
#[derive(Debug)]
pub struct MeterDefinition {
    /// What the file calls it: a meter's name, or the path to it.
    name: Arc<str>,
    place: Place,
    event_types: Vec<Pattern>,
    /// The same as a value.
    default_name: Value,
    /// The file's texts of type and unit, which hold where their paths find nothing.
    default_type: Value,
    default_unit: Value,
    /// By [`Attribute`].
    attributes: [Option<Field>; Attribute::ALL.len()],
    metadata: Vec<(Text, Field)>,
    user_metadata: Option<Field>,
    /// Attributes expected to have several values.
    lookup: Vec<Box<str>>,
}

impl MeterDefinition {
    /// What the file calls it: a meter's name, or the path to it. Definitions override each other by this text.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is written.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The event types that it wants, as regular expressions for their beginning.
    pub fn event_types(&self) -> impl ExactSizeIterator<Item = &str> {
        self.event_types.iter().map(Pattern::as_str)
    }

    /// Whether it wants notifications of that type.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        self.event_types.iter().any(|pattern| pattern.is_match(event_type))
    }

    /// Appends the samples that this definition makes of a notification, whatever its type, and returns what failed.
    pub fn convert(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError> {
        let mut failures = Vec::new();
        self.apply(&mut Context::new(notification, settings), samples, &mut failures);
        failures
    }

    const fn attribute(&self, attribute: Attribute) -> Option<&Field> {
        self.attributes[attribute as usize].as_ref()
    }

    /// The definition as lines of `key: value`, for references and comparisons.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut lines = vec![format!("name: {}", self.name)];
        lines.extend(self.event_types.iter().map(|pattern| format!("event_type: {}", pattern.as_str())));
        lines.push(format!("default type: {:?}", self.default_type));
        lines.push(format!("default unit: {:?}", self.default_unit));
        for attribute in Attribute::ALL {
            if let Some(field) = self.attribute(attribute) {
                lines.push(format!("{}: {field}", attribute.key()));
            }
        }
        lines.extend(self.metadata.iter().map(|(key, field)| format!("metadata.{key}: {field}")));
        lines.extend(self.user_metadata.iter().map(|field| format!("user_metadata: {field}")));
        if !self.lookup.is_empty() {
            lines.push(format!("lookup: {}", self.lookup.join(", ")));
        }
        lines
    }
}

/// All meter definitions, in the order in which they are applied.
#[derive(Debug)]
pub struct MeterDefinitions {
    definitions: Vec<MeterDefinition>,
    /// The definitions, by place, that want an event type.
    wanted: Cache<Vec<usize>>,
}

impl MeterDefinitions {
    /// Compiles the definitions of several files.
    ///
    /// Files count in the order given, and each from its end to its beginning; of equal names the first one met
    /// holds. So an operator's file, given before the built-in one, overrides it, and within a file the last of equal
    /// names wins.
    ///
    /// What is wrong comes back as problems: a broken definition is left out (as upstream does), a file that cannot
    /// be read as definitions at all is [`Severity::Fatal`] (upstream does not start).
    #[must_use]
    pub fn load(sources: &[Source<'_>]) -> (Self, Vec<Problem>) {
        let mut definitions = Vec::new();
        let mut problems = Vec::new();
        let mut names: HashSet<Arc<str>> = HashSet::new();
        for source in sources {
            let before = problems.len();
            let path: Arc<str> = source.path.into();
            let root = match parse_yaml(*source) {
                Ok(root) => root,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let Some(items) = root.get("metric").and_then(Node::as_seq) else {
                let at = root.get("metric").unwrap_or(&root);
                let fault = Fault::new(at, "the file has no list of meters")
                    .hint("write `metric:` and below it a list of definitions");
                problems.push(fault.into_problem(Severity::Fatal, source.path));
                continue;
            };
            for item in items.iter().rev() {
                let duplicate = item
                    .entry("name")
                    .filter(|(_, name)| name.as_str().is_some_and(|name| names.contains(name)));
                if let Some((_, name)) = duplicate {
                    let fault = Fault::new(name, format!("another definition of {:?} holds, not this one", name.as_str().unwrap_or_default()))
                        .hint("within a file the last definition of a name holds, and earlier files before later ones");
                    problems.push(fault.into_problem(Severity::Warning, source.path));
                    continue;
                }
                match compile::compile(item, &path) {
                    Ok((definition, warnings)) => {
                        problems.extend(
                            warnings
                                .into_iter()
                                .map(|fault| fault.into_problem(Severity::Warning, source.path)),
                        );
                        names.insert(Arc::clone(&definition.name));
                        definitions.push(definition);
                    }
                    Err(fault) => problems.push(fault.into_problem(Severity::Error, source.path)),
                }
            }
            // Files are read backwards, but people read from the top.
            if let Some(own) = problems.get_mut(before..) {
                own.sort_by_key(Problem::place);
            }
        }
        (Self { definitions, wanted: Cache::new() }, problems)
    }

    /// The built-in definitions alone.
    #[must_use]
    pub fn builtin() -> Self {
        Self::load(&[crate::builtin::METERS]).0
    }

    /// The definitions in the order in which they are applied.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &MeterDefinition> {
        self.definitions.iter()
    }

    /// Whether any definition wants notifications of that type; quick for types seen before.
    #[must_use]
    pub fn wants(&self, event_type: &str) -> bool {
        !self.wanted(event_type).is_empty()
    }

    fn wanted(&self, event_type: &str) -> Arc<Vec<usize>> {
        self.wanted.get_or(event_type, || {
            let matching =
                self.definitions.iter().enumerate().filter(|(_, definition)| definition.matches(event_type));
            matching.map(|(place, _)| place).collect()
        })
    }

    /// What [`convert`](Self::convert) looks at of notifications of that type: all of the payload, which is the samples'
    /// metadata.
    #[must_use]
    pub fn needs(&self, event_type: &str) -> Needs {
        let mut needs = Needs::nothing();
        for definition in self.wanted(event_type).iter().filter_map(|place| self.definitions.get(*place)) {
            needs.add("payload", None);
            for (ways, _) in FALLBACKS {
                for key in ways {
                    needs.add("ctxt", Some(key));
                }
            }
            let fields = definition.attributes.iter().flatten();
            let metadata = definition.metadata.iter().map(|(_, field)| field);
            for field in fields.chain(metadata).chain(&definition.user_metadata) {
                field.needs(&mut needs);
            }
        }
        needs
    }

    /// Appends the samples that all definitions make of a notification, and returns what failed.
    ///
    /// One definition's failure does not keep the others from their samples; upstream gives up on the notification
    /// and gets it again for ever.
    pub fn convert(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError> {
        self.convert_naming(notification, settings, samples, &mut Vec::new())
    }

    /// As [`convert`](Self::convert), and tells which samples want the names of their user and project: those of
    /// definitions with a lookup, as upstream does with `[polling] identity_name_discovery`.
    pub fn convert_naming(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
        unnamed: &mut Vec<Range<usize>>,
    ) -> Vec<ConversionError> {
        let Some(event_type) = notification.event_type() else {
            return vec![ConversionError { definition: "meter".into(), cause: Cause::EventType }];
        };
        let mut failures = Vec::new();
        let wanted = self.wanted(event_type);
        if wanted.is_empty() {
            return failures;
        }
        let mut context = Context::new(notification, settings);
        for definition in wanted.iter().filter_map(|place| self.definitions.get(*place)) {
            let before = samples.len();
            definition.apply(&mut context, samples, &mut failures);
            if definition.has_lookup() && before < samples.len() {
                unnamed.push(before..samples.len());
            }
        }
        failures
    }
}
