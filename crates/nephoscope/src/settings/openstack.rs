//! keystoneauth's and oslo.cache's options, as the OpenStack crate takes them.

mod auth;
mod cache;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nephoscope_http::{ClientOptions, ProxyOptions, TlsOptions, tls::TlsVersion};
use notification::NameResolver;
use observability::clock::Clock;
use openstack::{Cache, CacheOptions, Service, ServiceFilter, Session, SessionOptions};
use oslo_config::options::{agent, keystone, polling};
use oslo_config::{Config, Credentials, CredentialsOf};
use pollsters::dynamic::Surroundings;

use self::cache::cache_options;

/// Why the options describe no session or cache. It names the section and the option.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenStackError {
    #[error("[{section}] {option} = {value}: {problem}; {hint}")]
    Option { section: String, option: &'static str, value: String, problem: String, hint: String },
    #[error("[{section}] {option} is not set; {hint}")]
    Missing { section: String, option: &'static str, hint: String },
    #[error("[{section}]: {source}")]
    Options { section: String, source: openstack::Error },
}

/// Sessions for the sections of one configuration. Sections that say the same share one: its token, its catalogue, its
/// connections.
pub(crate) struct Sessions {
    config: Config,
    proxy: ProxyOptions,
    env: BTreeMap<String, String>,
    made: Mutex<Vec<(SessionOptions, Session)>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// Whether a variable of the environment is the agent's alone: an option, which may be a secret, or a word of the service
/// manager.
fn is_private(name: &str) -> bool {
    const MANAGER: [&str; 7] = [
        "NOTIFY_SOCKET",
        "JOURNAL_STREAM",
        "INVOCATION_ID",
        "MAINPID",
        "MANAGERPID",
        "CREDENTIALS_DIRECTORY",
        "LISTEN_PID",
    ];
    let is_option = name.starts_with("OS_") && name.contains("__");
    is_option || MANAGER.contains(&name) || name.starts_with("WATCHDOG_") || name.starts_with("LISTEN_")
}

impl Sessions {
    /// `env` is asked for proxies, as Python's requests does.
    pub(crate) fn new(config: &Config, env: &BTreeMap<String, String>) -> Self {
        let proxy = ProxyOptions::from_values(|name| env.get(name).cloned());
        Self { config: config.clone(), proxy, env: env.clone(), made: Mutex::default() }
    }

    /// What dynamic pollsters need: how services outside of OpenStack are spoken to, and the environment of commands.
    pub(crate) fn of_dynamic_pollsters(&self) -> Surroundings {
        let variables = self.env.iter().filter(|(name, _)| !is_private(name));
        Surroundings {
            http: ClientOptions { proxy: self.proxy.clone(), ..ClientOptions::default() },
            environment: variables.map(|(name, value)| (name.clone(), value.clone())).collect(),
            ..Surroundings::default()
        }
    }

    /// A service of the catalogue, with the credentials, the interface and the region of `of`. Nothing is sent.
    pub(crate) fn service(
        &self,
        of: CredentialsOf,
        service_type: &str,
        service_name: Option<&str>,
    ) -> Result<Service, OpenStackError> {
        self.made_service(of, service_type, service_name, None)
    }

    /// The same, where a request may take so long unless the operator says otherwise.
    pub(crate) fn service_within(
        &self,
        of: CredentialsOf,
        service_type: &str,
        timeout: Duration,
    ) -> Result<Service, OpenStackError> {
        self.made_service(of, service_type, None, Some(timeout))
    }

    fn made_service(
        &self,
        of: CredentialsOf,
        service_type: &str,
        service_name: Option<&str>,
        timeout: Option<Duration>,
    ) -> Result<Service, OpenStackError> {
        let credentials = self.config.credentials(of);
        let mut options = session_options(&credentials)?;
        if let Some(timeout) = timeout.filter(|_| credentials.get(&keystone::TIMEOUT).is_none()) {
            options.timeout = timeout;
        }
        options.proxy = self.proxy.clone();
        options.max_idle_per_host = idle_connections(&self.config);
        let session = self.session(&credentials, options)?;
        let mut filter =
            ServiceFilter::new(service_type).with_interface(credentials.get(&keystone::INTERFACE));
        filter.service_name = service_name.map(str::to_owned);
        filter.region_name = text(credentials.get(&keystone::REGION_NAME)).map(str::to_owned);
        Ok(Service::new(session, filter))
    }

    /// A cache as `[cache]` describes it, for one user of it.
    pub(crate) fn cache(&self) -> Result<Cache, OpenStackError> {
        Cache::new(cache_options(&self.config)?)
            .map_err(|source| OpenStackError::Options { section: "cache".to_owned(), source })
    }

    /// The cache of `[cache]` if it is one that agents share: memcached or Redis.
    pub(crate) fn shared_cache(&self) -> Result<Option<Cache>, OpenStackError> {
        match cache_options(&self.config)? {
            CacheOptions::InProcess { .. } | CacheOptions::Null => Ok(None),
            CacheOptions::Memcached(_) | CacheOptions::Redis(_) => self.cache().map(Some),
        }
    }

    /// What looks up the names of users and projects, if `[polling] identity_name_discovery` asks for them.
    pub(crate) fn names(&self) -> Result<Option<NameResolver>, OpenStackError> {
        if !self.config.get(&polling::IDENTITY_NAME_DISCOVERY) {
            return Ok(None);
        }
        let identity = self.service(CredentialsOf::Service, "identity", None)?;
        let names = NameResolver::new(identity, self.cache()?, Clock::machine());
        names.map(Some).map_err(|source| OpenStackError::Options { section: "cache".to_owned(), source })
    }

    fn session(
        &self,
        credentials: &Credentials<'_>,
        options: SessionOptions,
    ) -> Result<Session, OpenStackError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, session)) = made.iter().find(|(known, _)| *known == options) {
            return Ok(session.clone());
        }
        let session = Session::new(options.clone()).map_err(|source| OpenStackError::Options {
            section: credentials.session_section.clone(),
            source,
        })?;
        made.push((options, session.clone()));
        Ok(session)
    }
}

