//! The definitions that come with the program.

use crate::Source;

/// The built-in meters; loaded after the operator's, which win by equal names.
pub const METERS: Source<'static> =
    Source { path: "built-in meters.yaml", text: include_str!("../../../data/meters.yaml") };

/// The built-in event definitions; used when the operator has none.
pub const EVENTS: Source<'static> = Source {
    path: "built-in event_definitions.yaml",
    text: include_str!("../../../data/event_definitions.yaml"),
};

/// The built-in resource definitions; used when the operator has none.
pub const RESOURCES: Source<'static> = Source {
    path: "built-in gnocchi_resources.yaml",
    text: include_str!("../../../data/gnocchi_resources.yaml"),
};
