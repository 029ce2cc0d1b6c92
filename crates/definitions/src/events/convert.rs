//! From a notification to an event.

use std::sync::Arc;

use model::pytext::{crop, float_of, integer_of, to_str};
use model::{Event, Map, Notification, Text, Timestamp, Trait, TraitValue, Value};

use super::{EventDefinition, TraitDefinition, TraitType};
use crate::Cause;
use crate::error::shown;

/// How many characters a text trait keeps.
const TEXT_CHARACTERS: usize = 255;

impl EventDefinition {
    pub(super) fn convert(
        &self,
        notification: &Notification,
        event_type: &str,
        raw: bool,
    ) -> Result<Event, Cause> {
        let generated = time_of(notification.timestamp())
            .ok_or_else(|| Cause::Timestamp { value: shown(notification.timestamp()) })?;
        let mut traits = Vec::with_capacity(self.traits.len());
        for definition in &self.traits {
            if let Some(value) = definition.convert(notification.root())? {
                traits.push(Trait { name: Arc::clone(&definition.name), value });
            }
        }
        Ok(Event {
            message_id: notification.message_id().clone(),
            event_type: event_type.into(),
            generated,
            traits,
            raw: if raw { notification.root().clone() } else { Map::new().into() },
        })
    }
}

fn time_of(value: &Value) -> Option<Timestamp> {
    Timestamp::parse(value.as_str()?).ok()
}

fn text_of(value: &Value) -> Text {
    match value {
        Value::Str(text) if text.len() <= TEXT_CHARACTERS => text.clone(),
        Value::Str(text) => crop(text, TEXT_CHARACTERS).into(),
        other => crop(&to_str(other), TEXT_CHARACTERS).into(),
    }
}

impl TraitDefinition {
    pub(super) fn convert(&self, root: &Value) -> Result<Option<TraitValue>, Cause> {
        let Some(value) = self.field.first(root) else { return Ok(None) };
        // Services write an empty text where they have no time or number.
        if self.kind != TraitType::Text && value.as_str() == Some("") {
            return Ok(None);
        }
        let wrong = |value: &Value| Cause::Trait {
            name: Arc::clone(&self.name),
            expected: self.kind.name(),
            value: shown(value),
        };
        let converted = match self.kind {
            TraitType::Untyped => TraitValue::Untyped(text_of(&value)),
            TraitType::Text => TraitValue::Text(text_of(&value)),
            TraitType::Integer => match integer_of(&value) {
                Ok(Value::Int(number)) => TraitValue::Integer(number),
                Ok(Value::BigInt(digits)) => TraitValue::BigInteger(digits),
                _ => return Err(wrong(&value)),
            },
            TraitType::Float => TraitValue::Float(float_of(&value).map_err(|_| wrong(&value))?),
            TraitType::Datetime => TraitValue::Datetime(time_of(&value).ok_or_else(|| wrong(&value))?),
        };
        Ok(Some(converted))
    }
}
