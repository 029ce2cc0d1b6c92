//! The meters of network interfaces: counters, changes between readings, rates.

use model::MeterKind::{Cumulative, Delta, Gauge};
use model::Value;

use super::missing::Lack;
use super::past::{Change, Past};
use super::pollster::{Host, InstancePollster, Measure, Seen};
use super::{Nic, Survey, integer};
use crate::{Meter, Pollster, Reading};

/// A meter with one value for each network interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct NicMeter {
    pub(super) meter: Meter,
    counter: fn(&Nic) -> Option<u64>,
    shows: Shows,
}

/// What is shown of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// Itself.
    Total,
    /// How much it has grown since the task's reading before; 0 at the first.
    Change,
    /// The same for each second; nothing at the first. Ceilometer has such meters, but no value for them with libvirt.
    Rate,
}

pub(super) const INCOMING_BYTES: NicMeter =
    total("network.incoming.bytes", "B", |nic| Some(nic.incoming?.bytes));
pub(super) const INCOMING_PACKETS: NicMeter =
    total("network.incoming.packets", "packet", |nic| Some(nic.incoming?.packets));
pub(super) const INCOMING_DROPS: NicMeter =
    total("network.incoming.packets.drop", "packet", |nic| Some(nic.incoming?.drops));
pub(super) const INCOMING_ERRORS: NicMeter =
    total("network.incoming.packets.error", "packet", |nic| Some(nic.incoming?.errors));
pub(super) const INCOMING_DELTA: NicMeter = change("network.incoming.bytes.delta", INCOMING_BYTES);
pub(super) const INCOMING_RATE: NicMeter = rate("network.incoming.bytes.rate", INCOMING_BYTES);

pub(super) const OUTGOING_BYTES: NicMeter =
    total("network.outgoing.bytes", "B", |nic| Some(nic.outgoing?.bytes));
pub(super) const OUTGOING_PACKETS: NicMeter =
    total("network.outgoing.packets", "packet", |nic| Some(nic.outgoing?.packets));
pub(super) const OUTGOING_DROPS: NicMeter =
    total("network.outgoing.packets.drop", "packet", |nic| Some(nic.outgoing?.drops));
pub(super) const OUTGOING_ERRORS: NicMeter =
    total("network.outgoing.packets.error", "packet", |nic| Some(nic.outgoing?.errors));
pub(super) const OUTGOING_DELTA: NicMeter = change("network.outgoing.bytes.delta", OUTGOING_BYTES);
pub(super) const OUTGOING_RATE: NicMeter = rate("network.outgoing.bytes.rate", OUTGOING_BYTES);

const fn total(name: &'static str, unit: &'static str, counter: fn(&Nic) -> Option<u64>) -> NicMeter {
    NicMeter { meter: Meter { name, kind: Cumulative, unit }, counter, shows: Shows::Total }
}

const fn change(name: &'static str, of: NicMeter) -> NicMeter {
    NicMeter { meter: Meter { name, kind: Delta, unit: "B" }, shows: Shows::Change, ..of }
}

const fn rate(name: &'static str, of: NicMeter) -> NicMeter {
    NicMeter { meter: Meter { name, kind: Gauge, unit: "B/s" }, shows: Shows::Rate, ..of }
}

impl NicMeter {
    pub(super) fn pollster(self, host: &Host) -> Box<dyn Pollster> {
        Box::new(InstancePollster::new(Nics { meter: self, past: Past::default() }, host))
    }
}

/// A meter with what its counters were.
#[derive(Debug)]
struct Nics {
    meter: NicMeter,
    past: Past,
}

impl Nics {
    fn volume(&self, seen: Seen<'_>, nic: &Nic, value: u64) -> Option<Value> {
        if self.meter.shows == Shows::Total {
            return Some(integer(value));
        }
        let change = self.past.change(seen, nic, value);
        if self.meter.shows == Shows::Change {
            return Some(integer(change.map_or(0, |change| change.amount)));
        }
        change.and_then(Change::per_second).map(Value::Float)
    }
}

impl Measure for Nics {
    fn meter(&self) -> &Meter {
        &self.meter.meter
    }

    fn outlasts_stop(&self) -> bool {
        false
    }

    fn read<'s>(&self, seen: Seen<'s>, readings: &mut Vec<Reading>) -> Option<Lack<'s>> {
        let mut missing = None;
        for (nic, subject) in seen.inspection.nics.iter().zip(&seen.subjects.nics) {
            let Some(value) = (self.meter.counter)(nic) else {
                missing.get_or_insert(Lack::Nic(&nic.device));
                continue;
            };
            if let Some(volume) = self.volume(seen, nic, value) {
                readings.push(seen.reading(self.meter(), subject, volume));
            }
        }
        missing
    }

    fn stopped(&self, seen: Seen<'_>) {
        if self.meter.shows != Shows::Total {
            self.past.stopped(seen);
        }
    }

    fn ended(&self, survey: &Survey, task: u64) {
        if self.meter.shows != Shows::Total {
            self.past.forget(survey, task);
        }
    }
}

#[cfg(test)]
mod tests {
    use libvirt::DomainState;
    use observability::clock::Clock;

    use super::super::testing::{Given, inspection, poll, survey};
    use super::super::{Inspection, Traffic};
    use super::*;
    use crate::Cycle;

