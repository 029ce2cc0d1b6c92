//! Each row of the table of labels, and lines that Ceilometer's exporter printed.

use std::sync::Arc;

use model::{MeterKind, Sample, Value, json};
use nephoscope_polling::ExporterMode;
use publishers::series::Format;

use crate::house::{House, made};

fn with(base: &Arc<Sample>, change: impl FnOnce(&mut Sample)) -> Arc<Sample> {
    let mut sample = Sample::clone(base);
    change(&mut sample);
    Arc::new(sample)
}

/// The labels of a sample of that name, without those that every sample of this test has.
fn labels(sample: &Arc<Sample>) -> String {
    let house = House::new(ExporterMode::Compatible);
    house.run("p", std::slice::from_ref(sample));
    let lines = house.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (_, rest) = lines[0].split_once('{').unwrap();
    let (labels, value) = rest.rsplit_once("} ").unwrap();
    assert_eq!(value, "1.0");
    labels.to_owned()
}

#[test]
fn each_row_of_the_table_of_labels() {
    let bare = |name: &str| made(name, MeterKind::Gauge, "", "r", 1, "{}");
    let described = |name: &str, metadata: &str| made(name, MeterKind::Gauge, "", "r", 1, metadata);
    for (row, sample, expected) in [
        (
            "1 two words",
            bare("power.state"),
            r#"counter="power.state",power="r",publisher="ceilometer",resource="r",type="state""#,
        ),
        (
            "1 three words",
            bare("disk.device.read"),
            r#"counter="disk.device.read",disk="read",publisher="ceilometer",resource="r",type="device""#,
        ),
        (
            "2-4 one word",
            bare("cpu"),
            r#"counter="cpu",cpu="r",publisher="ceilometer",resource="r",type="cpu""#,
        ),
        (
            "5-8",
            with(&bare("cpu"), |sample| {
                (sample.project_id, sample.user_id) = ("P".into(), "U".into());
                (sample.project_name, sample.user_name) = ("PN".into(), "UN".into());
            }),
            r#"counter="cpu",cpu="r",project="P",project_name="PN",publisher="ceilometer",resource="r",type="cpu",user="U",user_name="UN""#,
        ),
        (
            "9",
            with(&bare("cpu"), |sample| sample.unit = "%".into()),
            r#"counter="cpu",cpu="r",publisher="ceilometer",resource="r",type="cpu",unit="%""#,
        ),
        (
            "10 absent",
            with(&bare("a.b.c"), |sample| sample.resource_id = Value::Null),
            r#"a="c",counter="a.b.c",publisher="ceilometer",type="b""#,
        ),
        (
            "11",
            described("cpu", r#"{"host": "H"}"#),
            r#"counter="cpu",cpu="r",publisher="ceilometer",resource="r",server_group="none",type="cpu",vm_instance="H""#,
        ),
        (
            "12 both names",
            described("cpu", r#"{"display_name": "D", "name": "N"}"#),
            r#"counter="cpu",cpu="r",publisher="ceilometer",resource="r",resource_name="D:N",server_group="none",type="cpu""#,
        ),
        (
            "12 display name",
            described("cpu", r#"{"display_name": "D", "name": ""}"#),
            r#"counter="cpu",cpu="r",publisher="ceilometer",resource="r",resource_name="D",server_group="none",type="cpu""#,
        ),
        (
            "12 name",
            described("cpu", r#"{"name": "N"}"#),
            r#"counter="cpu",cpu="r",publisher="ceilometer",resource="r",resource_name="N",server_group="none",type="cpu""#,
        ),
        (
            "13",
            described("cpu", r#"{"user_metadata": {"server_group": "G"}}"#),
            r#"counter="cpu",cpu="r",publisher="ceilometer",resource="r",server_group="G",type="cpu""#,
        ),
        (
            "14",
            described("alarm.x", r#"{"alarm_state": "insufficient data"}"#),
            r#"alarm="r",counter="alarm.x",publisher="ceilometer",resource="r",server_group="none",state="insufficient data",type="x""#,
        ),
        (
            "15",
            described("loadbalancer.x", r#"{"availability_zone": "az"}"#),
            r#"availability_zone="az",counter="loadbalancer.x",loadbalancer="r",publisher="ceilometer",resource="r",server_group="none",type="x""#,
        ),
        (
            "15 without one",
            described("loadbalancer.x", r#"{"k": 1}"#),
            r#"availability_zone="",counter="loadbalancer.x",loadbalancer="r",publisher="ceilometer",resource="r",server_group="none",type="x""#,
        ),
        (
            "15 without metadata",
            bare("loadbalancer.x"),
            r#"counter="loadbalancer.x",loadbalancer="r",publisher="ceilometer",resource="r",type="x""#,
        ),
        (
            "16",
            described("volume.service.health", r#"{"binary": "b", "status": null}"#),
            r#"binary="b",counter="volume.service.health",publisher="ceilometer",resource="r",server_group="none",status="",type="service",volume="health",zone="""#,
        ),
        (
            "16 elsewhere",
            described("volume.size", r#"{"binary": "b", "zone": "z", "status": "s"}"#),
            r#"counter="volume.size",publisher="ceilometer",resource="r",server_group="none",type="size",volume="r""#,
        ),
        (
            "17",
            described("cpu", r#"{"flavor": {"id": "F", "name": "tiny", "ram": 1}}"#),
            r#"counter="cpu",cpu="r",flavor_id="F",flavor_name="tiny",publisher="ceilometer",resource="r",server_group="none",type="cpu""#,
        ),
    ] {
        assert_eq!(labels(&sample), expected, "row {row}");
    }
}

/// Printed by Ceilometer 27.0.0 with `prometheus_client` 0.26.0.
#[test]
fn lines_are_ceilometers_to_the_letter() {
    let sample =
        |name: &str, kind, unit: &str, resource: &str, volume: f64, project: &str, metadata: &str| {
            let made = made(name, kind, unit, resource, volume, metadata);
            with(&made, |sample| {
                sample.project_id = if project.is_empty() { Value::Null } else { project.into() };
            })
        };
    let latency = sample(
        "disk.device.read.latency",
        MeterKind::Cumulative,
        "ns",
        "I-vda",
        232_128_754.0,
        "P",
        r#"{"display_name": "myserver", "name": "instance-00000002", "host": "H", "flavor": {"id": "F", "name": "tiny"}}"#,
    );
    let balancer = r#"{"name": "n", "host": null}"#;
    let samples = [
        with(&latency, |sample| sample.user_id = "U".into()),
        sample("cpu", MeterKind::Cumulative, "ns", "a", 12_345_678_901_234_568.0, "p", "{}"),
        sample(
            "alarm.evaluation_result",
            MeterKind::Gauge,
            "evaluation_result_count",
            "a",
            1.0,
            "p",
            r#"{"alarm_state": "ok"}"#,
        ),
        sample(
            "volume.service.health",
            MeterKind::Gauge,
            "health",
            "cinder-volume@h",
            1.0,
            "",
            r#"{"binary": "cinder-volume", "host": "h", "zone": "nova", "status": "enabled"}"#,
        ),
        sample("loadbalancer.operating", MeterKind::Gauge, "status", "lb", 1.0, "p", balancer),
        sample("power.state", MeterKind::Gauge, "", "lb", 1.0, "p", r#"{"name": "n", "host": "h"}"#),
    ];
    let house = House::new(ExporterMode::Compatible);
    house.run("p", &samples);
    let expected = r#"# HELP ceilometer_alarm_evaluation_result 
# TYPE ceilometer_alarm_evaluation_result gauge
ceilometer_alarm_evaluation_result{alarm="a",counter="alarm.evaluation_result",project="p",publisher="ceilometer",resource="a",server_group="none",state="ok",type="evaluation_result",unit="evaluation_result_count"} 1.0
# HELP ceilometer_cpu 
# TYPE ceilometer_cpu gauge
ceilometer_cpu{counter="cpu",cpu="a",project="p",publisher="ceilometer",resource="a",type="cpu",unit="ns"} 1.2345678901234568e+16
# HELP ceilometer_disk_device_read_latency 
# TYPE ceilometer_disk_device_read_latency gauge
ceilometer_disk_device_read_latency{counter="disk.device.read.latency",disk="read",flavor_id="F",flavor_name="tiny",project="P",publisher="ceilometer",resource="I-vda",resource_name="myserver:instance-00000002",server_group="none",type="device",unit="ns",user="U",vm_instance="H"} 2.32128754e+08
# HELP ceilometer_loadbalancer_operating 
# TYPE ceilometer_loadbalancer_operating gauge
ceilometer_loadbalancer_operating{availability_zone="",counter="loadbalancer.operating",loadbalancer="lb",project="p",publisher="ceilometer",resource="lb",resource_name="n",server_group="none",type="operating",unit="status"} 1.0
# HELP ceilometer_power_state 
# TYPE ceilometer_power_state gauge
ceilometer_power_state{counter="power.state",power="lb",project="p",publisher="ceilometer",resource="lb",resource_name="n",server_group="none",type="state",vm_instance="h"} 1.0
# HELP ceilometer_volume_service_health 
# TYPE ceilometer_volume_service_health gauge
ceilometer_volume_service_health{binary="cinder-volume",counter="volume.service.health",publisher="ceilometer",resource="cinder-volume@h",server_group="none",status="enabled",type="service",unit="health",vm_instance="h",volume="health",zone="nova"} 1.0
"#;
    assert_eq!(house.text(Format::Classic), expected);
    assert_eq!(house.text(Format::OpenMetrics), format!("{expected}# EOF\n"));
}

#[test]
fn volumes_are_floats_and_what_is_none_is_left_out_alone() {
    let house = House::new(ExporterMode::Compatible);
    let volume = |resource: &str, volume: Value| made("m", MeterKind::Gauge, "", resource, volume, "{}");
    house.run(
        "p",
        &[
            volume("1", 7.into()),
            volume("2", Value::Null),
            volume("3", "1.5".into()),
            volume("4", "infinite".into()),
            volume("5", "many".into()),
            volume("6", true.into()),
            volume("7", f64::NAN.into()),
            volume("8", json::parse("[1]").unwrap()),
            volume("9", json::parse("12345678901234567890123").unwrap()),
            volume("a", (-0.5).into()),
        ],
    );
    assert_eq!(
        house.shown(),
        ["m 1 7.0", "m 3 1.5", "m 6 1.0", "m 7 NaN", "m 9 1.2345678901234568e+22", "m a -0.5"]
    );
    assert_eq!(house.own("samples_not_shown_total{cause=\"volume\"}"), 4);
    assert_eq!(house.own("series"), 6);
}

#[test]
fn names_that_prometheus_does_not_have_get_underscores() {
    let house = House::new(ExporterMode::Compatible);
    house.run(
        "p",
        &[
            made("hardware.a-b", MeterKind::Gauge, "", "r", 1, "{}"),
            made("é.x", MeterKind::Gauge, "", "r", 1, "{}"),
        ],
    );
    let lines = house.lines();
    assert!(lines[0].starts_with("ceilometer___x{_=\"r\",counter=\"é.x\","), "{lines:?}");
    assert!(
        lines[1].starts_with("ceilometer_hardware_a_b{counter=\"hardware.a-b\",hardware=\"r\","),
        "{lines:?}"
    );
}
