//! Logs, self-metrics, health, service manager notification, task supervision and clock.
//!
//! Everything a long-running role needs in order to be watched, and nothing that knows of telemetry.
//!
//! - [`logs`]: `tracing` events as oslo.log's lines, JSON objects, journal entries or syslog datagrams.
//! - [`metrics`]: what the program counts about itself, declared by each component as a typed struct.
//! - [`health`]: named checks, and the loopback HTTP server with `/metrics`, `/healthz` and `/readyz`.
//! - [`http_server`]: what serves them, and other pages of plain HTTP or TLS, within limits.
//! - [`control`]: a Unix socket for live commands, of one user and bounded.
//! - [`service_manager`]: systemd's notification protocol, and a watchdog tied to real progress.
//! - [`supervisor`]: the one place that spawns tasks; it restarts, counts, and drains them.
//! - [`clock`]: the one place that reads the time; a test clock stands in for it.
//! - [`reload`]: counts how often the configuration was read again, and what became of it.
//! - [`secret`]: values that never show themselves in a log.
//!
//! This crate reads no environment variable and installs no signal handler: the binary passes in what it found.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests may use real time and plain tasks"))]

pub mod clock;
pub mod control;
pub mod health;
pub mod http_server;
pub mod logs;
pub mod metrics;
pub mod reload;
pub mod secret;
pub mod service_manager;
pub mod supervisor;
