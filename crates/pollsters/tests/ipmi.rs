//! Ceilometer's IPMI pollsters and ours read the same management controllers.
//!
//! `ipmi/oracle.py` runs the originals: on generated outputs of ipmitool, and with the real ipmitool on simulated controllers.
//! Every difference must be named in `ipmi/expected_differences.yaml`, and every entry there must occur.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "in a test, a failed step is a failed test"
)]

#[path = "ipmi/differences.rs"]
mod differences;
#[path = "ipmi/generated.rs"]
mod generated;
#[path = "ipmi/original.rs"]
mod original;
#[path = "ipmi/ours.rs"]
mod ours;
#[path = "ipmi/parser.rs"]
mod parser;
#[path = "ipmi/printed.rs"]
mod printed;
#[path = "ipmi/simulated.rs"]
mod simulated;
