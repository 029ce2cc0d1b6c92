//! Instances, domains and surveys for tests.

use std::sync::{Arc, Mutex};

use libvirt::DomainState;
use model::{Map, Value};

use super::{
    Disk, Flavor, Inspection, Instance, Machine, Nic, NicDefinition, Survey, SurveyError, Surveying, Surveys,
    Traffic,
};
use crate::{Cycle, PollError, Pollster, Reading, Readings, Resource};

pub(super) fn instance(id: &str) -> Instance {
    let metadata: Map = [("display_name", "vm"), ("name", "instance-1")].into_iter().collect();
    Instance {
        id: id.into(),
        name: "instance-1".into(),
        user_id: "user".into(),
        project_id: "project".into(),
        flavor: Flavor { disk_gib: 10, ephemeral_gib: 1 },
        metadata: metadata.into(),
        is_novas: false,
    }
}

pub(super) fn nic(device: &str) -> Nic {
    let traffic = |first| Traffic { bytes: first, packets: first + 1, errors: first + 2, drops: first + 3 };
    let definition = NicDefinition {
        device: device.into(),
        mac: "fa:16".into(),
        filter: None,
        parameters: [("interfaceid", "p1".into()), ("bridge", Value::Null)].into_iter().collect(),
    };
    Nic { definition: Arc::new(definition), incoming: Some(traffic(100)), outgoing: Some(traffic(200)) }
}

/// A domain of which everything is known: Appendix A.5 of what was seen with Ceilometer, and more.
pub(super) fn inspection() -> Inspection {
    let machine = Machine {
        vcpus: Some(2),
        cpu_time_ns: Some(33),
        memory_actual_kib: Some(512 * 1024),
        memory_available_kib: Some(500_000),
        memory_usable_kib: Some(100_000),
        memory_unused_kib: Some(90_000),
        memory_resident_kib: Some(300_000),
        swap_in_kib: Some(1),
        swap_out_kib: Some(2),
        cpu_cycles: Some(1001),
        instructions: Some(1002),
        cache_references: Some(1003),
        cache_misses: Some(1004),
    };
    let disk = Disk {
        device: "vda".into(),
        read_requests: Some(1),
        read_bytes: Some(2),
        read_time_ns: Some(3),
        write_requests: Some(4),
        write_bytes: Some(5),
        write_time_ns: Some(6),
        capacity: Some(110),
        allocation: Some(50),
        physical: Some(110),
    };
    Inspection {
        state: DomainState::Running,
        is_hung: false,
        machine,
        nics: vec![nic("tap1")],
        disks: vec![disk],
    }
}

/// Gives what it was given last.
#[derive(Debug)]
pub(super) struct Given(Mutex<Arc<Result<Survey, SurveyError>>>);

impl Given {
    pub(super) fn new(survey: Result<Survey, SurveyError>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Arc::new(survey))))
    }

    pub(super) fn set(&self, survey: Survey) {
        *self.0.lock().unwrap() = Arc::new(Ok(survey));
    }
}

impl Surveys for Given {
    fn survey<'a>(&'a self, _cycle: &'a Cycle) -> Surveying<'a> {
        let survey = Arc::clone(&self.0.lock().unwrap());
        Box::pin(std::future::ready(survey))
    }
}

pub(super) fn survey<const N: usize>(seconds: f64, domains: [(&str, Inspection); N]) -> Survey {
    let domains = domains.into_iter().map(|(id, inspection)| (id.to_owned(), Arc::new(inspection)));
    Survey::new(seconds, domains.collect())
}

/// One run of a pollster.
pub(super) async fn poll(
    pollster: &dyn Pollster,
    cycle: &Cycle,
    instances: &[&str],
) -> (Vec<Reading>, Result<(), PollError>) {
    let resources: Vec<Resource> =
        instances.iter().map(|id| Resource::Instance(Arc::new(instance(id)))).collect();
    let (readings, mut taken) = Readings::channel();
    let taking = async {
        let mut all = Vec::new();
        while let Some(reading) = taken.recv().await {
            all.push(reading);
        }
        all
    };
    let polling = async {
        let polled = pollster.poll(cycle, &resources, &readings).await;
        drop(readings);
        polled
    };
    let (polled, all) = tokio::join!(polling, taking);
    (all, polled)
}
