//! Nova: the discovery of instances by its API (`naive`, `workload_partitioning`), and look-ups of what libvirt's metadata
//! does not say.
//!
//! Requests are those of Ceilometer's `nova_client`, at the same microversion; but lists are read to their last page, what
//! Nova and Glance have answered is kept for a while and no longer, and what is known is not thrown away when they fail.

mod answers;
mod client;
mod describe;
mod discovery;
mod image;
mod lookup;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use super::NovaLookup;
use crate::{Discovery, MakeError, Tools};

pub(crate) use metrics::NovaMetrics;

/// How long an answer is kept: flavors and images hardly ever change, users' metadata seldom.
const KEPT: Duration = Duration::from_mins(10);
/// How long "there is none" is kept, and how long who failed is left alone while an older answer serves.
const KEPT_ABSENT: Duration = Duration::from_mins(1);

/// Makes the discovery of `naive` and `workload_partitioning`.
pub(super) fn discovery(tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    Ok(Box::new(discovery::NovaDiscovery::new(tools)?))
}

/// Makes what asks Nova of single instances and flavors.
///
/// # Errors
/// [`MakeError`] when the credentials cannot work.
pub fn lookup(tools: &Tools) -> Result<Arc<dyn NovaLookup>, MakeError> {
    Ok(Arc::new(lookup::Lookup::new(tools)?))
}
