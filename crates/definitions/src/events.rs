//! Event definitions (Ceilometer's `event_definitions.yaml`): which notifications become events of which traits.

mod compile;
mod convert;
mod explain;

use std::sync::Arc;

use expression::Glob;
use model::{Event, Notification, Priority};

use crate::cache::Cache;
use crate::problem::{Fault, parse_yaml};
use crate::{Cause, ConversionError, Field, Needs, Place, Problem, Severity, Source};

pub use explain::{EventExplanation, TraitExplanation, TraitOutcome};

/// The options of `[event]` that shape events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventSettings {
    /// `drop_unmatched_notifications`: whether a notification that no definition wants is dropped; otherwise it
    /// becomes an event of the default traits.
    pub drop_unmatched_notifications: bool,
    /// `store_raw`: the priorities whose notifications are kept in the event.
    pub store_raw: Vec<String>,
}

/// The type of a trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TraitType {
    Untyped,
    Text,
    Integer,
    Float,
    Datetime,
}

impl TraitType {
    /// The type of that name, in any case.
    fn from_name(name: &str) -> Option<Self> {
        [Self::Untyped, Self::Text, Self::Integer, Self::Float, Self::Datetime]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(name))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Untyped => "none",
            Self::Text => "text",
            Self::Integer => "int",
            Self::Float => "float",
            Self::Datetime => "datetime",
        }
    }
}

/// A compiled trait.
#[derive(Debug)]
struct TraitDefinition {
    name: Arc<str>,
    kind: TraitType,
    field: Field,
}

/// One compiled event definition.
#[derive(Debug)]
pub struct EventDefinition {
    /// Its event types as the file has them, for messages.
    name: Arc<str>,
    place: Place,
    included: Vec<Glob>,
    excluded: Vec<Glob>,
    traits: Vec<TraitDefinition>,
}

impl EventDefinition {
    /// Its event types as the file has them.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is written; in line 0 if in no file, as the one that takes what no other wants.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it wants notifications of that type.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        self.included.iter().any(|glob| glob.is_match(event_type))
            && !self.excluded.iter().any(|glob| glob.is_match(event_type))
    }

    /// Whether it wants every notification.
    fn is_catch_all(&self) -> bool {
        self.excluded.is_empty() && self.included.iter().any(|glob| glob.as_str() == "*")
    }

    /// The definition as lines of `key: value`, for references and comparisons.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut lines = vec![format!("event_type: {}", self.name)];
        lines.extend(self.traits.iter().map(|definition| {
            format!("{}: {} {}", definition.name, definition.kind.name(), definition.field)
        }));
        lines
    }
}

/// All event definitions, the one that wins first.
#[derive(Debug)]
pub struct EventDefinitions {
    definitions: Vec<EventDefinition>,
    store_raw: Vec<Priority>,
    /// The place of the definition that an event type gets.
    wanted: Cache<Option<usize>>,
}

impl EventDefinitions {
    /// Compiles the definitions of a file.
    ///
    /// What is wrong comes back as problems. A broken definition is left out, but its problem is
    /// [`Severity::Fatal`]: upstream does not start with it, and going on would change what is stored.
    #[must_use]
    pub fn load(source: Source<'_>, settings: &EventSettings) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut definitions = Vec::new();
        let path: Arc<str> = source.path.into();
        match parse_yaml(source) {
            Err(problem) => problems.push(problem),
            Ok(root) => match root.as_seq() {
                None => {
                    let fault = Fault::new(&root, format!("the file holds {}", root.type_name()))
                        .hint("write a list of definitions with `event_type` and `traits`");
                    problems.push(fault.into_problem(Severity::Fatal, source.path));
                }
                Some(items) => {
                    // The last definition that matches wins, so the last one is asked first.
                    for item in items.iter().rev() {
                        match compile::definition(item, &path) {
                            Ok((definition, warnings)) => {
                                definitions.push(definition);
                                problems.extend(
                                    warnings
                                        .into_iter()
                                        .map(|fault| fault.into_problem(Severity::Warning, source.path)),
                                );
                            }
                            Err(fault) => problems.push(fault.into_problem(Severity::Fatal, source.path)),
                        }
                    }
                }
            },
        }
        // The file is read backwards, but people read from the top.
        problems.sort_by_key(Problem::place);
        if !settings.drop_unmatched_notifications && !definitions.iter().any(EventDefinition::is_catch_all) {
            definitions.extend(compile::catch_all());
        }
        let store_raw = settings.store_raw.iter().filter_map(|name| Priority::from_name(name)).collect();
        (Self { definitions, store_raw, wanted: Cache::new() }, problems)
    }

    /// The built-in definitions.
    #[must_use]
    pub fn builtin(settings: &EventSettings) -> Self {
        Self::load(crate::builtin::EVENTS, settings).0
    }

    /// The definitions, the one that wins first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &EventDefinition> {
        self.definitions.iter()
    }

    /// Whether notifications of that priority become events.
    #[must_use]
    pub const fn accepts(priority: Priority) -> bool {
        matches!(priority, Priority::Info | Priority::Error)
    }

    /// Whether any definition wants notifications of that type; quick for types seen before.
    #[must_use]
    pub fn wants(&self, event_type: &str) -> bool {
        self.find(event_type).is_some()
    }

    /// The definition that notifications of that type get; quick for types seen before.
    #[must_use]
    pub fn find(&self, event_type: &str) -> Option<&EventDefinition> {
        let place = self.wanted.get_or(event_type, || {
            self.definitions.iter().position(|definition| definition.matches(event_type))
        });
        (*place).and_then(|place| self.definitions.get(place))
    }

    /// What [`convert`](Self::convert) looks at of notifications of that type and priority.
    #[must_use]
    pub fn needs(&self, event_type: &str, priority: Priority) -> Needs {
        let mut needs = Needs::nothing();
        if let Some(definition) = self.find(event_type) {
            if self.store_raw.contains(&priority) {
                return Needs::everything();
            }
            for definition in &definition.traits {
                definition.field.needs(&mut needs);
            }
        }
        needs
    }

    /// The event that a notification becomes; `None` if no definition wants it.
    ///
    /// # Errors
    /// [`ConversionError`] when its type or time is unusable or a trait's value does not fit the trait's type.
    /// Upstream logs that and drops the event (or gets the notification again, by `ack_on_event_error`).
    pub fn convert(&self, notification: &Notification) -> Result<Option<Event>, ConversionError> {
        let Some(event_type) = notification.event_type() else {
            return Err(ConversionError { definition: "event".into(), cause: Cause::EventType });
        };
        let Some(definition) = self.find(event_type) else { return Ok(None) };
        let raw = self.store_raw.contains(&notification.priority());
        definition
            .convert(notification, event_type, raw)
            .map(Some)
            .map_err(|cause| ConversionError { definition: Arc::clone(&definition.name), cause })
    }
}
