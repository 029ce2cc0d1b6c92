//! The notification agent as a process, against a real broker and real services.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; and tests live in real time"
)]

#[path = "agent/balance.rs"]
mod balance;
#[path = "agent/buffer.rs"]
mod buffer;
#[path = "agent/dead_letters.rs"]
mod dead_letters;
#[path = "agent/faults.rs"]
mod faults;
#[path = "agent/gnocchi.rs"]
mod gnocchi;
#[path = "agent/gnocchi_keystone.rs"]
mod gnocchi_keystone;
#[path = "agent/harness.rs"]
mod harness;
#[path = "agent/listeners.rs"]
mod listeners;
#[path = "agent/memory.rs"]
mod memory;
#[path = "agent/metrics.rs"]
mod metrics;
#[path = "agent/names.rs"]
mod names;
#[path = "agent/otlp.rs"]
mod otlp;
#[path = "agent/prometheus.rs"]
mod prometheus;
#[path = "agent/publishers.rs"]
mod publishers;
#[path = "agent/reload.rs"]
mod reload;
#[path = "../../publishers/tests/support/server.rs"]
mod server;
#[path = "agent/services.rs"]
mod services;
#[path = "agent/tap.rs"]
mod tap;
