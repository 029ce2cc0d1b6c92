//! What the fake server answers.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::domain::FakeDomain;
use super::wire::{Call, Out};
use super::{LOCK_TIMEOUT, Shared};

/// Code, domain and message.
type Refusal = (i32, i32, String);

const INTERNAL_ERROR: i32 = 1;
const NO_DOMAIN: i32 = 42;
const RPC: i32 = 39;
const OPERATION_INVALID: i32 = 55;
const OPERATION_TIMEOUT: i32 = 68;
const INVALID_ARG: i32 = 8;
const NO_DOMAIN_METADATA: i32 = 80;
const FROM_RPC: i32 = 7;
const FROM_QEMU: i32 = 10;
const NOWAIT: u32 = 1 << 29;
const SHUT_OFF: i32 = 5;
/// Groups for which the domain is held: cpu, balloon, vcpu, block, iothread, dirtyrate, vm.
const MONITOR_GROUPS: u32 = 0x6ae;
/// Names of a disk's counters, and what the bulk statistics call them.
const BLOCK_PARAMETERS: [(&str, &str); 8] = [
    ("wr_bytes", "wr.bytes"),
    ("wr_operations", "wr.reqs"),
    ("rd_bytes", "rd.bytes"),
    ("rd_operations", "rd.reqs"),
    ("flush_operations", "fl.reqs"),
    ("wr_total_times", "wr.times"),
    ("rd_total_times", "rd.times"),
    ("flush_total_times", "fl.times"),
];
/// What libvirt can do, by its own numbers: keep-alive, event callbacks, and what every daemon has.
const FEATURES: [u32; 4] = [9, 10, 14, 15];

fn refused<T>(code: i32, message: impl Into<String>) -> Result<T, Refusal> {
    Err((code, FROM_QEMU, message.into()))
}

pub(super) fn answer(shared: &Shared, call: &Call) -> Result<Vec<u8>, Refusal> {
    let mut out = Out::default();
    let malformed = || (RPC, FROM_RPC, "cannot decode message payload".to_owned());
    let mut arguments = call.arguments();
    let tick = shared.tick.load(Ordering::SeqCst);
    match call.procedure {
        // Opening, closing, unregistering.
        1 | 2 | 317 => {}
        3 => drop(out.text("QEMU")),
        4 => drop(out.u64(7_002_022)),
        6 => {
            for byte in "x86_64".bytes().chain(std::iter::repeat(0)).take(32) {
                out.i32(byte.into());
            }
            out.u64(16_384_000).i32(8).i32(2400).i32(1).i32(1).i32(4).i32(2);
        }
        59 => drop(out.text("compute-1.example")),
        60 => {
            let feature = arguments.u32().ok_or_else(malformed)?;
            out.i32(i32::from(FEATURES.contains(&feature)));
        }
        // No authentication is wanted.
        66 => drop(out.length(1).i32(0)),
        157 => drop(out.u64(9_000_000)),
        273 => {
            let domains = shared.lock().domains.clone();
            out.length(domains.len());
            for domain in &domains {
                domain.write(&mut out);
            }
            out.length(domains.len());
        }
        316 => drop(out.i32(0)),
        344 => bulk(shared, call, &mut out, tick).ok_or_else(malformed)?,
        23 => {
            let name = arguments.text().ok_or_else(malformed)?;
            find(shared, |domain| domain.name == name)?.write(&mut out);
        }
        24 => {
            let uuid = arguments.uuid().ok_or_else(malformed)?;
            find(shared, |domain| domain.uuid_bytes() == uuid)?.write(&mut out);
        }
        14 | 16 | 64 | 65 | 159 | 194 | 212 | 243 | 265 => {
            let (_, uuid) = arguments.domain().ok_or_else(malformed)?;
            let domain = find(shared, |domain| domain.uuid_bytes() == uuid)?;
            single(shared, call, &domain, &mut out, tick)?;
        }
        other => return Err((RPC, FROM_RPC, format!("unknown procedure: {other}"))),
    }
    Ok(out.bytes)
}

fn find(shared: &Shared, fits: impl Fn(&FakeDomain) -> bool) -> Result<FakeDomain, Refusal> {
    let found = shared.lock().domains.iter().find(|domain| fits(domain)).cloned();
    found.map_or_else(|| refused(NO_DOMAIN, "Domain not found"), Ok)
}

fn bulk(shared: &Shared, call: &Call, out: &mut Out, tick: u64) -> Option<()> {
    let mut arguments = call.arguments();
    let count = arguments.u32()?;
    let mut asked = Vec::new();
    for _ in 0..count {
        asked.push(arguments.domain()?.1);
    }
    let (groups, flags) = (arguments.u32()?, arguments.u32()?);
    let monitor = groups == 0 || groups & MONITOR_GROUPS != 0;
    let domains = shared.lock().domains.clone();
    let wanted: Vec<&FakeDomain> = domains
        .iter()
        .filter(|domain| asked.is_empty() || asked.contains(&domain.uuid_bytes()))
        .filter(|domain| is_listed(domain, flags))
        .collect();
    out.length(wanted.len());
    for domain in wanted {
        let job = if monitor { take_job(shared, &domain.name, flags & NOWAIT != 0) } else { Job::Free };
        domain.write_record(out, groups, job == Job::Busy, tick);
    }
    Some(())
}

/// The filters of `virConnectListAllDomains` that say something of the state.
fn is_listed(domain: &FakeDomain, flags: u32) -> bool {
    let active = domain.state != SHUT_OFF;
    let pair =
        |yes: u32, no: u32, is: bool| flags & (yes | no) == 0 || flags & (if is { yes } else { no }) != 0;
    let state = match domain.state {
        1 => 1 << 4,
        3 => 1 << 5,
        SHUT_OFF => 1 << 6,
        _ => 1 << 7,
    };
    pair(1, 2, active) && (flags & 0xf0 == 0 || flags & state != 0)
}

