//! OpenStack Telemetry in one binary.
fn main() {}
