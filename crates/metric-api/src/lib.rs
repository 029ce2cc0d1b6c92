//! Gnocchi's REST API v1: only what lies between HTTP and the use cases of the crate `metric`.
//!
//! [`Api::router`] is the whole server. A request goes through `server` (mount point, CORS, who asks, negotiation) to the
//! one table of routes in `route`, and from there to a function in `routes`, one file a family. Bodies are read by
//! `schema`, which refuses in the words of the validation library that Gnocchi uses; `failure` shows refusals in each
//! representation.

mod accept;
mod authentication;
mod body;
mod cors;
mod direct;
mod failure;
mod filter_text;
pub mod fuzz;
mod openapi;
mod page;
mod parameters;
mod precondition;
mod remote_write;
mod reply;
mod request;
mod room;
mod route;
mod routes;
mod schema;
mod server;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use metric::{Metrics, Policies};
use tokio::sync::Semaphore;

pub use authentication::Authentication;
pub use direct::Direct;
pub use route::{Endpoint, Produces, ROUTES, Route};
pub use watch::{ApiMetrics, Refused};

/// The version that is reported. Clients look for 4.2.0 or later.
pub const BUILD: &str = "4.7.1";

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How a request says who asks (`[api] auth_mode`).
    pub authentication: Authentication,
    /// What is allowed to whom (`[oslo_policy]`).
    pub policies: Policies,
    /// Items of a page at most, and unless fewer are asked for (`[api] max_limit`).
    pub max_limit: u32,
    /// Whether `Forwarded` and `X-Forwarded-*` headers are believed (`[api] enable_proxy_headers_parsing`).
    pub proxy_headers: bool,
    /// Origins whose pages may use the API (`[cors] allowed_origin`).
    pub allowed_origins: Vec<String>,
    /// The path that the API stands under; empty, or with a leading slash and none at its end.
    pub prefix: String,
    /// A longer body is refused.
    pub max_body_bytes: usize,
    /// Bytes of all bodies together, and of what they are read into: what they take in memory. Not less than one body may have.
    pub max_bodies_bytes: usize,
    /// Whether it is served over TLS: what addresses in answers begin with.
    pub tls: bool,
    /// A body that takes longer to come is given up.
    pub body_timeout: Duration,
    /// A request with more measures is refused.
    pub max_request_measures: usize,
    /// Requests that are worked on at once; further ones wait.
    pub max_requests: usize,
    /// So long.
    pub place_timeout: Duration,
    /// A request that takes longer is given up.
    pub deadline: Duration,
    /// A request that takes as long is logged.
    pub slow_request: Option<Duration>,
}

impl Settings {
    /// Bytes of all bodies together, unless one alone may have more.
    pub const MAX_BODIES_BYTES: usize = 512 << 20;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            authentication: Authentication::Basic,
            policies: Policies::default(),
            max_limit: 1_000,
            proxy_headers: false,
            allowed_origins: Vec::new(),
            prefix: String::new(),
            max_body_bytes: 64 << 20,
            max_bodies_bytes: Self::MAX_BODIES_BYTES,
            tls: false,
            body_timeout: Duration::from_mins(1),
            max_request_measures: 1_000_000,
            max_requests: 256,
            place_timeout: Duration::from_mins(1),
            deadline: Duration::from_mins(1),
            slow_request: Some(Duration::from_secs(1)),
        }
    }
}

/// The API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    pub(crate) metrics: Metrics,
    pub(crate) settings: Arc<Settings>,
    pub(crate) counted: ApiMetrics,
    /// What bodies of requests may take together.
    pub(crate) bodies: Arc<Semaphore>,
    /// Requests that may be worked on.
    pub(crate) places: Arc<Semaphore>,
}

impl Api {
    /// The API over these metrics.
    pub fn new(metrics: Metrics, settings: Settings) -> Self {
        let bodies = body::budget(&settings);
        let places = Arc::new(Semaphore::new(settings.max_requests.clamp(1, Semaphore::MAX_PERMITS)));
        Self { metrics, settings: Arc::new(settings), counted: ApiMetrics::default(), bodies, places }
    }

    /// The same, which counts in these metrics.
    #[must_use]
    pub fn counted(self, counted: ApiMetrics) -> Self {
        Self { counted, ..self }
    }

    /// Refuses a request with more measures than one may have.
    pub(crate) fn check_measures(&self, count: usize) -> Result<(), failure::Failure> {
        let limit = self.settings.max_request_measures;
        if count <= limit {
            return Ok(());
        }
        self.counted.refused.increment(Refused::TooManyMeasures);
        let facts = [
            ("detail", limit.to_string().into()),
            ("reason", format!("a request has at most {limit}").into()),
        ];
        Err(failure::Failure::because(StatusCode::PAYLOAD_TOO_LARGE, "Too many measures", facts))
    }
}
