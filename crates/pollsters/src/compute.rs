//! The namespace `compute`: the instances of this host, read from its hypervisor.
//!
//! A discovery gives [`Instance`]s; a [`Survey`] (one bulk call to libvirt a cycle) says what each of them uses; every
//! pollster makes its readings of the two.

mod inspection;
mod instance;

pub use inspection::{Disk, Inspection, Machine, Nic, Survey, Traffic};
pub use instance::{Flavor, Instance};
