//! What `nephoscope metric` does when it is killed, has no room on its disk, or has no database.
//!
//! `NEPHOSCOPE_METRIC_KILL_ROUNDS` sets how often it is killed (10).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; the machine's clock is the one that is meant"
)]

#[allow(dead_code, reason = "only its certificates")]
#[path = "../../http/tests/real/support.rs"]
mod certificates;
#[path = "metric_faults/database.rs"]
mod database;
#[path = "metric_faults/disk.rs"]
mod disk;
#[path = "metric_faults/harness.rs"]
mod harness;
#[path = "metric_faults/kill.rs"]
mod kill;
#[path = "metric_faults/schemathesis.rs"]
mod schemathesis;
#[path = "metric_faults/shutdown.rs"]
mod shutdown;
#[path = "metric_faults/slow.rs"]
mod slow;
#[path = "metric_faults/tls.rs"]
mod tls;
