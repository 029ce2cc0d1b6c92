use std::fs;

use super::super::testing::{Fake, block, metrics};
use super::*;
use crate::Tools;
use crate::compute::{ComputeMetrics, ComputeSettings};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

async fn sensors(controller: &Controller) -> Result<Sensors, (&'static str, String)> {
    let cycle = Cycle::new(Clock::machine());
    let sensors = controller.sensors(&cycle).await;
    Result::as_ref(&sensors).cloned().map_err(|error| (error.cause(), error.to_string()))
}

#[tokio::test]
async fn one_run_of_a_cycle_is_enough_for_all() {
    let fake = Fake::new("echo \"$*\" >> runs; cat printed");
    fs::write(fake.path().join("printed"), block("a (0x1)", "Fan", "1 RPM")).unwrap();
    let controller = fake.controller(LONG);
    let cycle = Cycle::new(Clock::machine());
    let (one, other) = tokio::join!(controller.sensors(&cycle), controller.sensors(&cycle));
    assert!(Arc::ptr_eq(&one, &other) && Result::as_ref(&one).unwrap().len() == 1);
    assert!(sensors(&controller).await.is_ok());
    assert_eq!(fs::read_to_string(fake.path().join("runs")).unwrap(), "sdr -v\nsdr -v\n");
}

/// Two tasks whose cycles meet do not ask the controller at the same time.
#[tokio::test]
async fn runs_do_not_meet() {
    let fake = Fake::new("mkdir running || exit 9; sleep 0.2; rmdir running");
    let controller = fake.controller(LONG);
    let (one, other) = tokio::join!(sensors(&controller), sensors(&controller));
    assert_eq!((one, other), (Ok(Sensors::default()), Ok(Sensors::default())));
}

#[tokio::test]
async fn what_fails_is_told_with_status_and_complaint() {
    let fake = Fake::new("");
    let controller = fake.controller(LONG);
    for (script, cause, words) in [
        (
            "echo 'Loading IANA PEN Registry...' >&2; echo 'Could not open device at /dev/ipmi0: Permission denied' >&2; exit 1",
            "exit",
            "sdr -v` ended with exit status: 1: Could not open device at /dev/ipmi0: Permission denied",
        ),
        ("exit 255", "exit", "sdr -v` ended with exit status: 255"),
        ("kill -9 $$", "exit", "signal: 9"),
        ("echo 'usage: something else'", "no_sensors", "there is no sensor in what"),
        ("head -c 100000 /dev/urandom; echo", "no_sensors", "there is no sensor in what"),
        ("yes '' | head -c 1000", "no_sensors", "there is no sensor in what"),
        ("yes 'Sensor ID : x'", "too_much", "printed more than 8 MiB"),
        // Half of a line, and of a number.
        (
            "printf 'Sensor ID : a\\nSensor Type (Analog) : Fan\\nSensor Reading : 40'",
            "no_sensors",
            "no sensor",
        ),
    ] {
        fake.becomes(script);
        let error = sensors(&controller).await.unwrap_err();
        assert_eq!(error.0, cause, "{script}: {}", error.1);
        assert!(error.1.contains(words), "{script}: {}", error.1);
    }
    let absent = IpmiSettings { command: "/does/not/exist".into(), ..fake.settings() };
    let absent = Controller::new(&absent, Clock::machine(), metrics()).unwrap();
    let error = sensors(&absent).await.unwrap_err();
    assert_eq!(error.0, "start");
    assert!(error.1.starts_with("`/does/not/exist sdr -v` cannot be started: No such file"), "{}", error.1);
    assert!(error.1.ends_with("install ipmitool, or name it in [nephoscope] ipmi_command"), "{}", error.1);
    // Nothing is stuck, nothing is remembered.
    fake.prints(block("a (0x1)", "Fan", "1 RPM").as_bytes());
    assert_eq!(sensors(&controller).await.unwrap().len(), 1);
}

