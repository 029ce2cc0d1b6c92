//! [`Reading`]: a domain's record in the bulk statistics, taken apart in one pass.

use std::sync::Arc;

use libvirt::{DomainState, Parameters, RawValue, Record, numbered};
use model::Text;

use super::definition::Definition;
use crate::compute::{Disk, Inspection, Machine, Nic, NicDefinition, Traffic};

/// Numbers that a processor, network interface or disk may have in a record; QEMU's most processors are 4096.
const INDEX_MAX: usize = 8_192;

/// A record, with room that is used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Reading<'a> {
    /// The domain's state.
    pub(super) state: Option<DomainState>,
    /// What tells one set of devices from another: changes with every device that comes or goes.
    pub(super) devices: u64,
    /// Whether there is anything that only the hypervisor's process knows.
    asked: bool,
    /// Whether there is anything beside the state.
    pub(super) is_more_than_state: bool,
    machine: Machine,
    cpu_time_ns: Option<u64>,
    balloon_maximum_kib: Option<u64>,
    vcpu_maximum: Option<u64>,
    vcpus: Vec<Vcpu>,
    nets: Vec<Net<'a>>,
    blocks: Vec<Block<'a>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Vcpu {
    time_ns: Option<u64>,
    wait_ns: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Net<'a> {
    name: &'a str,
    incoming: Direction,
    outgoing: Direction,
}

#[derive(Debug, Clone, Copy, Default)]
struct Direction {
    bytes: Option<u64>,
    packets: Option<u64>,
    errors: Option<u64>,
    drops: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Block<'a> {
    name: &'a str,
    numbers: Numbers,
}

#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    read_requests: Option<u64>,
    read_bytes: Option<u64>,
    read_time_ns: Option<u64>,
    write_requests: Option<u64>,
    write_bytes: Option<u64>,
    write_time_ns: Option<u64>,
    capacity: Option<u64>,
    allocation: Option<u64>,
    physical: Option<u64>,
}

impl<'a> Reading<'a> {
    /// Takes a record apart, in place of the one before.
    pub(super) fn take(&mut self, record: &Record<'a>) {
        self.vcpus.clear();
        self.nets.clear();
        self.blocks.clear();
        *self = Self {
            vcpus: std::mem::take(&mut self.vcpus),
            nets: std::mem::take(&mut self.nets),
            blocks: std::mem::take(&mut self.blocks),
            ..Self::default()
        };
        let mut devices = Fingerprint::default();
        devices.add(record.domain.name.as_bytes());
        devices.add(&record.domain.id.to_be_bytes());
        self.fill(record.parameters.clone(), &mut devices);
        self.devices = devices.0;
    }

    fn fill(&mut self, mut parameters: Parameters<'a>, devices: &mut Fingerprint) {
        while let Some((name, value)) = parameters.next_raw() {
            match name {
                [b'b', b'l', b'o', b'c', b'k', b'.', rest @ ..] => self.block(rest, value, devices),
                [b'n', b'e', b't', b'.', rest @ ..] => self.net(rest, value, devices),
                [b'v', b'c', b'p', b'u', b'.', rest @ ..] => self.vcpu(rest, value),
                [b'b', b'a', b'l', b'l', b'o', b'o', b'n', b'.', rest @ ..] => self.balloon(rest, value),
                [b'p', b'e', b'r', b'f', b'.', rest @ ..] => self.perf(rest, value),
                b"cpu.time" => self.cpu_time_ns = value.as_u64(),
                b"state.state" => {
                    self.state =
                        value.as_i64().and_then(|state| i32::try_from(state).ok()).map(DomainState::from);
                    continue;
                }
                [b's', b't', b'a', b't', b'e', b'.', ..] => continue,
                _ => {}
            }
            self.is_more_than_state = true;
        }
    }

    fn balloon(&mut self, what: &[u8], value: RawValue<'a>) {
        let machine = &mut self.machine;
        let field = match what {
            b"current" => &mut machine.memory_actual_kib,
            b"maximum" => &mut self.balloon_maximum_kib,
            b"available" => &mut machine.memory_available_kib,
            b"usable" => &mut machine.memory_usable_kib,
            b"unused" => &mut machine.memory_unused_kib,
            b"rss" => {
                self.asked = true;
                &mut machine.memory_resident_kib
            }
            b"swap_in" => &mut machine.swap_in_kib,
            b"swap_out" => &mut machine.swap_out_kib,
            _ => return,
        };
        *field = value.as_u64();
    }

