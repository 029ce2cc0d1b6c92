//! From `gnocchi.conf` to what store and API are told.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use archive::ArchivePolicy;
use archive::policy::expand_methods;
use metric_api::Authentication;
use nephoscope_http::ServerTls;
use oslo_config::Config;
use oslo_config::options::metric::{api, archive_policy, cors, metricd, own, statsd};

use crate::metric_commands::{Places, SOCKET};

use super::super::state_dir;
use super::access::validates_tokens;
use super::listen;
use super::statsd::StatsdSettings;

/// What the role is told.
pub(crate) struct MetricSettings {
    pub(crate) directory: PathBuf,
    pub(crate) index: String,
    pub(crate) control_socket: PathBuf,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) health: Option<SocketAddr>,
    pub(crate) presets: bool,
    pub(crate) statsd: Option<StatsdSettings>,
    pub(crate) lives: Lives,
    pub(crate) store: metric::Settings,
    pub(crate) api: metric_api::Settings,
}

/// What becomes of resources without measures, and of those that have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    /// Silence after which one ends.
    pub(crate) inactive_after: Option<Duration>,
    /// Time from its end to its deletion.
    pub(crate) deleted_after: Option<Duration>,
    /// Time between looks.
    pub(crate) pause: Duration,
}

/// Reads the options.
///
/// # Errors
/// The text says which of them cannot be used.
pub(crate) fn settings(config: &Config) -> Result<MetricSettings, String> {
    let Places { directory, index, .. } = Places::of(config);
    let authentication = match config.get(&api::AUTH_MODE) {
        // Until `access` has made what validates them.
        "keystone" => Authentication::KeystoneHeaders,
        "remoteuser" => Authentication::RemoteUser,
        _ => Authentication::Basic,
    };
    let is_validated = matches!(authentication, Authentication::KeystoneHeaders) && validates_tokens(config);
    let addresses = listen::addresses(config)?;
    let reached = addresses.iter().find(|address| !address.ip().is_loopback());
    let is_believed = !is_validated && !config.get(&own::METRIC_TRUSTS_NETWORK);
    if let Some(address) = reached.filter(|_| is_believed) {
        let option = if config.get(&own::METRIC_API_ADDRESSES).is_empty() {
            format!("[api] host = {}", address.ip())
        } else {
            format!("[nephoscope] metric_api_addresses: {address}")
        };
        return Err(format!(
            "{option} can be reached from other machines, and the API believes what requests say of their \
             user; set [api] auth_mode = keystone to validate tokens, listen on 127.0.0.1 behind a proxy that knows who asks, \
             or set [nephoscope] metric_trusts_network = true"
        ));
    }
    let tls = listen::tls(config)?;
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
    let slow = config.get(&own::METRIC_SLOW_REQUEST_MILLISECONDS).unsigned_abs();
    let own_defaults = metric_api::Settings::default();
    let deadline = if seconds == 0 { own_defaults.deadline } else { Duration::from_secs(seconds) };
    Ok(MetricSettings {
        directory,
        index,
        control_socket: state_dir(config).join(SOCKET),
        addresses,
        health,
        presets: config.get(&own::METRIC_PRESETS),
        statsd: statsd_settings(config)?,
        lives: Lives {
            inactive_after: after(config.get(&metricd::METRIC_INACTIVE_AFTER)),
            deleted_after: after(config.get(&metricd::RESOURCE_CLEANUP_AFTER)),
            pause: Duration::from_secs(config.get(&metricd::METRIC_CLEANUP_DELAY).unsigned_abs()),
        },
        store: metric::Settings {
            default_methods,
            max_project_metrics: config.get(&own::METRIC_MAX_PROJECT_METRICS).unsigned_abs(),
            max_cells: count(config.get(&own::METRIC_MAX_REQUEST_VALUES)),
            ..metric::Settings::default()
        },
        api: metric_api::Settings {
            authentication,
            max_limit: u32::try_from(config.get(&api::MAX_LIMIT)).unwrap_or(own_defaults.max_limit),
            proxy_headers: config.get(&api::ENABLE_PROXY_HEADERS_PARSING),
            allowed_origins: config.get(&cors::ALLOWED_ORIGIN).to_vec(),
            prefix: prefix.to_owned(),
            max_body_bytes: count(config.get(&own::METRIC_MAX_BODY_BYTES)),
            tls: tls.is_some(),
            max_request_measures: count(config.get(&own::METRIC_MAX_REQUEST_MEASURES)),
            max_requests: count(config.get(&own::METRIC_MAX_REQUESTS)),
            slow_request: (slow > 0).then(|| Duration::from_millis(slow)),
            place_timeout: deadline,
            deadline,
            ..own_defaults
        },
        tls,
    })
}

/// So many seconds; 0: never.
fn after(seconds: i64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.unsigned_abs()))
}

/// A number that the option's bounds keep from being negative.
fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The statsd listener, where there is to be one.
fn statsd_settings(config: &Config) -> Result<Option<StatsdSettings>, String> {
    let Some(id) = config.get(&statsd::RESOURCE_ID).filter(|id| !id.is_empty()) else { return Ok(None) };
    let id = metric_index::parse_uuid(id).ok_or_else(|| format!("[statsd] resource_id = {id} is no UUID"))?;
    let host = config.get(&statsd::HOST);
    let ip: IpAddr = host
        .parse()
        .map_err(|_| format!("[statsd] host = {host} is no IP address; write 127.0.0.1 or ::1"))?;
    if !ip.is_loopback() && !config.get(&own::METRIC_TRUSTS_NETWORK) {
        return Err(format!(
            "[statsd] host = {host} can be reached from other machines, and whoever sends a datagram is believed; listen on \
             127.0.0.1, or set [nephoscope] metric_trusts_network = true"
        ));
    }
    let port = u16::try_from(config.get(&statsd::PORT)).unwrap_or(8125);
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Some(StatsdSettings {
        address: SocketAddr::new(ip, port),
        resource: metric::StatsdResource {
            id,
            creator: text(config.get(&statsd::CREATOR)),
            archive_policy_name: text(config.get(&statsd::ARCHIVE_POLICY_NAME)),
        },
        flush_delay: Duration::from_secs_f64(config.get(&statsd::FLUSH_DELAY)),
    }))
}
