//! Meter and event definitions: parsed, compiled and applied to notifications.
//!
//! The languages are Ceilometer's `meters.d/*.yaml` ([`MeterDefinitions`]) and `event_definitions.yaml`
//! ([`EventDefinitions`]). Both are compiled when they are loaded; for a notification its event type is looked up
//! first, in a bounded cache, and only the definitions that want it are evaluated. [`SampleEndpoints`] adds the
//! converters that upstream has in code.
//!
//! Floor 0: no I/O. Callers pass the texts of files, and get back [`Problem`]s with line and column.

pub mod builtin;
mod cache;
mod endpoints;
mod error;
mod events;
mod field;
pub mod fuzz;
mod meters;
mod plugin;
mod problem;
mod settings;

pub use endpoints::{HttpEndpoint, SampleEndpoint, SampleEndpoints, SensorEndpoint, TelemetryEndpoint};
pub use error::{Cause, ConversionError};
pub use events::{EventDefinition, EventDefinitions, EventSettings};
pub use field::Field;
pub use meters::{MAX_LOOKUP_SAMPLES, MeterDefinition, MeterDefinitions};
pub use problem::{Problem, Severity, Source};
pub use settings::SampleSettings;
