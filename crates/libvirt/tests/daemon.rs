//! A real libvirtd with real QEMU domains, and libvirt's own library as the measure of every answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and live in real time"
)]

#[path = "daemon/access.rs"]
mod access;
#[path = "daemon/containers.rs"]
mod containers;
#[path = "daemon/events.rs"]
mod events;
#[path = "daemon/harness.rs"]
mod harness;
#[path = "daemon/hung.rs"]
mod hung;
#[path = "daemon/oracle.rs"]
mod oracle;
#[path = "daemon/restart.rs"]
mod restart;
