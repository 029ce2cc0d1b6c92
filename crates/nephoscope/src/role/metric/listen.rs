//! Where the API listens, and the certificate that it shows.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use metric_api::Api;
use nephoscope_http::{ServerTls, ServerTlsOptions};
use observability::http_server::{HttpServer, Plain, ServerLimits};
use observability::supervisor::Supervisor;
use oslo_config::Config;
use oslo_config::options::metric::{api, own};
use polling::ListenAddress;

use crate::check::with_sources;

/// Connections to each address at once.
const CONNECTIONS: usize = 1_024;
/// The older aggregation has the ids of all its metrics in the address.
const HEADER_BYTES: usize = 64 * 1_024;
/// How often it is looked whether the certificate's files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// The addresses.
///
/// # Errors
/// The text names option and entry.
pub(super) fn addresses(config: &Config) -> Result<Vec<SocketAddr>, String> {
    let entries = config.get(&own::METRIC_API_ADDRESSES);
    if entries.is_empty() {
        let host = config.get(&api::HOST);
        let ip = host.parse();
        let ip = ip.map_err(|_| format!("[api] host = {host} is no IP address; write 127.0.0.1 or ::1"))?;
        let port = u16::try_from(config.get(&api::PORT)).unwrap_or(8041);
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let mut addresses = Vec::new();
    for entry in entries {
        let failed = |error: &dyn std::fmt::Display| format!("[nephoscope] metric_api_addresses: {error}");
        let address = ListenAddress::parse(entry).map_err(|error| failed(&error))?;
        let address = address.resolve().map_err(|error| failed(&error))?;
        if addresses.contains(&address) {
            return Err(failed(&format_args!("{address} stands there twice; write it once")));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// The certificate with its key; `None` without `metric_tls_enable`.
///
/// # Errors
/// The text names option and file.
pub(super) fn tls(config: &Config) -> Result<Option<ServerTls>, String> {
    if !config.get(&own::METRIC_TLS_ENABLE) {
        return Ok(None);
    }
    let path = |name: &str, value: Option<&str>| {
        let path = value.filter(|path| !path.is_empty()).map(PathBuf::from);
        path.ok_or_else(|| {
            format!("[nephoscope] metric_tls_enable needs {name}: name a PEM file that this user may read")
        })
    };
    let certfile = path("metric_tls_certfile", config.get(&own::METRIC_TLS_CERTFILE))?;
    let keyfile = path("metric_tls_keyfile", config.get(&own::METRIC_TLS_KEYFILE))?;
    let options =
        ServerTlsOptions { certfile, keyfile: Some(keyfile), client_cafile: None, min_version: None };
    ServerTls::new(&options).map(Some).map_err(|error| {
        format!(
            "[nephoscope] metric_tls_certfile, metric_tls_keyfile: {}; they name PEM files that this user may read",
            with_sources(&error)
        )
    })
}

/// Serves the API on each of these. Requests that have begun when it is told to stop have `drain` for their end.
pub(super) fn serve(
    supervisor: &Supervisor,
    servers: Vec<HttpServer>,
    tls: Option<&ServerTls>,
    api: Api,
    drain: Duration,
) {
    let limits = ServerLimits {
        connections: CONNECTIONS,
        header_bytes: HEADER_BYTES,
        drain,
        ..ServerLimits::default()
    };
    let router = api.router();
    for server in servers {
        let (router, stop, tls) = (router.clone(), supervisor.token().clone(), tls.cloned());
        supervisor.spawn_once(format!("api {}", server.address()), async move {
            match tls {
                None => server.serve(router, Plain, limits, stop).await,
                Some(tls) => server.serve(router, tls, limits, stop).await,
            }
            Ok::<(), Infallible>(())
        });
    }
}

/// Looks again and again whether the certificate has changed.
pub(super) fn watch(supervisor: &Supervisor, tls: ServerTls) {
    let (clock, stop) = (supervisor.clock().clone(), supervisor.token().clone());
    supervisor.spawn_once("api-certificate", async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok::<(), Infallible>(()),
                () = clock.sleep(LOOK) => {}
            }
            refresh(&tls).await;
        }
    });
}

/// Takes the certificate that the files have now, if they have changed.
pub(super) async fn refresh(tls: &ServerTls) {
    let tls = tls.clone();
    match tokio::task::spawn_blocking(move || tls.refresh()).await {
        Ok(Ok(true)) => tracing::info!("the API shows the new certificate"),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => {
            let error = with_sources(&error);
            tracing::warn!(%error, "the API keeps the certificate that it has: the new one cannot be used");
        }
        Err(error) => tracing::warn!(%error, "the certificate was not read"),
    }
}
