//! `[cache]`.

use std::path::PathBuf;
use std::time::Duration;

use nephoscope_http::TlsOptions;
use openstack::cache::DEFAULT_EXPIRATION;
use openstack::{CacheOptions, MemcachedOptions, RedisOptions, RedisSentinels, Url};
use oslo_config::Config;
use oslo_config::options::cache;

use super::{OpenStackError, seconds, text};

const SECTION: &str = "cache";
const SUPPORTED: &str = "use dogpile.cache.memcached, dogpile.cache.redis, dogpile.cache.redis_sentinel, dogpile.cache.memory or \
     dogpile.cache.null";

/// Where names are kept: in process for ten minutes unless `[cache] enabled` says otherwise.
pub(crate) fn cache_options(config: &Config) -> Result<CacheOptions, OpenStackError> {
    if !config.get(&cache::ENABLED) {
        return Ok(CacheOptions::InProcess { expiration: DEFAULT_EXPIRATION });
    }
    let expiration = whole_seconds(config.get(&cache::EXPIRATION_TIME));
    let backend = config.get(&cache::BACKEND);
    let options = match backend {
        "dogpile.cache.null" => CacheOptions::Null,
        "oslo_cache.dict" | "dogpile.cache.memory" | "dogpile.cache.memory_pickle" => {
            CacheOptions::InProcess { expiration }
        }
        // bmemcached and pylibmc speak to the same servers; their values differ, and are a miss.
        "oslo_cache.memcache_pool"
        | "dogpile.cache.memcached"
        | "dogpile.cache.pymemcache"
        | "dogpile.cache.pylibmc"
        | "dogpile.cache.bmemcached" => CacheOptions::Memcached(memcached(config, expiration)?),
        "dogpile.cache.redis" => CacheOptions::Redis(redis(config, expiration)?),
        "dogpile.cache.redis_sentinel" => {
            let sentinels = RedisSentinels {
                addresses: config.get(&cache::REDIS_SENTINELS).to_vec(),
                service: config.get(&cache::REDIS_SENTINEL_SERVICE_NAME).to_owned(),
            };
            CacheOptions::Redis(RedisOptions { sentinels: Some(sentinels), ..redis(config, expiration)? })
        }
        other => return Err(wrong("backend", other, "this back end is not supported", SUPPORTED)),
    };
    Ok(options)
}

fn memcached(config: &Config, expiration: Duration) -> Result<MemcachedOptions, OpenStackError> {
    if config.get(&cache::MEMCACHE_SASL_ENABLED) {
        return Err(wrong(
            "memcache_sasl_enabled",
            "true",
            "memcached's binary protocol, which SASL needs, is not spoken",
            "protect memcached by tls_enabled or by its network, or use dogpile.cache.redis",
        ));
    }
    let servers = match argument(config, "url") {
        Some(urls) => urls.split(',').map(|url| url.trim().to_owned()).collect(),
        None => config.get(&cache::MEMCACHE_SERVERS).to_vec(),
    };
    Ok(MemcachedOptions {
        servers,
        expiration,
        backend_expiration: backend_expiration(config, expiration, "memcached_expire_time")?,
        timeout: seconds(SECTION, "socket_timeout", config.get(&cache::SOCKET_TIMEOUT))?,
        dead_retry: whole_seconds(config.get(&cache::MEMCACHE_DEAD_RETRY)),
        tls: tls(config),
    })
}

fn redis(config: &Config, expiration: Duration) -> Result<RedisOptions, OpenStackError> {
    let owned = |value: Option<&str>| text(value).map(str::to_owned);
    let mut options = RedisOptions {
        server: config.get(&cache::REDIS_SERVER).to_owned(),
        sentinels: None,
        database: u32::try_from(config.get(&cache::REDIS_DB)).unwrap_or(0),
        username: owned(config.get(&cache::USERNAME)),
        password: owned(config.get(&cache::PASSWORD)).map(Into::into),
        expiration,
        backend_expiration: backend_expiration(config, expiration, "redis_expiration_time")?,
        timeout: seconds(SECTION, "socket_timeout", config.get(&cache::SOCKET_TIMEOUT))?,
        tls: tls(config),
    };
    // dogpile's older way of naming the server counts before the options.
    if let Some(url) = argument(config, "url") {
        from_url(&mut options, url).ok_or_else(|| {
            let shown = observability::secret::redact_url(url);
            wrong(
                "backend_argument",
                &format!("url:{shown}"),
                "no address of Redis",
                "write url:redis://host:port/0",
            )
        })?;
    }
    Ok(options)
}

fn from_url(options: &mut RedisOptions, url: &str) -> Option<()> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    match url.scheme() {
        "redis" => {}
        "rediss" => options.tls = Some(options.tls.take().unwrap_or_default()),
        _ => return None,
    }
    options.server = format!("{host}:{}", url.port().unwrap_or(6379));
    let database = url.path().trim_matches('/');
    if !database.is_empty() {
        options.database = database.parse().ok()?;
    }
    if !url.username().is_empty() {
        options.username = Some(url.username().to_owned());
    }
    if let Some(password) = url.password() {
        options.password = Some(password.to_owned().into());
    }
    Some(())
}

fn tls(config: &Config) -> Option<TlsOptions> {
    let path = |value: Option<&str>| text(value).map(PathBuf::from);
    let certfile = path(config.get(&cache::TLS_CERTFILE));
    config.get(&cache::TLS_ENABLED).then(|| TlsOptions {
        cafile: path(config.get(&cache::TLS_CAFILE)),
        keyfile: path(config.get(&cache::TLS_KEYFILE)).filter(|_| certfile.is_some()),
        certfile,
        ..TlsOptions::default()
    })
}

fn backend_expiration(
    config: &Config,
    expiration: Duration,
    argument_name: &str,
) -> Result<Option<Duration>, OpenStackError> {
    let argument = argument(config, argument_name).and_then(|value| value.parse().ok());
    let Some(given) = config.get(&cache::BACKEND_EXPIRATION_TIME).or(argument) else { return Ok(None) };
    let keep = whole_seconds(given);
    if keep < expiration {
        return Err(wrong(
            "backend_expiration_time",
            &given.to_string(),
            &format!("shorter than expiration_time = {}", expiration.as_secs()),
            "make it at least as long",
        ));
    }
    Ok(Some(keep))
}

/// The value of `backend_argument = NAME:value`; the last one counts.
fn argument<'c>(config: &'c Config, name: &str) -> Option<&'c str> {
    let arguments = config.get(&cache::BACKEND_ARGUMENT).iter().rev();
    arguments
        .filter_map(|argument| argument.split_once(':'))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

fn whole_seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn wrong(option: &'static str, value: &str, problem: &str, hint: &str) -> OpenStackError {
    OpenStackError::Option {
        section: SECTION.to_owned(),
        option,
        value: value.to_owned(),
        problem: problem.to_owned(),
        hint: hint.to_owned(),
    }
}
