//! The units of an installed package, started as far as that is possible without systemd: the account, directories,
//! limits, capabilities and filters of system calls that they name, and the service manager's socket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::{Oracle, Port, Process, Producer, shared_rabbitmq, until};

use crate::build::packages;
use crate::clean_root::CleanRoot;
use crate::units::settings;

const LONG: Duration = Duration::from_mins(1);

/// What stands in for systemd: the socket that a unit's program reports to.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    const SOCKET: &'static str = "/run/notify";

    fn new(root: &CleanRoot) -> Self {
        let path: PathBuf = root.at(Self::SOCKET);
        let socket = UnixDatagram::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Self { socket, heard: Vec::new() }
    }

    /// Waits for a message that has this in it; those before it are passed over.
    fn hear(&mut self, wanted: &str, process: &Process) -> String {
        self.hear_each(&[wanted], process)
    }

    /// Waits for messages that have these in them, whichever comes first; returns the last one.
    fn hear_each(&mut self, wanted: &[&str], process: &Process) -> String {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        let mut missing = wanted.to_vec();
        while start.elapsed() < LONG {
            if let Ok(length) = self.socket.recv(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                self.heard.push(message.clone());
                missing.retain(|wanted| !message.contains(wanted));
                if missing.is_empty() {
                    return message;
                }
            }
        }
        panic!("no {missing:?}, but {:?}\n{}", self.heard, process.output());
    }
}

fn installed() -> CleanRoot {
    let root = CleanRoot::new();
    root.dpkg("--install", &[&packages().nephoscope]);
    root
}

/// Writes a file of the configuration as the operator's guide says.
fn configure(root: &CleanRoot, name: &str, text: &str) {
    let path = format!("/etc/ceilometer/{name}");
    root.write(&path, text);
    root.sh(&format!("chown root:ceilometer {path} && chmod 640 {path}"));
}

fn pipelines(root: &CleanRoot) {
    for (name, key, file) in [
        ("pipeline.yaml", "meters", "/var/lib/nephoscope/samples.json"),
        ("event_pipeline.yaml", "events", "/var/log/nephoscope/events.json"),
    ] {
        let text = format!(
            "sources:\n  - {{name: s, {key}: ['*'], sinks: [k]}}\nsinks:\n  - name: k\n    publishers: \
             ['file://{file}?json']\n"
        );
        configure(root, name, &text);
    }
}

/// A field of the process's state.
fn state(process: &Process, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

/// Sends the signal that ExecReload= names.
fn reload(unit: &str, process: &Process) {
    let command = settings(unit)["ExecReload"].join(" ").replace("$MAINPID", &process.pid().to_string());
    let words: Vec<&str> = command.split(' ').collect();
    assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{command}");
}

#[test]
fn the_unit_of_the_notification_agent_starts_works_reloads_and_stops() {
    let root = installed();
    let vhost = shared_rabbitmq().vhost("unit").unwrap();
    let port = Port::take().unwrap();
    configure(
        &root,
        "ceilometer.conf",
        &format!(
            "[DEFAULT]\ntransport_url = {}\n[nephoscope]\nnotification_listen_address = 127.0.0.1:{}\n",
            vhost.transport_url(),
            port.number()
        ),
    );
    pipelines(&root);
    let unit = "nephoscope-notification.service";
    let mut manager = Manager::new(&root);
    // Not so long that nobody wants to wait for it.
    let socket = format!("NOTIFY_SOCKET={}", Manager::SOCKET);
    let mut process = root.unit(&["--set", "WatchdogSec=3", "--env", &socket, unit]).start().unwrap();
    // Different tasks say so.
    manager.hear_each(&["READY=1", "STATUS=listener: consuming"], &process);
    for (field, expected) in [
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
    ] {
        assert_eq!(state(&process, field), expected, "{field}");
    }
    assert_eq!(state(&process, "Umask"), "0027");

    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    producer.notify("glance", "notifications.info").unwrap();
    producer.flush(LONG).unwrap();
    for path in ["/var/lib/nephoscope/samples.json", "/var/log/nephoscope/events.json"] {
        let lines = || root.try_sh(&format!("test -s {path}")).status.success().then_some(());
        until("a record", lines).unwrap_or_else(|late| panic!("{late}\n{}", process.output()));
        assert_eq!(root.owner_and_mode(path), "nephoscope:nephoscope 640", "{path}");
    }
    manager.hear("WATCHDOG=1", &process);
    assert_eq!(root.owner_and_mode("/var/lib/nephoscope/notification.sock"), "nephoscope:nephoscope 600");
    assert_eq!(root.owner_and_mode("/var/lib/nephoscope/buffer"), "nephoscope:nephoscope 750");

    reload(unit, &process);
    let message = manager.hear("RELOADING=1", &process);
    assert!(message.contains("MONOTONIC_USEC="), "{message}");
    manager.hear("READY=1\nSTATUS=configuration read again", &process);
    configure(&root, "pipeline.yaml", "sources: [");
    reload(unit, &process);
    manager.hear("STATUS=configuration not taken: ", &process);

    let ended = process.terminate().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", process.output());
    manager.hear("STOPPING=1", &process);
    // A service manager would start it again in vain.
    let mut again = root.unit(&["--env", &socket, unit]).start().unwrap();
    let status = again.wait(LONG).unwrap().code().unwrap().to_string();
    assert_eq!(status, "78", "{}", again.output());
    let prevents = settings(unit)["RestartPreventExitStatus"].join(" ");
    assert!(prevents.split(' ').any(|known| known == status), "{prevents}");
    assert!(!again.output().contains("Operation not permitted"), "{}", again.output());
}

/// What an address shows to Prometheus.
fn scrape(port: &Port) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port.number())).ok()?;
    stream.set_read_timeout(Some(LONG)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    Some(page)
}

