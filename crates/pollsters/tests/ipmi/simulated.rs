//! The real ipmitool on simulated controllers, read by Ceilometer's pollsters and ours.

use std::time::{Duration, Instant};

use nephoscope_pollsters::ipmi::IpmiSettings;
use serde_json::{Value, json};
use testkit::{IpmiSim, TestSensor};

use crate::differences::Judge;
use crate::original::original;
use crate::ours::{cycle, pollsters};

fn settings(controller: &IpmiSim) -> IpmiSettings {
    let command = controller.ipmitool().display().to_string();
    IpmiSettings { command, timeout: Duration::from_mins(1), ..IpmiSettings::new("Node-1") }
}

fn theirs(controllers: &[&IpmiSim]) -> Vec<Value> {
    let path = |controller: &&IpmiSim| json!({ "path": controller.ipmitool().parent().unwrap() });
    original(&controllers.iter().map(path).collect::<Vec<_>>())
}

/// All kinds of sensors, and all states.
fn sensors() -> Vec<TestSensor> {
    vec![
        TestSensor::temperature("Inlet Temp", 25),
        TestSensor::temperature("CPU Tcontrol", -10),
        TestSensor::temperature("Temp off", 1).disabled(),
        TestSensor::temperature("Temp gone", 1).absent(),
        TestSensor::temperature("Temp compact", 30).compact(),
        TestSensor::temperature("Temp trip", 1).discrete(),
        TestSensor::temperature("Lüfter é", 31),
        TestSensor::voltage("+12V AUX/1", 190),
        TestSensor::fan("FAN1A (hot) RPM", 70),
        TestSensor::fan("FAN2", 0),
        TestSensor::fan("FAN3", 9).absent(),
        TestSensor::fan_percent("Fan Pct %", 39),
        TestSensor::fan("Fan Presence", 1).compact().discrete(),
        TestSensor::current("Current 1", 4),
        TestSensor::power("Pwr Consumption", 20),
        TestSensor::power("Sys Pwr Consum", 21),
    ]
}

#[tokio::test]
async fn a_controller_is_read_as_ceilometer_reads_it() {
    let controller = IpmiSim::start(&sensors()).unwrap();
    let registry = pollsters(settings(&controller));
    let mut samples = 0;
    for round in 0..2 {
        let ours = cycle(&registry).await;
        let theirs = theirs(&[&controller]).remove(0);
        for (name, mine) in &ours {
            assert_eq!(mine, &theirs[name][0], "{name}, round {round}");
            samples += mine["samples"].as_array().unwrap().len();
        }
        let temperatures = ours["hardware.ipmi.temperature"]["samples"].as_array().unwrap();
        let volume = if round == 0 { "25.0" } else { "-77.0" };
        assert_eq!((temperatures.len(), &temperatures[0]["volume"]), (3 - round, &json!(volume)));
        // The second round sees what has changed.
        controller.set(1, 0xb3).unwrap();
        controller.scan(2, false).unwrap();
    }
    println!("{samples} samples equal in two rounds");
    assert_eq!(samples, 19);
}

#[tokio::test]
async fn what_ceilometer_stumbles_over_costs_one_sensor() {
    let strange = IpmiSim::start(&[
        TestSensor::temperature("Inlet Temp", 25),
        TestSensor::temperature("Temp events", 1).event_only(),
        TestSensor::voltage("+3.3V", 52),
        TestSensor::voltage("12V: PSU", 190),
        TestSensor::fan("FAN1", 70),
        TestSensor::power("Pwr Consumption", 20).disabled(),
    ])
    .unwrap();
    let bare = IpmiSim::start(&[TestSensor::fan("FAN1", 70)]).unwrap();
    let theirs = theirs(&[&strange, &bare]);
    let mut judge = Judge::new("simulated");
    let ours = cycle(&pollsters(settings(&strange))).await;
    for (name, case, resources) in [
        ("hardware.ipmi.temperature", "event-only", &["Node-1-inlet_temp_(0x1)"][..]),
        ("hardware.ipmi.voltage", "colon", &["Node-1-+3.3v_(0x3)", "Node-1-12v:_psu_(0x4)"]),
        ("hardware.ipmi.power", "no power reading", &[]),
    ] {
        let upstream = theirs[0][name][0]["error"].as_str().unwrap();
        judge.differ(case, upstream, || name.to_owned());
        let samples = ours[name]["samples"].as_array().unwrap();
        let found: Vec<&str> = samples.iter().map(|sample| sample["resource_id"].as_str().unwrap()).collect();
        assert_eq!(found, resources);
    }
    judge.end();
    assert_eq!(ours["hardware.ipmi.fan"], theirs[0]["hardware.ipmi.fan"][0]);
    assert_eq!(ours["hardware.ipmi.current"], theirs[0]["hardware.ipmi.current"][0]);
    // Of a controller that has no more than a fan, all but power is well.
    let ours = cycle(&pollsters(settings(&bare))).await;
    for (name, mine) in &ours {
        if name == "hardware.ipmi.power" {
            assert_eq!(mine, &json!({ "error": "no_sensor" }));
            assert_eq!(theirs[1][name][0], json!({ "error": "failure 1" }));
        } else {
            assert_eq!(mine, &theirs[1][name][0], "{name}");
        }
    }
}

/// ipmitool waits for a controller that does not answer, and is killed.
#[tokio::test]
async fn a_controller_that_hangs_is_given_up_and_found_again() {
    let controller = IpmiSim::start(&[TestSensor::fan("FAN1", 70)]).unwrap();
    let registry = pollsters(IpmiSettings { timeout: Duration::from_secs(6), ..settings(&controller) });
    controller.hang().unwrap();
    let started = Instant::now();
    let ours = cycle(&registry).await;
    assert!(ours.values().all(|cycle| cycle == &json!({ "error": "timeout" })), "{ours:?}");
    // One command for all five.
    assert!(started.elapsed() < Duration::from_secs(24), "{:?}", started.elapsed());
    controller.resume().unwrap();
    let ours = cycle(&registry).await;
    assert_eq!(ours["hardware.ipmi.fan"]["samples"].as_array().unwrap().len(), 1, "{ours:?}");
}
