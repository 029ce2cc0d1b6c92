//! Gnocchi's options, which `nephoscope metric` reads from `gnocchi.conf`: names, types and defaults are those of
//! Gnocchi 4.7, but for addresses, which are safe ones here.

use crate::option::Opt;

/// `[api]`
pub mod api {
    use crate::option::build_names::was;
    use crate::option::{boolean, integer, nullable_text, text};

    const UWSGI: &str = "one program serves the API, without uWSGI";

    options! { "api";
        /// Configuration of the WSGI pipeline.
        PASTE_CONFIG: OptStr = nullable_text("paste_config").no_effect(UWSGI);
        /// How a request says who asks: `basic` by a user name that nobody checks, `remoteuser` by a header that a proxy
        /// sets, `keystone` by a token that Keystone is asked about, see `[keystone_authtoken]`.
        AUTH_MODE: Str = text("auth_mode", "basic").choices(&["basic", "keystone", "remoteuser"]);
        /// Items of a page at most, and unless a request asks for fewer.
        MAX_LIMIT: Int = integer("max_limit", 1000).min(1).max(1_000_000);
        /// Seconds that a request may take.
        OPERATION_TIMEOUT: Int = integer("operation_timeout", 10).min(0).formerly(&[was("refresh_timeout")]);
        /// Address that the API listens on. One that other machines reach is refused unless `[nephoscope]
        /// metric_trusts_network` says that it is meant.
        HOST: Str = text("host", "127.0.0.1");
        /// Port that the API listens on.
        PORT: Int = integer("port", 8041).min(0).max(65_535);
        /// What uWSGI speaks.
        UWSGI_MODE: Str = text("uwsgi_mode", "http").no_effect(UWSGI);
        /// Where uWSGI is.
        UWSGI_PATH: OptStr = nullable_text("uwsgi_path").no_effect(UWSGI);
        /// Whether `Forwarded` and `X-Forwarded-*` headers are believed.
        ENABLE_PROXY_HEADERS_PARSING: Bool = boolean("enable_proxy_headers_parsing", false);
    }
}

/// `[indexer]`
pub mod indexer {
    use crate::option::text;

    options! { "indexer";
        /// Database of the index: `postgresql://USER:PASSWORD@HOST/DATABASE` or `sqlite:///PATH`. Empty: SQLite in
        /// `[nephoscope] state_dir`.
        URL: Str = text("url", "").secret().default_env(&["GNOCCHI_INDEXER_URL"]);
    }
}

/// `[metricd]`: what Gnocchi's second program does.
pub mod metricd {
    use crate::option::{boolean, integer, nullable_integer};

    const AT_ONCE: &str = "measures are aggregated before they are answered";

    options! { "metricd";
        /// Seconds without measures of any of its metrics after which a resource ends: its `ended_at` is set. 0: never.
        METRIC_INACTIVE_AFTER: Int = integer("metric_inactive_after", 0).min(0);
        /// Seconds after its end (`ended_at`) for which a resource is kept; then it is deleted, with its history, metrics and
        /// measures. 0: for ever.
        RESOURCE_CLEANUP_AFTER: Int = integer("resource_cleanup_after", 0).min(0);
        /// Seconds between looks for resources that `metric_inactive_after` and `resource_cleanup_after` concern.
        METRIC_CLEANUP_DELAY: Int = integer("metric_cleanup_delay", 300).min(1);
        /// Processes that aggregate.
        WORKERS: OptInt = nullable_integer("workers").no_effect(AT_ONCE);
        /// Seconds between looks for measures.
        METRIC_PROCESSING_DELAY: Int = integer("metric_processing_delay", 60).no_effect(AT_ONCE);
        /// Whether these looks are also made when measures come.
        GREEDY: Bool = boolean("greedy", true).no_effect(AT_ONCE);
        /// Seconds between lines of the log about what waits.
        METRIC_REPORTING_DELAY: Int = integer("metric_reporting_delay", 120).no_effect(AT_ONCE);
        /// Processes that share a part of the metrics.
        PROCESSING_REPLICAS: Int = integer("processing_replicas", 3).no_effect(AT_ONCE);
        /// Deleted metrics that are forgotten at once.
        CLEANUP_BATCH_SIZE: Int = integer("cleanup_batch_size", 10_000).no_effect("they are forgotten with their deletion");
    }
}

/// `[archive_policy]`
pub mod archive_policy {
    use crate::option::list;

    options! { "archive_policy";
        /// Aggregation methods of archive policies that name none.
        DEFAULT_AGGREGATION_METHODS: List =
            list("default_aggregation_methods", &["mean", "min", "max", "sum", "std", "count"]);
    }
}