/// A program is started by it, which everything that protects the unit must leave possible.
#[test]
fn the_unit_of_the_ipmi_agent_runs_ipmitool() {
    let root = installed();
    let sensor = "Sensor ID              : FAN 1 (0x4)\n Sensor Type (Threshold)  : Fan (0x04)\n Sensor Reading        : 4200 \
                  (+/- 30) RPM\n";
    root.write(
        "/usr/local/bin/ipmitool",
        &format!("#!/bin/sh\ntest \"$*\" = 'sdr -v' && cat <<END\n{sensor}\nEND\n"),
    );
    root.sh("chmod 755 /usr/local/bin/ipmitool");
    let [health, exporter] = [Port::take().unwrap(), Port::take().unwrap()];
    configure(
        &root,
        "ceilometer.conf",
        &format!(
            "[DEFAULT]\nhost = node-1\n[polling]\nenable_notifications = false\nenable_prometheus_exporter = true\n\
             prometheus_listen_addresses = 127.0.0.1:{}\n",
            exporter.number()
        ),
    );
    configure(
        &root,
        "polling.yaml",
        "sources: [{name: sensors, interval: 1, meters: [hardware.ipmi.fan]}]\n",
    );
    let mut manager = Manager::new(&root);
    let socket = format!("NOTIFY_SOCKET={}", Manager::SOCKET);
    let address = format!("OS_NEPHOSCOPE__POLLING_LISTEN_ADDRESS=127.0.0.1:{}", health.number());
    let arguments = ["--env", socket.as_str(), "--env", address.as_str(), "nephoscope-ipmi.service"];
    let mut process = root.unit(&arguments).start().unwrap();
    manager.hear("READY=1", &process);
    let is_shown = || {
        let page = scrape(&exporter)?;
        let is_fan =
            |line: &str| line.starts_with("ceilometer_hardware_ipmi_fan{") && line.ends_with(" 4200.0");
        page.lines().any(|line| is_fan(line) && line.contains("node-1-fan_1_(0x4)")).then_some(())
    };
    until("a sample", is_shown).unwrap_or_else(|late| panic!("{late}\n{}", process.output()));
    // Apart from the agent of another namespace.
    assert_eq!(root.owner_and_mode("/var/lib/nephoscope/ipmi"), "nephoscope:nephoscope 750");
    let ended = process.terminate().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", process.output());
    assert!(!process.output().contains("Operation not permitted"), "{}", process.output());
}

#[test]
fn the_unit_of_every_role_starts_on_what_is_packaged() {
    let root = installed();
    let port = Port::take().unwrap();
    let mut manager = Manager::new(&root);
    let socket = format!("NOTIFY_SOCKET={}", Manager::SOCKET);
    let address = format!("OS_NEPHOSCOPE__RUN_LISTEN_ADDRESS=127.0.0.1:{}", port.number());
    let metric = Port::take().unwrap();
    let metric = format!("OS_NEPHOSCOPE__RUN_METRIC_ADDRESS=127.0.0.1:{}", metric.number());
    let env = ["--env", socket.as_str(), "--env", address.as_str(), "--env", metric.as_str()];
    let arguments = [&env[..], &["nephoscope.service"]].concat();
    let mut process = root.unit(&arguments).start().unwrap();
    manager.hear("READY=1", &process);
    until("the control socket", || root.at("/var/lib/nephoscope/run.sock").exists().then_some(())).unwrap();
    assert_eq!(root.owner_and_mode("/var/lib/nephoscope"), "nephoscope:nephoscope 750");
    let ended = process.terminate().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", process.output());
    manager.hear("STOPPING=1", &process);
    assert!(!process.output().contains("WARN"), "{}", process.output());
}

/// Without a file of Gnocchi's, on a loopback address, in the directory of the other units.
#[test]
fn the_metric_store_is_a_service_of_its_own() {
    let root = installed();
    let mut manager = Manager::new(&root);
    let (api, health) = (Port::take().unwrap(), Port::take().unwrap());
    let socket = format!("NOTIFY_SOCKET={}", Manager::SOCKET);
    let port = format!("OS_API__PORT={}", api.number());
    let address = format!("OS_NEPHOSCOPE__METRIC_LISTEN_ADDRESS=127.0.0.1:{}", health.number());
    let env = ["--env", socket.as_str(), "--env", port.as_str(), "--env", address.as_str()];
    let mut process = root.unit(&[&env[..], &["nephoscope-metric.service"]].concat()).start().unwrap();
    manager.hear("READY=1", &process);
    assert!(root.at("/var/lib/nephoscope/metric/measures").is_dir());
    let ended = process.terminate().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", process.output());
    manager.hear("STOPPING=1", &process);
    assert!(!process.output().contains("WARN"), "{}", process.output());
}
