use observability::clock::Clock;
use observability::metrics::Metrics;

use super::super::testing::{Fake, block, metrics};
use super::super::{IPMI, IpmiSettings};
use super::*;
use crate::Tools;
use crate::compute::{ComputeMetrics, ComputeSettings};

fn pollsters(settings: IpmiSettings) -> Vec<(&'static str, Box<dyn Pollster>)> {
    let compute = ComputeMetrics::register(&Metrics::new().component("compute"));
    let tools = Tools::new(Err(String::new()), Clock::machine(), ComputeSettings::new("other"), compute);
    let tools = tools.with_ipmi(settings, metrics());
    let line = |line: &crate::PollsterLine| (line.name, (line.make)(&tools).unwrap());
    IPMI.pollsters.iter().map(line).collect()
}

async fn poll(pollster: &dyn Pollster, cycle: &Cycle) -> Result<Vec<Reading>, PollError> {
    let (readings, mut taken) = Readings::channel();
    // It is not what is given that decides.
    let resources = [Resource::text("something else")];
    let polling = async {
        let polled = pollster.poll(cycle, &resources, &readings).await;
        drop(readings);
        polled
    };
    let taking = async {
        let mut all = Vec::new();
        while let Some(reading) = taken.recv().await {
            all.push(reading);
        }
        all
    };
    let (polled, all) = tokio::join!(polling, taking);
    polled.map(|()| all)
}

/// Resource, volume, unit, metadata.
fn shown(reading: &Reading) -> String {
    assert!(reading.user_id.is_null() && reading.project_id.is_null() && reading.monotonic_time.is_none());
    let [resource, volume, unit] =
        [&reading.resource_id, &reading.volume, &reading.unit].map(model::pytext::to_str);
    format!(
        "{} {resource} {volume} {unit} {}",
        reading.name,
        model::json::to_string(&reading.resource_metadata)
    )
}

#[tokio::test]
async fn each_takes_its_sensors() {
    let fake = Fake::new("");
    let printed = [
        block("Inlet Temp (0x1)", "Temperature", "25 (+/- 0.500) degrees C"),
        block("Temp off (0x2)", "Temperature", "Disabled"),
        block("Temp \u{c4} (0x3)", "Temperature", "-3 (+/- 0) degrees C"),
        block("FAN 1 (0x4)", "Fan", "4200 (+/- 30) RPM"),
        block("FAN 2 (0x5)", "Fan", "No Reading"),
        block("FAN 3 (0x6)", "Fan", "39 (+/- 0.500) percent"),
        block("12V (0x7)", "Voltage", "11.970 (+/- 0.032) Volts"),
        block("Current 1 (0x8)", "Current", "0.400 (+/- 0.050) Amps"),
        block("Pwr Consumption (0x9)", "Current", "140 (+/- 3.500) Watts"),
        block("Sys Pwr Consumption (0xa)", "Current", "150 (+/- 3.500) Watts"),
        block("Presence (0xb)", "Entity", "0h"),
    ]
    .concat()
    .replace(
        " Normal Maximum        : 9000.000\n\nSensor ID              : 12V",
        "\nSensor ID              : 12V",
    );
    fake.prints(printed.as_bytes());
    let cycle = Cycle::new(Clock::machine());
    let mut all = Vec::new();
    for (name, pollster) in pollsters(fake.settings()) {
        let readings = poll(&*pollster, &cycle).await.unwrap();
        assert!(readings.iter().all(|reading| reading.name == name));
        all.extend(readings.iter().map(shown));
    }
    assert_eq!(
        all,
        [
            "hardware.ipmi.current Node 1-current_1_(0x8) 0.4 Amps {\"node\": \"Node 1\"}",
            "hardware.ipmi.fan Node 1-fan_1_(0x4) 4200.0 RPM {\"node\": \"Node 1\", \"maximum_rpm\": \"9000.000\"}",
            "hardware.ipmi.fan Node 1-fan_3_(0x6) 39.0 percent {\"node\": \"Node 1\"}",
            "hardware.ipmi.power Node 1-pwr_consumption_(0x9) 140.0 W {\"node\": \"Node 1\"}",
            "hardware.ipmi.temperature Node 1-inlet_temp_(0x1) 25.0 C {\"node\": \"Node 1\"}",
            "hardware.ipmi.temperature Node 1-temp_\u{e4}_(0x3) -3.0 C {\"node\": \"Node 1\"}",
            "hardware.ipmi.voltage Node 1-12v_(0x7) 11.97 V {\"node\": \"Node 1\"}",
        ]
    );
}

#[tokio::test]
async fn power_is_of_one_sensor_that_must_be_there() {
    let fake = Fake::new("");
    let pollsters = pollsters(IpmiSettings { polling_retry: None, ..fake.settings() });
    let (_, power) = pollsters.iter().find(|(name, _)| *name == "hardware.ipmi.power").unwrap();
    for (printed, readings) in [
        (block("Pwr Consumption (0x9)", "Current", "140 (+/- 3.500) Watts"), Some(1)),
        // Of a class that Ceilometer does not look at.
        (block("Pwr Consumption (0x9)", "Power", "140 (+/- 3.500) Watts"), Some(0)),
        (block("Pwr Consumption (0x9)", "Current", "Disabled"), Some(0)),
        (block("Sys Pwr Consumption (0x9)", "Current", "140 (+/- 3.500) Watts"), None),
        (block("Pwr Consumption  (0x9)", "Current", "140 (+/- 3.500) Watts"), None),
        (String::new(), None),
    ] {
        fake.prints(printed.as_bytes());
        let polled = poll(&**power, &Cycle::new(Clock::machine())).await;
        assert_eq!(polled.as_ref().ok().map(Vec::len), readings, "{printed}: {polled:?}");
        if let Err(error) = polled {
            assert_eq!(error.cause(), "no_sensor");
            assert_eq!(
                error.to_string(),
                "the management controller has no sensor named \"Pwr Consumption\""
            );
        }
    }
}

#[tokio::test]
async fn failures_are_forgiven_as_often_as_polling_retry_says() {
    let fake = Fake::new("exit 1");
    for (retry, failures) in [(Some(3), 4), (Some(0), 1), (None, 0)] {
        let pollsters = pollsters(IpmiSettings { polling_retry: retry, ..fake.settings() });
        let (_, fan) = pollsters.iter().find(|(name, _)| *name == "hardware.ipmi.fan").unwrap();
        let failing = async || poll(&**fan, &Cycle::new(Clock::machine())).await.unwrap_err();
        fake.becomes("exit 1");
        if failures == 0 {
            for _ in 0..6 {
                assert_eq!(failing().await.cause(), "exit");
            }
            continue;
        }
        for round in 0..2 {
            for count in 1..failures {
                assert_eq!(failing().await.cause(), "exit", "{retry:?} {round} {count}");
            }
            // One that goes well begins the count anew.
            if round == 0 {
                fake.becomes("");
                assert!(poll(&**fan, &Cycle::new(Clock::machine())).await.unwrap().is_empty());
                fake.becomes("exit 1");
            }
        }
        let error = failing().await;
        let PollError::Permanent { resources, reason } = &error else { panic!("{error:?}") };
        assert_eq!(resources, &[Resource::text("something else")]);
        assert!(
            reason.contains(&format!("this was failure {failures} in a row, and [ipmi] polling_retry = ")),
            "{reason}"
        );
        assert!(reason.contains("ended with exit status: 1"), "{reason}");
    }
}
