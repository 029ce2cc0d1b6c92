//! The discovery `local_instances`: the instances on this host.

use super::{InstanceDiscovery, nova};
use crate::{Discovery, MakeError, Tools};

/// Makes it, by the method that the configuration names.
///
/// # Errors
/// [`MakeError`] when what it needs cannot work.
pub fn local_instances(tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    match tools.compute.discovery {
        InstanceDiscovery::Nova => nova::discovery(tools),
        InstanceDiscovery::LibvirtMetadata => {
            Err(MakeError { message: "not there yet".into(), hint: "wait".into() })
        }
    }
}
