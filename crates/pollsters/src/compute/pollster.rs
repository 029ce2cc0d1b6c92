//! What all pollsters of instances do alike: one run over the instances that it is given.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use libvirt::DomainState;
use model::{SharedSubject, Value};

use super::missing::{Lack, Missing};
use super::roll::{Found, Observed};
use super::sample_metadata::Subjects;
use super::{Hypervisor, Inspection, Instance, Survey, SurveyError};
use crate::{Cycle, MakeError, Meter, PollError, Polling, Pollster, Reading, Readings, Resource, Tools};

/// The future that [`Surveys::survey`] returns.
pub type Surveying<'a> = Pin<Box<dyn Future<Output = Arc<Result<Survey, SurveyError>>> + Send + 'a>>;

/// Where pollsters have surveys from.
pub trait Surveys: fmt::Debug + Send + Sync {
    /// The survey of that cycle, or why there is none: the same for all who ask in it.
    fn survey<'a>(&'a self, cycle: &'a Cycle) -> Surveying<'a>;
}

/// What pollsters of instances are made with.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where surveys come from.
    pub surveys: Arc<dyn Surveys>,
    /// `[compute] report_stopped_instance_metrics`: instances that are shut off have those meters that are known of them.
    pub reports_stopped: bool,
}

impl Host {
    /// The host that the configuration names.
    pub(super) fn new(tools: &Tools) -> Result<Self, MakeError> {
        let surveys = tools.hypervisor()?;
        Ok(Self { surveys, reports_stopped: tools.compute.report_stopped_instance_metrics })
    }
}

impl Surveys for Hypervisor {
    fn survey<'a>(&'a self, cycle: &'a Cycle) -> Surveying<'a> {
        Box::pin(Survey::of(cycle, self))
    }
}

/// One instance with what the hypervisor says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) instance: &'a Arc<Instance>,
    pub(super) inspection: &'a Inspection,
    pub(super) subjects: &'a Subjects,
    pub(super) survey: &'a Survey,
    /// Whose readings are compared with each other ([`Cycle::task`]).
    pub(super) task: u64,
    /// Its place among the instances that are read: the same in the next cycle, as long as none comes or goes.
    pub(super) place: usize,
}

impl Seen<'_> {
    /// A reading of the instance, or of a part of it.
    pub(super) fn reading(&self, meter: &Meter, subject: &SharedSubject, volume: Value) -> Reading {
        reading(meter, subject.clone(), volume, self.survey.monotonic_time)
    }
}

/// How one meter is made of what the hypervisor says.
pub(super) trait Measure: fmt::Debug + Send + Sync + 'static {
    fn meter(&self) -> &Meter;

    /// Whether it is known of an instance that is shut off, too.
    fn outlasts_stop(&self) -> bool;

    /// Adds the readings of an instance. What should be there and is not is named.
    fn read<'s>(&self, seen: Seen<'s>, readings: &mut Vec<Reading>) -> Option<Lack<'s>>;

    /// An instance is shut off, and its counters will begin at zero when it runs again.
    fn stopped(&self, _seen: Seen<'_>) {}

    /// A run has ended: what is remembered of instances that are not in the survey can be forgotten.
    fn ended(&self, _survey: &Survey, _task: u64) {}
}

/// A pollster of one meter.
#[derive(Debug)]
pub(super) struct InstancePollster<M> {
    measure: M,
    host: Host,
    missing: Missing,
}

impl<M: Measure> InstancePollster<M> {
    pub(super) fn new(measure: M, host: &Host) -> Self {
        Self { measure, host: host.clone(), missing: Missing::default() }
    }

