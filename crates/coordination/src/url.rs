//! [`BackendUrl`]: `[coordination] backend_url`, read as tooz reads it.
//!
//! What tooz takes and does nothing with (`retry_on_timeout`, `socket_keepalive`, `health_check_interval`,
//! `socket_connect_timeout`, `lock_timeout`, `executor`, `encoding`) is taken and has no effect here either: one limit holds for
//! everything that an access needs.

mod etcd;
mod postgresql;
mod query;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use nephoscope_http::TlsOptions;
use observability::secret::redact_url;
use redis::{RedisOptions, RedisSentinels};

pub(crate) use self::etcd::{EtcdAccount, EtcdUrl};
pub(crate) use self::postgresql::{Encryption, PostgreSqlUrl};
use self::query::{Query, membership};

/// How long a member is alive without being seen, unless the URL says otherwise or the work is done more often.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Where it is known how often the work is done: a part of the interval, so that there is time for the others to do what a
/// dead member had.
const PART_OF_INTERVAL: u32 = 4;
/// The shortest such time: one access without an answer makes nobody dead.
const SHORTEST: Duration = Duration::from_secs(10);
/// The longest: a member that is held up for less is not dead.
const LONGEST: Duration = Duration::from_secs(15);
/// Time for one access, unless the URL says otherwise. tooz has its `timeout` of 30 s, for which a cycle would wait.
const ACCESS: Duration = Duration::from_secs(5);
/// The longest timeout that is taken, in seconds.
const MAX_SECONDS: f64 = 86_400.0;
/// The shortest membership timeout, in seconds.
const MIN_SECONDS: f64 = 1.0;
/// How long a Redis that failed is left alone: whoever asks has pauses of its own.
const REST: Duration = Duration::ZERO;
/// The most bytes of what a Redis says of all groups.
const REPLY_BYTES_MAX: usize = 16 << 20;
/// The option, for errors.
const OPTION: &str = "[coordination] backend_url";
const SCHEMES: &str =
    "write redis://host:6379, etcd3+http://host:2379, postgresql://user@host/database or file:///directory";

/// Why a URL cannot be used. It shows no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct UrlError {
    /// What is wrong, with the value.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// Where members meet, and for how long they are alive without being seen.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendUrl {
    pub(crate) kind: Kind,
    pub(crate) membership_timeout: Duration,
    pub(crate) access_timeout: Duration,
    /// Whether the URL itself says how long a member is alive without being seen.
    has_timeout: bool,
    shown: String,
    /// Parameters that mean nothing.
    pub unknown: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis(Box<RedisUrl>),
    Etcd(Box<EtcdUrl>),
    PostgreSql(Box<PostgreSqlUrl>),
    File(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    pub(crate) options: RedisOptions,
    /// What keys begin with.
    pub(crate) namespace: String,
}

impl BackendUrl {
    /// With the timeouts that the URL gives.
    fn new(kind: Kind, membership_timeout: Option<Duration>, access_timeout: Option<Duration>) -> Self {
        let has_timeout = membership_timeout.is_some();
        let membership_timeout = membership_timeout.unwrap_or(TIMEOUT);
        let access_timeout = access_timeout.unwrap_or(ACCESS.min(membership_timeout));
        Self {
            kind,
            membership_timeout,
            access_timeout,
            has_timeout,
            shown: String::new(),
            unknown: Vec::new(),
        }
    }

