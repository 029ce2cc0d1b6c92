//! A private memcached or Redis, and Redis under sentinels.

use serde::Deserialize;

use crate::Error;
use crate::rabbitmq::{Certificates, certificates};
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
    #[serde(deserialize_with = "certificates")]
    certificates: Option<Certificates>,
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

    /// Starts a memcached that speaks TLS alone, and demands a certificate of its clients.
    pub fn memcached_tls() -> Result<Self, Error> {
        Self::start("memcached", "memcached.py", &["--tls".to_owned()])
    }

    /// Starts a Redis that speaks TLS alone, and demands a certificate of its clients.
    pub fn redis_tls() -> Result<Self, Error> {
        Self::start("redis", "redis.py", &["--tls".to_owned()])
    }

    fn start(name: &str, script: &str, arguments: &[String]) -> Result<Self, Error> {
        let (service, report) = Service::start_reporting(name, script, arguments)?;
        Ok(Self { service, report })
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.report.port)
    }

    /// The files of its TLS, if it speaks TLS.
    pub const fn certificates(&self) -> Option<&Certificates> {
        self.report.certificates.as_ref()
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

/// Two Redis, one a replica of the other, under three sentinels. Dropped, they are gone.
#[derive(Debug)]
pub struct RedisUnderSentinels {
    service: Service,
    report: Watched,
}

#[derive(Debug, Deserialize)]
struct Watched {
    sentinels: Vec<u16>,
    service: String,
}

impl RedisUnderSentinels {
    /// Starts all of them, and waits until the sentinels know each other and both Redis.
    pub fn start(password: &str) -> Result<Self, Error> {
        let arguments = [format!("--password={password}")];
        let (service, report) = Service::start_reporting("sentinels", "sentinels.py", &arguments)?;
        Ok(Self { service, report })
    }

    /// `host:port` of each sentinel.
    pub fn sentinels(&self) -> Vec<String> {
        self.report.sentinels.iter().map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// The name by which the sentinels know the master.
    pub fn name(&self) -> &str {
        &self.report.service
    }

    /// The port of the master, as the first sentinel says.
    pub fn master(&self) -> Result<u64, Error> {
        let answer = self.service.command("master")?;
        answer["port"].as_u64().ok_or_else(|| Error::answer("sentinels: master", answer))
    }

    /// Kills the master with -9; the sentinels notice it and make the other one master.
    pub fn kill_master(&self) -> Result<(), Error> {
        self.service.command("kill").map(drop)
    }

    /// Starts the one that was killed: the sentinels make it a replica.
    pub fn resume(&self) -> Result<(), Error> {
        self.service.command("resume").map(drop)
    }

    /// A sentinel, by its place in [`Self::sentinels`], stops to answer, although connections to it can be made.
    pub fn silence(&self, number: usize) -> Result<(), Error> {
        self.service.command(&format!("silence {number}")).map(drop)
    }

    /// It answers again.
    pub fn speak(&self, number: usize) -> Result<(), Error> {
        self.service.command(&format!("speak {number}")).map(drop)
    }
}
