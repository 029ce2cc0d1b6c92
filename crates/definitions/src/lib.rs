//! Meter, event and resource definitions: parsed, compiled and applied.
//!
//! The languages are Ceilometer's `meters.d/*.yaml` ([`MeterDefinitions`]), `event_definitions.yaml`
//! ([`EventDefinitions`]) and `gnocchi_resources.yaml` ([`ResourceDefinitions`]), and `pollsters.d/*.yaml` ([`DynamicPollsters`]). All are compiled when they are
//! loaded. For a notification its event type is looked up first, in a bounded cache, and only the definitions that
//! want it are evaluated. [`SampleEndpoints`] adds the converters that upstream has in code.
//!
//! Floor 0: no I/O. Callers pass the texts of files, and get back [`Problem`]s with line and column.

pub mod builtin;
mod cache;
pub mod dynamic;
mod endpoints;
mod error;
mod events;
mod field;
pub mod fuzz;
mod meters;
mod needs;
mod plugin;
mod problem;
pub mod resources;
mod settings;

pub use cache::Cache;
pub use dynamic::{DynamicPollster, DynamicPollsters};
pub use endpoints::{
    Conversion, Converter, HttpEndpoint, SampleEndpoint, SampleEndpoints, SensorEndpoint, TelemetryEndpoint,
};
pub use error::{Cause, ConversionError};
pub use events::{
    EventDefinition, EventDefinitions, EventExplanation, EventSettings, TraitExplanation, TraitOutcome,
};
pub use field::{Field, FieldTrace};
pub use meters::{MAX_LOOKUP_SAMPLES, MeterDefinition, MeterDefinitions};
pub use needs::{KeySet, Keys, Needs};
pub use problem::{Place, Problem, Severity, Source};
pub use resources::{ResourceDefinition, ResourceDefinitions, ResourceSettings, Unmapped};
pub use settings::SampleSettings;
