//! The OTLP publishers against a receiver made of grpcio and of Google's protobuf classes, and against servers that are none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; a test has no supervisor"
)]

#[path = "otlp/answers.rs"]
mod answers;
#[path = "../../http/tests/real/support.rs"]
#[allow(dead_code, reason = "only its certificates")]
mod certificates;
#[path = "otlp/faults.rs"]
mod faults;
#[path = "otlp/fields.rs"]
mod fields;
#[path = "otlp/receiver.rs"]
mod receiver;
#[path = "support/records.rs"]
mod records;
#[path = "otlp/tls.rs"]
mod tls;
