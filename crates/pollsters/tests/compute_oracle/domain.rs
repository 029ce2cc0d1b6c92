//! Domains: what libvirt says of them to Ceilometer's inspector, and what our survey says of them.

use std::collections::HashMap;
use std::fmt::Write as _;

use libvirt::DomainState;
use model::{Map, Value};
use nephoscope_pollsters::compute::{Disk, Inspection, Machine, Nic, Traffic};
use serde_json::json;

const RUNNING: i32 = 1;
const SHUT_OFF: i32 = 5;

/// Numbers for devices: each name is used once.
#[derive(Default)]
pub(crate) struct Taps(usize);

pub(crate) struct Domain {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) state: i32,
    vcpus: u64,
    max_vcpus: u64,
    /// Time and wait of each processor, as far as they are known.
    times: Vec<(Option<u64>, Option<u64>)>,
    cpu_time: u64,
    memory_kib: u64,
    memory: HashMap<&'static str, u64>,
    perf: HashMap<&'static str, u64>,
    interfaces: Vec<Interface>,
    disks: Vec<Drive>,
}

struct Interface {
    target: Option<String>,
    mac: Option<String>,
    filter: Option<String>,
    parameters: Vec<(String, String)>,
    port: Option<String>,
    bridge: Option<String>,
    /// As `interfaceStats` has them; none if libvirt refuses.
    counters: Option<[u64; 8]>,
    /// What befell it since its counters were read.
    befell: Option<&'static str>,
}

struct Drive {
    device: String,
    has_source: bool,
    /// Requests and bytes read, the same written, errors.
    counters: Option<[u64; 5]>,
    times: Option<(u64, u64)>,
    /// Capacity, allocation, physical.
    sizes: Option<[u64; 3]>,
}

/// Nothing once in so many times.
fn maybe<T>(random: &mut fastrand::Rng, of: u8, make: impl FnOnce(&mut fastrand::Rng) -> T) -> Option<T> {
    (random.u8(..of) != 0).then(|| make(random))
}

/// Small numbers, large ones, and some that a double cannot hold.
fn number(random: &mut fastrand::Rng) -> u64 {
    match random.u8(..10) {
        0 => 0,
        1 => random.u64(..1 << 62),
        _ => random.u64(..1 << 40),
    }
}

