//! The hypervisor side of the namespace `compute`: against a server that misbehaves on demand, and against a real libvirtd
//! with real QEMU domains.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and live in real time"
)]

#[path = "hypervisor/containers.rs"]
mod containers;
#[path = "hypervisor/daemon.rs"]
mod daemon;
#[path = "hypervisor/faults.rs"]
mod faults;
#[path = "hypervisor/hung.rs"]
mod hung;
#[path = "hypervisor/scale.rs"]
mod scale;
#[path = "hypervisor/world.rs"]
mod world;
