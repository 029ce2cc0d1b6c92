//! `nephoscope metric restore --replace`: a backup in the place of a store, while a server has it open, and without one.
//!
//! `NEPHOSCOPE_METRIC_RESTORE_KILLS` sets how often a server is killed meanwhile (6).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; the machine's clock is the one that is meant"
)]

#[allow(dead_code, reason = "what clients need")]
#[path = "metric_faults/harness.rs"]
mod harness;
#[path = "metric_restore/kill.rs"]
mod kill;
#[path = "metric_restore/offline.rs"]
mod offline;
#[path = "metric_restore/refused.rs"]
mod refused;
#[path = "metric_restore/running.rs"]
mod running;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use harness::{Client, Server};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");

/// `nephoscope metric …` with the server's configuration.
fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("metric").args(arguments).args(["--config-file", "gnocchi.conf"]);
    command.current_dir(server.directory.path()).env_clear().env("HOME", server.directory.path());
    command
}

fn run(server: &Server, arguments: &[&str]) -> Output {
    command(server, arguments).output().unwrap()
}

fn begin(server: &Server, arguments: &[&str]) -> Child {
    command(server, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a command says, which has succeeded.
fn said(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn back_up(server: &Server) {
    said(&run(server, &["backup", "backup", "--json"]));
}

/// A server with a backup of one metric, which has a measure at 1 that a client has sent.
fn backed_up(server: Server) -> (Server, String, Client) {
    let server = server.started();
    server.make_policy();
    let metric = server.make_metric();
    let mut client = server.client();
    assert_eq!(add(&mut client, &metric, 1), 202);
    back_up(&server);
    (server, metric, client)
}

fn add(client: &mut Client, metric: &str, timestamp: u64) -> u16 {
    let body = json!([{"timestamp": timestamp, "value": timestamp}]);
    client.post(&format!("/v1/metric/{metric}/measures"), &body).status
}

/// The times of a metric's measures, each of which has the value that it was sent with.
fn times(server: &Server, metric: &str) -> BTreeSet<u64> {
    let answer = server.client().get(&format!("/v1/metric/{metric}/measures?aggregation=last"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let measures = answer.json();
    let value = |measure: &Value| measure[2].as_f64().unwrap().to_string().parse().unwrap();
    measures.as_array().unwrap().iter().map(value).collect()
}

/// The stores that were replaced, the oldest first.
fn kept(server: &Server) -> Vec<PathBuf> {
    let entries = fs::read_dir(server.path("state")).unwrap().map(|entry| entry.unwrap().path());
    let mut kept: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().contains("metric.replaced-")).collect();
    kept.sort();
    kept
}

/// Nothing is under way, and nothing is left of it.
fn assert_tidy(server: &Server) {
    let left = fs::read_dir(server.path("state")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
    let is_left = |name: &String| {
        name.contains("restoring") || name.contains("metric.replace.") || name == "metric.replace"
    };
    assert!(!left.iter().any(is_left), "{left:?}");
}

/// A server on a store that was replaced, which is not damaged.
fn revived(kept: &Path, settings: &[(&'static str, String)]) -> Server {
    let mut server = Server::new();
    for (group, setting) in settings {
        server = server.with(group, setting.clone());
    }
    fs::create_dir_all(server.path("state")).unwrap();
    fs::rename(kept, server.path("state/metric")).unwrap();
    server.write_config();
    let report = said(&run(&server, &["fsck", "--json"]));
    assert_eq!((&report["damaged"], &report["is_compared"]), (&json!(0), &json!(true)), "{report}");
    server.started()
}
