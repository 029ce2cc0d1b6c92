//! Domains as a cloud has them, replayed: bridges, filters, balloons that tell of the guest, counters of the processor.

use testkit::{FakeDomain, FakeLibvirtd};

/// Copies of each recorded domain.
const DOMAINS: usize = 6;
/// Tags of memory statistics (`virDomainMemoryStatTags`).
const SWAP_IN: i32 = 0;
const SWAP_OUT: i32 = 1;
const UNUSED: i32 = 4;
const AVAILABLE: i32 = 5;
const USABLE: i32 = 8;

/// A server with domains of every kind.
pub(crate) fn cloud() -> FakeLibvirtd {
    let mut domains = FakeDomain::recorded(DOMAINS).unwrap();
    let (first, rest) = domains.split_first_mut().unwrap();
    tell_of_the_guest(first, true);
    bridged(first);
    // The next copy of the same recorded domain, so one that runs as well: its guest says nothing of what is usable.
    tell_of_the_guest(&mut rest[2], false);
    holes(&mut rest[2]);
    FakeLibvirtd::with_domains(domains).unwrap()
}

fn set(domain: &mut FakeDomain, name: &str, kind: &str, value: u64) {
    domain.stats.retain(|(known, ..)| known != name);
    // Before the groups that come later in an answer, or at its end.
    let group = name.split('.').next().unwrap_or(name);
    let of_group = |known: &str| known.split('.').next() == Some(group);
    let at = domain.stats.iter().rposition(|(known, ..)| of_group(known));
    let at = at.map_or(domain.stats.len(), |at| at + 1);
    domain.stats.insert(at, (name.to_owned(), kind.to_owned(), value.into()));
}

/// A balloon whose driver in the guest reports, and counters of the processor.
fn tell_of_the_guest(domain: &mut FakeDomain, usable: bool) {
    let mut memory = vec![
        ("swap_in", SWAP_IN, 2048),
        ("swap_out", SWAP_OUT, 1024),
        ("unused", UNUSED, 7168),
        ("available", AVAILABLE, 30720),
    ];
    if usable {
        memory.push(("usable", USABLE, 10240));
    }
    for (name, tag, kib) in memory {
        set(domain, &format!("balloon.{name}"), "ulong", kib);
        domain.memory.push((tag, kib));
    }
    for (number, name) in
        ["cpu_cycles", "instructions", "cache_references", "cache_misses"].iter().enumerate()
    {
        set(domain, &format!("perf.{name}"), "ulong", 1_000_000 + number as u64);
    }
}

/// A processor that the statistics leave out: what all together have used counts then.
fn holes(domain: &mut FakeDomain) {
    domain.stats.retain(|(name, ..)| !name.starts_with("vcpu.1."));
}

/// A tap in a bridge with a filter, as Nova makes it with Open vSwitch and its hybrid plug.
fn bridged(domain: &mut FakeDomain) {
    let start = domain.xml.find("<interface ").unwrap();
    let end = domain.xml.find("</interface>").unwrap() + "</interface>".len();
    let mac = "fa:16:3e:01:02:03";
    let interface = format!(
        "<interface type='bridge'><mac address='{mac}'/><source bridge='br-int'/>\
         <virtualport type='openvswitch'><parameters interfaceid='0f5c4e1e-6d0c-4c52-9b6f-6d3f1b9e2a10'/></virtualport>\
         <target dev='tap0f5c4e1e-6d'/><model type='virtio'/>\
         <filterref filter='nova-instance-{}-{}'><parameter name='DHCPSERVER' value='10.0.0.1'/>\
         <parameter name='IP' value='10.0.0.5'/></filterref></interface>\
         <interface type='bridge'><mac address='fa:16:3e:01:02:04'/><source bridge='qbr1'/>\
         <target dev='tap1'/><model type='virtio'/></interface>\
         <interface type='bridge'><mac address='fa:16:3e:01:02:05'/><source bridge='qbr2'/>\
         <target dev='tap-that-is-gone'/><model type='virtio'/></interface>",
        domain.name,
        mac.replace(':', "")
    );
    domain.xml.replace_range(start..end, &interface);
    domain.stats.retain(|(name, ..)| !name.starts_with("net."));
    set(domain, "net.count", "uint", 3);
    for (index, device) in ["tap0f5c4e1e-6d", "tap1", "tap-that-is-gone"].iter().enumerate() {
        domain.stats.push((format!("net.{index}.name"), "text".to_owned(), (*device).into()));
        if *device == "tap-that-is-gone" {
            continue;
        }
        for (number, direction) in ["rx", "tx"].iter().enumerate() {
            for (more, what) in ["bytes", "pkts", "errs", "drop"].iter().enumerate() {
                let value = 1000 * (index as u64 + 1) + 100 * number as u64 + more as u64;
                domain.stats.push((
                    format!("net.{index}.{direction}.{what}"),
                    "ulong".to_owned(),
                    value.into(),
                ));
            }
        }
    }
}
