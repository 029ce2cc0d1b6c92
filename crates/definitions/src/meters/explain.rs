//! What a meter definition looked for in a notification, and what it found.

use model::Notification;

use super::{Attribute, MeterDefinition};
use crate::FieldTrace;

impl MeterDefinition {
    /// What each of its fields finds, by the evaluation that samples are made with.
    ///
    /// Name, type and unit are left out where they stand for themselves because their text finds nothing.
    #[must_use]
    pub fn trace(&self, notification: &Notification) -> Vec<FieldTrace> {
        let root = notification.root();
        let all = self.has_lookup();
        let mut traces = Vec::new();
        for attribute in Attribute::ALL {
            let Some(field) = self.attribute(attribute) else { continue };
            let trace = field.trace(attribute.key(), root, all);
            let is_literal = matches!(attribute, Attribute::Name | Attribute::Type | Attribute::Unit);
            // With a lookup, the name is never a literal: there are as many samples as it is found.
            let looked_up = all && attribute == Attribute::Name
                || self.lookup.iter().any(|looked_up| &**looked_up == attribute.key());
            if !is_literal || looked_up || !trace.values.is_empty() {
                traces.push(trace);
            }
        }
        let metadata = self.metadata.iter();
        traces.extend(metadata.map(|(key, field)| {
            let mut trace = field.trace(format!("metadata.{key}"), root, false);
            trace.is_unused = trace.values.iter().any(|value| !value.is_truthy());
            trace
        }));
        let user = self.user_metadata.iter();
        traces.extend(user.map(|field| {
            let mut trace = field.trace("user_metadata", root, false);
            trace.is_unused = trace.values.iter().any(|value| value.as_map().is_none());
            trace
        }));
        traces
    }

    /// Whether it makes as many samples as its name is found.
    #[must_use]
    pub const fn has_lookup(&self) -> bool {
        !self.lookup.is_empty()
    }
}
