//! The IPMI agent as a process, on a simulated controller.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use model::Value;
use testkit::{IpmiSim, TestSensor, shared_rabbitmq, until};

use crate::bus::{assert_signed, take};
use crate::harness::{Agent, PROGRAM};

const QUEUE: &str = "notifications.sample";
const SECRET: &str = "change this for valid signing";

fn controller() -> IpmiSim {
    IpmiSim::start(&[
        TestSensor::temperature("Inlet Temp", 25),
        TestSensor::temperature("Temp off", 1).disabled(),
        TestSensor::voltage("12V: PSU", 190),
        TestSensor::fan("FAN1", 70),
        TestSensor::current("Current 1", 4),
        TestSensor::power("Pwr Consumption", 20),
    ])
    .unwrap()
}

/// `nephoscope poll` with that command: status, samples, errors.
fn poll(command: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "[DEFAULT]\nhost = node-1\n[nephoscope]\nstate_dir = {}\nipmi_command = {command}\nipmi_timeout = 20\n",
        directory.path().join("state").display()
    );
    fs::write(directory.path().join("ceilometer.conf"), config).unwrap();
    let output = Command::new(PROGRAM)
        .args(["poll", "--once", "--namespace", "ipmi", "--config-file", "ceilometer.conf"])
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .env("HOME", directory.path())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn poll_prints_what_the_controller_says() {
    let controller = controller();
    let (status, stdout, stderr) = poll(&controller.ipmitool().display().to_string(), &[]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    let rows: Vec<Vec<&str>> =
        stdout.lines().skip(1).map(|line| line.split_whitespace().take(4).collect()).collect();
    assert_eq!(
        rows,
        [
            ["hardware.ipmi.current", "node-1-current_1_(0x5)", "0.4", "Amps"],
            ["hardware.ipmi.fan", "node-1-fan1_(0x4)", "4200.0", "RPM"],
            ["hardware.ipmi.power", "node-1-pwr_consumption_(0x6)", "140.0", "W"],
            ["hardware.ipmi.temperature", "node-1-inlet_temp_(0x1)", "25.0", "C"],
            ["hardware.ipmi.voltage", "node-1-12v:_psu_(0x3)", "11.97", "V"],
        ]
    );
}

#[test]
fn poll_says_what_is_wrong_with_ipmitool() {
    let directory = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        format!("sh {}", path.display())
    };
    let refused =
        script("refused", "echo 'Could not open device at /dev/ipmi0: Permission denied' >&2\nexit 1\n");
    let garbage = script("garbage", "head -c 3000000 /dev/urandom\n");
    for (command, words) in [
        ("/does/not/exist", "cannot be started: No such file or directory"),
        (
            refused.as_str(),
            "ended with exit status: 1: Could not open device at /dev/ipmi0: Permission denied",
        ),
        (garbage.as_str(), "there is no sensor in what"),
    ] {
        let (status, stdout, stderr) = poll(command, &["--meter", "hardware.ipmi.fan"]);
        assert_eq!((status, stdout.lines().count()), (Some(1), 1), "{command}: {stdout}");
        assert!(stderr.contains("hardware.ipmi.fan: ") && stderr.contains(words), "{command}: {stderr}");
    }
    // The installed one, on a machine without a controller.
    if !Path::new("/dev/ipmi0").exists() {
        let (status, _, stderr) = poll("ipmitool", &["--meter", "hardware.ipmi.fan"]);
        assert_eq!(status, Some(1));
        assert!(
            stderr
                .contains("`ipmitool sdr -v` ended with exit status: 1: Could not open device at /dev/ipmi0"),
            "{stderr}"
        );
    }
}

fn volumes(notifications: &[Vec<Value>], meter: &str) -> Vec<Value> {
    let samples = notifications.iter().flatten();
    let of_meter = samples.filter(|sample| sample.get("counter_name").and_then(Value::as_str) == Some(meter));
    of_meter.map(|sample| sample.get("counter_volume").unwrap().clone()).collect()
}

/// The agent under upstream's name: a controller that changes, fails until the pollsters are given up, and is mended.
#[test]
fn the_agent_outlives_its_controller() {
    let controller = controller();
    let vhost = shared_rabbitmq().vhost("ipmi").unwrap();
    let program = tempfile::tempdir().unwrap();
    let name = program.path().join("ceilometer-agent-ipmi");
    symlink(PROGRAM, &name).unwrap();
    let broken = program.path().join("broken");
    let script = format!(
        "test ! -e {} || exit 7\nexec {} \"$@\"\n",
        broken.display(),
        controller.ipmitool().display()
    );
    fs::write(program.path().join("ipmitool"), script).unwrap();
    let command = format!("ipmi_command = sh {}", program.path().join("ipmitool").display());
    let mut agent = Agent::new(&vhost.transport_url())
        .durable()
        .command(name, &[])
        .with("DEFAULT", "host = node-1")
        .with("nephoscope", command)
        .with("ipmi", "polling_retry = 2");
    let polling = "sources: [{name: sensors, interval: 1, meters: ['hardware.ipmi.*']}]\n";
    fs::write(agent.path("polling.yaml"), polling).unwrap();
    agent.start();
    agent.wait_ready();
    let received = |what: &str, meter: &str, volume: f64| {
        until(what, || {
            let notifications = take(&vhost, QUEUE);
            assert_signed(&notifications, SECRET);
            volumes(&notifications, meter).contains(&Value::Float(volume)).then_some(())
        })
        .unwrap();
    };
    received("the first temperature", "hardware.ipmi.temperature", 25.0);
    controller.set(1, 77).unwrap();
    received("another temperature", "hardware.ipmi.temperature", 77.0);
    // Five pollsters, one command a cycle.
    let (cycles, commands) = (
        agent.metric_sum("nephoscope_polling_cycles_total"),
        agent.metric_sum("nephoscope_ipmi_commands_total"),
    );
    assert!(commands >= 2.0 && commands < cycles * 2.0 + 3.0, "{commands} commands in {cycles} cycles");
    fs::write(&broken, "").unwrap();
    until("every pollster given up", || {
        (agent.metric_sum("nephoscope_polling_given_up_resources") > 4.5).then_some(())
    })
    .unwrap();
    agent
        .process()
        .line("this was failure 3 in a row, and [ipmi] polling_retry = 2 forgives no more")
        .unwrap();
    let failed = "nephoscope_ipmi_command_errors_total{cause=\"exit\"}";
    let failures = agent.metric(failed).unwrap();
    assert!((2.5..3.5).contains(&failures), "{failures}");
    take(&vhost, QUEUE);
    fs::remove_file(&broken).unwrap();
    agent.process().hang_up().unwrap();
    received("sensors after a reload", "hardware.ipmi.power", 140.0);
    assert!(agent.terminate().success(), "{}", agent.process().output());
}
