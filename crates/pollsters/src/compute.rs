//! The namespace `compute`: the instances of this host, read from its hypervisor.
//!
//! A discovery gives [`Instance`]s; a [`Survey`] (one bulk call to libvirt a cycle) says what each of them uses; every
//! pollster makes its readings of the two.

mod discovery;
mod hypervisor;
mod inspection;
mod instance;
mod metadata;
mod metrics;
mod nova;
mod nova_lookup;
mod server;
mod settings;

pub use discovery::local_instances;
pub use hypervisor::{Hypervisor, SurveyError};
pub use inspection::{Disk, Inspection, Machine, Nic, Survey, Traffic};
pub use instance::{Flavor, Instance};
pub use metrics::ComputeMetrics;
pub use nova_lookup::{Looking, NovaLookup, ServerExtra};
pub use server::Server;
pub use settings::{ComputeSettings, InstanceDiscovery, LibvirtLimits, UserMetadataRules, libvirt_uri};
