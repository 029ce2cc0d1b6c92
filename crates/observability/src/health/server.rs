//! The HTTP server of one role: `/metrics`, `/healthz` (also `/livez`) and `/readyz`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{HealthRegistry, Report};
use crate::metrics::Metrics;

/// What the server allows its clients. The default suits scrapers and probes on the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once; one more waits in the kernel's backlog until another has ended. Default 32.
    pub connections: usize,
    /// A client must send a request's header within this time, and an idle connection is closed after it. Default
    /// 10 s.
    pub header_timeout: Duration,
    /// A connection ends after this time, whatever it does, so that a client that never reads cannot hold its place.
    /// Default 5 min.
    pub connection_lifetime: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 32,
            header_timeout: Duration::from_secs(10),
            connection_lifetime: Duration::from_mins(5),
        }
    }
}

/// Size of a connection's buffers: a longer header is refused.
const BUFFER_BYTES: usize = 16 * 1_024;
/// Pause after `accept` failed (out of descriptors, for example), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Time that open connections get to finish once the server is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(2);

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum HealthServerError {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address} for health and metrics: {hint}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What to do about it.
        hint: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// A bound health server that does not serve yet.
#[derive(Debug)]
pub struct HealthServer {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    limits: ServerLimits,
}

#[derive(Debug, Clone)]
struct Sources {
    health: HealthRegistry,
    metrics: Metrics,
}

impl HealthServer {
    /// Binds `address` (port 0: a free one) so that a conflict is found at the start and not in the background.
    pub async fn bind(
        address: SocketAddr,
        health: HealthRegistry,
        metrics: Metrics,
    ) -> Result<Self, HealthServerError> {
        let failed = |source: io::Error| {
            let hint = match source.kind() {
                io::ErrorKind::AddrInUse => "the port is taken; set another listen address",
                io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
                io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; use a higher one",
                _ => "the system refused",
            };
            HealthServerError::Bind { address, hint, source }
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let router = Router::new()
            .route("/metrics", get(metrics_page))
            .route("/healthz", get(alive_page))
            .route("/livez", get(alive_page))
            .route("/readyz", get(ready_page))
            .with_state(Sources { health, metrics });
        Ok(Self { listener, address: bound, router, limits: ServerLimits::default() })
    }

    /// The same server with other limits.
    #[must_use]
    pub fn with_limits(self, limits: ServerLimits) -> Self {
        Self { limits, ..self }
    }

    /// The address that was bound, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled; then lets open connections finish for a moment.
    pub async fn serve(self, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.limits.connections.max(1)));
        let mut connections = JoinSet::new();
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            // The semaphore is never closed.
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            // Forget those that have ended, so that the set stays as small as the limit.
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let router = self.router.clone();
                    let stop = stop.clone();
                    let limits = self.limits;
                    connections.spawn(async move {
                        serve_connection(stream, router, limits, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "cannot accept a health connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let finished =
            tokio::time::timeout(DRAIN_TIME, async { while connections.join_next().await.is_some() {} });
        if finished.await.is_err() {
            connections.abort_all();
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router, limits: ServerLimits, stop: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = async {
        tokio::select! {
            served = connection.as_mut() => served,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    // A client that went away, sent nonsense or stayed too long is its own trouble.
    if let Ok(Err(error)) = tokio::time::timeout(limits.connection_lifetime, served).await {
        tracing::debug!(%error, "a health connection ended with an error");
    }
}

async fn metrics_page(Shared(sources): Shared<Sources>, headers: HeaderMap) -> Response {
    if wants_openmetrics(&headers) {
        ([(CONTENT_TYPE, OPENMETRICS)], sources.metrics.openmetrics_text()).into_response()
    } else {
        ([(CONTENT_TYPE, PROMETHEUS)], sources.metrics.prometheus_text()).into_response()
    }
}

/// OpenMetrics is for those who name it; everybody else gets the older text.
fn wants_openmetrics(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named =
                parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            let refused =
                parts.any(|part| part.strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0_f32));
            named && !refused
        })
}

async fn alive_page(Shared(sources): Shared<Sources>) -> Response {
    page(&sources.health.alive())
}

async fn ready_page(Shared(sources): Shared<Sources>) -> Response {
    page(&sources.health.ready())
}

fn page(report: &Report) -> Response {
    let status = if report.passed { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store")], format!("{}\n", report.body))
        .into_response()
}
