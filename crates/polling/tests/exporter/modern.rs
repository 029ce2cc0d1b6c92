//! The modern mode: names, units, types, and the series that describe resources, as Prometheus's own tools judge them.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use model::{MeterKind, Sample};
use nephoscope_polling::ExporterMode;
use publishers::series::Format;

use crate::house::{House, made};
use crate::original::families_of;

use MeterKind::{Cumulative, Delta, Gauge};

/// Meters of Ceilometer's pollsters, with what they are called here and what a volume of 50 becomes.
const METERS: [(&str, MeterKind, &str, &str, f64); 34] = [
    ("cpu", Cumulative, "ns", "cpu_seconds_total", 50e-9),
    ("vcpus", Gauge, "vcpu", "vcpus", 50.0),
    ("power.state", Gauge, "", "power_state", 50.0),
    ("memory", Gauge, "MiB", "memory_bytes", 52_428_800.0),
    ("memory.usage", Gauge, "MiB", "memory_usage_bytes", 52_428_800.0),
    ("memory.swap.in", Cumulative, "MiB", "memory_swap_in_bytes_total", 52_428_800.0),
    ("perf.cpu.cycles", Gauge, "", "perf_cpu_cycles", 50.0),
    ("disk.device.read.requests", Cumulative, "request", "disk_device_read_requests_total", 50.0),
    ("disk.device.read.bytes", Cumulative, "B", "disk_device_read_bytes_total", 50.0),
    ("disk.device.read.latency", Cumulative, "ns", "disk_device_read_latency_seconds_total", 50e-9),
    ("disk.device.capacity", Gauge, "B", "disk_device_capacity_bytes", 50.0),
    ("disk.root.size", Gauge, "GiB", "disk_root_size_bytes", 53_687_091_200.0),
    ("network.incoming.bytes", Cumulative, "B", "network_incoming_bytes_total", 50.0),
    ("network.incoming.packets", Cumulative, "packet", "network_incoming_packets_total", 50.0),
    ("network.incoming.packets.drop", Cumulative, "packet", "network_incoming_packets_drop_total", 50.0),
    ("network.incoming.bytes.delta", Delta, "B", "network_incoming_bytes_delta", 50.0),
    ("volume.size", Gauge, "GiB", "volume_size_bytes", 53_687_091_200.0),
    (
        "volume.provider.pool.capacity.total",
        Gauge,
        "GiB",
        "volume_provider_pool_capacity_total_bytes",
        53_687_091_200.0,
    ),
    ("volume.service.health", Gauge, "health", "volume_service_health", 50.0),
    ("image.size", Gauge, "B", "image_size_bytes", 50.0),
    ("ip.floating", Gauge, "ip", "ip_floating", 50.0),
    ("loadbalancer.operating", Gauge, "status", "loadbalancer_operating", 50.0),
    ("dns.zone.ttl", Gauge, "second", "dns_zone_ttl_seconds", 50.0),
    ("manila.share.size", Gauge, "GiB", "manila_share_size_bytes", 53_687_091_200.0),
    ("alarm.evaluation_result", Gauge, "evaluation_result_count", "alarm_evaluation_result", 50.0),
    ("storage.objects", Gauge, "object", "storage_objects", 50.0),
    ("storage.objects.size", Gauge, "B", "storage_objects_size_bytes", 50.0),
    ("radosgw.api.request", Gauge, "request", "radosgw_api_request", 50.0),
    ("hardware.ipmi.temperature", Gauge, "C", "hardware_ipmi_temperature_celsius", 50.0),
    ("hardware.ipmi.fan", Gauge, "RPM", "hardware_ipmi_fan_rpm", 50.0),
    ("hardware.ipmi.voltage", Gauge, "V", "hardware_ipmi_voltage_volts", 50.0),
    ("hardware.ipmi.current", Gauge, "A", "hardware_ipmi_current_amperes", 50.0),
    ("hardware.ipmi.power", Gauge, "W", "hardware_ipmi_power_watts", 50.0),
    ("compute.node.cpu.percent", Gauge, "percent", "compute_node_cpu_ratio", 0.5),
];

fn all() -> House {
    let house = House::new(ExporterMode::Modern);
    let samples: Vec<Arc<Sample>> =
        METERS.iter().map(|(name, kind, unit, _, _)| made(name, *kind, unit, "r", 50, "{}")).collect();
    house.run("p", &samples);
    house
}

#[test]
fn meters_have_names_of_prometheus_and_values_in_base_units() {
    let house = all();
    let lines = house.lines();
    assert_eq!(lines.len(), METERS.len() + 1);
    for (meter, kind, unit, name, value) in METERS {
        let prefix = format!("ceilometer_{name}{{resource=\"r\"}} ");
        let found = lines.iter().find_map(|line| line.strip_prefix(&prefix));
        let found: f64 = found.unwrap_or_else(|| panic!("{prefix}: {lines:#?}")).parse().unwrap();
        assert!((found - value).abs() <= value * 1e-12, "{meter}: {found}");
        let text = house.text(Format::OpenMetrics);
        let own = text.lines().find(|line| {
            line.ends_with(&format!("Meter {meter}, {kind}{}{unit}", if unit.is_empty() { "" } else { ", " }))
        });
        assert!(own.is_some(), "{meter}: {text}");
        let family = name.trim_end_matches("_total");
        let of = if kind == Cumulative { "counter" } else { "gauge" };
        assert!(text.contains(&format!("# TYPE ceilometer_{family} {of}\n")), "{meter}: {text}");
    }
    let text = house.text(Format::OpenMetrics);
    for (family, unit) in
        [("cpu_seconds", "seconds"), ("memory_bytes", "bytes"), ("compute_node_cpu_ratio", "ratio")]
    {
        assert!(text.contains(&format!("# UNIT ceilometer_{family} {unit}\n")), "{text}");
    }
    assert!(!text.contains("# UNIT ceilometer_network_incoming_bytes_delta"));
}

