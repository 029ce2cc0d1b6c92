//! From `gnocchi.conf` to what store and API are told.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use archive::ArchivePolicy;
use archive::policy::expand_methods;
use metric_api::Authentication;
use oslo_config::Config;
use oslo_config::options::metric::{api, archive_policy, cors, indexer, own};

use super::super::state_dir;

/// What the role is told.
pub(super) struct MetricSettings {
    pub(super) directory: PathBuf,
    pub(super) index: String,
    pub(super) address: SocketAddr,
    pub(super) health: Option<SocketAddr>,
    pub(super) presets: bool,
    pub(super) store: metric::Settings,
    pub(super) api: metric_api::Settings,
}

/// Reads the options.
///
/// # Errors
/// The text says which of them cannot be used.
pub(super) fn settings(config: &Config) -> Result<MetricSettings, String> {
    let directory = state_dir(config).join("metric");
    let index = match config.get(&indexer::URL) {
        "" => format!("sqlite:///{}", directory.join("index.sqlite").display()),
        url => url.to_owned(),
    };
    let authentication = match config.get(&api::AUTH_MODE) {
        "keystone" => Authentication::KeystoneHeaders,
        "remoteuser" => Authentication::RemoteUser,
        _ => Authentication::Basic,
    };
    let host = config.get(&api::HOST);
    let ip: IpAddr =
        host.parse().map_err(|_| format!("[api] host = {host} is no IP address; write 127.0.0.1 or ::1"))?;
    if !ip.is_loopback() && !config.get(&own::METRIC_TRUSTS_NETWORK) {
        return Err(format!(
            "[api] host = {host} can be reached from other machines, and the API believes what requests say of their \
             user; listen on 127.0.0.1 behind a proxy that knows who asks, or set [nephoscope] metric_trusts_network = true"
        ));
    }
    let port = u16::try_from(config.get(&api::PORT)).unwrap_or(8041);
    let defaults = ArchivePolicy::default_methods();
    let names = config.get(&archive_policy::DEFAULT_AGGREGATION_METHODS);
    let default_methods = expand_methods(names.iter().map(String::as_str), defaults)
        .map_err(|error| format!("[archive_policy] default_aggregation_methods: {error}"))?;
    let health = match config.get(&own::METRIC_LISTEN_ADDRESS) {
        "" => None,
        text => Some(text.parse().map_err(|_| format!("{text:?} is not an address and port"))?),
    };
    let prefix = config.get(&own::METRIC_PREFIX).trim_end_matches('/');
    if !prefix.is_empty() && !prefix.starts_with('/') {
        return Err(format!("[nephoscope] metric_prefix = {prefix} does not begin with a slash"));
    }
    let seconds = config.get(&api::OPERATION_TIMEOUT).unsigned_abs();
    let own_defaults = metric_api::Settings::default();
    Ok(MetricSettings {
        directory,
        index,
        address: SocketAddr::new(ip, port),
        health,
        presets: config.get(&own::METRIC_PRESETS),
        store: metric::Settings { default_methods, ..metric::Settings::default() },
        api: metric_api::Settings {
            authentication,
            max_limit: u32::try_from(config.get(&api::MAX_LIMIT)).unwrap_or(own_defaults.max_limit),
            proxy_headers: config.get(&api::ENABLE_PROXY_HEADERS_PARSING),
            allowed_origins: config.get(&cors::ALLOWED_ORIGIN).to_vec(),
            prefix: prefix.to_owned(),
            deadline: if seconds == 0 { own_defaults.deadline } else { Duration::from_secs(seconds) },
            ..own_defaults
        },
    })
}