    #[tokio::test]
    async fn each_counter_is_its_own_meter() {
        let given = Given::new(Ok(survey(1.0, [("u1", inspection())])));
        let host = Host { surveys: given, reports_stopped: true };
        let cycle = Cycle::new(Clock::machine());
        for (meter, expected) in [
            (INCOMING_BYTES, 100),
            (INCOMING_PACKETS, 101),
            (INCOMING_ERRORS, 102),
            (INCOMING_DROPS, 103),
            (OUTGOING_BYTES, 200),
            (OUTGOING_PACKETS, 201),
            (OUTGOING_ERRORS, 202),
            (OUTGOING_DROPS, 203),
        ] {
            let (readings, _) = poll(&*meter.pollster(&host), &cycle, &["u1"]).await;
            let [reading] = &readings[..] else { panic!("{readings:?}") };
            assert_eq!(reading.volume, Value::Int(expected), "{}", meter.meter.name);
            assert_eq!(reading.resource_id, "instance-1-u1-tap1".into());
            assert_eq!(reading.resource_metadata.get("name"), Some(&"tap1".into()));
        }
    }

    /// An instance with one interface whose incoming bytes are so many.
    fn with(bytes: u64) -> Inspection {
        let mut inspection = inspection();
        inspection.nics[0].incoming = Some(Traffic { bytes, ..Traffic::default() });
        inspection
    }

    struct Rig {
        given: std::sync::Arc<Given>,
        delta: Box<dyn Pollster>,
        rate: Box<dyn Pollster>,
    }

    impl Rig {
        fn new() -> Self {
            let given = Given::new(Ok(survey(0.0, [])));
            let host = Host { surveys: std::sync::Arc::<Given>::clone(&given), reports_stopped: false };
            Self { given, delta: INCOMING_DELTA.pollster(&host), rate: INCOMING_RATE.pollster(&host) }
        }

        /// What the two meters are in a cycle of that task.
        async fn read(&self, task: u64, survey: Survey) -> (Vec<Value>, Vec<Value>) {
            self.given.set(survey);
            let cycle = Cycle::of_task(Clock::machine(), task);
            let mut volumes = Vec::new();
            for pollster in [&self.delta, &self.rate] {
                let (readings, polled) = poll(&**pollster, &cycle, &["u1"]).await;
                assert!(polled.is_ok());
                volumes.push(readings.into_iter().map(|reading| reading.volume).collect());
            }
            (volumes.remove(0), volumes.remove(0))
        }
    }

    const NONE: Vec<Value> = Vec::new();

    #[tokio::test]
    async fn changes_and_rates_are_between_a_tasks_own_readings() {
        let rig = Rig::new();
        let read = async |task, seconds, bytes| rig.read(task, survey(seconds, [("u1", with(bytes))])).await;
        assert_eq!(read(60, 10.0, 1000).await, (vec![Value::Int(0)], NONE));
        assert_eq!(read(300, 20.0, 2000).await, (vec![Value::Int(0)], NONE));
        assert_eq!(read(60, 70.0, 4000).await, (vec![Value::Int(3000)], vec![Value::Float(50.0)]));
        assert_eq!(read(60, 130.0, 4000).await, (vec![Value::Int(0)], vec![Value::Float(0.0)]));
        // It began again: what it has now came since then.
        assert_eq!(read(60, 190.0, 30).await, (vec![Value::Int(30)], vec![Value::Float(0.5)]));
        assert_eq!(read(300, 320.0, 2300).await, (vec![Value::Int(300)], vec![Value::Float(1.0)]));
        // A clock that stands still gives no rate.
        assert_eq!(read(300, 320.0, 2301).await, (vec![Value::Int(1)], NONE));
    }

    #[tokio::test]
    async fn what_is_gone_is_forgotten_and_one_that_was_shut_off_began_at_zero() {
        let rig = Rig::new();
        let there = |seconds, inspection| survey(seconds, [("u1", inspection)]);
        rig.read(60, there(0.0, with(1000))).await;
        // Gone to another host and back.
        assert_eq!(rig.read(60, survey(60.0, [])).await, (NONE, NONE));
        assert_eq!(rig.read(60, there(120.0, with(5000))).await, (vec![Value::Int(0)], NONE));
        // Shut off and started: the counter is larger than before, and nothing of it was counted.
        let stopped = Inspection { state: DomainState::ShutOff, ..with(0) };
        assert_eq!(rig.read(60, there(180.0, stopped)).await, (NONE, NONE));
        assert_eq!(
            rig.read(60, there(220.0, with(6000))).await,
            (vec![Value::Int(6000)], vec![Value::Float(60.0)])
        );
        // A device's name that another interface has now.
        let mut other = with(7000);
        std::sync::Arc::make_mut(&mut other.nics[0].definition).mac = "fa:99".into();
        assert_eq!(rig.read(60, there(280.0, other)).await, (vec![Value::Int(0)], NONE));
        assert_eq!(rig.read(60, there(340.0, with(8000))).await, (vec![Value::Int(0)], NONE));
        // Not known for a cycle: the next reading has all of it.
        let mut unknown = with(0);
        unknown.nics[0].incoming = None;
        assert_eq!(rig.read(60, there(400.0, unknown)).await, (NONE, NONE));
        assert_eq!(
            rig.read(60, there(440.0, with(9000))).await,
            (vec![Value::Int(1000)], vec![Value::Float(10.0)])
        );
    }
}
