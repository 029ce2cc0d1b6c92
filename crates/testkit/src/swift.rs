//! A private Swift.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use crate::service::Service;
use crate::{Error, Keystone};

/// Swift from PyPI, one server of each kind, objects in memory. Dropped, it is gone.
#[derive(Debug)]
pub struct Swift {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    url: String,
    log: PathBuf,
}

impl Swift {
    /// Starts a Swift whose tokens this Keystone checks, and whose listings have at most so many containers. It has to be
    /// entered into the catalogue ([`Cloud::register_service`](crate::Cloud::register_service)).
    pub fn start(keystone: &Keystone, listing_limit: usize) -> Result<Self, Error> {
        let arguments =
            [format!("--keystone={}", keystone.url()), format!("--listing-limit={listing_limit}")];
        let (service, report) = Service::start_reporting("swift", "swift.py", &arguments)?;
        Ok(Self { service, report })
    }

    /// The address for the catalogue, where Keystone puts each project's id.
    pub fn catalog_url(&self) -> String {
        format!("{}/v1/AUTH_$(project_id)s", self.report.url)
    }

    /// Makes a container of a project, and objects of those sizes in it.
    pub fn store(&self, project: &str, container: &str, sizes: &[usize]) -> Result<(), Error> {
        let wanted = json!({ "project": project, "container": container, "sizes": sizes });
        self.service.command(&format!("store {wanted}")).map(drop)
    }

    /// Everything that the proxy has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }
}
