//! Ceilometer's notification agent and ours consume copies of the same messages and write the same samples and events.
//!
//! Both run as processes on one broker, each with a topic of its own. Differences that are meant stand in
//! `tests/oracle/expected_differences.yaml`, each linked to `docs/differences.md`; one that no longer occurs is an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "in a test, a failed step is a failed test"
)]

#[path = "oracle/both.rs"]
mod both;
#[path = "oracle/compare.rs"]
mod compare;
#[path = "../../definitions/tests/support/differences.rs"]
mod differences;
#[path = "oracle/generated.rs"]
mod generated;
#[path = "agent/harness.rs"]
mod harness;
#[path = "oracle/live.rs"]
mod live;
#[path = "oracle/migrate.rs"]
mod migrate;
