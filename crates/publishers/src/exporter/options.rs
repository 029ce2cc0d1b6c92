//! The options in a `prometheus+exporter://` URL.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nephoscope_http::ServerTlsOptions;
use observability::http_server::ServerLimits;
use pipeline::{BuildError, PublisherUrl};

use crate::series::{Naming, SeriesLimits};
use crate::url_options::{UrlOptions, configuration};

/// Three intervals of polling, as Ceilometer's own `polling.yaml` has them (300 s).
const STALE_AFTER_SECONDS: u64 = 900;
/// Longest `stale_after`, in seconds: a week.
const STALE_AFTER_MAX_SECONDS: u64 = 7 * 24 * 3600;
/// Series, unless the URL says how many. They take about a kilobyte each.
const MAX_SERIES: u64 = 100_000;
/// Most `max_series`.
const MAX_SERIES_MAX: u64 = 10_000_000;
/// Connections at the same time, unless the URL says how many.
const MAX_CONNECTIONS: u64 = 16;
/// Most `max_connections`.
const MAX_CONNECTIONS_MAX: u64 = 1000;
/// How long a connection may take for requests.
const CONNECTION_LIFETIME: Duration = Duration::from_mins(1);

/// What a URL says.
#[derive(Debug, Clone)]
pub(super) struct ExporterOptions {
    pub(super) addresses: Vec<SocketAddr>,
    /// The one path that is served, or any.
    pub(super) path: Option<String>,
    pub(super) series: SeriesLimits,
    pub(super) limits: ServerLimits,
    pub(super) naming: Naming,
    pub(super) tls: Option<ServerTlsOptions>,
}

impl ExporterOptions {
    /// Reads the URL.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for an address that is none, and for a parameter that is not known or has no meaning.
    pub(super) fn from_url(url: &PublisherUrl) -> Result<Self, BuildError> {
        let mut options = UrlOptions::from_url(url);
        let further = options.take_all("listen");
        let written = std::iter::once(url.authority()).chain(further.iter().map(String::as_str));
        let addresses = written.map(address).collect::<Result<Vec<_>, _>>()?;
        let stale_after = options.number("stale_after", STALE_AFTER_SECONDS, 1..=STALE_AFTER_MAX_SECONDS)?;
        let series = options.number("max_series", MAX_SERIES, 1..=MAX_SERIES_MAX)?;
        let connections = options.number("max_connections", MAX_CONNECTIONS, 1..=MAX_CONNECTIONS_MAX)?;
        let naming = Naming { total_suffix: options.switch("total_suffix", false)? };
        let tls = tls(&mut options)?;
        if let Some(unknown) = options.encoded() {
            let names: Vec<&str> = unknown.split('&').filter_map(|pair| pair.split('=').next()).collect();
            return Err(configuration(
                format!("the publisher {} has no parameter {}", url.scheme(), names.join(", ")),
                "it has listen, stale_after, max_series, max_connections, total_suffix, certfile, keyfile and \
                 client_cafile",
            ));
        }
        let in_memory = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            addresses,
            path: (!matches!(url.path(), "" | "/")).then(|| url.path().to_owned()),
            series: SeriesLimits { series: in_memory(series), stale_after: Duration::from_secs(stale_after) },
            limits: ServerLimits {
                connections: in_memory(connections),
                connection_lifetime: CONNECTION_LIFETIME,
                ..ServerLimits::default()
            },
            naming,
            tls,
        })
    }
}

fn address(text: &str) -> Result<SocketAddr, BuildError> {
    text.parse().map_err(|_| {
        configuration(
            format!("{text:?} is not an address of this machine with a port"),
            "write address:port, for example 127.0.0.1:9102 or [::]:9102",
        )
    })
}

fn tls(options: &mut UrlOptions) -> Result<Option<ServerTlsOptions>, BuildError> {
    let [certfile, keyfile, client_cafile] =
        ["certfile", "keyfile", "client_cafile"].map(|name| options.take(name).map(PathBuf::from));
    match certfile {
        Some(certfile) => Ok(Some(ServerTlsOptions { certfile, keyfile, client_cafile, min_version: None })),
        None if keyfile.is_some() || client_cafile.is_some() => Err(configuration(
            "keyfile or client_cafile is given without certfile",
            "add certfile=/path/to/cert.pem",
        )),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> Result<ExporterOptions, String> {
        let url = PublisherUrl::new(&format!("prometheus+exporter://{rest}"));
        ExporterOptions::from_url(&url).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let options = read("127.0.0.1:9102").unwrap();
        assert_eq!(options.addresses, ["127.0.0.1:9102".parse().unwrap()]);
        assert_eq!(options.series, SeriesLimits { series: 100_000, stale_after: Duration::from_mins(15) });
        assert_eq!((options.path, options.tls, options.naming), (None, None, Naming::default()));
        assert_eq!(options.limits.connections, 16);
    }

    #[test]
    fn each_parameter_has_its_effect() {
        let options = read(
            "[::1]:9102/samples?listen=127.0.0.1:9103&listen=0.0.0.0:1&stale_after=60&max_series=5&max_connections=2\
             &total_suffix=yes&certfile=/c.pem&keyfile=/k.pem&client_cafile=/ca.pem",
        )
        .unwrap();
        assert_eq!(options.addresses.len(), 3);
        assert_eq!(options.path.as_deref(), Some("/samples"));
        assert_eq!(options.series, SeriesLimits { series: 5, stale_after: Duration::from_mins(1) });
        assert_eq!(options.limits.connections, 2);
        assert!(options.naming.total_suffix);
        let tls = options.tls.unwrap();
        assert_eq!((tls.certfile, tls.keyfile), ("/c.pem".into(), Some("/k.pem".into())));
        assert_eq!(tls.client_cafile, Some("/ca.pem".into()));
    }

    #[test]
    fn what_can_never_work_is_an_error() {
        for (rest, words) in [
            ("", "\"\" is not an address of this machine with a port; write address:port"),
            ("localhost:9102", "\"localhost:9102\" is not an address"),
            ("127.0.0.1", "is not an address"),
            ("127.0.0.1:1?listen=x", "\"x\" is not an address"),
            ("127.0.0.1:1?stale_after=0", "stale_after=\"0\" is not a whole number from 1 to 604800"),
            ("127.0.0.1:1?max_series=0", "max_series"),
            ("127.0.0.1:1?max_connections=0", "max_connections"),
            ("127.0.0.1:1?total_suffix=perhaps", "total_suffix"),
            ("127.0.0.1:1?keyfile=/k.pem", "without certfile"),
            ("127.0.0.1:1?stale=1&foo=2", "has no parameter stale, foo; it has listen"),
        ] {
            let error = read(rest).unwrap_err();
            assert!(error.contains(words), "{rest}: {error}");
        }
    }
}