/// A single record that cannot be read makes ipmitool end with 1.
#[tokio::test]
async fn what_was_read_before_a_failure_counts() {
    let fake = Fake::new("cat printed; echo 'record failed' >&2; exit 1");
    let printed = block("a (0x1)", "Fan", "1 RPM") + &block("b (0x2)", "Fan", "2 RPM");
    fs::write(fake.path().join("printed"), &printed).unwrap();
    let controller = fake.controller(LONG);
    assert_eq!(sensors(&controller).await.unwrap().len(), 2);
    assert_eq!(controller.desk.lock().await.complaint, Some("exit"));
    // Killed by somebody while it printed: what is not ended is not known.
    fs::write(fake.path().join("printed"), &printed[..printed.len() - 3]).unwrap();
    fake.becomes("cat printed; kill -9 $$");
    assert_eq!(sensors(&controller).await.unwrap().len(), 1);
    fake.becomes("cat printed");
    fs::write(fake.path().join("printed"), &printed).unwrap();
    assert_eq!(sensors(&controller).await.unwrap().len(), 2);
    assert_eq!(controller.desk.lock().await.complaint, None);
}

#[tokio::test]
async fn one_that_hangs_is_not_waited_for() {
    let fake = Fake::new("sleep 600");
    let controller = fake.controller(SHORT);
    let error = sensors(&controller).await.unwrap_err();
    assert_eq!(error.0, "timeout");
    assert!(controller.desk.lock().await.stuck.is_none());
    // What it had printed by then may be half of something.
    fake.becomes(
        "printf 'Sensor ID : a\\nSensor Type (Analog) : Fan\\nSensor Reading : 1 RPM\\n\\n'; sleep 600",
    );
    assert_eq!(sensors(&controller).await.unwrap_err().0, "timeout");
    fake.becomes("");
    let controller = fake.controller(LONG);
    assert_eq!(sensors(&controller).await, Ok(Sensors::default()));
}

/// A program of another account cannot be killed: `sudo` runs as root.
#[tokio::test]
async fn one_that_cannot_be_killed_keeps_others_from_being_started() {
    let fake = Fake::new("sleep 600");
    let clock = Clock::machine();
    let controller = fake.controller(LONG);
    let program = fake.path().join("ipmitool").display().to_string();
    let running = command::start(&["sh", &program]).unwrap();
    let id = running.id().unwrap();
    controller.desk.lock().await.stuck = Some(running);
    fake.becomes("");
    let error = sensors(&controller).await.unwrap_err();
    assert_eq!(error.0, "stuck");
    assert!(error.1.contains(&format!("process {id}, could not be killed")), "{}", error.1);
    controller.desk.lock().await.stuck.as_ref().unwrap().kill();
    let gone = async {
        while sensors(&controller).await.is_err() {
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
}

#[tokio::test]
async fn passwords_are_not_told() {
    let command = "/does/not/exist -H bmc -U root -P 'pass word' -y 0011".to_owned();
    let settings = IpmiSettings { command, ..IpmiSettings::new("h") };
    let controller = Controller::new(&settings, Clock::machine(), metrics()).unwrap();
    let (_, error) = sensors(&controller).await.unwrap_err();
    assert!(error.starts_with("`/does/not/exist -H bmc -U root -P *** -y *** sdr -v` cannot"), "{error}");
}

#[test]
fn a_command_that_cannot_be_one_is_named() {
    let clock = Clock::machine();
    for command in ["", "  ", "'' x", "sudo 'ipmitool"] {
        let settings = IpmiSettings { command: command.into(), ..IpmiSettings::new("h") };
        let error = Controller::new(&settings, clock.clone(), metrics()).unwrap_err();
        assert!(error.message.starts_with(&format!("[nephoscope] ipmi_command = {command}: ")), "{error}");
        let compute = ComputeMetrics::register(&observability::metrics::Metrics::new().component("compute"));
        let tools = Tools::new(Err(String::new()), clock.clone(), ComputeSettings::new("h"), compute);
        assert!(tools.controller().is_ok());
        assert_eq!(tools.with_ipmi(settings, metrics()).controller().unwrap_err(), error);
    }
}