/// The session that a set of credentials describes, without the proxies.
pub(crate) fn session_options(credentials: &Credentials<'_>) -> Result<SessionOptions, OpenStackError> {
    let auth = auth::auth_options(credentials)?;
    auth.check()
        .map_err(|source| OpenStackError::Options { section: credentials.auth_section.clone(), source })?;
    let path = |value: Option<&str>| text(value).map(PathBuf::from);
    let certfile = path(credentials.get(&keystone::CERTFILE));
    let min_version = text(credentials.get(&keystone::TLS_MIN_VERSION)).map(|value| {
        TlsVersion::parse(value).map_err(|error| OpenStackError::Option {
            section: credentials.session_section.clone(),
            option: "tls_min_version",
            value: value.to_owned(),
            problem: error.to_string(),
            hint: "write 1.2 or 1.3".to_owned(),
        })
    });
    let tls = TlsOptions {
        cafile: path(credentials.get(&keystone::CAFILE)),
        // A key without a certificate is passed over by keystoneauth.
        keyfile: path(credentials.get(&keystone::KEYFILE)).filter(|_| certfile.is_some()),
        certfile,
        insecure: credentials.get(&keystone::INSECURE),
        min_version: min_version.transpose()?,
        ..TlsOptions::default()
    };
    let mut options = SessionOptions::new(auth);
    options.tls = tls;
    if let Some(seconds) = credentials.get(&keystone::TIMEOUT) {
        options.timeout = self::seconds(&credentials.session_section, "timeout", seconds)?;
    }
    Ok(options)
}

/// A duration that an option gives in seconds.
fn seconds(section: &str, option: &'static str, seconds: f64) -> Result<Duration, OpenStackError> {
    let wrong = || OpenStackError::Option {
        section: section.to_owned(),
        option,
        value: seconds.to_string(),
        problem: "not a time that can be waited".to_owned(),
        hint: "write seconds, more than 0".to_owned(),
    };
    if seconds <= 0.0 {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// Connections kept to each host: `max_parallel_requests`, as Ceilometer sizes its pools.
fn idle_connections(config: &Config) -> usize {
    usize::try_from(config.get(&agent::MAX_PARALLEL_REQUESTS)).unwrap_or(1).max(1)
}

/// Python's truth of a text: an empty one is none.
fn text(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
