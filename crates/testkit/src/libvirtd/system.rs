//! A private libvirtd as the machine's own: containers (LXC), and QEMU domains with taps on a bridge.
//!
//! It runs as root in namespaces of its own (`scripts/services/system_libvirtd.py`), so that nothing of the machine is
//! touched.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::TestInstance;
use crate::Error;
use crate::service::Service;

/// A running libvirtd of a system of its own. Dropped, it is gone, and all containers and domains with it.
#[derive(Debug)]
pub struct SystemLibvirtd {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    dir: PathBuf,
    socket: PathBuf,
    uri: String,
    log: PathBuf,
    starts: bool,
}

impl SystemLibvirtd {
    /// Starts it and waits until its socket accepts.
    pub fn start() -> Result<Self, Error> {
        let (service, report) = Service::start_reporting("system-libvirtd", "system_libvirtd.py", &[])?;
        Ok(Self { service, report })
    }

    /// URI of the driver of containers, socket included.
    pub fn containers_uri(&self) -> &str {
        &self.report.uri
    }

    /// URI of QEMU's driver, socket included.
    pub fn qemu_uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.report.socket.display())
    }

    /// Its directory.
    pub fn dir(&self) -> &PathBuf {
        &self.report.dir
    }

    /// Whether containers and domains with taps can be started: only where the tests run as root.
    pub fn starts(&self) -> bool {
        self.report.starts
    }

    /// Defines a container with Nova's metadata, and starts it where that can be: `running` or `shut off`.
    pub fn container(&self, number: u32, state: &str) -> Result<TestInstance, Error> {
        let state = if self.starts() { state } else { "shut off" };
        self.make("container", &json!({ "number": number, "state": state }))
    }

    /// Defines a QEMU domain with taps, and brings it into a state where that can be: as
    /// [`Libvirtd::instance`](super::Libvirtd::instance), with `taps` instead of `nics`.
    pub fn instance(&self, description: &Value) -> Result<TestInstance, Error> {
        let mut description = description.clone();
        if !self.starts() {
            description["state"] = "shut off".into();
        }
        self.make("instance", &description)
    }

    fn make(&self, verb: &str, description: &Value) -> Result<TestInstance, Error> {
        let answer = self.service.command(&format!("{verb} {description}"))?;
        serde_json::from_value(answer)
            .map_err(|error| Error::answer(format!("system-libvirtd: {verb}"), error))
    }

    /// Runs virsh on a driver (`lxc`, `qemu`) and returns what it prints.
    pub fn virsh(&self, driver: &str, arguments: &[&str]) -> Result<String, Error> {
        let asked = json!({ "driver": driver, "arguments": arguments });
        let answer = self.service.command(&format!("virsh {asked}"))?;
        Ok(answer["output"].as_str().unwrap_or_default().to_owned())
    }

    /// Everything that it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.report.log).unwrap_or_default()
    }
}
