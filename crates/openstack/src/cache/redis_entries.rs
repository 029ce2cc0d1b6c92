//! Entries in Redis.

use std::time::Duration;

use observability::clock::Clock;
use redis::{Reply, ServerError};

use super::dogpile::Cached;
use super::{CacheError, MAX_ANSWER_BYTES, RedisOptions, TLS_OPTIONS};
use crate::Error;

/// How long a server that failed is left alone.
const REST: Duration = Duration::from_secs(5);

pub(super) struct Redis {
    client: redis::Redis,
    options: RedisOptions,
    clock: Clock,
}

impl Redis {
    pub(super) fn new(options: RedisOptions, clock: Clock) -> Result<Self, Error> {
        let is_watched = options.sentinels.is_some();
        let reached = redis::RedisOptions {
            option: if is_watched { "redis_sentinels" } else { "redis_server" },
            tls_options: TLS_OPTIONS,
            server: options.server.clone(),
            sentinels: options.sentinels.clone(),
            database: options.database,
            username: options.username.clone(),
            password: options.password.clone(),
            timeout: options.timeout,
            rest: REST,
            tls: options.tls.clone(),
            // oslo.cache has one setting for both.
            sentinel_tls: options.tls.clone(),
            sentinel_username: None,
            sentinel_password: None,
            reply_bytes_max: MAX_ANSWER_BYTES,
        };
        let client = redis::Redis::new(&reached, &clock)?;
        Ok(Self { client, options, clock })
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        let found = match self.client.command(&[b"GET", key.as_bytes()]).await? {
            Reply::Value(value) => Some(value),
            Reply::Nothing => None,
            other => return Err(unexpected(&other)),
        };
        let cached = found.as_deref().and_then(Cached::from_serialized);
        let cached = cached.filter(|cached| cached.holds(self.options.expiration, self.clock.now()));
        Ok(cached.map(|cached| cached.value))
    }

    pub(super) async fn set(&self, key: &str, value: &str) -> Result<(), CacheError> {
        let value = Cached::new(value, self.clock.now()).to_serialized();
        let keep = self.options.backend_expiration.unwrap_or(self.options.expiration);
        let seconds = keep.as_secs().max(1).to_string();
        let words: [&[u8]; 5] = [b"SET", key.as_bytes(), &value, b"EX", seconds.as_bytes()];
        match self.client.command(&words).await? {
            Reply::Status(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(reply: &Reply) -> CacheError {
    let kind = match reply {
        Reply::Status(_) => "a status",
        Reply::Number(_) => "a number",
        Reply::Value(_) => "a value",
        Reply::Nothing => "nothing",
        Reply::List(_) => "a list",
    };
    ServerError::Answer {
        server: "Redis".to_owned(),
        reason: format!("{kind} where something else should be"),
    }
}
