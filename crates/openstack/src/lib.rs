//! A session with Keystone, the service catalogue, and requests to OpenStack's services.
//!
//! - [`Session`]: who we are. One token, renewed before it ends, and one catalogue, shared by everybody who clones it.
//! - [`ServiceFilter`]: which endpoint of the catalogue; [`Service`] is a session and a filter together.
//! - [`RequestBuilder`], [`Response`]: one request, relative to the endpoint, with the auth headers, a deadline for
//!   everything, and a second try with a new token on 401.
//! - [`Traffic`]: bounds, patience and a circuit breaker for each service, for sessions that ask many of them.
//! - [`Error`]: what went wrong, told apart by what to do about it.
//! - [`tokens`]: whether other people's tokens are good, and whose they are.
//! - [`cache`]: names and hashes, in process or in a memcached or Redis that oslo.cache's users share.
//!
//! The behaviour is keystoneauth's (5.18) and oslo.cache's (4.3) for those options that make sense here; what is done
//! otherwise stands in `docs/differences.md`.
//!
//! ```no_run
//! use nephoscope_openstack::{AuthOptions, Method, PasswordOptions, ScopeOptions, Service, ServiceFilter, Session,
//!     SessionOptions};
//!
//! # async fn example() -> Result<(), nephoscope_openstack::Error> {
//! let auth = AuthOptions::Password(PasswordOptions {
//!     auth_url: "http://controller:5000/v3".into(),
//!     username: Some("ceilometer".into()),
//!     password: "swordfish".to_owned().into(),
//!     user_domain_id: Some("default".into()),
//!     scope: ScopeOptions { project_id: Some("3a2f".into()), ..ScopeOptions::default() },
//!     ..PasswordOptions::default()
//! });
//! let session = Session::new(SessionOptions::new(auth))?;
//! let gnocchi = Service::new(session, ServiceFilter::new("metric").with_name("gnocchi"));
//! let answer = gnocchi.request(Method::GET, "/v1/capabilities/").send().await?.success()?;
//! # drop(answer);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests may use real time and plain tasks"))]

mod auth;
pub mod cache;
mod catalog;
mod client;
mod error;
mod filter;
mod fixed;
mod identity;
mod options;
mod request;
mod response;
mod session;
pub mod tokens;
mod traffic;
mod url_path;

pub use bytes::Bytes;
pub use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Method, StatusCode, Url};

pub use cache::{Cache, CacheError, CacheOptions, MemcachedOptions, RedisOptions, RedisSentinels};
pub use error::{Error, ErrorKind};
pub use filter::{Service, ServiceFilter};
pub use options::{
    ApplicationCredentialOptions, AuthOptions, DEFAULT_TIMEOUT, PasswordOptions, ScopeOptions,
    SessionOptions, TokenOptions,
};
pub use request::{DEFAULT_BODY_LIMIT_BYTES, RequestBuilder};
pub use response::Response;
pub use session::Session;
pub use traffic::{Traffic, TrafficLimits, TrafficMetrics};
pub use url_path::path_segment;