/// `promtool check metrics` knows the rules for names, units, types and help texts.
#[test]
fn prometheus_own_lint_has_no_complaint() {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(all().text(Format::Classic).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn what_describes_a_resource_is_one_series() {
    let house = House::new(ExporterMode::Modern);
    let server = r#"{"display_name": "web", "name": "instance-1", "host": "H", "flavor": {"id": "F", "name": "tiny"}, "k": 1}"#;
    let owned = |sample: Arc<Sample>, user: &str| {
        let mut sample = Sample::clone(&sample);
        (sample.user_id, sample.project_id, sample.project_name) =
            (user.into(), "P".into(), "a \"project\"\n".into());
        Arc::new(sample)
    };
    let cpu = owned(made("cpu", Cumulative, "ns", "r", 1_000_000_000, server), "U");
    house.run("cpu", &[Arc::clone(&cpu)]);
    house.run(
        "memory",
        &[owned(made("memory", Gauge, "MiB", "r", 1, r#"{"user_metadata": {"server_group": "g"}}"#), "V")],
    );
    let info = |house: &House| {
        let lines = house.lines().into_iter().filter(|line| line.starts_with("ceilometer_resource_info"));
        lines.collect::<Vec<_>>()
    };
    // The later run knows another user, and nothing of the rest.
    assert_eq!(
        info(&house),
        [
            "ceilometer_resource_info{flavor_id=\"F\",flavor_name=\"tiny\",project=\"P\",project_name=\"a \\\"project\\\"\\n\",\
             resource=\"r\",resource_name=\"web:instance-1\",server_group=\"g\",user=\"V\",vm_instance=\"H\"} 1.0"
        ]
    );
    house.run("cpu", &[cpu]);
    assert!(info(&house)[0].contains("user=\"U\""), "{:?}", info(&house));
    assert_eq!(house.own("series"), 2);
    // An alarm has a series for each of its states, which is no part of what describes it.
    let alarm = |state: &str| {
        made("alarm.evaluation_result", Gauge, "x", "A", 1, &format!("{{\"alarm_state\": \"{state}\"}}"))
    };
    house.run("memory", &[]);
    house.run("cpu", &[alarm("ok"), alarm("alarm")]);
    assert_eq!(
        house.lines(),
        [
            "ceilometer_alarm_evaluation_result{resource=\"A\",state=\"alarm\"} 1.0",
            "ceilometer_alarm_evaluation_result{resource=\"A\",state=\"ok\"} 1.0",
            "ceilometer_resource_info{resource=\"A\"} 1.0"
        ]
    );
    // Nothing is known of what has no resource.
    house.run("cpu", &[made("m", Gauge, "", "", 1, "{\"host\": \"h\"}")]);
    assert_eq!(house.lines(), ["ceilometer_m 1.0"]);
}

#[test]
fn no_meter_is_taken_for_the_series_that_describe_resources() {
    let house = House::new(ExporterMode::Modern);
    let samples = [
        made("resource", Gauge, "", "a", 1, "{}"),
        made("resource.info", Gauge, "", "a", 1, "{}"),
        made("zone.x.y", Gauge, "", "a", 1, "{\"host\": \"h\"}"),
        made("x.total", Cumulative, "", "a", 1, "{}"),
        made("negative", Cumulative, "s", "a", -1, "{}"),
        made("nothing", Gauge, "B", "a", f64::NAN, "{}"),
    ];
    house.run("p", &samples);
    let text = house.text(Format::OpenMetrics);
    for line in [
        "# TYPE ceilometer_resource info",
        "ceilometer_resource_info{resource=\"a\",vm_instance=\"h\"} 1.0",
        "ceilometer_resource_meter{resource=\"a\"} 1.0",
        "ceilometer_resource_info_meter{resource=\"a\"} 1.0",
        "# TYPE ceilometer_x counter",
        "# TYPE ceilometer_negative_seconds_total unknown",
        "ceilometer_nothing_bytes{resource=\"a\"} NaN",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    // Python's client reads it all.
    let kinds = families_of("openmetrics", &text);
    assert!(kinds.contains(&("ceilometer_resource".to_owned(), "info".to_owned())), "{kinds:?}");
    assert!(kinds.contains(&("ceilometer_x".to_owned(), "counter".to_owned())), "{kinds:?}");
    let text = house.text(Format::Classic);
    assert_eq!(families_of("classic", &text).len(), 7, "{text}");
}

#[test]
fn whatever_is_shown_is_read_by_both_parsers() {
    let house = all();
    let read = families_of("openmetrics", &house.text(Format::OpenMetrics));
    assert_eq!(read.len(), METERS.len() + 1);
    assert_eq!(read.iter().filter(|(_, kind)| kind == "counter").count(), 8);
    let read = families_of("classic", &house.text(Format::Classic));
    assert_eq!(read.len(), METERS.len() + 1);
}
