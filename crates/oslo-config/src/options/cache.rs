//! `[cache]`: oslo.cache, for names of users, projects and other resources.

use crate::option::build_names::{was, was_in};
use crate::option::{boolean, float, integer, list, multi, nullable_integer, nullable_text, text};

const LIBRARY: &str = "it tunes a Python library";
const KEEPALIVE: &str = "each access has its own time limit, socket_timeout";

options! { "cache";
    /// Beginning of the names of the cache's own settings in dogpile.
    CONFIG_PREFIX: Str = text("config_prefix", "cache.oslo").no_effect(LIBRARY);
    /// Seconds after which an entry is looked up again.
    EXPIRATION_TIME: Int = integer("expiration_time", 600).min(1);
    /// Seconds after which the backend itself drops an entry; at least `expiration_time`.
    BACKEND_EXPIRATION_TIME: OptInt = nullable_integer("backend_expiration_time").min(1);
    /// Where entries are kept: in process, in memcached or in Redis.
    BACKEND: Str = text("backend", "dogpile.cache.null").choices(&[
        "oslo_cache.memcache_pool", "oslo_cache.dict", "oslo_cache.etcd3gw", "dogpile.cache.pymemcache",
        "dogpile.cache.memcached", "dogpile.cache.pylibmc", "dogpile.cache.bmemcached", "dogpile.cache.dbm",
        "dogpile.cache.redis", "dogpile.cache.redis_sentinel", "dogpile.cache.memory",
        "dogpile.cache.memory_pickle", "dogpile.cache.null",
    ]);
    /// Further arguments of the backend, `name:value`.
    BACKEND_ARGUMENT: List = multi("backend_argument", &[]).secret();
    /// Python classes that change the backend's behaviour.
    PROXIES: List = list("proxies", &[]).no_effect("Python classes cannot be loaded");
    /// Whether anything is cached.
    ENABLED: Bool = boolean("enabled", false);
    /// Whether each access to the cache is logged.
    DEBUG_CACHE_BACKEND: Bool = boolean("debug_cache_backend", false).no_effect("accesses are counted, see /metrics");
    /// memcached servers, `host:port`.
    MEMCACHE_SERVERS: List = list("memcache_servers", &["localhost:11211"]);
    /// Seconds before a memcached server that failed is tried again.
    MEMCACHE_DEAD_RETRY: Int = integer("memcache_dead_retry", 300);
    /// Connections to each memcached server at most.
    MEMCACHE_POOL_MAXSIZE: Int = integer("memcache_pool_maxsize", 10).no_effect(LIBRARY);
    /// Seconds that an idle connection is kept.
    MEMCACHE_POOL_UNUSED_TIMEOUT: Int = integer("memcache_pool_unused_timeout", 60).no_effect(LIBRARY);
    /// Seconds to wait for a connection.
    MEMCACHE_POOL_CONNECTION_GET_TIMEOUT: Int = integer("memcache_pool_connection_get_timeout", 10).no_effect(LIBRARY);
    /// Whether all connections are closed when one is lost.
    MEMCACHE_POOL_FLUSH_ON_RECONNECT: Bool = boolean("memcache_pool_flush_on_reconnect", false).no_effect(LIBRARY);
    /// Whether to log in at memcached.
    MEMCACHE_SASL_ENABLED: Bool = boolean("memcache_sasl_enabled", false);
    /// Redis server, `host:port`.
    REDIS_SERVER: Str = text("redis_server", "localhost:6379");
    /// Number of the Redis database.
    REDIS_DB: Int = integer("redis_db", 0).min(0);
    /// Redis sentinels, `host:port`, for `backend = dogpile.cache.redis_sentinel`.
    REDIS_SENTINELS: List = list("redis_sentinels", &["localhost:26379"]);
    /// Name that the sentinels know the Redis service by.
    REDIS_SENTINEL_SERVICE_NAME: Str = text("redis_sentinel_service_name", "mymaster");
    /// User of the backend.
    USERNAME: OptStr = nullable_text("username")
        .formerly(&[was_in("cache", "memcache_username"), was_in("cache", "redis_username")]);
    /// Password of the backend.
    PASSWORD: OptStr = nullable_text("password").secret()
        .formerly(&[was_in("cache", "memcache_password"), was_in("cache", "redis_password")]);
    /// Whether to connect to the backend with TLS.
    TLS_ENABLED: Bool = boolean("tls_enabled", false);
    /// Certificate authorities, PEM, that the backend's certificate is checked against.
    TLS_CAFILE: OptStr = nullable_text("tls_cafile");
    /// Client certificate, PEM.
    TLS_CERTFILE: OptStr = nullable_text("tls_certfile");
    /// Private key of the client certificate, PEM.
    TLS_KEYFILE: OptStr = nullable_text("tls_keyfile");
    /// Cipher list for OpenSSL.
    TLS_ALLOWED_CIPHERS: OptStr = nullable_text("tls_allowed_ciphers").no_effect("the TLS library offers safe ciphers only");
    /// Seconds that a request to the backend may take.
    SOCKET_TIMEOUT: Float = float("socket_timeout", 1.0)
        .formerly(&[was_in("cache", "memcache_socket_timeout"), was_in("cache", "redis_socket_timeout")]);
    /// Whether TCP keepalive is used towards the backend.
    ENABLE_SOCKET_KEEPALIVE: Bool = boolean("enable_socket_keepalive", false).no_effect(KEEPALIVE);
    /// Seconds of silence before the first keepalive.
    SOCKET_KEEPALIVE_IDLE: Int = integer("socket_keepalive_idle", 1).min(0).no_effect(KEEPALIVE);
    /// Seconds between keepalives.
    SOCKET_KEEPALIVE_INTERVAL: Int = integer("socket_keepalive_interval", 1).min(0).no_effect(KEEPALIVE);
    /// Unanswered keepalives after which the connection counts as lost.
    SOCKET_KEEPALIVE_COUNT: Int = integer("socket_keepalive_count", 1).min(0).no_effect(KEEPALIVE);
    /// Whether a request that failed is repeated.
    ENABLE_RETRY_CLIENT: Bool = boolean("enable_retry_client", false).no_effect(LIBRARY);
    /// Attempts of a request.
    RETRY_ATTEMPTS: Int = integer("retry_attempts", 2).min(1).no_effect(LIBRARY);
    /// Seconds between attempts.
    RETRY_DELAY: Float = float("retry_delay", 0.0).no_effect(LIBRARY);
    /// Attempts before a memcached server counts as dead.
    HASHCLIENT_RETRY_ATTEMPTS: Int = integer("hashclient_retry_attempts", 2).min(1).no_effect(LIBRARY);
    /// Seconds between those attempts.
    HASHCLIENT_RETRY_TIMEOUT: Float = float("hashclient_retry_timeout", 1.0).formerly(&[was("hashclient_retry_delay")]).no_effect(LIBRARY);
    /// Seconds before a dead memcached server is tried again.
    HASHCLIENT_DEAD_TIMEOUT: Float = float("hashclient_dead_timeout", 60.0).formerly(&[was("dead_timeout")]).no_effect(LIBRARY);
}
