//! `nephoscope metric` and those who talk to it: Gnocchi's client as library and program, Ceilometer's publisher and ours over
//! HTTP, and a real Prometheus.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "how much was used")]

#[path = "metric/prometheus.rs"]
mod prometheus;
#[path = "metric/publisher.rs"]
mod publisher;
#[path = "metric/store.rs"]
mod store;
#[path = "../../publishers/tests/gnocchi/support.rs"]
#[allow(dead_code, reason = "shared with the publisher's own tests")]
mod support;
#[path = "../../publishers/tests/gnocchi/telling.rs"]
mod telling;

// The name by which the publisher's own tests know it.
extern crate publishers as nephoscope_publishers;

use std::path::Path;
use std::time::Duration;

use testkit::Program;

use store::Store;

/// For a script, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a script of the Python environment prints.
fn script(path: &str, arguments: &[&str]) -> String {
    let mut program = Program::new(testkit::venv_python().unwrap())
        // Their deprecations are not ours.
        .args(["-B", "-W", "ignore"])
        .arg(testkit::repository().join(Path::new(path)))
        .args(arguments)
        .start()
        .unwrap();
    let ended = program.wait(PATIENCE);
    let said = program.output();
    assert!(ended.unwrap_or_else(|error| panic!("{error}\n{said}")).success(), "{said}");
    said
}

#[test]
fn gnocchis_client_does_everything_that_it_can() {
    let store = Store::start();
    println!("{}", script("crates/nephoscope/tests/metric/clients.py", &[&store.api.url()]));
}
