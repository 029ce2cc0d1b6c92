//! Recorded domains and their copies.

use serde::Deserialize;
use serde_json::Value;

use super::wire::Out;
use crate::Error;

/// What was recorded, see its `source`.
const RECORDING: &str = include_str!("../../data/libvirt.json");

#[derive(Debug, Deserialize)]
struct Recording {
    domains: Vec<FakeDomain>,
}

/// A domain of the fake server.
#[derive(Debug, Clone, Deserialize)]
pub struct FakeDomain {
    /// Its name.
    pub name: String,
    /// Its UUID, as text.
    pub uuid: String,
    /// Its number, −1 if it does not run.
    pub id: i32,
    /// Its state.
    pub state: i32,
    /// Its definition.
    pub xml: String,
    /// Nova's metadata element, if it has one.
    pub metadata: Option<String>,
    /// Its memory statistics: tag and value.
    pub memory: Vec<(i32, u64)>,
    /// Its bulk statistics: name, type and value.
    pub stats: Vec<(String, String, Value)>,
}

impl FakeDomain {
    /// `count` copies of the recorded domains, in turn, with names and UUIDs of their own.
    pub fn recorded(count: usize) -> Result<Vec<Self>, Error> {
        let recording: Recording = serde_json::from_str(RECORDING)
            .map_err(|error| Error::answer("the recording of libvirt", error))?;
        let copies = recording.domains.iter().cycle().take(count).zip(1_u32..);
        Ok(copies.map(|(domain, number)| domain.copy(number)).collect())
    }

    fn copy(&self, number: u32) -> Self {
        let name = format!("instance-{number:08x}");
        let uuid = format!("{number:08x}-2222-4222-8222-222222222222");
        let adapt = |text: &str| text.replace(&self.name, &name).replace(&self.uuid, &uuid);
        let id = if self.id < 0 { self.id } else { i32::try_from(number).unwrap_or(i32::MAX) };
        let stats = self.stats.iter().map(|(field, kind, value)| {
            let value = value.as_str().map_or_else(|| value.clone(), |text| Value::from(adapt(text)));
            (field.clone(), kind.clone(), value)
        });
        Self {
            xml: adapt(&self.xml),
            metadata: self.metadata.as_deref().map(adapt),
            stats: stats.collect(),
            id,
            state: self.state,
            memory: self.memory.clone(),
            name,
            uuid,
        }
    }

    pub(super) fn uuid_bytes(&self) -> [u8; 16] {
        let digits: Vec<u8> = self.uuid.bytes().filter(u8::is_ascii_hexdigit).collect();
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or("0");
            *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
        }
        bytes
    }

    pub(super) fn write(&self, out: &mut Out) {
        out.text(&self.name);
        out.bytes.extend(self.uuid_bytes());
        out.i32(self.id);
    }

    /// A number among the bulk statistics, after `tick` steps.
    pub(super) fn number(&self, name: &str, tick: u64) -> Option<u64> {
        let (_, _, value) = self.stats.iter().find(|(field, ..)| field == name)?;
        Some(grown(name, value.as_u64()?, tick))
    }

    /// The record of the bulk call: of the groups that are asked for, and of a busy domain what QEMU is not needed for.
    pub(super) fn write_record(&self, out: &mut Out, groups: u32, busy: bool, tick: u64) {
        self.write(out);
        let wanted: Vec<_> = self
            .stats
            .iter()
            .filter(|(name, ..)| groups == 0 || groups & group(name) != 0)
            .filter(|(name, ..)| !busy || !needs_monitor(name))
            .collect();
        out.length(wanted.len());
        for (name, kind, value) in wanted {
            out.text(name);
            let signed = value.as_i64().unwrap_or_default();
            let number = grown(name, value.as_u64().unwrap_or_default(), tick);
            match kind.as_str() {
                "int" => out.i32(1).i32(i32::try_from(signed).unwrap_or_default()),
                "uint" => out.i32(2).i32(u32::try_from(number).unwrap_or_default().cast_signed()),
                "long" => out.i32(3).u64(signed.cast_unsigned()),
                "ulong" => out.i32(4).u64(number),
                "double" => out.i32(5).u64(value.as_f64().unwrap_or_default().to_bits()),
                "bool" => out.i32(6).i32(i32::from(value.as_bool().unwrap_or_default())),
                _ => out.i32(7).text(value.as_str().unwrap_or_default()),
            };
        }
    }
}

/// What grows with time, by name.
fn grown(name: &str, value: u64, tick: u64) -> u64 {
    let last = name.rsplit('.').next().unwrap_or(name);
    if matches!(last, "time" | "times" | "bytes" | "reqs" | "pkts" | "user" | "system") {
        value + tick * 1_000_000
    } else {
        value
    }
}

/// The group that a statistic belongs to (`virDomainStatsTypes`).
fn group(name: &str) -> u32 {
    match name.split('.').next().unwrap_or(name) {
        "state" => 1,
        "cpu" => 1 << 1,
        "balloon" => 1 << 2,
        "vcpu" => 1 << 3,
        "net" => 1 << 4,
        "block" => 1 << 5,
        "perf" => 1 << 6,
        "iothread" => 1 << 7,
        "memory" => 1 << 8,
        "dirtyrate" => 1 << 9,
        _ => 1 << 10,
    }
}

/// As seen with libvirt 9.0.0 when QEMU was stopped: what a bulk call with `NOWAIT` leaves out.
fn needs_monitor(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["balloon", what, ..] => !matches!(*what, "current" | "maximum"),
        ["block", _, what, ..] => !matches!(*what, "name" | "path" | "backingIndex"),
        ["cpu", "haltpoll", ..] => true,
        [first, ..] => matches!(*first, "iothread" | "dirtyrate" | "vm"),
        [] => false,
    }
}
