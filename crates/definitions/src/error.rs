//! [`ConversionError`]: why a definition made nothing of a notification that it wants.

use std::sync::Arc;

/// Why a conversion failed. Each has a short [`label`](Self::label) for a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The notification's event type is no text.
    #[error("the event type is not a text")]
    EventType,
    /// A timestamp is no ISO 8601 text.
    #[error("{value} is not a time")]
    Timestamp {
        /// Its Python text, cut.
        value: String,
    },
    /// The meter's name is no text.
    #[error("the name {value} is not a text")]
    Name {
        /// Its Python text, cut.
        value: String,
    },
    /// The meter's type is not one of the three.
    #[error("the type {value} is not gauge, delta or cumulative")]
    Kind {
        /// Its Python text, cut.
        value: String,
    },
    /// The payload lacks something that the converter needs.
    #[error("the notification has no {field}")]
    Field {
        /// What is missing.
        field: &'static str,
    },
    /// A lookup found a different number of values for one attribute.
    #[error("found {found} values of {attribute} for {expected} samples")]
    Lookup {
        /// The attribute.
        attribute: &'static str,
        /// How many values it has.
        found: usize,
        /// How many samples there are.
        expected: usize,
    },
    /// A lookup found more samples than one notification may give.
    #[error("{found} samples in one notification, at most {limit} are made")]
    TooMany {
        /// How many were found.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// The reading of a sensor is no number with a unit.
    #[error("the sensor reading {value} is not a number with a unit")]
    Reading {
        /// Its Python text, cut.
        value: String,
    },
    /// A polled sample is not signed with our secret.
    #[error("a sample is not signed with [publisher] telemetry_secret")]
    Signature,
    /// A trait's value does not have the trait's type.
    #[error("trait {name}: {value} is not of type {expected}")]
    Trait {
        /// The trait.
        name: Arc<str>,
        /// The type.
        expected: &'static str,
        /// The value's Python text, cut.
        value: String,
    },
}

impl Cause {
    /// A name for counters, from a small fixed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::EventType => "event_type",
            Self::Timestamp { .. } => "timestamp",
            Self::Name { .. } => "meter_name",
            Self::Kind { .. } => "meter_type",
            Self::Field { .. } => "missing_field",
            Self::Lookup { .. } => "lookup_count",
            Self::TooMany { .. } => "too_many_samples",
            Self::Reading { .. } => "sensor_reading",
            Self::Signature => "signature",
            Self::Trait { .. } => "trait_type",
        }
    }
}

/// A definition that could not convert a notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{definition}: {cause}")]
pub struct ConversionError {
    /// The name of the meter, or the event types of the event definition.
    pub definition: Arc<str>,
    /// Why.
    #[source]
    pub cause: Cause,
}

/// How much of a bad value an error shows.
const SHOWN_CHARACTERS: usize = 80;

/// A value's Python text for an error message.
pub(crate) fn shown(value: &model::Value) -> String {
    // Containers may be huge; their text tells no more than their kind.
    match value {
        model::Value::List(_) => "a list".into(),
        model::Value::Map(_) => "a map".into(),
        model::Value::Str(text) => {
            model::pytext::to_repr(&model::pytext::crop(text, SHOWN_CHARACTERS).into())
        }
        other => model::pytext::crop(&model::pytext::to_repr(other), SHOWN_CHARACTERS).to_owned(),
    }
}
