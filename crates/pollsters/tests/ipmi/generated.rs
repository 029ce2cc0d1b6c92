//! Controllers by the hundred, through Ceilometer's pollsters and ours: what ipmitool would print of them is given to both.

use std::fs;

use serde_json::{Value, json};

use crate::differences::Judge;
use crate::original::{latin_1, original};
use crate::ours::{cycle, pollsters, settings};
use crate::printed::{Generated, all, generate, of_class};

const COUNT: usize = 300;

/// The class that each pollster takes its sensors from.
const CLASSES: [(&str, &str); 5] = [
    ("hardware.ipmi.current", "Current"),
    ("hardware.ipmi.fan", "Fan"),
    ("hardware.ipmi.power", "Current"),
    ("hardware.ipmi.temperature", "Temperature"),
    ("hardware.ipmi.voltage", "Voltage"),
];

/// How the command ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Well,
    /// With 1, without a word.
    Failed,
    /// With 1, after everything was printed.
    Partly,
}

/// What each command of Ceilometer's prints of these sensors.
fn request(sensors: &[Generated], end: End) -> Value {
    let status = i32::from(end != End::Well);
    let of_class = |class: &str| json!([status, latin_1(&of_class(sensors, class))]);
    let power = sensors.iter().find(|sensor| sensor.is_power() && !sensor.is_event_only);
    let power = match power {
        Some(power) if end == End::Well && power.has_reading() => json!([0, latin_1(&power.block())]),
        _ => json!([1, ""]),
    };
    json!({ "outputs": {
        "sdr info": [0, "SDR Version : 0x51\n"],
        "sdr -v type Temperature": of_class("Temperature"),
        "sdr -v type Voltage": of_class("Voltage"),
        "sdr -v type Current": of_class("Current"),
        "sdr -v type Fan": of_class("Fan"),
        "sensor get 'Pwr Consumption'": power,
    } })
}

fn has_colon(sample: &Value) -> bool {
    sample["resource_id"].as_str().unwrap().contains(':')
}

#[tokio::test]
async fn controllers_are_read_as_ceilometer_reads_them() {
    let mut random = fastrand::Rng::with_seed(7);
    let controllers: Vec<(Vec<Generated>, End)> = (0..COUNT)
        .map(|number| {
            let end = [End::Failed, End::Partly].get(number % 12).copied().unwrap_or(End::Well);
            (generate(&mut random, number % 3 == 0), end)
        })
        .collect();
    // Without what Ceilometer stumbles over, to compare the others.
    let plain = |sensors: &[Generated]| -> Vec<Generated> {
        sensors.iter().filter(|sensor| !sensor.is_event_only && !sensor.has_colon()).cloned().collect()
    };
    let requests = controllers.iter().flat_map(|(sensors, end)| {
        let to_be_read = if *end == End::Failed { End::Failed } else { End::Well };
        [request(sensors, *end), request(&plain(sensors), to_be_read)]
    });
    let answers = original(&requests.collect::<Vec<_>>());
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("ipmitool");
    let printed = directory.path().join("printed");
    let mut judge = Judge::new("generated");
    let (mut samples, mut failures) = (0, 0);
    for ((sensors, end), theirs) in controllers.iter().zip(answers.chunks(2)) {
        fs::write(&printed, if *end == End::Failed { Vec::new() } else { all(sensors) }).unwrap();
        let status = i32::from(*end != End::Well);
        fs::write(&script, format!("cat {}; exit {status}", printed.display())).unwrap();
        let ours = cycle(&pollsters(settings(&script))).await;
        for (name, class) in CLASSES {
            let (mine, whole, clean) = (&ours[name], &theirs[0][name][0], &theirs[1][name][0]);
            let shown = || format!("{name}\nours {mine}\ntheirs {whole}\nwithout {clean}\n{sensors:#?}");
            let failed = |cycle: &Value| cycle.get("error").is_some();
            // What Ceilometer makes of the others is among ours, and nothing else is but colons.
            let of_mine = mine["samples"].as_array().into_iter().flatten();
            let others: Vec<&Value> = of_mine.filter(|sample| !has_colon(sample)).collect();
            let is_unreadable_power = name.ends_with("power")
                && sensors
                    .iter()
                    .any(|sensor| sensor.is_power() && !sensor.is_event_only && !sensor.has_reading());
            if is_unreadable_power && *end != End::Failed {
                assert!(failed(clean) && mine["samples"] == json!([]), "{}", shown());
            } else if failed(clean) {
                assert!(failed(mine) || *end == End::Partly && all(sensors).is_empty(), "{}", shown());
            } else if *end == End::Partly && all(sensors).is_empty() {
                // Ended with 1, and nothing was read.
                assert_eq!(mine["error"], "exit", "{}", shown());
            } else {
                assert_eq!(json!(others), clean["samples"], "{}", shown());
            }
            if mine == whole {
                samples += others.len();
            } else if failed(mine) && failed(whole) {
                failures += 1;
            } else {
                let of_class = || sensors.iter().filter(|sensor| sensor.class == class);
                let case = if *end == End::Partly {
                    "partial"
                } else if is_unreadable_power {
                    "no power reading"
                } else if of_class().any(|sensor| sensor.is_event_only) && whole["error"] == "failure 1" {
                    "event-only"
                } else if of_class().any(Generated::has_colon) {
                    "colon"
                } else {
                    "others"
                };
                judge.differ(case, whole["error"].as_str().unwrap_or("other samples"), shown);
            }
        }
    }
    println!(
        "{COUNT} controllers: {samples} samples equal, {failures} failures of both, {} expected differences",
        judge.expected
    );
    assert!(samples > COUNT * 2 && failures > COUNT / 12 * 5, "{samples} {failures}");
    judge.end();
}

