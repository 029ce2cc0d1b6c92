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
        /// sets, `keystone` by the headers that a proxy sets after it has validated the token.
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

/// `[nephoscope]`: what Gnocchi has no option for.
pub mod own {
    use crate::option::{boolean, integer, list, listen_address, nullable_text, text};

    options! { "nephoscope";
        /// Where the metric role answers health and metrics.
        METRIC_LISTEN_ADDRESS: Str = listen_address("metric_listen_address", "127.0.0.1:9703");
        /// Whether the API may listen where other machines reach it although nobody has to say truly who they are.
        METRIC_TRUSTS_NETWORK: Bool = boolean("metric_trusts_network", false);
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
        /// Bytes of a request's body at most.
        METRIC_MAX_BODY_BYTES: Int = integer("metric_max_body_bytes", 64 * 1_024 * 1_024).min(1_024);
        /// Measures of a request at most.
        METRIC_MAX_REQUEST_MEASURES: Int = integer("metric_max_request_measures", 1_000_000).min(1);
        /// Requests that are worked on at once; further ones wait, at most for `[api] operation_timeout`.
        METRIC_MAX_REQUESTS: Int = integer("metric_max_requests", 256).min(1).max(65_536);
        /// Metrics that a project may have, or with `auth_mode` `basic` and `remoteuser` a user; 0: any number.
        METRIC_MAX_PROJECT_METRICS: Int = integer("metric_max_project_metrics", 0).min(0);
        /// Milliseconds after which a request is logged as slow; 0: none is.
        METRIC_SLOW_REQUEST_MILLISECONDS: Int = integer("metric_slow_request_milliseconds", 1_000).min(0);
    }
}

/// Every option that the metric role knows.
pub(crate) fn all() -> impl Iterator<Item = &'static Opt> {
    let shared = [&super::nephoscope::STATE_DIR.opt, &super::nephoscope::LOG_FORMAT.opt];
    [api::OPTIONS, indexer::OPTIONS, archive_policy::OPTIONS, cors::OPTIONS, statsd::OPTIONS, own::OPTIONS]
        .into_iter()
        .flatten()
        .copied()
        .chain(shared)
        .chain(super::logging::OPTIONS.iter().copied())
        .chain(super::library::OPTIONS.iter().copied())
}
