//! Tasks and the agent with pollsters that do as they are told, on a clock that the test moves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; and plain tasks will do"
)]

#[path = "agent/cycle.rs"]
mod cycle;
#[path = "agent/plan.rs"]
mod plan;
#[path = "agent/schedule.rs"]
mod schedule;
#[path = "agent/takeover.rs"]
mod takeover;
#[path = "support/world.rs"]
mod world;
