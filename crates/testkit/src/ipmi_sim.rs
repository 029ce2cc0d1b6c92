//! A private management controller with sensors of our own.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Error;
use crate::service::Service;

/// OpenIPMI's simulated controller, and an `ipmitool` that talks to it. Dropped, it is gone.
#[derive(Debug)]
pub struct IpmiSim {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    ipmitool: PathBuf,
}

/// A sensor of an [`IpmiSim`].
#[derive(Debug, Clone, Serialize)]
pub struct TestSensor {
    name: String,
    #[serde(rename = "type")]
    kind: u8,
    unit: u8,
    raw: u8,
    m: i16,
    exponent: i8,
    signed: bool,
    percent: bool,
    discrete: bool,
    normal_maximum: Option<u8>,
    record: &'static str,
    state: &'static str,
}

impl TestSensor {
    fn new(name: &str, kind: u8, unit: u8, raw: u8) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            unit,
            raw,
            m: 1,
            exponent: 0,
            signed: false,
            percent: false,
            discrete: false,
            normal_maximum: None,
            record: "full",
            state: "ok",
        }
    }

    /// A sensor of temperature with so many degrees C. Names have 1 to 16 characters of Latin-1.
    pub fn temperature(name: &str, degrees: i8) -> Self {
        Self { signed: true, ..Self::new(name, 1, 1, degrees.to_ne_bytes()[0]) }
    }

    /// A sensor of voltage, in steps of 63 mV.
    pub fn voltage(name: &str, steps: u8) -> Self {
        Self { m: 63, exponent: -3, ..Self::new(name, 2, 4, steps) }
    }

    /// A sensor of current, in steps of 0.1 A.
    pub fn current(name: &str, steps: u8) -> Self {
        Self { exponent: -1, ..Self::new(name, 3, 5, steps) }
    }

    /// A sensor of power, in steps of 7 W; its type is that of current, as with Dell's controllers.
    pub fn power(name: &str, steps: u8) -> Self {
        Self { m: 7, ..Self::new(name, 3, 6, steps) }
    }

    /// A fan, in steps of 60 RPM, with a greatest normal speed.
    pub fn fan(name: &str, steps: u8) -> Self {
        Self { m: 60, normal_maximum: Some(200), ..Self::new(name, 4, 18, steps) }
    }

    /// A fan of which only the part of its speed is known.
    pub fn fan_percent(name: &str, percent: u8) -> Self {
        Self { percent: true, ..Self::new(name, 4, 0, percent) }
    }

    /// Not scanned.
    #[must_use]
    pub fn disabled(self) -> Self {
        Self { state: "disabled", ..self }
    }

    /// In the repository, but the controller refuses to read it.
    #[must_use]
    pub fn absent(self) -> Self {
        Self { state: "absent", ..self }
    }

    /// With a compact record, which says nothing of how a value is made of what is read.
    #[must_use]
    pub fn compact(self) -> Self {
        Self { record: "compact", ..self }
    }

    /// With states instead of thresholds.
    #[must_use]
    pub fn discrete(self) -> Self {
        Self { discrete: true, ..self }
    }

    /// One that sends events and cannot be read.
    #[must_use]
    pub fn event_only(self) -> Self {
        Self { record: "event-only", ..self }
    }
}

impl IpmiSim {
    /// Starts a controller with those sensors, and waits until it answers.
    pub fn start(sensors: &[TestSensor]) -> Result<Self, Error> {
        let arguments = ["--sensors".to_owned(), json!(sensors).to_string()];
        let (service, report) = Service::start_reporting("ipmi_sim", "ipmi_sim.py", &arguments)?;
        Ok(Self { service, report })
    }

    /// A program that is the real ipmitool in everything but that it reads this controller.
    pub fn ipmitool(&self) -> &Path {
        &self.report.ipmitool
    }

    /// What is read of a sensor from now on, by its place in the list from 1, as the byte that the controller gives.
    pub fn set(&self, number: usize, raw: u8) -> Result<(), Error> {
        self.command("set", &json!({"number": number, "raw": raw}))
    }

    /// Whether a sensor is scanned.
    pub fn scan(&self, number: usize, on: bool) -> Result<(), Error> {
        self.command("scan", &json!({"number": number, "on": on}))
    }

    fn command(&self, verb: &str, argument: &serde_json::Value) -> Result<(), Error> {
        self.service.command(&format!("{verb} {argument}")).map(drop)
    }

    /// It answers no more.
    pub fn hang(&self) -> Result<(), Error> {
        self.service.command("hang").map(drop)
    }

    /// It answers again.
    pub fn resume(&self) -> Result<(), Error> {
        self.service.command("resume").map(drop)
    }
}
