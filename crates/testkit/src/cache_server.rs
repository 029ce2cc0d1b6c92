//! A private memcached or Redis.

use serde::Deserialize;

use crate::Error;
use crate::service::Service;

/// A cache server of our own, which keeps nothing on disk. Dropped, it is gone.
#[derive(Debug)]
pub struct CacheServer {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    port: u16,
}

impl CacheServer {
    /// Starts a memcached and waits until it listens.
    pub fn memcached() -> Result<Self, Error> {
        Self::start("memcached", "memcached.py", &[])
    }

    /// Starts a Redis, which wants that password if there is one, and waits until it listens.
    pub fn redis(password: Option<&str>) -> Result<Self, Error> {
        let arguments: Vec<String> =
            password.map(|password| format!("--password={password}")).into_iter().collect();
        Self::start("redis", "redis.py", &arguments)
    }

    fn start(name: &str, script: &str, arguments: &[String]) -> Result<Self, Error> {
        let (service, report) = Service::start_reporting(name, script, arguments)?;
        Ok(Self { service, report })
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.report.port)
    }

    /// Stops the server; the port is kept.
    pub fn stop(&self) -> Result<(), Error> {
        self.service.command("stop").map(drop)
    }

    /// Starts the server after [`Self::stop`], empty.
    pub fn start_again(&self) -> Result<(), Error> {
        self.service.command("start").map(drop)
    }
}