    /// Adds the readings of an instance. Returns whether the meter lacks something of it that it should have.
    fn read(&self, seen: Seen<'_>, readings: &mut Vec<Reading>) -> bool {
        let Seen { instance, inspection, place, .. } = seen;
        let (measure, id) = (&self.measure, &instance.id);
        let meter = measure.meter().name;
        let is_stopped = inspection.state == DomainState::ShutOff;
        if is_stopped {
            measure.stopped(seen);
            if !(self.host.reports_stopped && measure.outlasts_stop()) {
                tracing::debug!(meter, instance = id, "the instance is shut off");
                return false;
            }
        }
        let missing = measure.read(seen, readings);
        // What QEMU alone knows is missing of one that hangs; that it hangs is said once by who made the survey.
        if is_stopped || inspection.is_hung {
            let missing = missing.map(tracing::field::display);
            tracing::debug!(meter, instance = id, missing, "read of an instance that does not answer");
            return false;
        }
        self.missing.note(meter, place, instance, missing);
        missing.is_some()
    }
}

impl<M: Measure> Pollster for InstancePollster<M> {
    fn poll<'a>(
        &'a self,
        cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            let survey = self.host.surveys.survey(cycle).await;
            let survey = Result::as_ref(&survey)
                .map_err(|error| PollError::Failed { cause: error.cause(), message: error.to_string() })?;
            let roll = survey.roll(resources);
            let mut made = Vec::new();
            let mut lacking = 0;
            for (place, resource) in resources.iter().enumerate() {
                let instance = match instance(resource) {
                    Ok(instance) => instance,
                    Err(error) => {
                        readings.give_some(&mut made, true).await?;
                        return Err(error);
                    }
                };
                let alone;
                let observed = match roll.find(place, instance) {
                    Found::Here(observed) => Some(observed),
                    Found::Gone => None,
                    Found::NotListed => {
                        alone = Observed::of(instance, survey);
                        alone.as_ref()
                    }
                };
                if let Some(Observed { inspection, subjects }) = observed {
                    let task = cycle.task;
                    let seen = Seen { instance, inspection, subjects, survey, task, place };
                    lacking += usize::from(self.read(seen, &mut made));
                } else {
                    let (meter, id) = (self.measure.meter().name, &instance.id);
                    tracing::debug!(
                        meter,
                        instance = id,
                        "the hypervisor does not have the instance (any more)"
                    );
                }
                if Readings::are_enough(&made) {
                    readings.give_some(&mut made, false).await?;
                }
            }
            readings.give_some(&mut made, true).await?;
            self.measure.ended(survey, cycle.task);
            self.missing.ended(lacking, resources.len(), |id| survey.domains.contains_key(id));
            Ok(())
        })
    }
}

/// The instance that a resource is.
pub(super) fn instance(resource: &Resource) -> Result<&Arc<Instance>, PollError> {
    let instance = resource.instance().ok_or_else(|| PollError::Resource {
        resource: resource.to_string(),
        expected: "the pollsters of the namespace compute read instances, which the discovery local_instances finds",
    })?;
    Ok(instance)
}

pub(super) fn reading(meter: &Meter, subject: SharedSubject, volume: Value, monotonic_time: f64) -> Reading {
    Reading { monotonic_time: Some(monotonic_time), ..Reading::of(meter, subject, volume) }
}

#[cfg(test)]
mod tests {
    use observability::clock::Clock;

    use super::super::testing::{Given, inspection, poll, survey};
    use super::super::{disk, machine, network};
    use super::*;

    fn pollster(
        meter: machine::MachineMeter,
        given: &Arc<Given>,
        reports_stopped: bool,
    ) -> Box<dyn Pollster> {
        let surveys: Arc<dyn Surveys> = Arc::<Given>::clone(given);
        meter.pollster(&Host { surveys, reports_stopped })
    }

