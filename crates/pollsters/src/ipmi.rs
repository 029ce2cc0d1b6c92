//! The namespace `ipmi`: the sensors of this machine's management controller (BMC), read with `ipmitool`.
//!
//! One command a cycle (`ipmitool sdr -v`) tells of every sensor; each pollster takes those of its kind. Ceilometer runs a
//! command for each kind, of which each reads the controller's whole repository first; the sensors are the same.
//!
//! A [`Controller`] runs the command (`command`) and reads what it prints (`output`); `pollster` makes readings of it, and
//! counts failures as `[ipmi] polling_retry` wants it.

mod command;
mod controller;
mod metrics;
mod output;
mod pollster;
mod settings;
#[cfg(test)]
mod testing;
mod words;

pub use controller::{Controller, ControllerError};
pub use metrics::IpmiMetrics;
pub use output::{Sensor, Sensors};
pub use settings::IpmiSettings;

use model::MeterKind::Gauge;

use self::pollster::{Kind, SensorMeter};
use crate::{DiscoveryLine, Meter, Namespace, PollsterLine, local_node};

const LOCAL_NODE: &str = "local_node";

/// A meter of sensors; the unit is the usual one, and samples carry what the controller says.
const fn sensors(kind: Kind, name: &'static str, unit: &'static str) -> SensorMeter {
    SensorMeter { kind, meter: Meter { name, kind: Gauge, unit } }
}

const CURRENT: SensorMeter = sensors(Kind::Current, "hardware.ipmi.current", "Amps");
const FAN: SensorMeter = sensors(Kind::Fan, "hardware.ipmi.fan", "RPM");
const POWER: SensorMeter = sensors(Kind::Power, "hardware.ipmi.power", "W");
const TEMPERATURE: SensorMeter = sensors(Kind::Temperature, "hardware.ipmi.temperature", "C");
const VOLTAGE: SensorMeter = sensors(Kind::Voltage, "hardware.ipmi.voltage", "V");

/// Makes the table of the namespace of a list.
macro_rules! pollsters {
    ($($meter:path,)+) => {
        &[$(PollsterLine {
            name: $meter.meter.name,
            meters: &[$meter.meter],
            discovery: Some(LOCAL_NODE),
            make: |tools| $meter.pollster(tools),
        }),+]
    };
}

pub(crate) static IPMI: Namespace = Namespace {
    name: "ipmi",
    pollsters: pollsters! { CURRENT, FAN, POWER, TEMPERATURE, VOLTAGE, },
    discoveries: &[DiscoveryLine { name: LOCAL_NODE, make: local_node::discovery }],
};
