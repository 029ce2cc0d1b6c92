//! Domains: what libvirt says of them to Ceilometer's inspector, call by call, and in its bulk statistics.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::json;
use testkit::FakeDomain;

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
        let mut memory =
            some(random, &["available", "usable", "unused", "rss", "swap_in", "swap_out", "major_fault"]);
        memory.insert("actual", number(random));
        let mut domain = Self {
            uuid,
            name: format!("instance-{:08x}", random.u32(..)),
            state: RUNNING,
            vcpus,
            max_vcpus,
            times: Vec::new(),
            cpu_time: number(random) & ((1 << 50) - 1),
            memory_kib: number(random),
            memory,
            perf: some(random, &["cpu_cycles", "instructions", "cache_references", "cache_misses"]),
            disks,
            interfaces,
        };
        domain.set_state(random);
        domain.set_times(random);
        domain
    }

    fn set_state(&mut self, random: &mut fastrand::Rng) {
        self.state = match random.u8(..6) {
            0 => SHUT_OFF,
            1 => random.i32(..8),
            _ => RUNNING,
        };
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
            interface.befell.get_or_insert("changes: the instance was gone");
        }
    }

    /// A cycle is over in which it was there.
    pub(crate) fn was_read(&mut self) {
        for interface in &mut self.interfaces {
            if self.state == SHUT_OFF {
                interface.befell.get_or_insert("changes: the instance was shut off");
            } else if interface.counters.is_some() {
                interface.befell = None;
            }
        }
    }

    /// What makes a difference to that meter, and to others of its kind, if anything does.
    pub(crate) fn befell(&self, meter: &str) -> Option<&'static str> {
        let read = |drive: &&Drive| drive.has_source;
        let last = meter.rsplit('.').next();
        if last == Some("rate") {
            Some("rates")
        } else if last == Some("delta") && self.state != SHUT_OFF {
            self.interfaces.iter().filter(|one| one.counters.is_some()).find_map(|one| one.befell)
        } else if meter.starts_with("disk.device.read") || meter.starts_with("disk.device.write") {
            let lacks = |drive: &Drive| drive.counters.is_some() && drive.times.is_none();
            self.disks.iter().filter(read).any(lacks).then_some("disks: no latency")
        } else if meter.starts_with("disk.device") {
            self.disks.iter().filter(read).any(|drive| drive.sizes.is_none()).then_some("disks: no size")
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

    /// The same as libvirt's bulk statistics have it.
    pub(crate) fn to_fake(&self) -> FakeDomain {
        let mut stats = Stats::default();
        stats.add("state.state", "int", self.state);
        stats.add("cpu.time", "ulong", self.cpu_time);
        stats.add("balloon.maximum", "ulong", self.memory_kib);
        for (name, value) in &self.memory {
            let name = if *name == "actual" { "current" } else { name };
            stats.add(&format!("balloon.{name}"), "ulong", *value);
        }
        stats.add("vcpu.current", "uint", self.vcpus);
        stats.add("vcpu.maximum", "uint", self.max_vcpus);
        for (index, (time, wait)) in self.times.iter().enumerate() {
            stats.maybe(&format!("vcpu.{index}.time"), *time);
            stats.maybe(&format!("vcpu.{index}.wait"), *wait);
        }
        for (name, value) in &self.perf {
            stats.add(&format!("perf.{name}"), "ulong", *value);
        }
        stats.add("net.count", "uint", self.interfaces.len());
        for (index, interface) in self.interfaces.iter().enumerate() {
            // One without a device has a number, and nothing else.
            let Some(target) = &interface.target else { continue };
            stats.add(&format!("net.{index}.name"), "string", target.as_str());
            const NAMES: [&str; 8] =
                ["rx.bytes", "rx.pkts", "rx.errs", "rx.drop", "tx.bytes", "tx.pkts", "tx.errs", "tx.drop"];
            for (name, value) in NAMES.into_iter().zip(interface.counters.into_iter().flatten()) {
                stats.add(&format!("net.{index}.{name}"), "ulong", value);
            }
        }
        stats.add("block.count", "uint", self.disks.len());
        for (index, drive) in self.disks.iter().enumerate() {
            stats.add(&format!("block.{index}.name"), "string", drive.device.as_str());
            let names = ["rd.reqs", "rd.bytes", "wr.reqs", "wr.bytes"];
            for (name, value) in names.into_iter().zip(drive.counters.into_iter().flatten()) {
                stats.add(&format!("block.{index}.{name}"), "ulong", value);
            }
            if let (Some(_), Some((read, write))) = (drive.counters, drive.times) {
                stats.add(&format!("block.{index}.rd.times"), "ulong", read);
                stats.add(&format!("block.{index}.wr.times"), "ulong", write);
            }
            let names = ["capacity", "allocation", "physical"];
            for (name, value) in names.into_iter().zip(drive.sizes.into_iter().flatten()) {
                stats.add(&format!("block.{index}.{name}"), "ulong", value);
            }
        }
        FakeDomain {
            name: self.name.clone(),
            uuid: self.uuid.clone(),
            // As one without a process, of which nothing more is expected than there is.
            id: -1,
            state: self.state,
            xml: self.xml(),
            metadata: None,
            memory: Vec::new(),
            stats: stats.0,
        }
    }
}

/// Name, type and value of each statistic.
#[derive(Default)]
struct Stats(Vec<(String, String, serde_json::Value)>);

impl Stats {
    fn add(&mut self, name: &str, kind: &str, value: impl Into<serde_json::Value>) {
        self.0.push((name.to_owned(), kind.to_owned(), value.into()));
    }

    fn maybe(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.add(name, "ulong", value);
        }
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
                self.befell.get_or_insert("changes: another interface");
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
}

impl Drive {
    fn generate(random: &mut fastrand::Rng, device: &str) -> Self {
        let counters = maybe(random, 20, |random| [(); 5].map(|()| number(random)));
        let times = maybe(random, 20, |random| (number(random), number(random)));
        let sizes = maybe(random, 20, |random| [(); 3].map(|()| number(random)));
        Self { device: device.to_owned(), has_source: random.u8(..8) != 0, counters, times, sizes }
    }
}

pub(crate) fn uuid(random: &mut fastrand::Rng) -> String {
    let [a, b, c, d] = [(); 4].map(|()| random.u16(..));
    format!("{:08x}-{a:04x}-{b:04x}-{c:04x}-{d:04x}{:08x}", random.u32(..), random.u32(..))
}

fn mac(random: &mut fastrand::Rng) -> String {
    format!("fa:16:3e:{:02x}:{:02x}:{:02x}", random.u8(..), random.u8(..), random.u8(..))
}
