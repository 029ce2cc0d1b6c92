//! The polling agent as a process: a real Glance, Keystone and broker, Ceilometer's agents beside it, and faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "in a test, a failed step is a failed test; and tests live in real time"
)]

#[path = "polling/books.rs"]
mod books;
#[allow(dead_code, reason = "the comparison of notification agents uses the rest")]
#[path = "oracle/both.rs"]
mod both;
#[path = "polling/bus.rs"]
mod bus;
#[path = "polling/central.rs"]
mod central;
#[allow(dead_code, reason = "only its certificates")]
#[path = "../../http/tests/real/support.rs"]
mod certificates;
#[path = "polling/commands.rs"]
mod commands;
#[path = "polling/dynamic.rs"]
mod dynamic;
#[path = "polling/exporter.rs"]
mod exporter;
#[path = "polling/faults.rs"]
mod faults;
#[path = "polling/glance.rs"]
mod glance;
#[path = "agent/harness.rs"]
mod harness;
#[path = "polling/ipmi.rs"]
mod ipmi;
#[path = "polling/live.rs"]
mod live;
#[path = "polling/redefined.rs"]
mod redefined;
#[path = "../../publishers/tests/support/server.rs"]
mod server;
#[path = "polling/sharing.rs"]
mod sharing;
#[path = "polling/sharing_python.rs"]
mod sharing_python;
#[path = "polling/timeline.rs"]
mod timeline;
