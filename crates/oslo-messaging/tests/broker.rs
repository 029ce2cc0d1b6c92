//! Listener and notifier against a real RabbitMQ, with the real oslo.messaging as peer and as the measure of what is
//! declared. One broker serves most tests, each in a virtual host of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and live in real time"
)]

#[path = "broker/acknowledge.rs"]
mod acknowledge;
#[path = "broker/declare.rs"]
mod declare;
#[path = "broker/envelopes.rs"]
mod envelopes;
#[path = "broker/faults.rs"]
mod faults;
#[path = "broker/harness.rs"]
mod harness;
#[path = "broker/memory.rs"]
mod memory;
#[path = "broker/notify.rs"]
mod notify;
#[path = "broker/peer.rs"]
mod peer;
#[path = "broker/republish.rs"]
mod republish;
#[path = "broker/tls.rs"]
mod tls;
