//! The meters of disks, and the sizes that a flavor gives.

use model::MeterKind::{Cumulative, Gauge};

use super::missing::Lack;
use super::pollster::{Host, InstancePollster, Measure, Seen, instance, reading};
use super::{Disk, Flavor, integer};
use crate::{Cycle, Meter, Polling, Pollster, Reading, Readings, Resource};

/// A meter with one value for each disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct DiskMeter {
    pub(super) meter: Meter,
    volume: fn(&Disk) -> Option<u64>,
    outlasts_stop: bool,
}

pub(super) const READ_REQUESTS: DiskMeter =
    counter("disk.device.read.requests", "request", |disk| disk.read_requests);
pub(super) const READ_BYTES: DiskMeter = counter("disk.device.read.bytes", "B", |disk| disk.read_bytes);
pub(super) const READ_LATENCY: DiskMeter =
    counter("disk.device.read.latency", "ns", |disk| disk.read_time_ns);
pub(super) const WRITE_REQUESTS: DiskMeter =
    counter("disk.device.write.requests", "request", |disk| disk.write_requests);
pub(super) const WRITE_BYTES: DiskMeter = counter("disk.device.write.bytes", "B", |disk| disk.write_bytes);
pub(super) const WRITE_LATENCY: DiskMeter =
    counter("disk.device.write.latency", "ns", |disk| disk.write_time_ns);

pub(super) const CAPACITY: DiskMeter = size("disk.device.capacity", |disk| disk.capacity);
pub(super) const ALLOCATION: DiskMeter = size("disk.device.allocation", |disk| disk.allocation);
pub(super) const USAGE: DiskMeter = size("disk.device.usage", |disk| disk.physical);

/// What a disk has done.
const fn counter(name: &'static str, unit: &'static str, volume: fn(&Disk) -> Option<u64>) -> DiskMeter {
    DiskMeter { meter: Meter { name, kind: Cumulative, unit }, volume, outlasts_stop: false }
}

/// How large its image is, whether the instance runs or not.
const fn size(name: &'static str, volume: fn(&Disk) -> Option<u64>) -> DiskMeter {
    DiskMeter { meter: Meter { name, kind: Gauge, unit: "B" }, volume, outlasts_stop: true }
}

impl DiskMeter {
    pub(super) fn pollster(self, host: &Host) -> Box<dyn Pollster> {
        Box::new(InstancePollster::new(self, host))
    }
}

impl Measure for DiskMeter {
    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn outlasts_stop(&self) -> bool {
        self.outlasts_stop
    }

    fn read<'s>(&self, seen: Seen<'s>, readings: &mut Vec<Reading>) -> Option<Lack<'s>> {
        let mut missing = None;
        for (disk, subject) in seen.inspection.disks.iter().zip(&seen.subjects.disks) {
            let Some(volume) = (self.volume)(disk) else {
                missing.get_or_insert(Lack::Disk(&disk.device));
                continue;
            };
            readings.push(seen.reading(&self.meter, subject, integer(volume)));
        }
        missing
    }
}

/// A meter of what a flavor says, whatever the hypervisor does.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlavorMeter {
    pub(super) meter: Meter,
    volume: fn(&Flavor) -> i64,
}

/// Ceilometer takes the ephemeral disk from the root disk, although Nova's `disk` is the root disk alone. Whoever bills
/// from this meter has it that way.
pub(super) const ROOT_SIZE: FlavorMeter = FlavorMeter {
    meter: Meter { name: "disk.root.size", kind: Gauge, unit: "GiB" },
    volume: |flavor| flavor.disk_gib.saturating_sub(flavor.ephemeral_gib),
};
pub(super) const EPHEMERAL_SIZE: FlavorMeter = FlavorMeter {
    meter: Meter { name: "disk.ephemeral.size", kind: Gauge, unit: "GiB" },
    volume: |flavor| flavor.ephemeral_gib,
};

impl FlavorMeter {
    pub(super) fn pollster(self, _host: &Host) -> Box<dyn Pollster> {
        Box::new(self)
    }
}

impl Pollster for FlavorMeter {
    fn poll<'a>(
        &'a self,
        cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            let now = cycle.monotonic_seconds();
            let mut made = Vec::new();
            let mut polled = Ok(());
            for resource in resources {
                let instance = match instance(resource) {
                    Ok(instance) => instance,
                    Err(error) => {
                        polled = Err(error);
                        break;
                    }
                };
                let volume = (self.volume)(&instance.flavor).into();
                made.push(reading(&self.meter, instance.whole(), volume, now));
                if Readings::are_enough(&made) {
                    readings.give_some(&mut made, false).await?;
                }
            }
            readings.give_some(&mut made, true).await?;
            polled
        })
    }
}

#[cfg(test)]
mod tests {

    use model::Value;
    use observability::clock::Clock;

    use super::super::testing::{Given, inspection, poll, survey};
    use super::*;

    #[tokio::test]
    async fn each_disk_has_a_sample_and_one_that_is_not_known_costs_no_other() {
        let mut inspection = inspection();
        let unknown = Disk { device: "sda".into(), ..Disk::default() };
        let other = Disk { device: "vdb".into(), ..inspection.disks[0].clone() };
        inspection.disks.splice(0..0, [unknown]);
        inspection.disks.push(other);
        let given = Given::new(Ok(survey(1.0, [("u1", inspection)])));
        let host = Host { surveys: given, reports_stopped: false };
        let cycle = Cycle::new(Clock::machine());
        for (meter, expected) in [
            (READ_REQUESTS, 1),
            (READ_BYTES, 2),
            (READ_LATENCY, 3),
            (WRITE_REQUESTS, 4),
            (WRITE_BYTES, 5),
            (WRITE_LATENCY, 6),
            (CAPACITY, 110),
            (ALLOCATION, 50),
            (USAGE, 110),
        ] {
            let (readings, polled) = poll(&*meter.pollster(&host), &cycle, &["u1"]).await;
            assert!(polled.is_ok());
            let ids: Vec<_> = readings.iter().filter_map(|reading| reading.resource_id.as_str()).collect();
            assert_eq!(ids, ["u1-vda", "u1-vdb"], "{}", meter.meter.name);
            for (reading, device) in readings.iter().zip(["vda", "vdb"]) {
                assert_eq!(reading.volume, Value::Int(expected), "{}", meter.meter.name);
                assert_eq!(reading.resource_metadata.get("disk_name"), Some(&device.into()));
            }
        }
    }

    #[tokio::test]
    async fn sizes_of_the_flavor_need_no_hypervisor() {
        let given = Given::new(Ok(survey(1.0, [])));
        let host = Host { surveys: given, reports_stopped: false };
        let (clock, _hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
        let cycle = Cycle::new(clock);
        for (meter, expected) in [(ROOT_SIZE, 9), (EPHEMERAL_SIZE, 1)] {
            let (readings, polled) = poll(&*meter.pollster(&host), &cycle, &["u1", "u2"]).await;
            assert!(polled.is_ok());
            assert_eq!(readings.len(), 2);
            for reading in readings {
                assert_eq!((&reading.volume, reading.monotonic_time), (&Value::Int(expected), Some(3600.0)));
                assert_eq!(reading.resource_metadata.get("display_name"), Some(&"vm".into()));
            }
        }
    }
}
