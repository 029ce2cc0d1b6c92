//! [`ObjectMeter`]: a meter with one reading for each object that a discovery finds, as a constant.

use std::collections::BTreeMap;

use model::{Map, Subject, Value};

use crate::{Cycle, Meter, Object, PollError, Polling, Pollster, Reading, Readings, Resource};

/// A meter and what its readings are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectMeter {
    /// The meter; its pollster has the same name.
    pub(super) meter: Meter,
    /// The service that is asked, in one word: pollsters of different services do not wait for each other.
    pub(super) service: &'static str,
    /// The discovery that finds the objects.
    pub(super) discovery: &'static str,
    /// What they are as resources.
    pub(super) kind: &'static str,
    /// The volume.
    pub(super) volume: Volume,
    /// The attributes that may name the user; the first that the service says counts.
    pub(super) user: &'static [&'static str],
    /// The attributes that may name the project.
    pub(super) project: &'static [&'static str],
    /// What samples say of the object: key, and attribute of the service's answer; null where the service does not say it.
    pub(super) metadata: &'static [(&'static str, &'static str)],
    /// Adds what is no plain attribute, behind the others.
    pub(super) more: Option<fn(&Object, &mut Map)>,
}

/// Where a volume comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Volume {
    /// Each object counts 1.
    One,
    /// The attribute.
    Attribute(&'static str),
    /// The attribute, or 0 where it is null.
    AttributeOrZero(&'static str),
    /// The number of the attribute's text, whose case does not count; -1 for any other, which is logged.
    Status(&'static str, &'static [(&'static str, i64)]),
    /// What the function makes of the object; none: it has no reading.
    Of(fn(&Object) -> Option<Value>),
}

impl ObjectMeter {
    /// The reading of an object.
    fn reading(&self, object: &Object, unknown: &mut BTreeMap<String, usize>) -> Option<Reading> {
        let volume = match self.volume {
            Volume::One => Value::Int(1),
            Volume::Attribute(attribute) => object.get(attribute),
            Volume::AttributeOrZero(attribute) => match object.get(attribute) {
                Value::Null => Value::Int(0),
                volume => volume,
            },
            Volume::Status(attribute, numbers) => {
                let status = object.get(attribute);
                let number = number(numbers, &status);
                if number.is_none() {
                    *unknown.entry(model::pytext::to_str(&status)).or_default() += 1;
                }
                Value::Int(number.unwrap_or(-1))
            }
            Volume::Of(volume) => volume(object)?,
        };
        let subject = Subject {
            user_id: first(object, self.user),
            project_id: first(object, self.project),
            resource_metadata: self.describe(object).into(),
            ..Subject::new(object.id.as_str())
        };
        Some(Reading::of(&self.meter, subject, volume))
    }

    fn describe(&self, object: &Object) -> Map {
        let mut metadata: Map =
            self.metadata.iter().map(|(key, attribute)| (*key, object.get(attribute))).collect();
        if let Some(more) = self.more {
            more(object, &mut metadata);
        }
        metadata
    }
}

/// The first of the attributes that the service says something for, by Python's truth test; else the last.
pub(super) fn first(object: &Object, attributes: &[&str]) -> Value {
    let mut value = Value::Null;
    for attribute in attributes {
        value = object.get(attribute);
        if value.is_truthy() {
            break;
        }
    }
    value
}

/// The number of a status, whose case does not count.
pub(super) fn number(numbers: &[(&str, i64)], status: &Value) -> Option<i64> {
    let status = status.as_str()?;
    numbers.iter().find(|(known, _)| known.eq_ignore_ascii_case(status)).map(|(_, number)| *number)
}

/// The pollster of an [`ObjectMeter`].
#[derive(Debug)]
pub(super) struct ObjectPollster(pub(super) &'static ObjectMeter);

impl Pollster for ObjectPollster {
    fn service(&self) -> Option<&str> {
        Some(self.0.service)
    }

    fn poll<'a>(
        &'a self,
        _cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            let mut unknown = BTreeMap::new();
            let polled = self.read(resources, readings, &mut unknown).await;
            for (status, count) in unknown {
                tracing::warn!(
                    meter = self.0.meter.name,
                    status,
                    count,
                    "a status that is not known: its volume is -1"
                );
            }
            polled
        })
    }
}

impl ObjectPollster {
    async fn read(
        &self,
        resources: &[Resource],
        readings: &Readings,
        unknown: &mut BTreeMap<String, usize>,
    ) -> Result<(), PollError> {
        for resource in resources {
            let object = resource.object(self.0.kind).ok_or_else(|| PollError::Kind {
                resource: resource.to_string(),
                meter: self.0.meter.name,
                kind: self.0.kind,
                discovery: self.0.discovery,
            })?;
            if let Some(reading) = self.0.reading(&object, unknown) {
                readings.give(reading).await?;
            }
        }
        Ok(())
    }
}
