//! What the polling commands say, and with which exit status they end.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::glance::FakeGlance;
use crate::harness::PROGRAM;

fn run_as(name: &str, directory: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg0(name)
        .args(arguments)
        .args(["--config-file", "ceilometer.conf"])
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .output()
        .unwrap()
}

pub(crate) fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run_as("nephoscope", directory, arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A configuration that leads to `glance`.
fn configured(glance: &FakeGlance, more: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let config = format!(
        "[service_credentials]\nauth_type = none\nendpoint = http://{}\n[nephoscope]\nstate_dir = {}\n{more}",
        glance.server.address,
        state.display()
    );
    fs::write(directory.path().join("ceilometer.conf"), config).unwrap();
    let polling = "sources: [{name: images, interval: 300, meters: [image.size]}]\n";
    fs::write(directory.path().join("polling.yaml"), polling).unwrap();
    directory
}

#[test]
fn poll_prints_what_would_be_sent() {
    let glance = FakeGlance::start(45);
    let directory = configured(&glance, "");
    let (status, stdout, stderr) =
        run(directory.path(), &["poll", "--once", "--namespace", "central", "--meter", "image.*", "--json"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let samples: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), 45);
    assert_eq!((&samples[7]["resource_id"], &samples[7]["volume"]), (&"image-7".into(), &7.into()));
    // Three pages, and nothing else.
    assert_eq!(glance.server.requests().len(), 3);
    let (status, stdout, _) = run(directory.path(), &["poll", "--meter", "image.size"]);
    assert_eq!(status, Some(0));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 46);
    assert!(lines[0].starts_with("METER ") && lines[1].starts_with("image.size "), "{stdout}");
    for (arguments, status, words) in [
        (&["poll", "--meter", "imag.size"][..], Some(1), "no pollster of that name in these namespaces"),
        (&["poll", "--meter", "a", "--meter", "!b"], Some(64), "negated"),
        (
            &["poll", "--namespace", "centrl"],
            Some(78),
            "there is no namespace \"centrl\"; the namespaces are",
        ),
    ] {
        let (ended, _, stderr) = run(directory.path(), arguments);
        assert_eq!(ended, status, "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
    glance.fail(true);
    let (status, _, stderr) = run(directory.path(), &["poll", "--namespace", "central"]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("discovery images: ") && stderr.contains("503"), "{stderr}");
}

#[test]
fn every_pollster_of_ceilometers_is_listed() {
    let output = Command::new(PROGRAM).arg("pollsters").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        ["image.size", "image.size", "gauge", "B", "images"],
        ["cpu", "cpu", "cumulative", "ns", "local_instances"],
        ["alarm.evaluation_result", "alarm.evaluation_result", "gauge", "evaluation_result_count", "alarm"],
        ["hardware.ipmi.fan", "hardware.ipmi.fan", "gauge", "RPM", "local_node"],
        ["network.incoming.bytes.rate", "network.incoming.bytes.rate", "gauge", "B/s", "local_instances"],
    ] {
        let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
        assert!(lines.any(|words| words.starts_with(&expected)), "{expected:?}\n{text}");
    }
    assert!(text.contains("namespace ipmi") && !text.contains("not in this version"), "{text}");
}

#[test]
fn what_cannot_be_polled_is_said_before_anything_starts() {
    let glance = FakeGlance::start(1);
    for (more, polling, arguments, words) in [
        (
            "",
            None,
            &["polling", "--polling-namespaces", "central"][..],
            "polling.yaml:1:1: there is no such file",
        ),
        (
            "",
            Some(""),
            &["polling", "--polling-namespaces", "central"],
            "the file must be a map, not nothing",
        ),
        (
            "[nephoscope]\nipmi_command = sudo 'ipmitool\n",
            Some("sources: [{name: sensors, interval: 60, meters: [hardware.ipmi.fan]}]"),
            &["polling", "--polling-namespaces", "ipmi"],
            "[nephoscope] ipmi_command = sudo 'ipmitool: a single quote is not closed",
        ),
        (
            "",
            Some("sources: []"),
            &["polling", "--polling-namespaces", "central,compute"],
            "there is no namespace \"central,compute\"",
        ),
        (
            "[publisher_notifier]\ntelemetry_driver = log\n",
            Some("sources: []"),
            &["polling", "--polling-namespaces", "central"],
            "[publisher_notifier] telemetry_driver = log cannot be used",
        ),
        (
            "[polling]\nenable_prometheus_exporter = true\nprometheus_listen_addresses = 127.0.0.1:0,[::1],127.0.0.1:0\n",
            Some("sources: []"),
            &["polling", "--polling-namespaces", "central"],
            "[polling] prometheus_listen_addresses: \"[::1]\" is not host:port: there is no port; write 127.0.0.1:9101, \
             [::1]:9101 or a name of this machine with a port\n[polling] prometheus_listen_addresses: 127.0.0.1:0 stands \
             there twice",
        ),
        (
            "[polling]\nenable_prometheus_exporter = true\nprometheus_listen_addresses = 127.0.0.1:0\n\
             prometheus_tls_enable = true\nprometheus_tls_certfile = /no/such.pem\nprometheus_tls_keyfile = k\n",
            Some("sources: []"),
            &["polling", "--polling-namespaces", "central"],
            "[polling] prometheus_tls_certfile, prometheus_tls_keyfile: cannot read",
        ),
    ] {
        let directory = configured(&glance, more);
        let path = directory.path().join("polling.yaml");
        match polling {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        let (status, _, stderr) = run(directory.path(), arguments);
        assert_eq!(status, Some(78), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        // `check` says the same.
        let mut check = vec!["check", "--role"];
        check.extend(arguments);
        let (status, stdout, _) = run(directory.path(), &check);
        assert_eq!(status, Some(78), "{check:?}: {stdout}");
        assert!(stdout.contains(words), "{check:?}: {stdout}");
    }
    // Under upstream's names, with upstream's status.
    let directory = configured(&glance, "[nephoscope]\nipmi_command = 'x\n");
    let polling = "sources: [{name: sensors, interval: 60, meters: [hardware.ipmi.fan]}]\n";
    fs::write(directory.path().join("polling.yaml"), polling).unwrap();
    let output = run_as("ceilometer-agent-ipmi", directory.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("ceilometer-polling: ") && stderr.contains("ipmi_command = 'x: "), "{stderr}");
    let directory = configured(&glance, "");
    let (status, stdout, _) =
        run(directory.path(), &["check", "--role", "polling", "--polling-namespaces", "central"]);
    assert_eq!(status, Some(0), "{stdout}");
    assert!(stdout.contains("polling.yaml\n0 errors, 0 warnings"), "{stdout}");
    // A setting that has no effect, and what is selected and not there, are warnings.
    let directory =
        configured(&glance, "[polling]\nenable_prometheus_exporter = true\nprometheus_listen_addresses =\n");
    let polling = "sources: [{name: all, interval: 300, meters: [image.size, imag.size]}]\n";
    fs::write(directory.path().join("polling.yaml"), polling).unwrap();
    let check = ["check", "--role", "polling", "--polling-namespaces", "central"];
    let (status, stdout, _) = run(directory.path(), &check);
    assert_eq!(status, Some(0), "{stdout}");
    assert!(
        stdout.contains("no address on which Prometheus could scrape")
            && stdout.contains("no pollster is named \"imag.size\""),
        "{stdout}"
    );
}

/// What is wrong with coordination is said before anything starts, by option or by place, and without a password.
#[test]
fn check_names_what_is_wrong_with_coordination() {
    let glance = FakeGlance::start(1);
    for (url, expected) in [
        ("redis://me:secret@h?db=x", "ceilometer.conf:7:1: [coordination] backend_url: db=x is no number"),
        ("foo://me:secret@h", "there is no back end \"foo\""),
        ("redis://h:port", "the port is no number"),
        ("redis://h?ssl=1&ssl_ca_certs=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("etcd3+https://h?ca_cert=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("postgresql://me:secret@h/d?sslmode=maybe", "sslmode=maybe is none"),
        ("zookeeper://h", "zookeeper://"),
        ("consul://h", "consul://"),
        ("mysql://me:secret@h/d", "mysql://"),
        ("memcached://h", "memcached://"),
        ("kubernetes://", "kubernetes://"),
    ] {
        let directory = configured(&glance, &format!("[coordination]\nbackend_url = {url}\n"));
        let (status, stdout, stderr) =
            run(directory.path(), &["check", "--role", "polling", "--polling-namespaces", "central"]);
        assert_eq!(status, Some(78), "{stdout}{stderr}");
        let said = format!("{stdout}{stderr}");
        assert!(said.contains(expected) && !said.contains("secret"), "{url}: {said}");
        assert!(said.contains("ceilometer.conf:7:1: "), "{url}: {said}");
    }
    let directory = configured(&glance, "[coordination]\nbackend_url = redis://127.0.0.1:1?colour=red\n");
    let polling = "sources:\n- {name: images, interval: 300, meters: [image.size], \
                   group_id_coordination_expression: \"os.uname()[1]\"}\n";
    fs::write(directory.path().join("polling.yaml"), polling).unwrap();
    let (status, stdout, stderr) =
        run(directory.path(), &["check", "--role", "polling", "--polling-namespaces", "central"]);
    let said = format!("{stdout}{stderr}");
    assert!(status == Some(78) && said.contains("os cannot be asked for"), "{said}");
    assert!(said.contains("parameters that mean nothing here: colour"), "{said}");
}

#[test]
fn an_address_for_prometheus_that_is_taken_ends_the_start() {
    let glance = FakeGlance::start(1);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let directory = configured(
        &glance,
        &format!(
            "[polling]\nenable_prometheus_exporter = true\nenable_notifications = false\n\
             prometheus_listen_addresses = {address}\n"
        ),
    );
    let arguments = ["polling", "--polling-namespaces", "central"];
    let (status, _, stderr) = run(directory.path(), &arguments);
    assert_eq!(status, Some(78), "{stderr}");
    let words =
        format!("[polling] prometheus_listen_addresses: cannot listen on {address}: the port is taken");
    assert!(stderr.contains(&words), "{stderr}");
    let (status, stdout, _) = run(directory.path(), &[&["check", "--role"][..], &arguments].concat());
    assert_eq!(status, Some(0), "{stdout}");
}
