//! [`Redis`]: commands and their replies.

use std::fmt;
use std::time::Duration;

use nephoscope_http::TlsOptions;
use observability::clock::Clock;
use observability::secret::Secret;

use crate::connection::{AddressError, Server, ServerError, ServerOptions, Welcome};
use crate::reply::{self, Reply};
use crate::sentinels::{Sentinels, may_have_moved};

/// The port of a server that names none.
pub(crate) const DEFAULT_PORT: u16 = 6379;

/// Servers that watch over several Redis and name the master (Redis Sentinel).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSentinels {
    /// `host:port` of each; the first that knows is believed.
    pub addresses: Vec<String>,
    /// The name by which they know the master.
    pub service: String,
}

/// How Redis is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// The option that names the server, for errors.
    pub option: &'static str,
    /// The options that name the files of TLS, for errors.
    pub tls_options: &'static str,
    /// `host:port`, or the path of a socket; not used with `sentinels`.
    pub server: String,
    /// Those who name the server, if it may change.
    pub sentinels: Option<RedisSentinels>,
    /// The number of the database.
    pub database: u32,
    /// The user, if it is not the default one.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret<String>>,
    /// Time for one access.
    pub timeout: Duration,
    /// How long a server that failed is left alone.
    pub rest: Duration,
    /// TLS, if it is to be used.
    pub tls: Option<TlsOptions>,
    /// TLS towards the sentinels, if it is to be used.
    pub sentinel_tls: Option<TlsOptions>,
    /// The user towards the sentinels, if it is not the default one.
    pub sentinel_username: Option<String>,
    /// The password of the sentinels.
    pub sentinel_password: Option<Secret<String>>,
    /// The most bytes of a reply.
    pub reply_bytes_max: usize,
}

/// A Redis, with its connection while there is one.
pub struct Redis {
    servers: Servers,
    /// What comes first on a connection.
    hello: Vec<u8>,
    welcome: Welcome,
}

/// Whom to ask.
enum Servers {
    One(Box<Server>),
    Watched(Box<Sentinels>),
}

impl Redis {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// An address that is none, or TLS files that cannot be used.
    pub fn new(options: &RedisOptions, clock: &Clock) -> Result<Self, AddressError> {
        let servers = if let Some(named) = &options.sentinels {
            Servers::Watched(Box::new(Sentinels::new(named, options, clock)?))
        } else {
            Servers::One(Box::new(Server::new(&server(options, &options.server), clock.clone())?))
        };
        let mut hello = Vec::new();
        let welcome: Welcome = if login(&mut hello, options.username.as_deref(), options.password.as_ref()) {
            |bytes| reply::welcome(bytes, 2)
        } else {
            |bytes| reply::welcome(bytes, 1)
        };
        reply::write(&mut hello, &[b"SELECT", options.database.to_string().as_bytes()]);
        Ok(Self { servers, hello, welcome })
    }

    /// Sends a command and reads its reply. If the server is no longer the master, the one that is gets it.
    ///
    /// # Errors
    /// [`ServerError`]; it may have been carried out all the same.
    pub async fn command(&self, words: &[&[u8]]) -> Result<Reply, ServerError> {
        let mut request = Vec::new();
        reply::write(&mut request, words);
        let hello = Some((self.hello.as_slice(), self.welcome));
        let sentinels = match &self.servers {
            Servers::One(server) => return server.ask(hello, &request, reply::read).await,
            Servers::Watched(sentinels) => sentinels,
        };
        let master = sentinels.master().await?;
        let error = match master.ask(hello, &request, reply::read).await {
            Err(error) if may_have_moved(&error) => error,
            other => return other,
        };
        match sentinels.other_than(&master).await {
            Some(other) => other.ask(hello, &request, reply::read).await,
            None => Err(error),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

/// Appends what a login needs, if there is a password; returns whether there is.
pub(crate) fn login(out: &mut Vec<u8>, user: Option<&str>, password: Option<&Secret<String>>) -> bool {
    let Some(password) = password.map(|password| password.expose().as_bytes()) else { return false };
    match user {
        Some(user) => reply::write(out, &[b"AUTH", user.as_bytes(), password]),
        None => reply::write(out, &[b"AUTH", password]),
    }
    true
}

/// How the Redis at `address` is reached.
pub(crate) fn server<'o>(options: &'o RedisOptions, address: &'o str) -> ServerOptions<'o> {
    ServerOptions {
        option: options.option,
        tls_options: options.tls_options,
        address,
        default_port: DEFAULT_PORT,
        tls: options.tls.as_ref(),
        timeout: options.timeout,
        rest: options.rest,
        answer_bytes_max: options.reply_bytes_max,
    }
}