/// `[cors]`
pub mod cors {
    use crate::option::list;

    options! { "cors";
        /// Origins whose pages may use the API.
        ALLOWED_ORIGIN: List = list("allowed_origin", &[]);
    }
}

/// `[statsd]`
pub mod statsd {
    use crate::option::{float, integer, nullable_text, text};

    options! { "statsd";
        /// Address that statsd datagrams are taken on. One that other machines reach is refused unless `[nephoscope]
        /// metric_trusts_network` says that it is meant.
        HOST: Str = text("host", "127.0.0.1");
        /// Port that statsd datagrams are taken on.
        PORT: Int = integer("port", 8125).min(0).max(65_535);
        /// UUID of the resource that the metrics of statsd are of. Without it nothing listens.
        RESOURCE_ID: OptStr = nullable_text("resource_id");
        /// Creator of that resource and of its metrics.
        CREATOR: OptStr = nullable_text("creator");
        /// Archive policy of new metrics; without it the rules say which.
        ARCHIVE_POLICY_NAME: OptStr = nullable_text("archive_policy_name");
        /// Seconds between flushes.
        FLUSH_DELAY: Float = float("flush_delay", 10.0).within(Some(0.1), Some(86_400.0));
    }
}

/// The section of the credentials that tokens are validated with.
pub const TOKENS_SECTION: &str = "keystone_authtoken";

/// `[keystone_authtoken]`: what keystonemiddleware has beside the credentials, which are those of
/// [`keystone`](super::keystone).
pub mod keystone_authtoken {
    use crate::option::build_names::was;
    use crate::option::{boolean, integer, list, nullable_integer, nullable_text, text};

    const MEMORY: &str = "tokens are remembered in the process alone";
    const BOUND: &str = "Keystone has no bound tokens any more";

