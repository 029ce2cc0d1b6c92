//! A private Neutron API.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use crate::service::Service;
use crate::{Error, Keystone};

/// Neutron's API from PyPI on SQLite, without any agent behind it, and without the extensions for firewalls and VPN. Dropped,
/// it is gone.
#[derive(Debug)]
pub struct Neutron {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    url: String,
    log: PathBuf,
    requests: PathBuf,
}

impl Neutron {
    /// Starts a Neutron whose tokens this Keystone checks, with more options for `neutron.conf`, each `group.name=value`. It
    /// has to be entered into the catalogue ([`Cloud::register_service`](crate::Cloud::register_service)).
    pub fn start(keystone: &Keystone, options: &[&str]) -> Result<Self, Error> {
        let mut arguments =
            vec!["--transport-url=fake://".to_owned(), format!("--keystone={}", keystone.url())];
        arguments.extend(options.iter().map(|option| format!("--set={option}")));
        let (service, report) = Service::start_reporting("neutron", "neutron.py", &arguments)?;
        Ok(Self { service, report })
    }

    /// The public URL, without a version.
    pub fn url(&self) -> &str {
        &self.report.url
    }

    /// Everything that Neutron has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// The requests that have been answered so far: method, path with query, and status of each.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.report.requests).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Gives a project so many floating IPs, which no port has.
    pub fn create_floating_ips(&self, project: &str, count: usize) -> Result<(), Error> {
        self.service
            .command(&format!("floating_ips {}", json!({ "project": project, "count": count })))
            .map(drop)
    }
}
