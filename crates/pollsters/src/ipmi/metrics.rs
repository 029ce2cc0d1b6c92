//! [`IpmiMetrics`]: what the namespace `ipmi` counts.

use observability::metrics::{Component, Counter, CounterFamily, Gauge, Histogram};

/// Counters of the namespace; cheap to clone.
#[derive(Debug, Clone)]
pub struct IpmiMetrics {
    pub(super) commands: Counter,
    pub(super) command_errors: CounterFamily<1>,
    pub(super) command_duration: Histogram,
    pub(super) sensors: Gauge,
    pub(super) sensors_without_value: Gauge,
}

impl IpmiMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            commands: component.counter("commands", "Runs of ipmitool, one in each cycle that needs it"),
            command_errors: component.counter_family(
                "command_errors",
                ["cause"],
                "Runs of ipmitool that failed; with the cause `exit`, sensors may have been read all the same",
            ),
            command_duration: component.duration_histogram("command_duration", "Time that a run of ipmitool takes"),
            sensors: component.gauge("sensors", "Sensors that ipmitool told of in the last run that gave any"),
            sensors_without_value: component.gauge(
                "sensors_without_value",
                "Those of them without a number that can be used: disabled, absent, with states instead of a value",
            ),
        }
    }
}
