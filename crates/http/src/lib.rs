//! The one HTTP client factory and the one TLS configuration.
//!
//! - [`tls`]: the only place that names a cryptography provider; TLS settings from plain options, for clients and
//!   servers, with errors that name the file.
//! - [`ServerTls`]: what a server makes of connections with them; its files may change while it runs.
//! - [`client`]: builds a client from [`ClientOptions`]; no other crate calls reqwest's constructors.
//! - [`explain`]: what went wrong with a request, in one line that a person understands and that holds no secret.
//! - [`read_body`], [`read_body_and_trailers`]: a response's body, up to a bound.
//!
//! Nothing here reads the environment: proxies come as options ([`ProxyOptions::from_values`]).

pub mod tls;

mod body;
mod client;
mod explain;
mod proxy;
mod server_tls;

pub use body::{BodyError, read_body, read_body_and_trailers};
pub use client::{ClientError, ClientOptions, Http2Options, client};
pub use explain::explain;
pub use proxy::ProxyOptions;
pub use server_tls::ServerTls;
pub use tls::{ServerTlsOptions, TlsError, TlsOptions, TlsVersion, install_provider};
