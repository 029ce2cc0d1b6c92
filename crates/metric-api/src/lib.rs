//! Gnocchi's REST API v1: only what lies between HTTP and the use cases of the crate `metric`.
//!
//! [`Api::router`] is the whole server. A request goes through `server` (mount point, CORS, who asks, negotiation) to the
//! one table of routes in `route`, and from there to a function in `routes`, one file a family. Bodies are read by
//! `schema`, which refuses in the words of the validation library that Gnocchi uses; `failure` shows refusals in each
//! representation.

mod accept;
mod authentication;
mod cors;
mod failure;
mod filter_text;
mod page;
mod parameters;
mod precondition;
mod remote_write;
mod reply;
mod request;
mod route;
mod routes;
mod schema;
mod server;

use std::sync::Arc;
use std::time::Duration;

use metric::Metrics;

pub use authentication::Authentication;
pub use route::{Endpoint, Produces, ROUTES, Route};

/// The version that is reported. Clients look for 4.2.0 or later.
pub const BUILD: &str = "4.7.1";

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How a request says who asks (`[api] auth_mode`).
    pub authentication: Authentication,
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
    /// A request that takes longer is given up.
    pub deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            authentication: Authentication::Basic,
            max_limit: 1_000,
            proxy_headers: false,
            allowed_origins: Vec::new(),
            prefix: String::new(),
            max_body_bytes: 64 << 20,
            deadline: Duration::from_mins(1),
        }
    }
}

/// The API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    pub(crate) metrics: Metrics,
    pub(crate) settings: Arc<Settings>,
}

impl Api {
    /// The API over these metrics.
    pub fn new(metrics: Metrics, settings: Settings) -> Self {
        Self { metrics, settings: Arc::new(settings) }
    }
}
