//! `hardware.ipmi.*`: the readings of sensors that Ironic's conductors report (`ceilometer.ipmi.notifications.ironic`).
//!
//! Upstream has a class for power as well, but does not register it, so power makes no sample here either.

use std::borrow::Cow;

use model::pytext::{float_of, to_str};
use model::{Map, Notification, Sample, Value};

use super::{SampleEndpoint, begins_like};
use crate::error::shown;
use crate::meters::{Context, Draft};
use crate::{Cause, ConversionError, SampleSettings};

/// How the types of these notifications begin; upstream's filter is `hardware.ipmi.*`.
const EVENT_TYPES: &str = "hardware.ipmi";
const SENSOR_ID: &str = "Sensor ID";
const SENSOR_READING: &str = "Sensor Reading";
/// A sensor among those of [`SensorEndpoint::current`] that measures power, and is left out.
const POWER_CONSUMPTION: &str = "Pwr Consumption";
/// The reading of a sensor that is switched off.
const DISABLED: &str = "Disabled";

/// Makes one sample of each sensor of one kind.
#[derive(Debug)]
pub struct SensorEndpoint {
    /// The key of the sensors in the payload.
    kind: &'static str,
    meter: &'static str,
}

impl SensorEndpoint {
    /// `hardware.ipmi.temperature`.
    #[must_use]
    pub const fn temperature() -> Self {
        Self { kind: "Temperature", meter: "hardware.ipmi.temperature" }
    }

    /// `hardware.ipmi.voltage`.
    #[must_use]
    pub const fn voltage() -> Self {
        Self { kind: "Voltage", meter: "hardware.ipmi.voltage" }
    }

    /// `hardware.ipmi.current`, without the sensor of power consumption.
    #[must_use]
    pub const fn current() -> Self {
        Self { kind: "Current", meter: "hardware.ipmi.current" }
    }

    /// `hardware.ipmi.fan`.
    #[must_use]
    pub const fn fan() -> Self {
        Self { kind: "Fan", meter: "hardware.ipmi.fan" }
    }

    /// The sample of one sensor; `None` for one that is switched off or measures something else.
    fn sample(
        &self,
        index: usize,
        sensor: &Value,
        payload: &Value,
        context: &mut Context<'_>,
    ) -> Result<Option<Sample>, Cause> {
        let sensor = sensor.as_map().ok_or(Cause::Field { field: "map for a sensor" })?;
        let required = |field| payload.get(field).ok_or(Cause::Field { field });
        let node = required("node_uuid")?;
        let id = sensor.get(SENSOR_ID).ok_or(Cause::Field { field: SENSOR_ID })?;
        let id = id.as_str().ok_or(Cause::Field { field: "text for a Sensor ID" })?;
        if self.kind == "Current" && id.contains(POWER_CONSUMPTION) {
            return Ok(None);
        }
        let timestamp = required("timestamp")?;
        let event_type = required("event_type")?;
        let reading = sensor.get(SENSOR_READING).ok_or(Cause::Field { field: SENSOR_READING })?;
        if reading.as_str() == Some(DISABLED) {
            return Ok(None);
        }
        let (volume, unit) = parse_reading(reading)?;
        // Upstream has no other time to fall back to in this place.
        if !timestamp.is_truthy() {
            return Err(Cause::Timestamp { value: shown(timestamp) });
        }
        let mut metadata: Map = sensor.clone();
        metadata.insert("node", node.clone());
        metadata.insert("event_type", event_type.clone());
        metadata.insert("host", context.publisher_id().clone());
        let optional = |field| Cow::Borrowed(payload.get(field).unwrap_or(&Value::Null));
        let draft = Draft {
            name: Cow::Owned(self.meter.into()),
            kind: Cow::Owned("gauge".into()),
            unit: Cow::Owned(unit.into()),
            volume: Cow::Owned(volume.into()),
            timestamp: Cow::Borrowed(timestamp),
            user_id: optional("user_id"),
            project_id: optional("project_id"),
            resource_id: Cow::Owned(format!("{}-{}", to_str(node), transformed(id)).into()),
            metadata: Some(metadata.into()),
        };
        context.finish(self.meter, index, draft).map(Some)
    }
}

/// A sensor's name as a part of a resource's id.
fn transformed(id: &str) -> String {
    id.to_lowercase().replace(' ', "_")
}

/// Number and unit of a reading such as `25 (+/- 0) degrees C`.
fn parse_reading(reading: &Value) -> Result<(f64, &str), Cause> {
    let wrong = || Cause::Reading { value: shown(reading) };
    let (number, rest) = reading.as_str().and_then(|text| text.split_once(' ')).ok_or_else(wrong)?;
    let volume = float_of(&number.into()).map_err(|_| wrong())?;
    let unit = rest.rsplit_once(' ').map_or(rest, |(_, unit)| unit);
    Ok((
        volume,
        match unit {
            "Watts" => "W",
            "Volts" => "V",
            other => other,
        },
    ))
}

impl SampleEndpoint for SensorEndpoint {
    fn name(&self) -> &'static str {
        self.meter
    }

    fn wants(&self, event_type: &str) -> bool {
        begins_like(EVENT_TYPES, event_type)
    }

    fn convert(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError> {
        let failure = |cause| ConversionError { definition: self.meter.into(), cause };
        let payload = notification.payload();
        if payload.as_map().is_none() {
            return vec![failure(Cause::Field { field: "map as payload" })];
        }
        let Some(kinds) = payload.get("payload") else { return Vec::new() };
        if kinds.as_map().is_none() {
            return vec![failure(Cause::Field { field: "map as payload.payload" })];
        }
        let Some(sensors) = kinds.get(self.kind) else { return Vec::new() };
        let Some(sensors) = sensors.as_map() else {
            return vec![failure(Cause::Field { field: "map of sensors" })];
        };
        let mut context = Context::new(notification, settings);
        let mut failures = Vec::new();
        for (index, (_, sensor)) in sensors.iter().enumerate() {
            match self.sample(index, sensor, payload, &mut context) {
                Ok(sample) => samples.extend(sample),
                Err(cause) => failures.push(failure(cause)),
            }
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings() {
        for (text, expected) in [
            ("25 (+/- 0) degrees C", Some((25.0, "C"))),
            ("11.831 (+/- 0) Volts", Some((11.831, "V"))),
            ("2340 (+/- 0) RPM", Some((2340.0, "RPM"))),
            ("130 (+/- 0) Watts", Some((130.0, "W"))),
            ("1e1 Amps", Some((10.0, "Amps"))),
            ("25", None),
            ("No Reading", None),
            ("", None),
        ] {
            assert_eq!(parse_reading(&text.into()).ok(), expected, "{text}");
        }
        assert!(parse_reading(&Value::Int(5)).is_err());
    }
}
