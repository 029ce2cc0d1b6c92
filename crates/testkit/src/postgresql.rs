//! A private PostgreSQL.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use crate::Error;
use crate::rabbitmq::{Certificates, certificates};
use crate::service::Service;

/// A PostgreSQL server of our own, with one superuser and one empty database. Dropped, it is gone.
#[derive(Debug)]
pub struct PostgreSql {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    dir: PathBuf,
    port: u16,
    user: String,
    password: String,
    database: String,
    socket_dir: PathBuf,
    log: PathBuf,
    #[serde(deserialize_with = "certificates")]
    certificates: Option<Certificates>,
}

impl PostgreSql {
    /// Starts a server and waits until it answers queries.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&[])
    }

    /// Starts a server with more lines for `postgresql.conf`.
    pub fn start_with(settings: &[&str]) -> Result<Self, Error> {
        let arguments: Vec<String> = settings.iter().map(|line| format!("--setting={line}")).collect();
        Self::start_as(&arguments)
    }

    /// Starts a server that speaks TLS as well.
    pub fn start_tls() -> Result<Self, Error> {
        Self::start_as(&["--tls".to_owned()])
    }

    fn start_as(arguments: &[String]) -> Result<Self, Error> {
        let (service, report) = Service::start_reporting("postgresql", "postgresql.py", arguments)?;
        Ok(Self { service, report })
    }

    /// The files of its TLS, if it speaks TLS.
    pub const fn certificates(&self) -> Option<&Certificates> {
        self.report.certificates.as_ref()
    }

    /// `postgresql://` URL of the empty database, password included.
    pub fn url(&self) -> String {
        let Report { user, password, port, database, .. } = &self.report;
        format!("postgresql://{user}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.report.port
    }

    /// The directory of the Unix socket; open to root and the server's account only.
    pub fn socket_dir(&self) -> &PathBuf {
        &self.report.socket_dir
    }

    /// The server's directory.
    pub fn dir(&self) -> &PathBuf {
        &self.report.dir
    }

    /// Everything that the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// Runs SQL (line breaks count as spaces) and returns the rows, unaligned, columns separated by `|`.
    pub fn psql(&self, statement: &str) -> Result<Vec<String>, Error> {
        let answer = self.service.command(&format!("psql {}", statement.replace('\n', " ")))?;
        let rows = answer["rows"].as_array().cloned().unwrap_or_default();
        Ok(rows.iter().filter_map(|row| row.as_str().map(str::to_owned)).collect())
    }

    /// Stops the server in order; data and port are kept.
    pub fn stop(&self) -> Result<(), Error> {
        self.service.command("stop").map(drop)
    }

    /// Starts the server after [`Self::stop`] or [`Self::kill`].
    pub fn start_again(&self) -> Result<(), Error> {
        self.service.command("start").map(drop)
    }

    /// Stops the server in order and starts it on the same data and port.
    pub fn restart(&self) -> Result<(), Error> {
        self.service.command("restart").map(drop)
    }

    /// Cuts every session and ends the server at once; the next start recovers from its log.
    pub fn kill(&self) -> Result<(), Error> {
        self.service.command("kill").map(drop)
    }
}
