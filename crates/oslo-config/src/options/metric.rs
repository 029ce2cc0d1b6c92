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

/// `[nephoscope]`: what Gnocchi has no option for.
pub mod own {
    use crate::option::{boolean, listen_address, text};

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
    }
}

/// Every option that the metric role knows.
pub(crate) fn all() -> impl Iterator<Item = &'static Opt> {
    let shared = [&super::nephoscope::STATE_DIR.opt, &super::nephoscope::LOG_FORMAT.opt];
    [api::OPTIONS, indexer::OPTIONS, archive_policy::OPTIONS, cors::OPTIONS, own::OPTIONS]
        .into_iter()
        .flatten()
        .copied()
        .chain(shared)
        .chain(super::logging::OPTIONS.iter().copied())
        .chain(super::library::OPTIONS.iter().copied())
}
