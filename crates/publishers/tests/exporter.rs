//! The exporter: scraped by a real Prometheus, read by Prometheus's own parsers in both formats, beside the exporter of
//! Ceilometer's polling agent, and with scrapers that behave badly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: a failed step is a failed test, and time is the machine's"
)]

#[path = "../../http/tests/real/support.rs"]
#[allow(dead_code, reason = "only its certificates")]
mod certificates;
#[path = "exporter/formats.rs"]
mod formats;
#[path = "exporter/house.rs"]
mod house;
#[path = "exporter/real.rs"]
mod real;
#[path = "support/records.rs"]
mod records;
#[path = "exporter/scrapers.rs"]
mod scrapers;
