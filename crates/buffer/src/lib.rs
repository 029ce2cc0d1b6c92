//! Durable queues in the state directory.
//!
//! Synchronous: callers on an async runtime use a blocking thread. Every file operation goes through a [`Medium`](medium::Medium),
//! so that tests can make each of them fail.

pub mod dead_letters;
pub mod fuzz;
pub mod medium;
pub mod segment_log;