    options! { "keystone_authtoken";
        /// Public address of Keystone, which clients without a valid token are told. Unset: `auth_url`. Credentials (`auth_type`,
        /// `auth_url`, `username` and so on), TLS and region are further options of this section, as in `[service_credentials]`
        /// of Ceilometer's configuration.
        WWW_AUTHENTICATE_URI: OptStr = nullable_text("www_authenticate_uri").formerly(&[was("auth_uri")]);
        /// Version of Keystone's API.
        AUTH_VERSION: OptStr = nullable_text("auth_version").no_effect("it is version 3");
        /// Which of Keystone's endpoints in the catalogue is asked.
        INTERFACE: Str = text("interface", "internal")
            .choices(&["public", "internal", "admin", "auth", "publicURL", "internalURL", "adminURL"]);
        /// Whether requests without a valid token go on as nobody's, who is shown what everybody may see.
        DELAY_AUTH_DECISION: Bool = boolean("delay_auth_decision", false);
        /// Seconds that a request to Keystone may take. Unset: 10.
        HTTP_CONNECT_TIMEOUT: OptInt = nullable_integer("http_connect_timeout");
        /// How often a Keystone that cannot be reached is asked again.
        HTTP_REQUEST_MAX_RETRIES: Int = integer("http_request_max_retries", 3).min(0).max(10);
        /// Seconds for which a valid token is believed without asking Keystone again: a revoked one is refused so much later at
        /// most. -1: always ask.
        TOKEN_CACHE_TIME: Int = integer("token_cache_time", 300).min(-1);
        /// Roles of which the token of a service must have one.
        SERVICE_TOKEN_ROLES: List = list("service_token_roles", &["service"]);
        /// Whether requests with a service's token that has none of these roles are refused.
        SERVICE_TOKEN_ROLES_REQUIRED: Bool = boolean("service_token_roles_required", true);
        /// What the service is in the catalogue, such as `metric`: access rules of application credentials are about it. Unset:
        /// tokens with such rules are refused.
        SERVICE_TYPE: OptStr = nullable_text("service_type");
        /// Whether the catalogue of a token is asked for.
        INCLUDE_SERVICE_CATALOG: Bool = boolean("include_service_catalog", true).no_effect("nobody here needs it");
        /// How bound tokens are checked.
        ENFORCE_TOKEN_BIND: Str = text("enforce_token_bind", "permissive").no_effect(BOUND);
        /// Name of a cache in the environment of a WSGI request.
        CACHE: OptStr = nullable_text("cache").no_effect(MEMORY);
        /// Servers that remember tokens.
        MEMCACHED_SERVERS: List = list("memcached_servers", &[]).formerly(&[was("memcache_servers")]).no_effect(MEMORY);
        /// How tokens are protected there.
        MEMCACHE_SECURITY_STRATEGY: Str = text("memcache_security_strategy", "None").no_effect(MEMORY);
        /// Key of this protection.
        MEMCACHE_SECRET_KEY: OptStr = nullable_text("memcache_secret_key").secret().no_effect(MEMORY);
        /// Whether memcached is spoken to over TLS.
        MEMCACHE_TLS_ENABLED: Bool = boolean("memcache_tls_enabled", false).no_effect(MEMORY);
        /// Certificate authorities of memcached.
        MEMCACHE_TLS_CAFILE: OptStr = nullable_text("memcache_tls_cafile").no_effect(MEMORY);
        /// Client certificate for memcached.
        MEMCACHE_TLS_CERTFILE: OptStr = nullable_text("memcache_tls_certfile").no_effect(MEMORY);
        /// Key of this certificate.
        MEMCACHE_TLS_KEYFILE: OptStr = nullable_text("memcache_tls_keyfile").no_effect(MEMORY);
        /// Ciphers for memcached.
        MEMCACHE_TLS_ALLOWED_CIPHERS: OptStr = nullable_text("memcache_tls_allowed_ciphers").no_effect(MEMORY);
        /// Whether memcached asks for a password.
        MEMCACHE_SASL_ENABLED: Bool = boolean("memcache_sasl_enabled", false).no_effect(MEMORY);
        /// User at memcached.
        MEMCACHE_USERNAME: OptStr = nullable_text("memcache_username").no_effect(MEMORY);
        /// Password of this user.
        MEMCACHE_PASSWORD: OptStr = nullable_text("memcache_password").secret().no_effect(MEMORY);
        /// Seconds for which a memcached that failed is left alone.
        MEMCACHE_POOL_DEAD_RETRY: Int = integer("memcache_pool_dead_retry", 300).no_effect(MEMORY);
        /// Connections to each memcached.
        MEMCACHE_POOL_MAXSIZE: Int = integer("memcache_pool_maxsize", 10).no_effect(MEMORY);
        /// Seconds that memcached may take.
        MEMCACHE_POOL_SOCKET_TIMEOUT: Int = integer("memcache_pool_socket_timeout", 3).no_effect(MEMORY);
        /// Seconds for which an idle connection to memcached is kept.
        MEMCACHE_POOL_UNUSED_TIMEOUT: Int = integer("memcache_pool_unused_timeout", 60).no_effect(MEMORY);
        /// Seconds that a connection to memcached is waited for.
        MEMCACHE_POOL_CONN_GET_TIMEOUT: Int = integer("memcache_pool_conn_get_timeout", 10).no_effect(MEMORY);
        /// Which pool of connections to memcached is used.
        MEMCACHE_USE_ADVANCED_POOL: Bool = boolean("memcache_use_advanced_pool", true).no_effect(MEMORY);
    }
}

/// `[oslo_policy]`
pub mod oslo_policy {
    use crate::option::{boolean, multi, nullable_float, nullable_text, text};

    const REMOTE: &str = "policy servers are not supported";

    options! { "oslo_policy";
        /// File of rules that count more than Gnocchi's defaults. Searched where configuration files are, unless the path is
        /// absolute; read again when it changes.
        POLICY_FILE: Str = text("policy_file", "policy.yaml");
        /// Directories of such files, which count more than `policy_file`, in the order of their names.
        POLICY_DIRS: List = multi("policy_dirs", &["policy.d"]);
        /// Rule that counts where a rule of a name is missing.
        POLICY_DEFAULT_RULE: Str = text("policy_default_rule", "default");
        /// Whether defaults of former versions count no longer.
        ENFORCE_NEW_DEFAULTS: Bool = boolean("enforce_new_defaults", true);
        /// Whether tokens of the wrong scope are refused.
        ENFORCE_SCOPE: Bool = boolean("enforce_scope", true).no_effect("Gnocchi's rules are for tokens of every scope");
        /// What policy servers are sent.
        REMOTE_CONTENT_TYPE: OptStr = nullable_text("remote_content_type").no_effect(REMOTE);
        /// Whether their certificates are checked.
        REMOTE_SSL_VERIFY_SERVER_CRT: Bool = boolean("remote_ssl_verify_server_crt", false).no_effect(REMOTE);
        /// Their certificate authorities.
        REMOTE_SSL_CA_CRT_FILE: OptStr = nullable_text("remote_ssl_ca_crt_file").no_effect(REMOTE);
        /// Client certificate for them.
        REMOTE_SSL_CLIENT_CRT_FILE: OptStr = nullable_text("remote_ssl_client_crt_file").no_effect(REMOTE);
        /// Key of this certificate.
        REMOTE_SSL_CLIENT_KEY_FILE: OptStr = nullable_text("remote_ssl_client_key_file").no_effect(REMOTE);
        /// Seconds that they may take.
        REMOTE_TIMEOUT: OptFloat = nullable_float("remote_timeout").no_effect(REMOTE);
    }
}

