//! The namespace `compute`: the instances of this host, read from its hypervisor.
//!
//! A discovery gives [`Instance`]s; a [`Survey`] (one bulk call to libvirt a cycle) says what each of them uses; every
//! pollster makes its readings of the two. A meter is a constant of its family (`machine`, `disk`, `network`) and a line in
//! the table below.
//!
//! What all of them do alike is in `pollster`: an instance that is gone has no sample, one that is shut off only those that
//! `[compute] report_stopped_instance_metrics` gives it, and one whose QEMU hangs those that libvirt knows without asking
//! QEMU. No value of a former cycle is ever sent again.

mod discovery;
mod disk;
mod hypervisor;
mod inspection;
mod instance;
mod machine;
mod metadata;
mod metrics;
mod missing;
mod network;
mod nova;
mod nova_lookup;
mod past;
mod pollster;
mod roll;
mod sample_metadata;
mod server;
mod settings;
#[cfg(test)]
mod testing;

pub use discovery::local_instances;
pub use hypervisor::{Hypervisor, SurveyError};
pub use inspection::{Disk, Inspection, Machine, Nic, NicDefinition, Survey, Traffic};
pub use instance::{Flavor, Instance};
pub use metrics::ComputeMetrics;
pub use nova::lookup as ask_nova;
pub use nova_lookup::{Looking, NovaLookup, ServerExtra};
pub use pollster::{Host, Surveying, Surveys};
pub use sample_metadata::SampleMetadata;
pub use server::Server;
pub use settings::{ComputeSettings, InstanceDiscovery, LibvirtLimits, UserMetadataRules, libvirt_uri};

use crate::{DiscoveryLine, LoadedPollster, Namespace, PollsterLine, local_node};

/// The discovery of every pollster here.
const LOCAL_INSTANCES: &str = "local_instances";

/// Makes the table of the namespace, and [`pollsters`], of one list.
macro_rules! meters {
    ($($line:path,)+) => {
        static POLLSTERS: &[PollsterLine] = &[$(PollsterLine {
            name: $line.meter.name,
            meters: &[$line.meter],
            discovery: Some(LOCAL_INSTANCES),
            make: |tools| Ok($line.pollster(&Host::new(tools)?)),
        }),+];

        /// Every pollster of the namespace on that host.
        #[must_use]
        pub fn pollsters(host: &Host) -> Vec<LoadedPollster> {
            let discovery = || Some(LOCAL_INSTANCES.to_owned());
            vec![$(LoadedPollster {
                name: $line.meter.name.to_owned(),
                discovery: discovery(),
                pollster: $line.pollster(host),
            }),+]
        }
    };
}

meters! {
    machine::CPU,
    disk::ALLOCATION,
    disk::CAPACITY,
    disk::READ_BYTES,
    disk::READ_LATENCY,
    disk::READ_REQUESTS,
    disk::USAGE,
    disk::WRITE_BYTES,
    disk::WRITE_LATENCY,
    disk::WRITE_REQUESTS,
    disk::EPHEMERAL_SIZE,
    disk::ROOT_SIZE,
    machine::MEMORY,
    machine::MEMORY_AVAILABLE,
    machine::MEMORY_RESIDENT,
    machine::MEMORY_SWAP_IN,
    machine::MEMORY_SWAP_OUT,
    machine::MEMORY_USAGE,
    network::INCOMING_BYTES,
    network::INCOMING_DELTA,
    network::INCOMING_RATE,
    network::INCOMING_PACKETS,
    network::INCOMING_DROPS,
    network::INCOMING_ERRORS,
    network::OUTGOING_BYTES,
    network::OUTGOING_DELTA,
    network::OUTGOING_RATE,
    network::OUTGOING_PACKETS,
    network::OUTGOING_DROPS,
    network::OUTGOING_ERRORS,
    machine::PERF_CACHE_MISSES,
    machine::PERF_CACHE_REFERENCES,
    machine::PERF_CPU_CYCLES,
    machine::PERF_INSTRUCTIONS,
    machine::POWER_STATE,
    machine::VCPUS,
}

pub(crate) static COMPUTE: Namespace = Namespace {
    name: "compute",
    pollsters: POLLSTERS,
    discoveries: &[
        DiscoveryLine { name: LOCAL_INSTANCES, make: local_instances },
        DiscoveryLine { name: "local_node", make: local_node::discovery },
    ],
};

/// A count as samples carry it.
fn integer(number: u64) -> model::Value {
    i64::try_from(number).map_or_else(|_| model::Value::BigInt(number.to_string().into()), model::Value::Int)
}