/// What Ceilometer's own tests have of a real machine, printed by an ipmitool of their time.
#[tokio::test]
async fn a_recorded_machine_is_read_as_ceilometer_reads_it() {
    let theirs = original(&[json!({ "recorded": true })]).remove(0);
    let directory = tempfile::tempdir().unwrap();
    let (script, printed) = (directory.path().join("ipmitool"), directory.path().join("printed"));
    fs::write(&script, format!("cat {}", printed.display())).unwrap();
    // What its sensor of power is asked for alone is among those of current.
    let outputs =
        theirs["outputs"].as_object().unwrap().iter().filter(|(command, _)| command.starts_with("sdr"));
    let texts: Vec<&str> = outputs.map(|(_, output)| output[1].as_str().unwrap().trim_end()).collect();
    fs::write(&printed, texts.join("\n\n") + "\n").unwrap();
    let mut samples = 0;
    for (name, mine) in cycle(&pollsters(settings(&script))).await {
        assert_eq!(mine, theirs[&name][0], "{name}");
        samples += mine["samples"].as_array().unwrap().len();
    }
    println!("{samples} samples equal of a recorded machine");
    assert_eq!(samples, 12);
}

/// A controller that fails for good, and one that comes back.
#[tokio::test]
async fn failures_end_the_polling_as_they_end_it_in_ceilometer() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("ipmitool");
    fs::write(&script, "echo 'Sensor Type (Analog) : Fan'").unwrap();
    let printed = "Sensor Type (Analog) : Fan\n";
    let commands = ["Temperature", "Voltage", "Current", "Fan"].map(|class| format!("sdr -v type {class}"));
    let mut outputs: serde_json::Map<String, Value> =
        commands.into_iter().map(|command| (command, json!([1, printed]))).collect();
    outputs.insert("sensor get 'Pwr Consumption'".into(), json!([1, ""]));
    let theirs = original(&[json!({ "outputs": outputs, "cycles": 6 })]).remove(0);
    let registry = pollsters(settings(&script));
    for number in 0..4 {
        for (name, ours) in cycle(&registry).await {
            let theirs = theirs[&name][number]["error"].as_str().unwrap();
            let is_permanent = ours["error"] == "permanent";
            assert_eq!(
                (is_permanent, theirs.starts_with("permanent")),
                (number == 3, number == 3),
                "{name} {ours} {theirs}"
            );
            assert!(is_permanent || ours["error"] == "no_sensors", "{name} {ours}");
        }
    }
}
