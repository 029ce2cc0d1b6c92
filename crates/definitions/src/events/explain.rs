//! Which event definition won, and what became of each of its traits.

use std::sync::Arc;

use model::{Event, Notification, TraitValue, Value};

use super::{EventDefinition, EventDefinitions, TraitDefinition};
use crate::{Cause, ConversionError, FieldTrace};

/// What became of a trait.
#[derive(Debug, Clone)]
pub enum TraitOutcome {
    /// The event has it.
    Made(TraitValue),
    /// Its paths gave nothing, so the event does not have it.
    Nothing(String),
    /// An empty text where another type is wanted, so the event does not have it.
    EmptyText,
    /// Its value is not of its type, so there is no event.
    Wrong(Cause),
}

/// A trait of the definition that won.
#[derive(Debug, Clone)]
pub struct TraitExplanation<'d> {
    /// Its name.
    pub name: &'d Arc<str>,
    /// Its type: `text`, `int`, `float`, `datetime` or `none`.
    pub kind: &'static str,
    /// What was looked for.
    pub field: FieldTrace,
    /// What became of it.
    pub outcome: TraitOutcome,
}

impl TraitExplanation<'_> {
    /// Why the event does not have it.
    #[must_use]
    pub fn nothing(&self) -> Option<String> {
        match &self.outcome {
            TraitOutcome::Made(_) => None,
            TraitOutcome::Nothing(nothing) => Some(nothing.clone()),
            TraitOutcome::EmptyText => {
                Some(format!("the text at {} is empty, which is no {}", self.field.written, self.kind))
            }
            TraitOutcome::Wrong(cause) => Some(format!("no event, because of {cause}")),
        }
    }
}

/// What the event definitions make of a notification.
#[derive(Debug)]
pub struct EventExplanation<'d> {
    /// What [`EventDefinitions::convert`] returns.
    pub outcome: Result<Option<Event>, ConversionError>,
    /// The definition that the event type gets.
    pub winner: Option<&'d EventDefinition>,
    /// Others that want the type, and would get it if those before them did not.
    pub shadowed: Vec<&'d EventDefinition>,
    /// Those that do not want the type.
    pub others: Vec<&'d EventDefinition>,
    /// The winner's traits.
    pub traits: Vec<TraitExplanation<'d>>,
}

impl EventDefinitions {
    /// What [`convert`](Self::convert) makes, and why.
    #[must_use]
    pub fn explain<'d>(&'d self, notification: &Notification) -> EventExplanation<'d> {
        let event_type = notification.event_type();
        let winner = event_type.and_then(|event_type| self.find(event_type));
        let others = self.definitions.iter();
        let others = others.filter(|other| !winner.is_some_and(|winner| std::ptr::eq(winner, *other)));
        let (shadowed, others) =
            others.partition(|other| event_type.is_some_and(|event_type| other.matches(event_type)));
        let traits = winner.into_iter().flat_map(|winner| &winner.traits);
        EventExplanation {
            outcome: self.convert(notification),
            winner,
            shadowed,
            others,
            traits: traits.map(|definition| definition.explain(notification.root())).collect(),
        }
    }
}

impl TraitDefinition {
    fn explain(&self, root: &Value) -> TraitExplanation<'_> {
        let field = self.field.trace(&*self.name, root, false);
        let outcome = match (self.convert(root), field.nothing()) {
            (Ok(Some(value)), _) => TraitOutcome::Made(value),
            (Ok(None), Some(nothing)) => TraitOutcome::Nothing(nothing),
            (Ok(None), None) => TraitOutcome::EmptyText,
            (Err(cause), _) => TraitOutcome::Wrong(cause),
        };
        TraitExplanation { name: &self.name, kind: self.kind.name(), field, outcome }
    }
}
