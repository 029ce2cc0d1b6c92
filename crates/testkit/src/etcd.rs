//! A private etcd.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::Error;
use crate::rabbitmq::{Certificates, certificates};
use crate::service::Service;

/// An etcd of one member. Dropped, it is gone.
#[derive(Debug)]
pub struct Etcd {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    port: u16,
    #[serde(deserialize_with = "certificates")]
    certificates: Option<Certificates>,
}

impl Etcd {
    /// Starts a server and waits until it is healthy.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&[])
    }

    /// Starts a server that speaks TLS alone, and demands a certificate of its clients.
    pub fn start_tls() -> Result<Self, Error> {
        Self::start_with(&["--tls".to_owned()])
    }

    /// Starts a server that answers those alone who have an account: `agents` with the password `a:pass@word` may do what
    /// members of groups do.
    pub fn start_with_accounts() -> Result<Self, Error> {
        Self::start_with(&["--accounts".to_owned()])
    }

    fn start_with(arguments: &[String]) -> Result<Self, Error> {
        let (service, report) = Service::start_reporting("etcd", "etcd.py", arguments)?;
        Ok(Self { service, report })
    }

    /// `host:port`, for clients.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.report.port)
    }

    /// The files of its TLS, if it speaks TLS.
    pub const fn certificates(&self) -> Option<&Certificates> {
        self.report.certificates.as_ref()
    }

    /// Writes a pair.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let (key, value) = (hex(key), hex(value));
        self.service.command(&format!("put {{\"key\": \"{key}\", \"value\": \"{value}\"}}")).map(drop)
    }

    /// Stops the server; data and port are kept.
    pub fn stop(&self) -> Result<(), Error> {
        self.service.command("stop").map(drop)
    }

    /// Kills the server with -9; data and port are kept.
    pub fn kill(&self) -> Result<(), Error> {
        self.service.command("kill").map(drop)
    }

    /// Starts the server after [`Self::stop`] or [`Self::kill`].
    pub fn start_again(&self) -> Result<(), Error> {
        self.service.command("start").map(drop)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