    fn vcpu(&mut self, rest: &[u8], value: RawValue<'a>) {
        match rest {
            b"current" => self.machine.vcpus = value.as_u64(),
            b"maximum" => self.vcpu_maximum = value.as_u64(),
            _ => {
                let Some((vcpu, what)) = place(&mut self.vcpus, rest) else { return };
                match what {
                    b"time" => vcpu.time_ns = value.as_u64(),
                    b"wait" => vcpu.wait_ns = value.as_u64(),
                    _ => {}
                }
            }
        }
    }

    fn net(&mut self, rest: &[u8], value: RawValue<'a>, devices: &mut Fingerprint) {
        let Some((net, what)) = place(&mut self.nets, rest) else { return };
        let (direction, what) = match what {
            [b'r', b'x', b'.', what @ ..] => (&mut net.incoming, what),
            [b't', b'x', b'.', what @ ..] => (&mut net.outgoing, what),
            b"name" => {
                net.name = value.as_text().unwrap_or_default();
                devices.add(net.name.as_bytes());
                return;
            }
            _ => return,
        };
        let field = match what {
            b"bytes" => &mut direction.bytes,
            b"pkts" => &mut direction.packets,
            b"errs" => &mut direction.errors,
            b"drop" => &mut direction.drops,
            _ => return,
        };
        *field = value.as_u64();
    }

    fn block(&mut self, rest: &[u8], value: RawValue<'a>, devices: &mut Fingerprint) {
        let Some((block, what)) = place(&mut self.blocks, rest) else { return };
        let numbers = &mut block.numbers;
        let field = match what {
            b"name" => {
                block.name = value.as_text().unwrap_or_default();
                devices.add(block.name.as_bytes());
                return;
            }
            // A medium that is changed is another path.
            b"path" => {
                devices.add(value.as_text().unwrap_or_default().as_bytes());
                return;
            }
            b"rd.reqs" => {
                self.asked = true;
                &mut numbers.read_requests
            }
            b"rd.bytes" => &mut numbers.read_bytes,
            b"rd.times" => &mut numbers.read_time_ns,
            b"wr.reqs" => &mut numbers.write_requests,
            b"wr.bytes" => &mut numbers.write_bytes,
            b"wr.times" => &mut numbers.write_time_ns,
            b"capacity" => &mut numbers.capacity,
            b"allocation" => &mut numbers.allocation,
            b"physical" => &mut numbers.physical,
            _ => return,
        };
        *field = value.as_u64();
    }

    fn perf(&mut self, what: &[u8], value: RawValue<'a>) {
        let field = match what {
            b"cpu_cycles" => &mut self.machine.cpu_cycles,
            b"instructions" => &mut self.machine.instructions,
            b"cache_references" => &mut self.machine.cache_references,
            b"cache_misses" => &mut self.machine.cache_misses,
            _ => return,
        };
        *field = value.as_u64();
    }

    /// The state; none is as none that is known.
    pub(super) fn state(&self) -> DomainState {
        self.state.unwrap_or(DomainState::NoState)
    }

    /// Whether a QEMU that runs was not asked, because it is busy, or hangs.
    pub(super) fn lacks_monitor(&self, domain_id: i32) -> bool {
        domain_id >= 0 && self.state() != DomainState::ShutOff && !self.asked
    }

    /// What is known of the domain, with the devices that its definition has.
    pub(super) fn inspection(&self, definition: Option<&Definition>, is_hung: bool) -> Inspection {
        let state = self.state();
        let nics = definition.map_or(&[][..], |definition| &definition.nics);
        let disks = definition.map_or(&[][..], |definition| &definition.disks);
        Inspection {
            state,
            is_hung,
            machine: self.machine(state),
            nics: nics.iter().enumerate().map(|(at, nic)| self.nic(at, nic)).collect(),
            disks: disks.iter().enumerate().map(|(at, device)| self.disk(at, device)).collect(),
        }
    }

