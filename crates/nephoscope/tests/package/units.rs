//! The units: what systemd says of them, and that none is left out when something is added to the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::repository;

use crate::build::{both, checked};

/// The highest exposure of a unit, in tenths, as `systemd-analyze security` reckons it.
const MOST_EXPOSURE: &str = "19";

fn directory() -> PathBuf {
    repository().join("packaging/systemd")
}

fn units() -> Vec<String> {
    let entries = fs::read_dir(directory()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

/// The settings of the section `[Service]`.
pub(crate) fn settings(unit: &str) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(directory().join(unit)).unwrap();
    let (_, service) = text.split_once("[Service]").unwrap();
    let (service, _) = service.split_once("[Install]").unwrap();
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in service.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            settings.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    settings
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let copies = tempfile::tempdir().unwrap();
    for unit in units() {
        let text = fs::read_to_string(directory().join(&unit)).unwrap();
        // The program is where the test has it.
        let text = text.replace("/usr/bin/nephoscope", env!("CARGO_BIN_EXE_nephoscope"));
        fs::write(copies.path().join(&unit), text).unwrap();
        let mut command = Command::new("systemd-analyze");
        let output = command.args(["--no-pager", "verify"]).arg(copies.path().join(&unit)).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        // It warns of what it does not know, and succeeds.
        let of_ours: Vec<String> =
            both(&output).lines().filter(|line| line.contains(&unit)).map(str::to_owned).collect();
        assert!(of_ours.is_empty(), "{of_ours:#?}");
    }
}

#[test]
fn no_unit_is_exposed() {
    for unit in units() {
        let mut command = Command::new("systemd-analyze");
        command.args(["--no-pager", "security", "--offline=true", "--threshold", MOST_EXPOSURE]);
        let report = checked(command.arg(directory().join(&unit)));
        assert!(report.contains("Overall exposure level"), "{report}");
    }
}

/// A new role gets a unit of its own; what protects the others must protect it.
#[test]
fn all_units_differ_in_nothing_but_their_command() {
    let mut all = units().into_iter().map(|unit| {
        let mut settings = settings(&unit);
        let command = settings.remove("ExecStart").unwrap().concat();
        assert!(command.starts_with("/usr/bin/nephoscope "), "{command}");
        if command.ends_with(" ipmi") {
            // The one device that one role needs.
            assert_eq!(settings.remove("DeviceAllow").unwrap(), ["char-ipmidev rw"], "{unit}");
            let mut instead =
                |key: &str, usual: &str| settings.insert(key.to_owned(), vec![usual.to_owned()]);
            assert_eq!(instead("PrivateDevices", "yes").unwrap(), ["no"], "{unit}");
            // What keeps it apart from the agent of another namespace.
            assert_eq!(
                instead("StateDirectory", "nephoscope").unwrap(),
                ["nephoscope nephoscope/ipmi"],
                "{unit}"
            );
            assert_eq!(settings.remove("Environment").unwrap().len(), 2, "{unit}");
        }
        if command.ends_with(" compute") {
            // How its memory is managed.
            assert_eq!(settings.remove("Environment").unwrap().len(), 1, "{unit}");
        }
        (unit, settings)
    });
    let (first, expected) = all.next().unwrap();
    for (unit, settings) in all {
        assert_eq!(settings, expected, "{unit} and {first}");
    }
}

/// `sudo` gains rights, which all of these keep it from, also where `NoNewPrivileges=no` stands beside them: the list is that
/// of systemd.exec(5).
#[test]
fn the_drop_in_for_sudo_takes_away_whatever_forbids_it() {
    const FORBID: [&str; 16] = [
        "DynamicUser",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "NoNewPrivileges",
        "PrivateDevices",
        "ProtectClock",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "RestrictAddressFamilies",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "SystemCallArchitectures",
        "SystemCallFilter",
    ];
    let unit = "nephoscope-ipmi.service";
    let drop_in = repository().join("packaging/examples/nephoscope-ipmi-sudo.conf");
    let changed = fs::read_to_string(&drop_in).unwrap();
    let changed: BTreeMap<&str, &str> = changed.lines().filter_map(|line| line.split_once('=')).collect();
    let settings = settings(unit);
    for key in FORBID.into_iter().filter(|key| settings.contains_key(*key)) {
        let is_forbidden = settings[key].concat() != "no";
        assert!(!is_forbidden || ["", "no"].contains(&changed[key]), "{key}");
    }
    assert!(changed.keys().all(|key| key.starts_with('#') || settings.contains_key(*key)), "{changed:?}");
    let copies = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(directory().join(unit)).unwrap();
    let text = text.replace("/usr/bin/nephoscope", env!("CARGO_BIN_EXE_nephoscope"));
    fs::write(copies.path().join(unit), text).unwrap();
    let drop_ins = copies.path().join(format!("{unit}.d"));
    fs::create_dir(&drop_ins).unwrap();
    fs::copy(&drop_in, drop_ins.join("sudo.conf")).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["--no-pager", "verify"])
        .arg(copies.path().join(unit))
        .env("SYSTEMD_UNIT_PATH", format!("{}:", copies.path().display()))
        .output()
        .unwrap();
    assert!(output.status.success() && !both(&output).contains("sudo.conf"), "{}", both(&output));
}

/// Every command that keeps running has a unit, and every unit a command that is there.
#[test]
fn every_role_has_a_unit() {
    let mut commands: Vec<String> = units()
        .iter()
        .map(|unit| settings(unit)["ExecStart"].concat().replace("/usr/bin/nephoscope ", ""))
        .collect();
    commands.sort();
    let [compute, ipmi] =
        ["compute", "ipmi"].map(|namespace| format!("polling --polling-namespaces {namespace}"));
    assert_eq!(commands, ["metric", "notification", &compute, &ipmi, "run"]);
    for command in commands {
        checked(Command::new(env!("CARGO_BIN_EXE_nephoscope")).args(command.split(' ')).arg("--help"));
    }
}

/// What the packaged file shows as a default is one, and none of it is misspelt.
#[test]
fn the_packaged_configuration_shows_the_defaults() {
    let text = fs::read_to_string(repository().join("packaging/nephoscope.conf")).unwrap();
    let is_setting = |line: &&str| line.starts_with('#') && line.contains(" = ") && !line.starts_with("# ");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ceilometer.conf");
    let lines: Vec<&str> = text.lines().filter(is_setting).map(|line| &line[1..]).collect();
    assert!(lines.len() > 5, "{lines:?}");
    fs::write(&file, format!("[nephoscope]\n{}\n", lines.join("\n"))).unwrap();
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nephoscope"));
        command.env_clear().env("HOME", directory.path()).current_dir(directory.path());
        command
    };
    checked(program().args(["check", "--strict", "--role", "run", "--config-file"]).arg(&file));
    let shown = |file: &Path| {
        let shown = checked(program().args(["config", "show", "--config-file"]).arg(file));
        shown.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    };
    let empty = directory.path().join("empty.conf");
    fs::write(&empty, "").unwrap();
    assert_eq!(shown(&file), shown(&empty));
}
