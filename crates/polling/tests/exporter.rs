//! The exporter: what it shows of samples in both modes, what becomes of it from run to run, beside Ceilometer's, and scraped
//! by a real Prometheus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "in a test, a failed step is a failed test; and plain tasks will do"
)]

#[path = "../../http/tests/real/support.rs"]
#[allow(dead_code, reason = "only its certificates")]
mod certificates;
#[path = "../../definitions/tests/support/differences.rs"]
mod differences;
#[path = "exporter/house.rs"]
mod house;
#[path = "exporter/labels.rs"]
mod labels;
#[path = "exporter/modern.rs"]
mod modern;
#[path = "exporter/original.rs"]
mod original;
#[path = "exporter/runs.rs"]
mod runs;
#[path = "exporter/scrape.rs"]
mod scrape;
#[path = "support/world.rs"]
mod world;
