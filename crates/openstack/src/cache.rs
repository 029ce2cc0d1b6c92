//! [`Cache`]: names, and hashes of what was sent, kept for a while; oslo.cache's back ends.
//!
//! Entries in memcached and Redis have the keys and the form that dogpile.cache gives them, so that agents share them,
//! Python's included.

mod dogpile;
mod memcached;
mod memory;
mod pickle;
mod redis_entries;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use observability::clock::Clock;
use observability::secret::Secret;
pub use redis::RedisSentinels;

use self::memcached::Memcached;
use self::memory::Memory;
use self::redis_entries::Redis;
use crate::Error;

/// `[cache] expiration_time`, and what holds where `[cache] enabled` is off.
pub const DEFAULT_EXPIRATION: Duration = Duration::from_mins(10);
/// `[cache] socket_timeout`.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
/// Back ends are not asked to keep longer values.
const MAX_VALUE_BYTES: usize = 64 << 10;
/// Bound of an answer: a value and what stands around it.
const MAX_ANSWER_BYTES: usize = MAX_VALUE_BYTES + 4096;
/// The options that name the files of TLS, for errors.
const TLS_OPTIONS: &str = "tls_cafile, tls_certfile or tls_keyfile";

/// Where entries are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheOptions {
    /// In this process.
    InProcess {
        /// How long.
        expiration: Duration,
    },
    /// Nowhere.
    Null,
    /// In memcached.
    Memcached(MemcachedOptions),
    /// In Redis.
    Redis(RedisOptions),
}

/// Options of memcached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemcachedOptions {
    /// `host:port`; an entry's key decides which server has it, as python-memcached decides.
    pub servers: Vec<String>,
    /// How long entries hold.
    pub expiration: Duration,
    /// How long the server keeps them, if that is not as long.
    pub backend_expiration: Option<Duration>,
    /// Time for one access.
    pub timeout: Duration,
    /// How long a server that failed is left alone.
    pub dead_retry: Duration,
    /// TLS, if it is to be used.
    pub tls: Option<nephoscope_http::TlsOptions>,
}

impl Default for MemcachedOptions {
    fn default() -> Self {
        Self {
            servers: vec!["localhost:11211".to_owned()],
            expiration: DEFAULT_EXPIRATION,
            backend_expiration: None,
            timeout: DEFAULT_TIMEOUT,
            dead_retry: Duration::from_mins(5),
            tls: None,
        }
    }
}

/// Options of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// `host:port`; not used with `sentinels`.
    pub server: String,
    /// Those who name the server, if it may change.
    pub sentinels: Option<RedisSentinels>,
    /// The number of the database.
    pub database: u32,
    /// The user, if it is not the default one.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret<String>>,
    /// How long entries hold.
    pub expiration: Duration,
    /// How long the server keeps them, if that is not as long.
    pub backend_expiration: Option<Duration>,
    /// Time for one access.
    pub timeout: Duration,
    /// TLS, if it is to be used.
    pub tls: Option<nephoscope_http::TlsOptions>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            server: "localhost:6379".to_owned(),
            sentinels: None,
            database: 0,
            username: None,
            password: None,
            expiration: DEFAULT_EXPIRATION,
            backend_expiration: None,
            timeout: DEFAULT_TIMEOUT,
            tls: None,
        }
    }
}

/// Why a back end did not do what it was asked. A cache is a help and no more: go on as if nothing were cached.
pub type CacheError = redis::ServerError;

/// A shared handle to a back end.
#[derive(Clone)]
pub struct Cache(Arc<Backend>);

enum Backend {
    Memory(Memory),
    Null,
    Memcached(Memcached),
    Redis(Box<Redis>),
}

impl Cache {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Configuration`], which names the option.
    pub fn new(options: CacheOptions) -> Result<Self, Error> {
        Self::with_clock(options, Clock::machine())
    }

    /// The same with a clock that a test may move.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(options: CacheOptions, clock: Clock) -> Result<Self, Error> {
        Ok(Self(Arc::new(match options {
            CacheOptions::InProcess { expiration } => Backend::Memory(Memory::new(expiration, clock)),
            CacheOptions::Null => Backend::Null,
            CacheOptions::Memcached(options) => Backend::Memcached(Memcached::new(options, clock)?),
            CacheOptions::Redis(options) => Backend::Redis(Box::new(Redis::new(options, clock)?)),
        })))
    }

    /// The value of a key. `None`: there is none, or it has expired.
    ///
    /// # Errors
    /// [`CacheError`]; go on as if there were none.
    pub async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        match &*self.0 {
            Backend::Memory(memory) => Ok(memory.get(key)),
            Backend::Null => Ok(None),
            Backend::Memcached(memcached) => memcached.get(&dogpile::mangled(key)).await,
            Backend::Redis(redis) => redis.get(&dogpile::mangled(key)).await,
        }
    }

    /// Sets the value of a key. A value that is too long is not kept.
    ///
    /// # Errors
    /// [`CacheError`]; the value is not kept.
    pub async fn set(&self, key: &str, value: &str) -> Result<(), CacheError> {
        if value.len() > MAX_VALUE_BYTES {
            return Ok(());
        }
        match &*self.0 {
            Backend::Memory(memory) => {
                memory.set(key, value);
                Ok(())
            }
            Backend::Null => Ok(()),
            Backend::Memcached(memcached) => memcached.set(&dogpile::mangled(key), value).await,
            Backend::Redis(redis) => redis.set(&dogpile::mangled(key), value).await,
        }
    }

    /// The back end's name: `memory`, `null`, `memcached` or `redis`.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        match &*self.0 {
            Backend::Memory(_) => "memory",
            Backend::Null => "null",
            Backend::Memcached(_) => "memcached",
            Backend::Redis(_) => "redis",
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Cache").field(&self.backend()).finish()
    }
}
