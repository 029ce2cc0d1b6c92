//! The modern mode: names, units and labels as Prometheus recommends them.
//!
//! - A name ends with the base unit of its values ([`unit`](fn@unit)), unless it has that word already; a cumulative meter
//!   is a counter, whose name ends with `_total`. Units that say what is counted (`request`, `vcpu`) are no part of names,
//!   and a rate is what PromQL makes of a counter.
//! - A series has the labels `resource` and, of an alarm, `state`. Everything else that describes the resource is once at
//!   [`INFO`], to be joined on `resource`.

use std::sync::Arc;

use model::{Sample, pytext};
use publishers::series::{Kind, Series, write_label};

use super::collect::{Description, Shape, label};

/// The series that describe resources.
pub(super) const INFO: &str = "ceilometer_resource_info";
/// Their help text.
pub(super) const INFO_HELP: &str =
    "What is known of a resource; join it with other metrics on the label resource";
/// What OpenMetrics takes the name of [`INFO`]'s family for.
const INFO_FAMILY: &str = "ceilometer_resource";
/// What the name of a meter gets that would be one of those two.
const NOT_INFO: &str = "_meter";

/// The label that joins.
pub(super) const RESOURCE: &str = "resource";
/// An alarm has a sample for each of its states.
const STATE: &str = "state";

/// Labels that describe a resource.
const DESCRIPTIVE: [&str; 13] = [
    "availability_zone",
    "binary",
    "flavor_id",
    "flavor_name",
    "project",
    "project_name",
    "resource_name",
    "server_group",
    "status",
    "user",
    "user_name",
    "vm_instance",
    "zone",
];
/// What Ceilometer's exporter writes where there is no server group.
const NO_GROUP: &str = "none";

const TOTAL: &str = "_total";
const RATIO: &str = "ratio";

/// A base unit, and how a value gets there.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Unit {
    name: &'static str,
    scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    Times(f64),
    Over(f64),
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Times(factor) => value * factor,
            Self::Over(divisor) => value / divisor,
        }
    }
}

/// The base unit of what Ceilometer's pollsters, IPMI sensors and dynamic pollsters call a unit. Prefixes are what they say:
/// 1 MB is 10⁶ bytes, 1 MiB 2²⁰. Prometheus has no base unit for turns a minute, which are what fans are measured in.
fn unit(text: &str) -> Option<Unit> {
    use Scale::{Over, Times};
    let (name, scale) = match text {
        "ns" => ("seconds", Over(1e9)),
        "us" | "µs" | "μs" => ("seconds", Over(1e6)),
        "ms" => ("seconds", Over(1e3)),
        "s" | "sec" | "second" | "seconds" => ("seconds", Times(1.0)),
        "min" | "minute" | "minutes" => ("seconds", Times(60.0)),
        "h" | "hour" | "hours" => ("seconds", Times(3600.0)),
        "B" | "byte" | "bytes" => ("bytes", Times(1.0)),
        "kB" | "KB" => ("bytes", Times(1e3)),
        "MB" => ("bytes", Times(1e6)),
        "GB" => ("bytes", Times(1e9)),
        "TB" => ("bytes", Times(1e12)),
        "KiB" => ("bytes", Times(1024.0)),
        "MiB" => ("bytes", Times(1_048_576.0)),
        "GiB" => ("bytes", Times(1_073_741_824.0)),
        "TiB" => ("bytes", Times(1_099_511_627_776.0)),
        "B/s" => ("bytes_per_second", Times(1.0)),
        "KiB/s" => ("bytes_per_second", Times(1024.0)),
        "MiB/s" => ("bytes_per_second", Times(1_048_576.0)),
        "%" | "percent" => (RATIO, Over(100.0)),
        "C" | "°C" | "degrees C" | "Celsius" | "celsius" => ("celsius", Times(1.0)),
        "V" | "Volts" | "volts" => ("volts", Times(1.0)),
        "A" | "Amps" | "amps" => ("amperes", Times(1.0)),
        "W" | "Watts" | "watts" => ("watts", Times(1.0)),
        "J" | "joule" | "joules" => ("joules", Times(1.0)),
        "Wh" => ("joules", Times(3600.0)),
        "kWh" => ("joules", Times(3_600_000.0)),
        "Hz" => ("hertz", Times(1.0)),
        "kHz" => ("hertz", Times(1e3)),
        "MHz" => ("hertz", Times(1e6)),
        "GHz" => ("hertz", Times(1e9)),
        "RPM" | "rpm" => ("rpm", Times(1.0)),
        _ => return None,
    };
    Some(Unit { name, scale })
}

/// A sample's name, value and labels.
pub(super) fn shape(sample: &Sample, series: &Series<'_>, value: f64) -> Shape {
    let mut name = series.name.clone();
    if name == INFO || name == INFO_FAMILY {
        name.push_str(NOT_INFO);
    }
    let unit = sample.unit.as_str().and_then(unit);
    if let Some(unit) = unit {
        if unit.name == RATIO
            && let Some(short) = name.strip_suffix("_percent").map(str::len)
        {
            name.truncate(short);
        }
        let is_there = if unit.name.contains('_') {
            name.ends_with(unit.name)
        } else {
            name.split('_').any(|word| word == unit.name)
        };
        if !is_there {
            name.push('_');
            name.push_str(unit.name);
        }
    }
    if series.kind == Kind::Counter && !name.ends_with(TOTAL) {
        name.push_str(TOTAL);
    }
    let mut labels = String::with_capacity(64);
    for wanted in [RESOURCE, STATE] {
        let value = label(series, wanted);
        if !value.is_empty() {
            labels.push(if labels.is_empty() { '{' } else { ',' });
            write_label(wanted, value, &mut labels);
        }
    }
    if !labels.is_empty() {
        labels.push('}');
    }
    let value = unit.map_or(value, |unit| unit.scale.of(value));
    Shape { name, kind: series.kind, unit: unit.map(|unit| unit.name), labels, value }
}

/// The meter's own name, kind and unit, which its series' name does not tell exactly.
pub(super) fn help(sample: &Sample) -> String {
    let mut help = format!("Meter {}, {}", sample.name, sample.kind);
    if sample.unit.is_truthy() {
        help.push_str(", ");
        help.push_str(&pytext::to_str(&sample.unit));
    }
    help
}

/// The resource of a series and what describes it, if it has one.
pub(super) fn described(series: &Series<'_>) -> Option<(Arc<str>, Description)> {
    let resource = label(series, RESOURCE);
    if resource.is_empty() {
        return None;
    }
    // The label of that name may be the meter's, and not the resource's.
    let of_meter = series.meter.split('.').next().unwrap_or_default();
    let labels =
        DESCRIPTIVE.iter().filter(|name| **name != of_meter).map(|name| (*name, label(series, name)));
    let labels = labels.filter(|(_, value)| !matches!(*value, "" | NO_GROUP));
    Some((resource.into(), labels.map(|(name, value)| (name, value.into())).collect()))
}

#[cfg(test)]
mod tests;