    /// For work that is done at such an interval: unless the URL says otherwise, whoever is dead is known to be within a quarter
    /// of it, but neither sooner than after 10 s nor later than after 15 s.
    #[must_use]
    pub fn at_interval(mut self, interval: Duration) -> Self {
        if !self.has_timeout {
            self.membership_timeout = (interval / PART_OF_INTERVAL).clamp(SHORTEST, LONGEST);
        }
        self
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`]
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let shown = redact_url(url);
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(wrong(format!("{shown:?} is no URL"), SCHEMES));
        };
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match place.strip_prefix("//") {
            Some(place) => place.split_at(place.find('/').unwrap_or(place.len())),
            None => ("", place),
        };
        let mut query = Query::parse(query);
        let mut parsed = match scheme.as_str() {
            "redis" => redis(authority, path, &mut query)?,
            "file" => file(authority, path, &mut query)?,
            "rediss" => {
                return Err(wrong(
                    "a URL of Redis begins with redis://, as tooz has it",
                    "for TLS write redis://host:6379?ssl=true",
                ));
            }
            "etcd3" | "etcd3+http" | "etcd3+https" => etcd::read(&scheme, authority, &mut query)?,
            "postgresql" => postgresql::read(authority, path, &mut query)?,
            "memcached" | "zookeeper" | "kazoo" | "consul" | "mysql" | "kubernetes" | "ipc" => {
                return Err(wrong(format!("{scheme} is not supported"), SCHEMES));
            }
            _ => return Err(wrong(format!("there is no back end {scheme:?}"), SCHEMES)),
        };
        parsed.shown = shown;
        parsed.unknown.extend(query.into_names());
        Ok(parsed)
    }

    /// How long a member is alive without being seen.
    #[must_use]
    pub const fn membership_timeout(&self) -> Duration {
        self.membership_timeout
    }

    /// Whether Ceilometer's agents can be members there, too: whether tooz has groups at such a back end, and we their
    /// layout.
    #[must_use]
    pub const fn is_shared_with_python(&self) -> bool {
        match &self.kind {
            Kind::Redis(_) => true,
            // It knows of no accounts there.
            Kind::Etcd(etcd) => etcd.account.is_none(),
            Kind::PostgreSql(_) | Kind::File(_) => false,
        }
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parameters may have passwords.
        f.write_str(self.shown.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackendUrl").field(&self.to_string()).finish()
    }
}

fn redis(authority: &str, path: &str, query: &mut Query) -> Result<BackendUrl, UrlError> {
    // As with `urlsplit`, what stands before the last `@` is not decoded.
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let (username, password) =
        user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let server = if host.is_empty() {
        if !path.starts_with('/') {
            return Err(wrong("the URL names neither a server nor a socket", SCHEMES));
        }
        path.to_owned()
    } else {
        host.to_ascii_lowercase()
    };
    // It is not shown: in a URL whose password has a slash, it is a part of that.
    let behind_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    if behind_address.split_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(wrong(
            "the port is no number",
            "write redis://host:6379, and no / ? or # in user and password",
        ));
    }
    let timeout = query.seconds("timeout")?;
    let given = query.seconds("membership_timeout")?.or(timeout).map(membership).transpose()?;
    let access_timeout = query.seconds("socket_timeout")?.map(Duration::from_secs_f64);
    let access_timeout = access_timeout.filter(|access| !access.is_zero());
    let limit = access_timeout.unwrap_or(ACCESS.min(given.unwrap_or(TIMEOUT)));
    let files = Tls {
        certfile: query.take("ssl_certfile").map(PathBuf::from),
        keyfile: query.take("ssl_keyfile").map(PathBuf::from),
        cafile: query.take("ssl_ca_certs").map(PathBuf::from),
    };
    let (is_tls, is_sentinel_tls) = (query.truth("ssl"), query.truth("sentinel_ssl"));
    let fallbacks = query.take_all("sentinel_fallback");
    let sentinels = query.take("sentinel").map(|service| {
        let addresses = std::iter::once(server.clone()).chain(fallbacks).collect();
        RedisSentinels { addresses, service }
    });
    let database = match query.take("db") {
        None => 0,
        Some(text) => text.trim().parse().map_err(|_| {
            wrong(format!("db={text} is no number"), "write the number of a database, such as db=0")
        })?,
    };
    let options = RedisOptions {
        option: OPTION,
        tls_options: "ssl_ca_certs, ssl_certfile or ssl_keyfile",
        server,
        sentinels,
        database,
        username: some(username),
        password: password.and_then(some).map(Into::into),
        timeout: limit,
        rest: REST,
        tls: is_tls.then(|| files.options()),
        sentinel_tls: is_sentinel_tls.then(|| files.options()),
        sentinel_username: query.take("sentinel_username"),
        sentinel_password: query.take("sentinel_password").map(Into::into),
        reply_bytes_max: REPLY_BYTES_MAX,
    };
    for name in [
        "retry_on_timeout",
        "socket_keepalive",
        "health_check_interval",
        "socket_connect_timeout",
        "lock_timeout",
        "executor",
        "encoding",
    ] {
        query.take(name);
    }
    let namespace = query.take("namespace").unwrap_or_else(|| "_tooz".to_owned());
    let kind = Kind::Redis(Box::new(RedisUrl { options, namespace }));
    Ok(BackendUrl::new(kind, given, access_timeout))
}

fn file(authority: &str, path: &str, query: &mut Query) -> Result<BackendUrl, UrlError> {
    if !authority.is_empty() || !path.starts_with('/') {
        return Err(wrong(
            "the URL names no directory by its whole path",
            "write three slashes: file:///directory",
        ));
    }
    // tooz's, for its locks.
    query.take("timeout");
    query.take("executor");
    let given = query.seconds("membership_timeout")?.map(membership).transpose()?;
    Ok(BackendUrl::new(Kind::File(PathBuf::from(path)), given, None))
}

struct Tls {
    certfile: Option<PathBuf>,
    keyfile: Option<PathBuf>,
    cafile: Option<PathBuf>,
}

impl Tls {
    fn options(&self) -> TlsOptions {
        TlsOptions {
            cafile: self.cafile.clone(),
            keyfile: self.keyfile.clone().filter(|_| self.certfile.is_some()),
            certfile: self.certfile.clone(),
            ..TlsOptions::default()
        }
    }
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> UrlError {
    UrlError { message: format!("{OPTION}: {}", message.into()), hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis_of(url: &str) -> (RedisUrl, BackendUrl) {
        let parsed = BackendUrl::parse(url).unwrap();
        let Kind::Redis(redis) = parsed.kind.clone() else { panic!("{url}") };
        (*redis, parsed)
    }

    #[test]
    fn urls_are_read_as_tooz_reads_them() {
        let (redis, url) = redis_of("redis://localhost");
        assert_eq!((redis.options.server.as_str(), redis.namespace.as_str()), ("localhost", "_tooz"));
        assert_eq!((url.membership_timeout.as_secs(), redis.options.timeout.as_secs()), (30, 5));
        assert_eq!(redis.options.tls, None);

        let (redis, url) = redis_of(
            "Redis://me:p%40ss:w@Cache:7000/3?db=2&timeout=20&membership_timeout=9.5&socket_timeout=2&namespace=my%20space\
             &ssl=True&ssl_ca_certs=/ca.pem&ssl_keyfile=/key.pem&lock_timeout=3&colour=red",
        );
        let options = &redis.options;
        assert_eq!((options.server.as_str(), options.database), ("cache:7000", 2));
        assert_eq!(options.username.as_deref(), Some("me"));
        assert_eq!(options.password.as_ref().map(|secret| secret.expose().as_str()), Some("p%40ss:w"));
        assert_eq!((url.membership_timeout.as_secs_f64(), options.timeout.as_secs()), (9.5, 2));
        assert_eq!(redis.namespace, "my space");
        let tls = options.tls.clone().unwrap();
        assert_eq!((tls.cafile, tls.keyfile), (Some("/ca.pem".into()), None));
        assert_eq!(url.unknown, ["colour"]);
        assert_eq!(format!("{url} {url:?}").matches("p%40ss").count(), 0);

        let (redis, _) = redis_of(
            "redis://s1:26379?sentinel=kolla&sentinel_fallback=s2:26379&sentinel_fallback=s3:26379&sentinel_ssl=1",
        );
        let sentinels = redis.options.sentinels.unwrap();
        assert_eq!(
            (sentinels.addresses.join(" "), sentinels.service),
            ("s1:26379 s2:26379 s3:26379".into(), "kolla".into())
        );
        assert!(redis.options.tls.is_none() && redis.options.sentinel_tls.is_some());

        let (redis, _) = redis_of("redis:///run/redis.sock?db=1");
        assert_eq!((redis.options.server.as_str(), redis.options.database), ("/run/redis.sock", 1));
        let (redis, _) = redis_of("redis://[::1]:6380");
        assert_eq!(redis.options.server, "[::1]:6380");

        for (url, interval, expected) in [
            ("redis://h", 300, 15),
            ("redis://h", 50, 12),
            ("redis://h", 20, 10),
            ("etcd3+http://h", 1, 10),
            ("redis://h?timeout=40", 20, 40),
            ("postgresql://u@h?membership_timeout=3", 60, 3),
        ] {
            let url = BackendUrl::parse(url).unwrap().at_interval(Duration::from_secs(interval));
            assert_eq!(
                (url.membership_timeout.as_secs(), url.access_timeout.as_secs()),
                (expected, expected.min(5))
            );
        }

        let url = BackendUrl::parse("file:///var/lib/agents?timeout=3&membership_timeout=12").unwrap();
        assert_eq!(url.kind, Kind::File("/var/lib/agents".into()));
        assert_eq!((url.membership_timeout.as_secs(), url.unknown.len()), (12, 0));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_what_to_write() {
        for (url, expected) in [
            ("localhost", "is no URL"),
            ("redis://", "neither a server nor a socket"),
            ("rediss://h", "ssl=true"),
            ("redis://h?db=x", "db=x is no number"),
            ("redis://h?timeout=soon", "timeout=soon is no number of seconds"),
            ("redis://h?membership_timeout=0.2", "too short"),
            ("zookeeper://h", "zookeeper is not supported"),
            ("memcached://h", "memcached is not supported"),
            ("consul://h", "consul is not supported"),
            ("mysql://h/d", "mysql is not supported"),
            ("kubernetes://", "kubernetes is not supported"),
            ("etcd3+http://h:x", "the port is no number"),
            ("etcd3+http://[::1", "no closing bracket"),
            ("etcd3+http://h?api_version=v3/..", "is no version"),
            ("postgresql://h:x/d", "the port is no number"),
            ("postgresql://u@h?sslmode=maybe", "sslmode=maybe is none"),
            ("postgresql://u@h?port=x", "port=x is no port"),
            ("postgresql://u:secret@", "names neither a server nor a socket"),
            ("foo://h", "there is no back end \"foo\""),
            ("file://directory", "three slashes"),
        ] {
            let error = BackendUrl::parse(url).unwrap_err().to_string();
            assert!(error.contains(expected) && error.starts_with(OPTION), "{url}: {error}");
        }
        for url in [
            "etcd3+http://me:se/cret@h",
            "postgresql://me:se/cret@h",
            "postgresql://me:se?cret@h",
            "foo://me:secret@h",
            "redis://me:se/cret@h",
            "redis://me:se?cret@h",
            "redis://h:secret",
        ] {
            let error = BackendUrl::parse(url).unwrap_err().to_string();
            assert!(
                !error.contains("se/c") && !error.contains("cret@") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
