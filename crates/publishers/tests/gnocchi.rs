//! The Gnocchi publisher: against a server that misbehaves on command, and against the real one beside Ceilometer's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; a test has no supervisor"
)]

#[path = "gnocchi/cache.rs"]
mod cache;
#[path = "gnocchi/definitions.rs"]
mod definitions_change;
#[path = "gnocchi/events.rs"]
mod events;
#[path = "gnocchi/fake.rs"]
mod fake;
#[path = "gnocchi/faults.rs"]
mod faults;
#[path = "gnocchi/poison.rs"]
mod poison;
#[path = "gnocchi/real.rs"]
mod real;
#[path = "gnocchi/refusals.rs"]
mod refusals;
#[path = "gnocchi/samples.rs"]
mod samples;
#[path = "gnocchi/support.rs"]
mod support;
#[path = "gnocchi/telling.rs"]
mod telling;
#[path = "gnocchi/upgrade.rs"]
mod upgrade;
