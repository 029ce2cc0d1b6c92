//! Which converter made which sample of a notification, and why others made none.

use model::{Notification, Sample};

use super::SampleEndpoints;
use crate::{ConversionError, FieldTrace, MeterDefinition, Place, SampleSettings};

/// What makes samples.
#[derive(Debug, Clone, Copy)]
pub enum Converter<'d> {
    /// An endpoint written in code, by name.
    Code(&'static str),
    /// A meter definition.
    Definition(&'d MeterDefinition),
}

impl<'d> Converter<'d> {
    /// The meter, or the endpoint's name.
    #[must_use]
    pub fn name(self) -> &'d str {
        match self {
            Self::Code(name) => name,
            Self::Definition(definition) => definition.name(),
        }
    }

    /// Where a definition is written.
    #[must_use]
    pub const fn place(self) -> Option<&'d Place> {
        match self {
            Self::Code(_) => None,
            Self::Definition(definition) => Some(definition.place()),
        }
    }
}

/// What one converter made of a notification.
#[derive(Debug)]
pub struct Conversion<'d> {
    /// The converter.
    pub converter: Converter<'d>,
    /// Whether it wants notifications of that event type; if not, it was not asked.
    pub is_wanted: bool,
    /// Its samples.
    pub samples: Vec<Sample>,
    /// What failed.
    pub failures: Vec<ConversionError>,
    /// What a definition looked for, and what it found.
    pub fields: Vec<FieldTrace>,
}

impl Conversion<'_> {
    /// Why a converter that wanted the notification made nothing of it, where that is no failure.
    #[must_use]
    pub fn nothing(&self) -> Option<String> {
        if !self.is_wanted || !self.samples.is_empty() || !self.failures.is_empty() {
            return None;
        }
        let name = self.fields.iter().find(|field| field.key == "name");
        Some(name.and_then(FieldTrace::nothing).map_or_else(
            || "the notification lists no samples".to_owned(),
            |nothing| format!("no name was found, so there is no sample: {nothing}"),
        ))
    }
}

impl SampleEndpoints {
    /// What [`convert`](Self::convert) makes, converter by converter, in its order, with those that want nothing.
    #[must_use]
    pub fn explain<'d>(
        &'d self,
        notification: &Notification,
        settings: &SampleSettings,
    ) -> Vec<Conversion<'d>> {
        let mut conversions = Vec::new();
        for endpoint in &self.endpoints {
            let (Some(meters), Some(event_type)) = (endpoint.definitions(), notification.event_type()) else {
                let is_wanted = notification.event_type().is_none_or(|event_type| endpoint.wants(event_type));
                let mut samples = Vec::new();
                let failures = if is_wanted {
                    endpoint.convert(notification, settings, &mut samples)
                } else {
                    Vec::new()
                };
                let converter = Converter::Code(endpoint.name());
                conversions.push(Conversion { converter, is_wanted, samples, failures, fields: Vec::new() });
                continue;
            };
            for definition in meters.iter() {
                let mut made = Conversion {
                    converter: Converter::Definition(definition),
                    is_wanted: definition.matches(event_type),
                    samples: Vec::new(),
                    failures: Vec::new(),
                    fields: Vec::new(),
                };
                if made.is_wanted {
                    made.failures = definition.convert(notification, settings, &mut made.samples);
                    made.fields = definition.trace(notification);
                }
                conversions.push(made);
            }
        }
        conversions
    }
}
