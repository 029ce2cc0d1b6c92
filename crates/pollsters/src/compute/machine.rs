//! The meters of a whole instance: processors, memory, performance counters, state.

use model::MeterKind::{Cumulative, Gauge};
use model::{SharedSubject, Value};

use super::missing::Lack;
use super::pollster::{Host, InstancePollster, Measure, Seen};
use super::sample_metadata::Subjects;
use super::{Inspection, Machine, integer};
use crate::{Meter, Pollster, Reading};

/// A meter with one value for each instance.
#[derive(Debug, Clone, Copy)]
pub(super) struct MachineMeter {
    pub(super) meter: Meter,
    /// What it measures.
    volume: fn(&Inspection) -> Option<Value>,
    subject: fn(&Subjects) -> &SharedSubject,
    outlasts_stop: bool,
}

pub(super) const CPU: MachineMeter = MachineMeter {
    subject: |of| &of.processors,
    ..running(Meter { name: "cpu", kind: Cumulative, unit: "ns" }, |of| count(of.machine.cpu_time_ns))
};
pub(super) const VCPUS: MachineMeter =
    always(Meter { name: "vcpus", kind: Gauge, unit: "vcpu" }, |of| count(of.machine.vcpus));
pub(super) const POWER_STATE: MachineMeter =
    always(Meter { name: "power.state", kind: Gauge, unit: "" }, |of| {
        Some(i64::from(of.state.number()).into())
    });

pub(super) const MEMORY: MachineMeter =
    always(Meter { name: "memory", kind: Gauge, unit: "MiB" }, |of| mebibytes(of.machine.memory_actual_kib));
pub(super) const MEMORY_AVAILABLE: MachineMeter =
    running(Meter { name: "memory.available", kind: Gauge, unit: "MiB" }, |of| {
        mebibytes(of.machine.memory_available_kib)
    });
pub(super) const MEMORY_USAGE: MachineMeter =
    running(Meter { name: "memory.usage", kind: Gauge, unit: "MiB" }, |of| used(&of.machine));
pub(super) const MEMORY_RESIDENT: MachineMeter =
    running(Meter { name: "memory.resident", kind: Gauge, unit: "MiB" }, |of| {
        mebibytes(of.machine.memory_resident_kib)
    });
pub(super) const MEMORY_SWAP_IN: MachineMeter =
    running(Meter { name: "memory.swap.in", kind: Cumulative, unit: "MiB" }, |of| {
        swapped(&of.machine, of.machine.swap_in_kib)
    });
pub(super) const MEMORY_SWAP_OUT: MachineMeter =
    running(Meter { name: "memory.swap.out", kind: Cumulative, unit: "MiB" }, |of| {
        swapped(&of.machine, of.machine.swap_out_kib)
    });

pub(super) const PERF_CPU_CYCLES: MachineMeter =
    running(Meter { name: "perf.cpu.cycles", kind: Gauge, unit: "" }, |of| count(of.machine.cpu_cycles));
pub(super) const PERF_INSTRUCTIONS: MachineMeter =
    running(Meter { name: "perf.instructions", kind: Gauge, unit: "" }, |of| count(of.machine.instructions));
pub(super) const PERF_CACHE_REFERENCES: MachineMeter =
    running(Meter { name: "perf.cache.references", kind: Gauge, unit: "" }, |of| {
        count(of.machine.cache_references)
    });
pub(super) const PERF_CACHE_MISSES: MachineMeter =
    running(Meter { name: "perf.cache.misses", kind: Gauge, unit: "" }, |of| count(of.machine.cache_misses));

/// A meter of instances that run.
const fn running(meter: Meter, volume: fn(&Inspection) -> Option<Value>) -> MachineMeter {
    MachineMeter { meter, volume, subject: |of| &of.whole, outlasts_stop: false }
}

/// A meter of those that are shut off as well.
const fn always(meter: Meter, volume: fn(&Inspection) -> Option<Value>) -> MachineMeter {
    MachineMeter { outlasts_stop: true, ..running(meter, volume) }
}

