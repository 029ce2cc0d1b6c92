//! A private Cinder.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use crate::service::Service;
use crate::{Error, Keystone};

/// Cinder from PyPI on SQLite: API, scheduler, and one back-end that keeps nothing and has two pools. Dropped, it is gone.
#[derive(Debug)]
pub struct Cinder {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    url: String,
    log: PathBuf,
    requests: PathBuf,
}

impl Cinder {
    /// Starts a Cinder whose tokens this Keystone checks and whose parts talk through that broker, with more options for
    /// `cinder.conf`, each `group.name=value`. It has to be entered into the catalogue
    /// ([`Cloud::register_service`](crate::Cloud::register_service)).
    pub fn start(keystone: &Keystone, transport_url: &str, options: &[&str]) -> Result<Self, Error> {
        let mut arguments =
            vec![format!("--transport-url={transport_url}"), format!("--keystone={}", keystone.url())];
        arguments.extend(options.iter().map(|option| format!("--set={option}")));
        let (service, report) = Service::start_reporting("cinder", "cinder.py", &arguments)?;
        Ok(Self { service, report })
    }

    /// The address for the catalogue, where Keystone puts each project's id.
    pub fn catalog_url(&self) -> String {
        format!("{}/v3/$(project_id)s", self.report.url)
    }

    /// Makes volumes of a project, of so many GiB each, and a snapshot of the first.
    pub fn create_volumes(&self, project: &str, sizes: &[u32]) -> Result<(), Error> {
        let wanted = json!({ "project": project, "sizes": sizes });
        self.service.command(&format!("volumes {wanted}")).map(drop)
    }

    /// Everything that the API has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// The requests that have been answered so far: method, path with query, and status of each.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.report.requests).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}
