//! Whole agents and the real Gnocchi: a day of notifications through Ceilometer's agent and ours, after which two
//! Gnocchis are to say the same; and ours while its Gnocchi is killed, cut off, stalled and slow.
//!
//! `NEPHOSCOPE_DAY_CASTS` sets how often each story of the day is told (1), `NEPHOSCOPE_GNOCCHI_ROUNDS` the number of faults
//! (6), and `NEPHOSCOPE_GNOCCHI_AWAY_SECONDS` how long Gnocchi is away while notifications pour in (5).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; and tests live in real time"
)]

#[path = "oracle/both.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod both;
#[path = "gnocchi/day.rs"]
mod day;
#[path = "../../definitions/tests/support/differences.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod differences;
#[path = "gnocchi/faults.rs"]
mod faults;
#[path = "agent/harness.rs"]
mod harness;
#[path = "gnocchi/points.rs"]
mod points;
#[path = "gnocchi/script.rs"]
mod script;

/// A number that an environment variable gives.
fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}
