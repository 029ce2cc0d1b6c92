//! What a compute node has beside its hypervisor: a Nova that knows one flavor, and a configuration.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use model::json;
use serde_json::json;

use crate::harness::PROGRAM;
use crate::sample::Polled;
use crate::server::{Answer, Request, Server};

/// The flavor that Nova knows by this name has the id 42; others are unknown to it.
const FLAVOR: &str = "m1.tiny";

/// A Nova that knows of flavors.
pub(crate) fn nova() -> Server {
    Server::start(|request: &Request, _| {
        let path = request.target.split('?').next().unwrap_or_default();
        let flavor = json!({
            "id": "42", "name": FLAVOR, "ram": 16, "disk": 3, "vcpus": 1, "swap": "", "links": [],
            "OS-FLV-EXT-DATA:ephemeral": 1, "os-flavor-access:is_public": true,
        });
        let body = match path.trim_end_matches('/').rsplit('/').next() {
            Some("flavors" | "detail") => json!({ "flavors": [flavor] }),
            Some("42") => json!({ "flavor": flavor }),
            _ => return Answer::status(404),
        };
        Answer::Status(200, "Content-Type: application/json\r\n".into(), body.to_string())
    })
}

/// The settings that both agents get, by group.
pub(crate) fn settings(libvirt_uri: &str, nova: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("DEFAULT", "host = compute-1.example".to_owned()),
        ("DEFAULT", format!("libvirt_uri = {libvirt_uri}")),
        ("compute", "instance_discovery_method = libvirt_metadata".to_owned()),
        ("service_credentials", "auth_type = none".to_owned()),
        ("service_credentials", format!("endpoint = http://{nova}")),
    ]
}

/// A directory with a configuration for an agent that needs no message bus.
pub(crate) fn configured(settings: &[(&'static str, String)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let mut groups: std::collections::BTreeMap<&str, Vec<String>> = std::collections::BTreeMap::new();
    let own = [
        // Nobody is there, and nobody is asked.
        ("DEFAULT", "transport_url = rabbit://guest:guest@127.0.0.1:1/".to_owned()),
        ("polling", format!("cfg_file = {}", at("polling.yaml"))),
        ("nephoscope", format!("state_dir = {}", at("state"))),
    ];
    for (group, setting) in own.iter().chain(settings) {
        groups.entry(group).or_default().push(setting.clone());
    }
    let text: Vec<String> =
        groups.into_iter().map(|(group, lines)| format!("[{group}]\n{}\n", lines.join("\n"))).collect();
    fs::write(directory.path().join("ceilometer.conf"), text.concat()).unwrap();
    let polling = "sources: [{name: all, interval: 3600, meters: ['*']}]\n";
    fs::write(directory.path().join("polling.yaml"), polling).unwrap();
    directory
}

/// What our agent reads in one cycle.
pub(crate) fn poll(directory: &Path) -> Vec<Polled> {
    let output = Command::new(PROGRAM)
        .args(["poll", "--once", "--namespace", "compute", "--json", "--config-file", "ceilometer.conf"])
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {stderr}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| Polled::of_file(&json::parse(line).unwrap())).collect()
}
