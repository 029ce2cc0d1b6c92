//! The client and the TLS settings against real peers: OpenSSL's server and client, and a proxy.
#![allow(clippy::disallowed_methods, reason = "tests may use real time")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod client;
mod proxy;
mod server;
mod support;
