//! The notification agent as a process, against a real broker and real services.

#[path = "agent/faults.rs"]
mod faults;
#[path = "agent/harness.rs"]
mod harness;
#[path = "agent/services.rs"]
mod services;
