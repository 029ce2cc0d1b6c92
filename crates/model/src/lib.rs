//! The data that Nephoscope carries: values, notifications, samples and events.
//!
//! Floor 0: no I/O, no threads, no clock. Time is always a parameter.

pub mod codec;
mod event;
pub mod fuzz;
pub mod json;
mod metadata;
mod notification;
pub mod pytext;
mod sample;
pub mod signature;
pub mod time;
mod value;

pub use event::{Event, Trait, TraitValue};
pub use metadata::Metadata;
pub use notification::{Notification, Parts, Priority};
pub use sample::{MeterKind, Sample, SampleId, SharedSubject, Subject, sample_id};
pub use time::{IsoTime, Timestamp};
pub use value::{Map, Text, Value};
