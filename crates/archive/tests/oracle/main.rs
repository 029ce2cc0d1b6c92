//! Gnocchi's own modules as the oracle: the same inputs through both, answers compared bit for bit.
//!
//! What differs on purpose has a name in `differences.json`, by suite; a name that is not needed fails.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "how much was compared")]
#![allow(clippy::float_cmp, reason = "exactly equal is meant")]

mod aggregates;
mod differences;
mod generated;
mod metrics;
mod policies;
mod statistics;
mod upstream;
