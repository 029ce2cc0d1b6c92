//! The Debian packages: made, judged, installed into a clean Debian, and the units started there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; and tests live in real time"
)]

#[path = "package/build.rs"]
mod build;
#[path = "package/clean_root.rs"]
mod clean_root;
#[path = "package/install.rs"]
mod install;
#[path = "package/service.rs"]
mod service;
#[path = "package/units.rs"]
mod units;
