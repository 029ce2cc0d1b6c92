//! Nova: discovery of instances by its API, and look-ups.

use std::sync::Arc;

use super::NovaLookup;
use crate::{Discovery, MakeError, Tools};

fn absent() -> MakeError {
    MakeError {
        message: "this version does not ask Nova".into(),
        hint: "set [compute] instance_discovery_method to libvirt_metadata".into(),
    }
}

/// Makes the discovery of `naive` and `workload_partitioning`.
pub(super) fn discovery(_tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    Err(absent())
}

/// Makes what asks Nova of single instances and flavors.
pub(super) fn lookup(_tools: &Tools) -> Result<Arc<dyn NovaLookup>, MakeError> {
    Err(absent())
}