/// `[nephoscope]`: what Gnocchi has no option for.
pub mod own {
    use crate::option::{boolean, integer, list, listen_address, nullable_text, text};

    options! { "nephoscope";
        /// Where the metric role answers health and metrics.
        METRIC_LISTEN_ADDRESS: Str = listen_address("metric_listen_address", "127.0.0.1:9703");
        /// Whether the API may listen where other machines reach it although nobody has to say truly who they are. With
        /// validated tokens it may.
        METRIC_TRUSTS_NETWORK: Bool = boolean("metric_trusts_network", false);
        /// Whether `auth_mode = keystone` believes the headers `X-User-Id`, `X-Project-Id`, `X-Domain-Id` and `X-Roles` instead of
        /// validating tokens: only behind a proxy that sets them, and removes those that clients send.
        METRIC_TRUSTS_HEADERS: Bool = boolean("metric_trusts_headers", false);
        /// Whether Gnocchi's archive policies `bool`, `low`, `medium` and `high`, and the rule that gives every metric `low`,
        /// are made when there are neither policies nor rules.
        METRIC_PRESETS: Bool = boolean("metric_presets", true);
        /// Path that the API stands under, such as `/metric`.
        METRIC_PREFIX: Str = text("metric_prefix", "");
        /// Addresses that the API listens on instead of `[api] host` and `port`: host:port, an IPv6 address in brackets.
        METRIC_API_ADDRESSES: List = list("metric_api_addresses", &[]);
        /// Whether the API speaks TLS.
        METRIC_TLS_ENABLE: Bool = boolean("metric_tls_enable", false);
        /// Certificate chain, PEM, for `metric_tls_enable`. Read again when it or the key has changed, and on SIGHUP; a pair
        /// that cannot be used leaves the old one in force.
        METRIC_TLS_CERTFILE: OptStr = nullable_text("metric_tls_certfile");
        /// Private key, PEM, for `metric_tls_enable`.
        METRIC_TLS_KEYFILE: OptStr = nullable_text("metric_tls_keyfile");
        /// Bytes of a request's body at most. All bodies together, with what they are read into, take 512 MiB of memory at most, or as
        /// much as this, if it is more.
        METRIC_MAX_BODY_BYTES: Int = integer("metric_max_body_bytes", 64 * 1_024 * 1_024).min(1_024);
        /// Measures of a request at most.
        METRIC_MAX_REQUEST_MEASURES: Int = integer("metric_max_request_measures", 1_000_000).min(1);
        /// Requests that are worked on at once; further ones wait, at most for `[api] operation_timeout`.
        METRIC_MAX_REQUESTS: Int = integer("metric_max_requests", 256).min(1).max(65_536);
        /// Metrics that a project may have, or with `auth_mode` `basic` and `remoteuser` a user; 0: any number.
        METRIC_MAX_PROJECT_METRICS: Int = integer("metric_max_project_metrics", 0).min(0);
        /// Values that a request of `/v1/aggregates` or `/v1/aggregation` computes with at most, and all of them together: times
        /// by metrics, at each granularity. Each takes 8 bytes of memory, and as much for each step of the operation.
        METRIC_MAX_REQUEST_VALUES: Int = integer("metric_max_request_values", 200_000_000).min(1_000);
        /// Milliseconds after which a request is logged as slow; 0: none is.
        METRIC_SLOW_REQUEST_MILLISECONDS: Int = integer("metric_slow_request_milliseconds", 1_000).min(0);
    }
}

/// Every option that the metric role knows.
pub(crate) fn all() -> impl Iterator<Item = &'static Opt> {
    let shared = [&super::nephoscope::STATE_DIR.opt, &super::nephoscope::LOG_FORMAT.opt];
    [
        api::OPTIONS,
        indexer::OPTIONS,
        metricd::OPTIONS,
        archive_policy::OPTIONS,
        cors::OPTIONS,
        keystone_authtoken::OPTIONS,
        oslo_policy::OPTIONS,
        statsd::OPTIONS,
        own::OPTIONS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .chain(shared)
    .chain(super::logging::OPTIONS.iter().copied())
    .chain(super::library::OPTIONS.iter().copied())
}
