//! The HTTP server of one role: `/metrics`, `/healthz` (also `/livez`) and `/readyz`.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::{HealthRegistry, Report};
use crate::http_server::{BindError, HttpServer, Plain, ServerLimits, wants_openmetrics};
use crate::metrics::Metrics;

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
    server: HttpServer,
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
        let failed = |BindError { address, hint, source }| HealthServerError::Bind { address, hint, source };
        let server = HttpServer::bind(address).await.map_err(failed)?;
        let router = Router::new()
            .route("/metrics", get(metrics_page))
            .route("/healthz", get(alive_page))
            .route("/livez", get(alive_page))
            .route("/readyz", get(ready_page))
            .with_state(Sources { health, metrics });
        Ok(Self { server, router, limits: ServerLimits::default() })
    }

    /// The same server with other limits.
    #[must_use]
    pub fn with_limits(self, limits: ServerLimits) -> Self {
        Self { limits, ..self }
    }

    /// The address that was bound, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves until `stop` is cancelled; then lets open connections finish for a moment.
    pub async fn serve(self, stop: CancellationToken) {
        self.server.serve(self.router, Plain, self.limits, stop).await;
    }
}

async fn metrics_page(Shared(sources): Shared<Sources>, headers: HeaderMap) -> Response {
    if wants_openmetrics(&headers) {
        ([(CONTENT_TYPE, OPENMETRICS)], sources.metrics.openmetrics_text()).into_response()
    } else {
        ([(CONTENT_TYPE, PROMETHEUS)], sources.metrics.prometheus_text()).into_response()
    }
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