fn some(random: &mut fastrand::Rng, keys: &[&'static str]) -> HashMap<&'static str, u64> {
    let of = if random.bool() { u8::MAX } else { 4 };
    keys.iter().filter_map(|key| maybe(random, of, |random| (*key, number(random)))).collect()
}

impl Domain {
    pub(crate) fn generate(random: &mut fastrand::Rng, taps: &mut Taps) -> Self {
        let uuid = uuid(random);
        let max_vcpus = random.u64(1..5);
        let vcpus = random.u64(1..=max_vcpus);
        let interfaces = (0..random.usize(..4)).map(|_| Interface::generate(random, taps)).collect();
        let names = ["vda", "vdb", "sda", "hdc"];
        let count = random.usize(..5);
        let disks = names.into_iter().take(count).map(|name| Drive::generate(random, name)).collect();
        let mut domain = Self {
            uuid,
            name: format!("instance-{:08x}", random.u32(..)),
            state: RUNNING,
            vcpus,
            max_vcpus,
            times: Vec::new(),
            cpu_time: number(random) & ((1 << 50) - 1),
            memory_kib: number(random),
            memory: some(
                random,
                &["actual", "available", "usable", "unused", "rss", "swap_in", "swap_out", "major_fault"],
            ),
            perf: some(random, &["cpu_cycles", "instructions", "cache_references", "cache_misses"]),
            disks,
            interfaces,
        };
        domain.set_state(random);
        domain.set_times(random);
        domain
    }

    fn set_state(&mut self, random: &mut fastrand::Rng) {
        self.state = if random.u8(..3) > 0 { RUNNING } else { random.i32(..8) };
    }

    fn set_times(&mut self, random: &mut fastrand::Rng) {
        // As many as there are processors, unless some say less than they should.
        let mut time = |of: u8| maybe(random, of, |random| random.u64(..1 << 50));
        let known = (0..self.max_vcpus)
            .map(|index| if index < self.vcpus { (time(30), time(30)) } else { (None, None) });
        self.times = known.collect();
    }

    /// Some time passes.
    pub(crate) fn go_on(&mut self, random: &mut fastrand::Rng) {
        let was_off = self.state == SHUT_OFF;
        if random.u8(..4) == 0 {
            self.set_state(random);
        }
        self.cpu_time += random.u64(..1 << 30);
        self.set_times(random);
        for interface in &mut self.interfaces {
            interface.go_on(random, was_off);
        }
    }

    /// It is on another host in this cycle.
    pub(crate) fn gone(&mut self) {
        for interface in &mut self.interfaces {
            interface.befell.get_or_insert("the instance was gone");
        }
    }

    /// A cycle is over in which it was there.
    pub(crate) fn was_read(&mut self) {
        for interface in &mut self.interfaces {
            if self.state == SHUT_OFF {
                interface.befell.get_or_insert("the instance was shut off");
            } else if interface.counters.is_some() {
                interface.befell = None;
            }
        }
    }

    /// What makes a difference to that meter, if anything does.
    pub(crate) fn befell(&self, meter: &str) -> Option<&'static str> {
        let read = |drive: &&Drive| drive.has_source;
        if meter.ends_with(".delta") && self.state != SHUT_OFF {
            self.interfaces.iter().filter(|one| one.counters.is_some()).find_map(|one| one.befell)
        } else if meter.starts_with("disk.device.read") || meter.starts_with("disk.device.write") {
            let lacks = |drive: &Drive| drive.counters.is_some() && drive.times.is_none();
            self.disks.iter().filter(read).any(lacks).then_some("no latency")
        } else if meter.starts_with("disk.device") {
            self.disks.iter().filter(read).any(|drive| drive.sizes.is_none()).then_some("no size")
        } else {
            None
        }
    }

    /// For `compute_oracle.py`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut stats = serde_json::Map::new();
        stats.insert("vcpu.current".into(), self.vcpus.into());
        stats.insert("vcpu.maximum".into(), self.max_vcpus.into());
        stats.insert("cpu.time".into(), self.cpu_time.into());
        for (index, (time, wait)) in self.times.iter().enumerate() {
            for (what, value) in [("time", time), ("wait", wait)] {
                if let Some(value) = value {
                    stats.insert(format!("vcpu.{index}.{what}"), (*value).into());
                }
            }
        }
        for (name, value) in &self.perf {
            stats.insert(format!("perf.{name}"), (*value).into());
        }
        let mut interfaces = serde_json::Map::new();
        for Interface { target, counters, .. } in &self.interfaces {
            if let Some(target) = target {
                interfaces.insert(target.clone(), json!(counters));
            }
        }
        let (mut counters, mut flags, mut sizes) = Default::default();
        let insert = |map: &mut serde_json::Map<String, serde_json::Value>, drive: &Drive, value| {
            map.insert(drive.device.clone(), value);
        };
        for drive in &self.disks {
            insert(&mut counters, drive, json!(drive.counters));
            let times =
                drive.times.map(|(read, write)| json!({ "rd_total_times": read, "wr_total_times": write }));
            insert(&mut flags, drive, times.unwrap_or_else(|| json!({})));
            insert(&mut sizes, drive, json!(drive.sizes));
        }
        json!({
            "uuid": self.uuid, "name": self.name, "xml": self.xml(), "memory": self.memory, "stats": stats,
            "info": [self.state, self.memory_kib, self.memory_kib, self.vcpus, self.cpu_time],
            "interfaces": interfaces, "block_stats": counters, "block_flags": flags, "block_info": sizes,
        })
    }

    fn xml(&self) -> String {
        let mut xml = format!("<domain><name>{}</name><devices>", self.name);
        for drive in &self.disks {
            let source = if drive.has_source { "<source file='/x'/>" } else { "" };
            let _ = write!(xml, "<disk type='file'>{source}<target dev='{}'/></disk>", drive.device);
        }
        for interface in &self.interfaces {
            interface.write_xml(&mut xml);
        }
        xml.push_str("</devices></domain>");
        xml
    }

    /// What the survey says of it.
    pub(crate) fn inspection(&self) -> Inspection {
        let memory = |key: &str| self.memory.get(key).copied();
        let perf = |key: &str| self.perf.get(key).copied();
        let is_off = self.state == SHUT_OFF;
        let machine = Machine {
            vcpus: Some(self.vcpus),
            cpu_time_ns: Some(self.used()),
            memory_actual_kib: if is_off { Some(self.memory_kib) } else { memory("actual") },
            memory_available_kib: memory("available"),
            memory_usable_kib: memory("usable"),
            memory_unused_kib: memory("unused"),
            memory_resident_kib: memory("rss"),
            swap_in_kib: memory("swap_in"),
            swap_out_kib: memory("swap_out"),
            cpu_cycles: perf("cpu_cycles"),
            instructions: perf("instructions"),
            cache_references: perf("cache_references"),
            cache_misses: perf("cache_misses"),
        };
        Inspection {
            state: DomainState::from(self.state),
            is_hung: false,
            machine,
            nics: self.interfaces.iter().filter_map(Interface::nic).collect(),
            disks: self.disks.iter().filter(|drive| drive.has_source).map(Drive::disk).collect(),
        }
    }

    fn used(&self) -> u64 {
        let known: Vec<u64> =
            self.times.iter().filter_map(|(time, wait)| Some((*time)? + (*wait)?)).collect();
        if known.len() as u64 == self.vcpus { known.iter().sum() } else { self.cpu_time }
    }
}

