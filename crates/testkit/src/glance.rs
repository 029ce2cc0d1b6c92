//! A private Glance that notifies a broker.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use crate::service::Service;
use crate::{Cloud, Error, Keystone};

/// Glance from PyPI on SQLite and files, with `driver = messagingv2`. Dropped, it is gone.
#[derive(Debug)]
pub struct Glance {
    #[expect(dead_code, reason = "its drop ends Glance")]
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    url: String,
    port: u16,
    log: PathBuf,
}

impl Glance {
    /// Starts a Glance whose tokens this Keystone checks, and that notifies the broker of this transport URL.
    pub fn start(keystone: &Keystone, transport_url: &str) -> Result<Self, Error> {
        Self::start_with(keystone, transport_url, &[])
    }

    /// The same with more options for `glance-api.conf`, each `group.name=value`.
    pub fn start_with(keystone: &Keystone, transport_url: &str, options: &[&str]) -> Result<Self, Error> {
        let mut arguments =
            vec![format!("--transport-url={transport_url}"), format!("--keystone={}", keystone.url())];
        arguments.extend(options.iter().map(|option| format!("--set={option}")));
        let (service, report) = Service::start_reporting("glance", "glance.py", &arguments)?;
        Ok(Self { service, report })
    }

    /// The public URL, without a version.
    pub fn url(&self) -> &str {
        &self.report.url
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.report.port
    }

    /// Everything that Glance has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// An administrator's session on Keystone and this Glance.
    pub fn cloud(&self, keystone: &Keystone) -> Result<Cloud, Error> {
        Cloud::open(keystone, Some(self))
    }
}