    #[tokio::test]
    async fn an_instance_that_is_gone_or_shut_off_has_no_sample() {
        let stopped = Inspection { state: DomainState::ShutOff, ..inspection() };
        let given = Given::new(Ok(survey(5.5, [("u1", inspection()), ("u2", stopped)])));
        let cycle = Cycle::new(Clock::machine());
        let (readings, polled) =
            poll(&*pollster(machine::VCPUS, &given, false), &cycle, &["u1", "u2", "u3"]).await;
        assert!(polled.is_ok(), "{polled:?}");
        let [reading] = &readings[..] else { panic!("{readings:?}") };
        assert_eq!((&reading.resource_id, &reading.volume), (&"u1".into(), &Value::Int(2)));
        assert_eq!((&reading.user_id, &reading.project_id), (&"user".into(), &"project".into()));
        assert_eq!((reading.monotonic_time, reading.unit.as_str()), (Some(5.5), Some("vcpu")));
        // Others than that are looked at as if they ran.
        for state in
            [DomainState::Paused, DomainState::Crashed, DomainState::PmSuspended, DomainState::NoState]
        {
            given.set(survey(5.5, [("u1", Inspection { state, ..inspection() })]));
            let (readings, _) = poll(&*pollster(machine::POWER_STATE, &given, false), &cycle, &["u1"]).await;
            assert_eq!(readings[0].volume, Value::from(i64::from(state.number())));
        }
    }

    #[tokio::test]
    async fn of_one_that_is_shut_off_some_meters_are_there_if_they_are_wanted() {
        let stopped = Inspection { state: DomainState::ShutOff, ..inspection() };
        let given = Given::new(Ok(survey(1.0, [("u1", stopped)])));
        let cycle = Cycle::new(Clock::machine());
        let host = Host { surveys: Arc::<Given>::clone(&given) as Arc<dyn Surveys>, reports_stopped: true };
        let pollsters = super::super::pollsters(&host);
        let mut there = Vec::new();
        for loaded in &pollsters {
            let (readings, polled) = poll(&*loaded.pollster, &cycle, &["u1"]).await;
            assert!(polled.is_ok() && readings.len() < 2, "{}", loaded.name);
            there.extend(readings.iter().map(|_| loaded.name.as_str()));
        }
        let expected = [
            "disk.device.allocation",
            "disk.device.capacity",
            "disk.device.usage",
            // These look at the flavor alone.
            "disk.ephemeral.size",
            "disk.root.size",
            "memory",
            "power.state",
            "vcpus",
        ];
        assert_eq!(there, expected);
    }

    #[tokio::test]
    async fn a_survey_that_failed_and_a_resource_that_is_no_instance_are_errors() {
        let source = libvirt::Error::NoSocket { tried: vec!["/run/libvirt".into()] };
        let failed = SurveyError::Libvirt { uri: "qemu:///system".into(), source };
        let given = Given::new(Err(failed));
        let cycle = Cycle::new(Clock::machine());
        let (readings, polled) = poll(&*pollster(machine::CPU, &given, false), &cycle, &["u1"]).await;
        let error = polled.unwrap_err();
        assert!(readings.is_empty() && error.to_string().contains("/run/libvirt"), "{error}");
        assert_eq!(error.cause(), "no_socket");
        // What needs no survey is there all the same.
        let surveys: Arc<dyn Surveys> = given;
        let (readings, polled) =
            poll(&*disk::ROOT_SIZE.pollster(&Host { surveys, reports_stopped: false }), &cycle, &["u1"])
                .await;
        assert!(polled.is_ok());
        assert_eq!(readings[0].volume, Value::Int(9));

        let given = Given::new(Ok(survey(1.0, [("u1", inspection())])));
        let surveys: Arc<dyn Surveys> = given;
        let pollster = network::INCOMING_BYTES.pollster(&Host { surveys, reports_stopped: false });
        let (readings, mut taken) = Readings::channel();
        let error = pollster.poll(&cycle, &[Resource::text("u1")], &readings).await.unwrap_err();
        assert_eq!(error.cause(), "resource");
        assert!(error.to_string().starts_with("cannot read \"u1\": "), "{error}");
        drop(readings);
        assert!(taken.recv().await.is_none());
    }
}