impl Interface {
    fn generate(random: &mut fastrand::Rng, taps: &mut Taps) -> Self {
        taps.0 += 1;
        let filter = match random.u8(..6) {
            0 => Some("no-spoof".to_owned()),
            1 => Some(format!("nova-instance-{}", taps.0)),
            2 => Some(String::new()),
            _ => None,
        };
        let parameters = match (&filter, random.bool()) {
            (Some(_), true) => vec![("IP".to_owned(), "10.0.0.9".to_owned()), ("Bridge".into(), "x".into())],
            _ => Vec::new(),
        };
        Self {
            target: maybe(random, 20, |_| format!("tap{}", taps.0)),
            mac: maybe(random, 20, mac),
            filter,
            parameters,
            port: random.bool().then(|| uuid(random)),
            bridge: random.bool().then(|| "br-<int>&\"".to_owned()),
            counters: maybe(random, 12, |random| [(); 8].map(|()| random.u64(..1 << 45))),
            befell: None,
        }
    }

    fn go_on(&mut self, random: &mut fastrand::Rng, was_off: bool) {
        let is_known = self.counters.is_some();
        match random.u8(..12) {
            0 => self.counters = None,
            1 => {
                self.mac = self.mac.as_ref().map(|_| mac(random));
                self.befell.get_or_insert("another interface");
            }
            _ => {}
        }
        let begins = was_off || !is_known || random.u8(..10) == 0;
        let grown = self.counters.map(|counters| counters.map(|counter| counter + random.u64(..1 << 30)));
        let anew = |random: &mut fastrand::Rng| [(); 8].map(|()| random.u64(..1 << 46));
        self.counters = if begins { maybe(random, 12, anew) } else { grown };
    }

    fn write_xml(&self, xml: &mut String) {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        xml.push_str("<interface type='bridge'>");
        if let Some(mac) = &self.mac {
            let _ = write!(xml, "<mac address=\"{mac}\"/>");
        }
        if let Some(bridge) = &self.bridge {
            let _ = write!(xml, "<source bridge=\"{}\"/>", escaped(bridge));
        }
        if let Some(port) = &self.port {
            let _ = write!(xml, "<virtualport><parameters interfaceid=\"{port}\"/></virtualport>");
        }
        if let Some(target) = &self.target {
            let _ = write!(xml, "<target dev=\"{target}\"/>");
        }
        if let Some(filter) = &self.filter {
            let _ = write!(xml, "<filterref filter=\"{filter}\">");
            for (name, value) in &self.parameters {
                let _ = write!(xml, "<parameter name=\"{name}\" value=\"{value}\"/>");
            }
            xml.push_str("</filterref>");
        }
        xml.push_str("</interface>");
    }

    fn nic(&self) -> Option<Nic> {
        let mut parameters: Map =
            self.parameters.iter().map(|(name, value)| (name.to_lowercase(), value.as_str())).collect();
        parameters.insert("interfaceid", self.port.as_deref());
        parameters.insert("bridge", self.bridge.as_deref());
        let traffic = |[bytes, packets, errors, drops]: [u64; 4]| Traffic { bytes, packets, errors, drops };
        let half = |from: usize| {
            let counters = self.counters.as_ref()?.get(from..from + 4)?;
            Some(traffic(counters.try_into().ok()?))
        };
        Some(Nic {
            device: self.target.clone()?,
            mac: self.mac.clone()?,
            filter: self.filter.clone(),
            parameters,
            incoming: half(0),
            outgoing: half(4),
        })
    }
}

impl Drive {
    fn generate(random: &mut fastrand::Rng, device: &str) -> Self {
        let counters = maybe(random, 20, |random| [(); 5].map(|()| number(random)));
        let times = maybe(random, 20, |random| (number(random), number(random)));
        let sizes = maybe(random, 20, |random| [(); 3].map(|()| number(random)));
        Self { device: device.to_owned(), has_source: random.u8(..8) != 0, counters, times, sizes }
    }

    fn disk(&self) -> Disk {
        let counter = |place: usize| self.counters.as_ref()?.get(place).copied();
        let size = |place: usize| self.sizes.as_ref()?.get(place).copied();
        let times = self.counters.and(self.times);
        Disk {
            device: self.device.clone(),
            read_requests: counter(0),
            read_bytes: counter(1),
            read_time_ns: times.map(|(read, _)| read),
            write_requests: counter(2),
            write_bytes: counter(3),
            write_time_ns: times.map(|(_, write)| write),
            capacity: size(0).max(size(2)),
            allocation: size(1),
            physical: size(2),
        }
    }
}

pub(crate) fn uuid(random: &mut fastrand::Rng) -> String {
    let [a, b, c, d] = [(); 4].map(|()| random.u16(..));
    format!("{:08x}-{a:04x}-{b:04x}-{c:04x}-{d:04x}{:08x}", random.u32(..), random.u32(..))
}

fn mac(random: &mut fastrand::Rng) -> String {
    format!("fa:16:3e:{:02x}:{:02x}:{:02x}", random.u8(..), random.u8(..), random.u8(..))
}