    fn machine(&self, state: DomainState) -> Machine {
        if state == DomainState::ShutOff {
            // What is said of processor time is the daemon's own; of memory, what the domain may have.
            return Machine {
                vcpus: self.machine.vcpus,
                memory_actual_kib: self.balloon_maximum_kib,
                ..Machine::default()
            };
        }
        Machine { cpu_time_ns: self.cpu_time(), ..self.machine }
    }

    /// Running and waiting to run, of all processors of which both are known; if these are not as many as there are, what
    /// the operating system has counted for the whole process.
    fn cpu_time(&self) -> Option<u64> {
        let maximum = self.vcpu_maximum.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let mut counted: u64 = 0;
        let mut time: u64 = 0;
        for vcpu in self.vcpus.iter().take(maximum) {
            if let (Some(running), Some(waiting)) = (vcpu.time_ns, vcpu.wait_ns) {
                counted += 1;
                time = time.saturating_add(running).saturating_add(waiting);
            }
        }
        if self.machine.vcpus == Some(counted) { Some(time) } else { self.cpu_time_ns }
    }

    fn nic(&self, at: usize, nic: &Arc<NicDefinition>) -> Nic {
        let same = |net: &&Net<'_>| net.name == nic.device;
        let net = self.nets.get(at).filter(same).or_else(|| self.nets.iter().find(same));
        Nic {
            definition: Arc::clone(nic),
            incoming: net.and_then(|net| net.incoming.traffic()),
            outgoing: net.and_then(|net| net.outgoing.traffic()),
        }
    }

    fn disk(&self, at: usize, device: &Text) -> Disk {
        let same = |block: &&Block<'_>| block.name == device;
        let block = self.blocks.get(at).filter(same).or_else(|| self.blocks.iter().find(same));
        let Numbers {
            read_requests,
            read_bytes,
            read_time_ns,
            write_requests,
            write_bytes,
            write_time_ns,
            capacity,
            allocation,
            physical,
        } = block.map(|block| block.numbers).unwrap_or_default();
        Disk {
            device: device.clone(),
            read_requests,
            read_bytes,
            read_time_ns,
            write_requests,
            write_bytes,
            write_time_ns,
            capacity: capacity.map(|capacity| capacity.max(physical.unwrap_or(0))),
            // Of a stopped domain libvirt leaves out what is 0.
            allocation: allocation
                .or_else(|| physical.filter(|_| self.state() == DomainState::ShutOff).map(|_| 0)),
            physical,
        }
    }
}

impl Direction {
    /// Known as soon as the bytes are: some kinds of interfaces count nothing else.
    fn traffic(self) -> Option<Traffic> {
        let or_none = Option::unwrap_or_default;
        Some(Traffic {
            bytes: self.bytes?,
            packets: or_none(self.packets),
            errors: or_none(self.errors),
            drops: or_none(self.drops),
        })
    }
}

/// The entry that the rest of a name (`12.rx.bytes`) is about, and what of it.
#[inline]
fn place<'e, 'n, T: Clone + Default>(
    entries: &'e mut Vec<T>,
    rest: &'n [u8],
) -> Option<(&'e mut T, &'n [u8])> {
    let (number, what) = numbered(rest)?;
    let at = usize::try_from(number).ok().filter(|at| *at < INDEX_MAX)?;
    if at >= entries.len() {
        entries.resize(at + 1, T::default());
    }
    Some((entries.get_mut(at)?, what))
}

/// A hash of names in order (FNV-1a, of eight bytes at a time).
#[derive(Debug, Clone, Copy)]
struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    fn add(&mut self, bytes: &[u8]) {
        const PRIME: u64 = 0x0100_0000_01b3;
        let (words, rest) = bytes.as_chunks();
        for word in words {
            // Multiplying moves bits up only, so they are brought down again.
            self.0 = (self.0 ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME).rotate_left(29);
        }
        for byte in rest {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
        // Where one ends and the next begins.
        self.0 = (self.0 ^ 0xff).wrapping_mul(PRIME);
    }
}

#[cfg(test)]
mod tests;