#[derive(Debug, PartialEq, Eq)]
enum Job {
    /// QEMU answers.
    Free,
    /// Another call holds the domain.
    Busy,
}

/// As libvirt does it: the first to ask a QEMU that hangs waits for it; others do not, or wait for 30 s.
fn take_job(shared: &Shared, name: &str, nowait: bool) -> Job {
    let mut state = shared.lock();
    let start = Instant::now();
    let mut holds = false;
    loop {
        match state.hung.get_mut(name) {
            None => return Job::Free,
            Some(held) if !*held => {
                *held = true;
                holds = true;
            }
            Some(_) if holds => {}
            Some(_) if nowait => return Job::Busy,
            Some(_) => {}
        }
        let left = LOCK_TIMEOUT.saturating_sub(start.elapsed());
        if !holds && left.is_zero() {
            return Job::Busy;
        }
        let wait = if holds { LOCK_TIMEOUT } else { left };
        state = shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn monitor(shared: &Shared, domain: &FakeDomain) -> Result<(), Refusal> {
    if domain.state == SHUT_OFF {
        return refused(OPERATION_INVALID, "Requested operation is not valid: domain is not running");
    }
    match take_job(shared, &domain.name, false) {
        Job::Free => Ok(()),
        Job::Busy => {
            refused(OPERATION_TIMEOUT, "Timed out during operation: cannot acquire state change lock")
        }
    }
}

/// Calls about one domain.
fn single(
    shared: &Shared,
    call: &Call,
    domain: &FakeDomain,
    out: &mut Out,
    tick: u64,
) -> Result<(), Refusal> {
    let mut arguments = call.arguments();
    let _ = arguments.domain();
    let number = |name: &str| domain.number(name, tick);
    match call.procedure {
        14 => drop(out.text(&domain.xml)),
        16 => {
            let memory = number("balloon.maximum").unwrap_or(0);
            let vcpus = number("vcpu.current").and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
            out.i32(domain.state).u64(memory).u64(number("balloon.current").unwrap_or(memory));
            out.i32(vcpus).u64(number("cpu.time").unwrap_or(0));
        }
        212 => drop(out.i32(domain.state).i32(1)),
        265 => {
            let kind = arguments.u32();
            let namespace = arguments.optional();
            match (&domain.metadata, kind) {
                (Some(text), Some(2))
                    if namespace.is_some_and(|namespace| domain.xml.contains(namespace)) =>
                {
                    out.text(text);
                }
                _ => {
                    return refused(
                        NO_DOMAIN_METADATA,
                        "metadata not found: Requested metadata element is not present",
                    );
                }
            }
        }
        159 => {
            monitor(shared, domain)?;
            out.length(domain.memory.len());
            for (tag, value) in &domain.memory {
                out.i32(*tag).u64(*value);
            }
        }
        64 | 194 => {
            let disk = arguments.text().unwrap_or_default();
            let Some(index) = device(domain, "block", disk) else {
                return refused(INVALID_ARG, format!("invalid argument: invalid path: {disk}"));
            };
            // Sizes of a domain that does not run are those of its files.
            if call.procedure == 64 || domain.state != SHUT_OFF {
                monitor(shared, domain)?;
            }
            let field = |name: &str| number(&format!("block.{index}.{name}"));
            if call.procedure == 64 {
                for name in ["rd.reqs", "rd.bytes", "wr.reqs", "wr.bytes"] {
                    out.u64(field(name).unwrap_or(u64::MAX));
                }
                out.u64(u64::MAX);
            } else {
                for name in ["allocation", "capacity", "physical"] {
                    out.u64(field(name).unwrap_or(0));
                }
            }
        }
        243 => {
            let disk = arguments.text().unwrap_or_default();
            let Some(index) = device(domain, "block", disk) else {
                return refused(INVALID_ARG, format!("invalid argument: invalid path: {disk}"));
            };
            monitor(shared, domain)?;
            let told = BLOCK_PARAMETERS
                .iter()
                .filter_map(|(parameter, name)| Some((parameter, number(&format!("block.{index}.{name}"))?)));
            let told: Vec<_> = told.collect();
            // Who has room for none asks how many there are.
            let wanted = if arguments.u32() == Some(0) { 0 } else { told.len() };
            out.length(wanted);
            for (parameter, value) in told.iter().take(wanted) {
                out.text(parameter).i32(3).u64(*value);
            }
            out.length(told.len());
        }
        _ => {
            let name = arguments.text().unwrap_or_default();
            let Some(index) = device(domain, "net", name) else {
                return refused(
                    INVALID_ARG,
                    format!("invalid argument: invalid path, '{name}' is not a known interface"),
                );
            };
            if number(&format!("net.{index}.rx.bytes")).is_none() {
                // A device that the host has no longer.
                return refused(INTERNAL_ERROR, "internal error: /proc/net/dev: Interface not found");
            }
            for direction in ["rx", "tx"] {
                for name in ["bytes", "pkts", "errs", "drop"] {
                    out.u64(number(&format!("net.{index}.{direction}.{name}")).unwrap_or(u64::MAX));
                }
            }
        }
    }
    Ok(())
}

/// The index of a device by its name.
fn device(domain: &FakeDomain, kind: &str, name: &str) -> Option<String> {
    let field = domain.stats.iter().find(|(field, _, value)| {
        field.starts_with(kind) && field.rsplit('.').next() == Some("name") && value.as_str() == Some(name)
    })?;
    field.0.split('.').nth(1).map(str::to_owned)
}
