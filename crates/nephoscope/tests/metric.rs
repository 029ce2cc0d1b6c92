//! `nephoscope metric`: Gnocchi's own suite against the role, and what it refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a failed test")]

use std::process::Command;
use std::time::Duration;

use testkit::Program;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");
/// For the whole suite, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(10);

/// The story: an API that believes every user's name was bound to all addresses by a copied `gnocchi.conf`.
#[test]
fn other_machines_are_served_only_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .args(["metric", "--host", "0.0.0.0", "--port", "0"])
        .current_dir(directory.path())
        .env_clear()
        .env("HOME", directory.path())
        .env("OS_NEPHOSCOPE__STATE_DIR", directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("[api] host = 0.0.0.0") && said.contains("metric_trusts_network"), "{said}");
}

/// Gnocchi's own gabbi files, every one, each on an empty server.
#[test]
fn gnocchis_suite_passes() {
    let mut suite = Program::new(testkit::venv_python().unwrap())
        .arg(testkit::repository().join("tests/gabbi/live.py"))
        .args([
            "-v",
            "/usr/bin/env",
            "OS_NEPHOSCOPE__STATE_DIR={directory}",
            PROGRAM,
            "metric",
            "--config-file",
        ])
        .arg(testkit::repository().join("tests/gabbi/gnocchi.conf"))
        .args(["--port", "{port}"])
        .start()
        .unwrap();
    suite.wait(PATIENCE).unwrap();
    let said = suite.output();
    assert!(said.lines().any(|line| line == "669 passed, 0 failed"), "{said}");
}
