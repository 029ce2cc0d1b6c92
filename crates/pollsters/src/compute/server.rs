//! [`Server`]: what is known of an instance, whoever says it, libvirt or Nova.

use model::{Map, Value};

use super::{Flavor, Instance, UserMetadataRules, metadata};

/// An instance as it is described. [`Server::into_instance`] makes of it what samples carry.
///
/// What is [`None`] was not said; what is [`Value::Null`] was said to be null. Samples tell the two apart as Ceilometer
/// does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Server {
    /// Its UUID.
    pub id: String,
    /// The name that its user gave it.
    pub display_name: Value,
    /// `OS-EXT-SRV-ATTR:instance_name`: its domain's name.
    pub instance_name: Option<Value>,
    /// `hostId`: who hosts it, in a form that users may see.
    pub host_id: Value,
    /// `OS-EXT-SRV-ATTR:host`: who hosts it.
    pub instance_host: Option<Value>,
    /// Its flavor as samples carry it: `id`, `name`, `vcpus`, `ram`, `disk`, `ephemeral` and whatever else is known, in
    /// the order in which Ceilometer has it.
    pub flavor: Map,
    /// Its status, in any case of letters.
    pub status: Value,
    /// `OS-EXT-STS:vm_state`
    pub vm_state: Option<Value>,
    /// `OS-EXT-STS:task_state`
    pub task_state: Option<Value>,
    /// Its image as samples carry it, `id` at least; null, or anything empty, without one.
    pub image: Value,
    /// What its image says of itself; left out of samples when empty.
    pub image_meta: Map,
    /// `reservation_id`
    pub reservation_id: Option<Value>,
    /// `architecture`
    pub architecture: Option<Value>,
    /// `OS-EXT-AZ:availability_zone`
    pub availability_zone: Option<Value>,
    /// `kernel_id`
    pub kernel_id: Option<Value>,
    /// `os_type`
    pub os_type: Option<Value>,
    /// `ramdisk_id`
    pub ramdisk_id: Option<Value>,
    /// What its user has set as metadata.
    pub user_metadata: Map,
    /// Its owner.
    pub user_id: Value,
    /// The project that pays.
    pub project_id: Value,
}

impl Server {
    /// What pollsters read.
    #[must_use]
    pub fn into_instance(self, rules: &UserMetadataRules) -> Instance {
        let metadata = metadata::of(&self, rules);
        let Self { id, instance_name, flavor, user_id, project_id, .. } = self;
        let name = instance_name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let flavor = Flavor { disk_gib: size(&flavor, "disk"), ephemeral_gib: size(&flavor, "ephemeral") };
        Instance { id, name, user_id, project_id, flavor, metadata: metadata.into(), is_novas: false }
    }
}

/// A size of a flavor as a whole number; 0 if it is none.
pub(super) fn size(flavor: &Map, key: &str) -> i64 {
    match flavor.get(key) {
        Some(Value::Int(number)) => *number,
        Some(Value::Str(text)) => text.trim().parse().unwrap_or(0),
        _ => 0,
    }
}
