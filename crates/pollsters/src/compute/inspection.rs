//! [`Survey`]: what the hypervisor says of all its domains at one moment.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use libvirt::DomainState;
use model::{Map, Text};

use super::roll::Roll;
use crate::Resource;

/// What one bulk call told of every domain, with what their XML says of devices. One of a cycle, in its cache.
#[derive(Debug, Default)]
pub struct Survey {
    /// Seconds of the monotonic clock when the answer came.
    pub monotonic_time: f64,
    /// By UUID, as text in lower case with dashes.
    pub domains: HashMap<String, Arc<Inspection>>,
    roll: OnceLock<Roll>,
}

impl Survey {
    /// What was seen at that moment.
    #[must_use]
    pub fn new(monotonic_time: f64, domains: HashMap<String, Arc<Inspection>>) -> Self {
        Self { monotonic_time, domains, roll: OnceLock::new() }
    }

    /// What pollsters need of the instances, made of the resources of the first that asks.
    pub(super) fn roll(&self, resources: &[Resource]) -> &Roll {
        self.roll.get_or_init(|| Roll::new(resources, self))
    }
}

/// One domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Its state.
    pub state: DomainState,
    /// Whether its QEMU does not answer: what only QEMU knows is missing then.
    pub is_hung: bool,
    /// Processor and memory.
    pub machine: Machine,
    /// Network interfaces that have a host device and an address, in the order of the XML.
    pub nics: Vec<Nic>,
    /// Disks with a source, in the order of the XML.
    pub disks: Vec<Disk>,
}

/// Processor and memory of a domain. What is not known is [`None`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    /// Virtual processors (`vcpu.current`).
    pub vcpus: Option<u64>,
    /// What they have used, in nanoseconds: running and waiting to run, of all of them, else `cpu.time`.
    pub cpu_time_ns: Option<u64>,
    /// `balloon.current`, in KiB.
    pub memory_actual_kib: Option<u64>,
    /// `balloon.available`, in KiB.
    pub memory_available_kib: Option<u64>,
    /// `balloon.usable`, in KiB.
    pub memory_usable_kib: Option<u64>,
    /// `balloon.unused`, in KiB.
    pub memory_unused_kib: Option<u64>,
    /// `balloon.rss`, in KiB.
    pub memory_resident_kib: Option<u64>,
    /// `balloon.swap_in`, in KiB.
    pub swap_in_kib: Option<u64>,
    /// `balloon.swap_out`, in KiB.
    pub swap_out_kib: Option<u64>,
    /// `perf.cpu_cycles`.
    pub cpu_cycles: Option<u64>,
    /// `perf.instructions`.
    pub instructions: Option<u64>,
    /// `perf.cache_references`.
    pub cache_references: Option<u64>,
    /// `perf.cache_misses`.
    pub cache_misses: Option<u64>,
}

/// A network interface. Its counters are [`None`] when the hypervisor does not say them (the interface is then left out,
/// with a warning).
#[derive(Debug, Clone, PartialEq)]
pub struct Nic {
    /// What the XML says of it, as long as that is the same.
    pub definition: Arc<NicDefinition>,
    /// Received by the domain.
    pub incoming: Option<Traffic>,
    /// Sent by the domain.
    pub outgoing: Option<Traffic>,
}

impl Deref for Nic {
    type Target = NicDefinition;

    fn deref(&self) -> &NicDefinition {
        &self.definition
    }
}

/// What the XML says of a network interface.
#[derive(Debug, Clone, PartialEq)]
pub struct NicDefinition {
    /// The host's device (`target dev`).
    pub device: String,
    /// The guest's address.
    pub mac: String,
    /// The filter (`filterref filter`).
    pub filter: Option<String>,
    /// The filter's parameters by lower-case name, `interfaceid` and `bridge`, as samples carry them.
    pub parameters: Map,
}

/// One direction of a network interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets dropped.
    pub drops: u64,
}

/// A disk. What the hypervisor does not say is [`None`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// The guest's device (`target dev`), for example `vda`.
    pub device: Text,
    /// `rd.reqs`
    pub read_requests: Option<u64>,
    /// `rd.bytes`
    pub read_bytes: Option<u64>,
    /// `rd.times`, in nanoseconds.
    pub read_time_ns: Option<u64>,
    /// `wr.reqs`
    pub write_requests: Option<u64>,
    /// `wr.bytes`
    pub write_bytes: Option<u64>,
    /// `wr.times`, in nanoseconds.
    pub write_time_ns: Option<u64>,
    /// Bytes that the guest sees: the greater of `capacity` and `physical`, as Ceilometer.
    pub capacity: Option<u64>,
    /// Bytes that the image's content takes.
    pub allocation: Option<u64>,
    /// Bytes that the image takes on the host.
    pub physical: Option<u64>,
}