impl MachineMeter {
    pub(super) fn pollster(self, host: &Host) -> Box<dyn Pollster> {
        Box::new(InstancePollster::new(self, host))
    }
}

impl Measure for MachineMeter {
    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn outlasts_stop(&self) -> bool {
        self.outlasts_stop
    }

    fn read<'s>(&self, seen: Seen<'s>, readings: &mut Vec<Reading>) -> Option<Lack<'s>> {
        let Some(volume) = (self.volume)(seen.inspection) else { return Some(Lack::Instance) };
        readings.push(seen.reading(&self.meter, (self.subject)(seen.subjects), volume));
        None
    }
}

fn count(number: Option<u64>) -> Option<Value> {
    number.map(integer)
}

/// KiB as MiB, a float in Ceilometer even where it is whole.
fn mebibytes(kibibytes: Option<u64>) -> Option<Value> {
    kibibytes.map(|kibibytes| in_mebibytes(kibibytes.into()))
}

#[expect(clippy::cast_precision_loss, reason = "rounded once, as Python's division is")]
fn in_mebibytes(kibibytes: i128) -> Value {
    Value::Float(kibibytes as f64 / 1024.0)
}

/// What the guest uses: what it has without what it could give away, or without what is not in use at all.
fn used(machine: &Machine) -> Option<Value> {
    let free = machine.memory_usable_kib.or(machine.memory_unused_kib)?;
    Some(in_mebibytes(i128::from(machine.memory_available_kib?) - i128::from(free)))
}

/// Ceilometer has both directions or none.
fn swapped(machine: &Machine, kibibytes: Option<u64>) -> Option<Value> {
    machine.swap_in_kib.and(machine.swap_out_kib).and(mebibytes(kibibytes))
}

#[cfg(test)]
mod tests {
    use super::super::testing::inspection;
    use super::*;

    #[test]
    fn volumes_are_what_ceilometer_sends() {
        let inspection = inspection();
        for (meter, expected) in [
            (CPU, Value::Int(33)),
            (VCPUS, Value::Int(2)),
            (POWER_STATE, Value::Int(1)),
            (MEMORY, Value::Float(512.0)),
            (MEMORY_AVAILABLE, Value::Float(488.281_25)),
            (MEMORY_USAGE, Value::Float(390.625)),
            (MEMORY_RESIDENT, Value::Float(292.968_75)),
            (MEMORY_SWAP_IN, Value::Float(1.0 / 1024.0)),
            (MEMORY_SWAP_OUT, Value::Float(2.0 / 1024.0)),
            (PERF_CPU_CYCLES, Value::Int(1001)),
            (PERF_INSTRUCTIONS, Value::Int(1002)),
            (PERF_CACHE_REFERENCES, Value::Int(1003)),
            (PERF_CACHE_MISSES, Value::Int(1004)),
        ] {
            assert_eq!((meter.volume)(&inspection), Some(expected), "{}", meter.meter.name);
            if meter.meter.name != "power.state" {
                let nothing = Inspection { machine: Machine::default(), ..inspection.clone() };
                assert_eq!((meter.volume)(&nothing), None, "{}", meter.meter.name);
            }
        }
    }

    #[test]
    fn what_is_made_of_several_needs_them_all() {
        let all = inspection().machine;
        let unused = Machine { memory_usable_kib: None, ..all };
        assert_eq!(used(&unused), Some(Value::Float(410_000.0 / 1024.0)));
        assert_eq!(used(&Machine { memory_available_kib: None, ..all }), None);
        assert_eq!(used(&Machine { memory_unused_kib: None, ..unused }), None);
        // More can be usable than there is.
        let more = Machine { memory_usable_kib: Some(500_001), ..all };
        assert_eq!(used(&more), Some(Value::Float(-1.0 / 1024.0)));
        assert_eq!(swapped(&Machine { swap_out_kib: None, ..all }, Some(1)), None);
        assert_eq!(swapped(&all, Some(1024)), Some(Value::Float(1.0)));
        assert_eq!(integer(u64::MAX), Value::BigInt("18446744073709551615".into()));
    }
}
