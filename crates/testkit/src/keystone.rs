//! A private Keystone that notifies a broker.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use crate::service::Service;
use crate::{Cloud, Error};

/// The form of Keystone's notifications (its option `notification_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NotificationFormat {
    /// Audit records of the Cloud Auditing Data Federation; upstream's default.
    #[default]
    Cadf,
    /// The short form: `resource_info` with the resource's id.
    Basic,
}

/// How a Keystone shall be started.
#[must_use]
#[derive(Debug, Clone)]
pub struct KeystoneBuilder {
    arguments: Vec<String>,
}

impl KeystoneBuilder {
    /// The form of the notifications.
    pub fn format(self, format: NotificationFormat) -> Self {
        let name = match format {
            NotificationFormat::Cadf => "cadf",
            NotificationFormat::Basic => "basic",
        };
        self.argument(format!("--format={name}"))
    }

    /// Any other option of `keystone.conf`.
    pub fn option(self, group: &str, name: &str, value: &str) -> Self {
        self.argument(format!("--set={group}.{name}={value}"))
    }

    /// Starts Keystone and waits until it listens.
    pub fn start(self) -> Result<Keystone, Error> {
        let (service, report) = Service::start_reporting("keystone", "keystone.py", &self.arguments)?;
        Ok(Keystone { service, report })
    }

    fn argument(mut self, argument: String) -> Self {
        self.arguments.push(argument);
        self
    }
}

/// Keystone from PyPI on SQLite, with `driver = messagingv2`. Dropped, it is gone.
#[derive(Debug)]
pub struct Keystone {
    #[expect(dead_code, reason = "its drop ends Keystone")]
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    url: String,
    port: u16,
    log: PathBuf,
    user: String,
    password: String,
    region: String,
}

impl Keystone {
    /// Starts a Keystone that notifies the broker of this transport URL.
    pub fn start(transport_url: &str) -> Result<Self, Error> {
        Self::builder(transport_url).start()
    }

    /// Starts from options.
    pub fn builder(transport_url: &str) -> KeystoneBuilder {
        KeystoneBuilder { arguments: vec![format!("--transport-url={transport_url}")] }
    }

    /// The public URL, with its `/v3`.
    pub fn url(&self) -> &str {
        &self.report.url
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.report.port
    }

    /// The administrator's name; the project is `admin` too, and the domain `default`.
    pub fn user(&self) -> &str {
        &self.report.user
    }

    /// The administrator's password.
    pub fn password(&self) -> &str {
        &self.report.password
    }

    /// The only region.
    pub fn region(&self) -> &str {
        &self.report.region
    }

    /// Everything that Keystone has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// An administrator's session on this Keystone alone.
    pub fn cloud(&self) -> Result<Cloud, Error> {
        Cloud::open(self, None)
    }
}
