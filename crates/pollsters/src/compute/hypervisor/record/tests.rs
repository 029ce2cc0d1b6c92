use libvirt::{DomainStats, xdr::Writer};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// A parameter of a record.
#[derive(Debug, Clone)]
enum Given {
    Int(i32),
    UInt(u32),
    Long(i64),
    ULong(u64),
    Text(&'static str),
}

use Given::{Int, Long, Text, UInt, ULong};

fn stats(id: i32, parameters: &[(&str, Given)]) -> DomainStats {
    let mut writer = Writer::new();
    writer.length(1).text("a").uuid(&Uuid::nil()).i32(id).length(parameters.len());
    for (name, value) in parameters {
        writer.text(name);
        match value {
            Int(value) => writer.i32(1).i32(*value),
            UInt(value) => writer.i32(2).u32(*value),
            Long(value) => writer.i32(3).i64(*value),
            ULong(value) => writer.i32(4).u64(*value),
            Text(value) => writer.i32(7).text(value),
        };
    }
    DomainStats::from_payload(writer.into_bytes()).unwrap()
}

fn with<T>(id: i32, parameters: &[(&str, Given)], check: impl FnOnce(&Reading<'_>) -> T) -> T {
    let stats = stats(id, parameters);
    let mut reading = Reading::default();
    // What is left of another record shows nowhere.
    let other =
        self::stats(9, &[("net.2.name", Text("x")), ("vcpu.5.time", ULong(1)), ("balloon.rss", ULong(1))]);
    reading.take(&other.records().next().unwrap());
    reading.take(&stats.records().next().unwrap());
    check(&reading)
}

fn machine(parameters: &[(&str, Given)]) -> Machine {
    with(1, parameters, |reading| reading.inspection(None, false).machine)
}

#[test]
fn processor_time_is_running_and_waiting_of_all_processors() {
    let time = |parameters: &[(&str, Given)]| machine(parameters).cpu_time_ns;
    let of = |current: u32, maximum: u32| {
        vec![
            ("state.state", Int(1)),
            ("cpu.time", ULong(7)),
            ("vcpu.current", UInt(current)),
            ("vcpu.maximum", UInt(maximum)),
        ]
    };
    let vcpu = |parts: &[(&'static str, u64)]| {
        parts.iter().map(|(name, value)| (*name, ULong(*value))).collect::<Vec<_>>()
    };
    let two = vcpu(&[("vcpu.0.time", 10), ("vcpu.0.wait", 1), ("vcpu.1.time", 20), ("vcpu.1.wait", 2)]);
    for (name, parameters, expected) in [
        ("two of two", [of(2, 2), two.clone()].concat(), Some(33)),
        ("as many as there may be", [of(2, 8), two.clone()].concat(), Some(33)),
        ("one is told too few", [of(3, 8), two.clone()].concat(), Some(7)),
        ("one is told too many", [of(1, 8), two.clone()].concat(), Some(7)),
        ("beyond the most", [of(1, 1), two.clone()].concat(), Some(11)),
        (
            "with holes",
            [
                of(2, 4),
                vcpu(&[("vcpu.0.time", 1), ("vcpu.0.wait", 0), ("vcpu.3.time", 2), ("vcpu.3.wait", 0)]),
            ]
            .concat(),
            Some(3),
        ),
        ("without waits", [of(1, 1), vcpu(&[("vcpu.0.time", 1)])].concat(), Some(7)),
        ("none", of(0, 0), Some(0)),
        ("nothing is told", vec![("state.state", Int(1))], None),
        ("only of the process", vec![("state.state", Int(1)), ("cpu.time", ULong(7))], Some(7)),
        (
            "as much as there is",
            [
                of(2, 2),
                vcpu(&[
                    ("vcpu.0.time", u64::MAX),
                    ("vcpu.0.wait", 1),
                    ("vcpu.1.time", 1),
                    ("vcpu.1.wait", 0),
                ]),
            ]
            .concat(),
            Some(u64::MAX),
        ),
    ] {
        assert_eq!(time(&parameters), expected, "{name}");
    }
}

#[test]
fn a_domain_that_is_shut_off_has_no_time_of_its_own() {
    let found = machine(&[
        ("state.state", Int(5)),
        ("cpu.time", ULong(260_000_000)),
        ("balloon.current", ULong(16)),
        ("balloon.maximum", ULong(32)),
        ("vcpu.current", UInt(2)),
        ("vcpu.maximum", UInt(2)),
        ("perf.cpu_cycles", ULong(1)),
    ]);
    let expected = Machine { vcpus: Some(2), memory_actual_kib: Some(32), ..Machine::default() };
    assert_eq!(found, expected);
}

#[test]
fn memory_and_counters_are_what_they_are() {
    let names = ["current", "available", "usable", "unused", "rss", "swap_in", "swap_out"];
    let mut parameters: Vec<(String, Given)> = vec![("state.state".into(), Int(3))];
    parameters.extend(names.iter().zip(1..).map(|(name, value)| (format!("balloon.{name}"), ULong(value))));
    let perf = ["cpu_cycles", "instructions", "cache_references", "cache_misses", "other"];
    parameters.extend(perf.iter().zip(11..).map(|(name, value)| (format!("perf.{name}"), ULong(value))));
    let parameters: Vec<(&str, Given)> =
        parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(
        machine(&parameters),
        Machine {
            vcpus: None,
            cpu_time_ns: None,
            memory_actual_kib: Some(1),
            memory_available_kib: Some(2),
            memory_usable_kib: Some(3),
            memory_unused_kib: Some(4),
            memory_resident_kib: Some(5),
            swap_in_kib: Some(6),
            swap_out_kib: Some(7),
            cpu_cycles: Some(11),
            instructions: Some(12),
            cache_references: Some(13),
            cache_misses: Some(14),
        }
    );
}

fn definition(devices: &str) -> Definition {
    Definition::read(&format!("<domain><devices>{devices}</devices></domain>"), "u", "n", "h")
}

#[test]
fn counters_belong_to_the_device_of_the_same_name() {
    let definition = definition(
        "<interface><mac address='m1'/><target dev='tap1'/></interface>
         <interface><mac address='m2'/><target dev='tap2'/></interface>
         <interface><mac address='m3'/><target dev='tap3'/></interface>
         <disk><target dev='sda'/></disk><disk><source/><target dev='vda'/></disk><disk><source/><target dev='vdb'/></disk>
         <disk><source/><target dev='vdc'/></disk>",
    );
    let net = |number: u32, name: &'static str, base: u64| {
        let fields =
            ["rx.bytes", "rx.pkts", "rx.errs", "rx.drop", "tx.bytes", "tx.pkts", "tx.errs", "tx.drop"];
        let mut all = vec![(format!("net.{number}.name"), Text(name))];
        all.extend(
            fields.iter().zip(base..).map(|(field, value)| (format!("net.{number}.{field}"), ULong(value))),
        );
        all
    };
    let mut parameters = vec![("state.state".to_owned(), Int(1)), ("net.count".to_owned(), UInt(3))];
    parameters.extend(net(0, "tap2", 20));
    parameters.extend(net(1, "tap1", 10));
    // A kind of interface that counts bytes alone, and another one nothing.
    parameters.extend([
        ("net.3.name".into(), Text("tap3")),
        ("net.3.rx.bytes".into(), ULong(5)),
        ("net.3.tx.bytes".into(), Long(-1)),
    ]);
    for (field, value) in [
        ("0.name", Text("sda")),
        ("1.name", Text("vdb")),
        ("1.capacity", ULong(100)),
        ("1.physical", ULong(110)),
        ("1.allocation", ULong(50)),
        ("2.name", Text("vda")),
        ("2.rd.reqs", ULong(1)),
        ("2.rd.bytes", ULong(2)),
        ("2.rd.times", ULong(3)),
        ("2.wr.reqs", ULong(4)),
        ("2.wr.bytes", ULong(5)),
        ("2.wr.times", ULong(6)),
        ("2.capacity", ULong(120)),
        ("2.physical", ULong(110)),
    ] {
        parameters.push((format!("block.{field}"), value));
    }
    let parameters: Vec<(&str, Given)> =
        parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let inspection = with(1, &parameters, |reading| reading.inspection(Some(&definition), false));
    let traffic: Vec<_> =
        inspection.nics.iter().map(|nic| (nic.device.as_str(), nic.incoming, nic.outgoing)).collect();
    let direction = |bytes, packets, errors, drops| Some(Traffic { bytes, packets, errors, drops });
    assert_eq!(
        traffic,
        [
            ("tap1", direction(10, 11, 12, 13), direction(14, 15, 16, 17)),
            ("tap2", direction(20, 21, 22, 23), direction(24, 25, 26, 27)),
            ("tap3", direction(5, 0, 0, 0), None),
        ]
    );
    let [vda, vdb, vdc] = &inspection.disks[..] else { panic!("{inspection:?}") };
    assert_eq!(
        vda,
        &Disk {
            device: "vda".into(),
            read_requests: Some(1),
            read_bytes: Some(2),
            read_time_ns: Some(3),
            write_requests: Some(4),
            write_bytes: Some(5),
            write_time_ns: Some(6),
            capacity: Some(120),
            allocation: None,
            physical: Some(110),
        }
    );
    // The bytes that the guest sees are never less than the file is long.
    assert_eq!(
        (vdb.capacity, vdb.allocation, vdb.physical, vdb.read_bytes),
        (Some(110), Some(50), Some(110), None)
    );
    assert_eq!(vdc, &Disk { device: "vdc".into(), ..Disk::default() });
}

#[test]
fn a_device_that_comes_or_goes_or_changes_its_medium_shows() {
    let devices = |id, parameters: &[(&str, Given)]| with(id, parameters, |reading| reading.devices);
    let base = vec![
        ("state.state", Int(1)),
        ("net.0.name", Text("tap1")),
        ("block.0.name", Text("vda")),
        ("block.0.path", Text("/x")),
        ("block.1.name", Text("sda")),
    ];
    let known = devices(1, &base);
    let more = |extra: Vec<(&'static str, Given)>| [base.clone(), extra].concat();
    assert_eq!(devices(1, &more(vec![("net.0.rx.bytes", ULong(7)), ("block.0.rd.bytes", ULong(7))])), known);
    for (name, other) in [
        ("run anew", devices(2, &base)),
        ("a network interface", devices(1, &more(vec![("net.1.name", Text("tap2"))]))),
        ("a disk", devices(1, &more(vec![("block.2.name", Text("vdb"))]))),
        ("a medium", devices(1, &more(vec![("block.1.path", Text("/cd"))]))),
        ("one less", devices(1, &base[..4])),
    ] {
        assert_ne!(other, known, "{name}");
    }
}

#[test]
fn a_qemu_that_was_not_asked_is_told_by_what_is_missing() {
    let lacks = |id, parameters: &[(&str, Given)]| with(id, parameters, |reading| reading.lacks_monitor(id));
    let hung = vec![
        ("state.state", Int(1)),
        ("cpu.time", ULong(1)),
        ("balloon.current", ULong(1)),
        ("block.0.name", Text("vda")),
    ];
    assert!(lacks(1, &hung));
    assert!(!lacks(1, &[hung.clone(), vec![("balloon.rss", ULong(1))]].concat()));
    assert!(!lacks(1, &[hung.clone(), vec![("block.0.rd.reqs", ULong(1))]].concat()));
    assert!(!lacks(-1, &[("state.state", Int(5)), ("balloon.current", ULong(1))]));
}

proptest! {
    #[test]
    fn no_record_does_harm(parameters in prop::collection::vec(
        (
            prop_oneof![
                "(state|cpu|balloon|vcpu|net|block|perf)(\\.[0-9]{1,12})?\\.(state|time|wait|current|maximum|name|rx\\.bytes|rd\\.reqs|capacity)",
                ".{0,16}",
            ],
            prop_oneof![
                any::<i32>().prop_map(Int), any::<u32>().prop_map(UInt), any::<i64>().prop_map(Long),
                any::<u64>().prop_map(ULong), Just(Text("vda")),
            ],
        ),
        0..40,
    ), id in any::<i32>()) {
        let definition = definition("<interface><mac address='m'/><target dev='vda'/></interface><disk><source/><target dev='vda'/></disk>");
        let parameters: Vec<(&str, Given)> = parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        with(id, &parameters, |reading| {
            reading.lacks_monitor(id);
            reading.inspection(Some(&definition), false);
        });
    }
}
