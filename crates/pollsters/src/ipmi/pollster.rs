//! The pollsters: one kind of sensor each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Map, Metadata, Subject, Text};

use super::{Controller, Sensor, Sensors};
use crate::{Cycle, MakeError, Meter, PollError, Polling, Pollster, Reading, Readings, Resource, Tools};

/// The sensor of what the machine consumes, as Dell's controllers name it. To IPMI it is a sensor of current.
const POWER_CONSUMPTION: &str = "Pwr Consumption";
/// The class of sensors of current, and of [`POWER_CONSUMPTION`].
const CURRENT: &str = "Current";

/// Which sensors a pollster reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All of the class, without the one that measures power.
    Current,
    /// All of the class, with their greatest normal speed.
    Fan,
    /// The one of that name.
    Power,
    /// All of the class.
    Temperature,
    /// All of the class.
    Voltage,
}

impl Kind {
    const fn class(self) -> &'static str {
        match self {
            Self::Current | Self::Power => CURRENT,
            Self::Fan => "Fan",
            Self::Temperature => "Temperature",
            Self::Voltage => "Voltage",
        }
    }

    /// Its sensors; [`None`]: the controller has not what it must have.
    fn of(self, sensors: &Sensors) -> Option<Vec<&Sensor>> {
        let is_of_class = |sensor: &&Sensor| sensor.class == self.class();
        match self {
            Self::Power => {
                let sensor = sensors.iter().find(|sensor| sensor.name() == POWER_CONSUMPTION)?;
                Some(Some(sensor).filter(is_of_class).into_iter().collect())
            }
            Self::Current => {
                let others = sensors.iter().filter(|sensor| !sensor.id.contains(POWER_CONSUMPTION));
                Some(others.filter(is_of_class).collect())
            }
            Self::Fan | Self::Temperature | Self::Voltage => {
                Some(sensors.iter().filter(is_of_class).collect())
            }
        }
    }
}

/// A meter with its sensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct SensorMeter {
    pub(super) kind: Kind,
    pub(super) meter: Meter,
}

impl SensorMeter {
    pub(super) fn pollster(self, tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
        let host: Arc<str> = tools.ipmi.host.as_str().into();
        let metadata: Map = [("node", &*host)].into_iter().collect();
        Ok(Box::new(SensorPollster {
            sensors: self,
            controller: tools.controller()?,
            host,
            metadata: metadata.into(),
            retry: tools.ipmi.polling_retry,
            failures: AtomicU64::new(0),
        }))
    }
}

#[derive(Debug)]
struct SensorPollster {
    sensors: SensorMeter,
    controller: Arc<Controller>,
    host: Arc<str>,
    /// Of sensors of which nothing more is known.
    metadata: Metadata,
    /// Failures that are forgiven.
    retry: Option<u64>,
    /// Failures since it last went well.
    failures: AtomicU64,
}

impl SensorPollster {
    fn reading(&self, sensor: &Sensor) -> Option<Reading> {
        let (volume, unit) = sensor.value()?;
        let resource = format!("{}-{}", self.host, sensor.id.to_lowercase().replace(' ', "_"));
        let maximum = sensor.normal_maximum.as_deref().filter(|_| self.sensors.kind == Kind::Fan);
        let metadata = match maximum {
            None => self.metadata.clone(),
            Some(maximum) => {
                let all: Map = [("node", &*self.host), ("maximum_rpm", maximum)].into_iter().collect();
                all.into()
            }
        };
        let unit = Text::new(unit).into();
        let subject = Subject { resource_metadata: metadata, ..Subject::new(resource) };
        Some(Reading { unit, ..Reading::of(&self.sensors.meter, subject, volume) })
    }

    /// Counts a failure. One more than are forgiven ends the polling, until `polling.yaml` is read again.
    fn failed(&self, resources: &[Resource], cause: &'static str, message: String) -> PollError {
        let count = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        match self.retry {
            Some(retry) if count > retry => {
                self.failures.store(0, Ordering::Relaxed);
                let reason = format!(
                    "{message}; this was failure {count} in a row, and [ipmi] polling_retry = {retry} forgives no more: \
                     send SIGHUP when the cause is mended"
                );
                PollError::Permanent { resources: resources.to_vec(), reason }
            }
            _ => PollError::Failed { cause, message },
        }
    }
}

impl Pollster for SensorPollster {
    fn poll<'a>(
        &'a self,
        cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            let sensors = self.controller.sensors(cycle).await;
            let sensors = match &*sensors {
                Ok(sensors) => sensors,
                Err(error) => return Err(self.failed(resources, error.cause(), error.to_string())),
            };
            let Some(sensors) = self.sensors.kind.of(sensors) else {
                let message = format!("the management controller has no sensor named {POWER_CONSUMPTION:?}");
                return Err(self.failed(resources, "no_sensor", message));
            };
            self.failures.store(0, Ordering::Relaxed);
            for sensor in sensors {
                let Some(reading) = self.reading(sensor) else {
                    tracing::debug!(sensor = sensor.id, reading = sensor.reading, "the sensor has no value");
                    continue;
                };
                readings.give(reading).await?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
