//! The compute agent on real hypervisors: Ceilometer's agent beside ours on the same domains, and the agent as a process
//! from libvirt to the message bus, with everything on the way that can be away.
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
#[allow(dead_code, reason = "the comparison on the message bus uses the rest")]
#[path = "polling/bus.rs"]
mod bus;
#[path = "compute/ceilometer.rs"]
mod ceilometer;
#[path = "../../definitions/tests/support/differences.rs"]
mod differences;
#[path = "compute/faults.rs"]
mod faults;
#[path = "agent/harness.rs"]
mod harness;
#[path = "compute/live.rs"]
mod live;
#[path = "compute/oracle.rs"]
mod oracle;
#[path = "compute/replayed.rs"]
mod replayed;
#[path = "compute/sample.rs"]
mod sample;
#[path = "../../publishers/tests/support/server.rs"]
mod server;
#[path = "compute/site.rs"]
mod site;
