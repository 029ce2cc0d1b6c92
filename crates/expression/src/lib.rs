//! JSONPath in jsonpath-rw-ext's dialect, fnmatch and Python regular expressions.
//!
//! Ceilometer's definition files contain three small languages: paths into a notification
//! ([`jsonpath`]), globs over event types ([`fnmatch`]) and regular expressions over event types
//! ([`pattern`]). Each is compiled once, when a file is loaded, and only applied afterwards.
//!
//! Floor 0: no I/O, no threads, no clock. Hostile expressions and hostile data are bounded by named
//! constants in each module.

pub mod fnmatch;
pub mod fuzz;
pub mod jsonpath;
mod number;
pub mod pattern;

pub use fnmatch::Glob;
pub use jsonpath::{JsonPath, Match, Matches};
pub use pattern::Pattern;
