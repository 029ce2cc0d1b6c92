//! The data that Nephoscope carries: values, notifications, samples and events.
//!
//! Floor 0: no I/O, no threads, no clock. Time is always a parameter.

mod value;

pub use value::{Map, Value};
