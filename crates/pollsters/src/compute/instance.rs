//! [`Instance`]: a virtual machine of Nova's on this host.

use model::Value;

use super::SampleMetadata;

/// An instance as a discovery finds it: what its samples carry, made once for all pollsters.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its UUID.
    pub id: String,
    /// Its domain's name (`OS-EXT-SRV-ATTR:instance_name`), for example `instance-0000002a`; empty if unknown.
    pub name: String,
    /// Its owner.
    pub user_id: Value,
    /// The project that pays.
    pub project_id: Value,
    /// The sizes that its flavor gives it.
    pub flavor: Flavor,
    /// The metadata of every sample of it (Ceilometer's order of keys), without what a pollster adds.
    pub metadata: SampleMetadata,
    /// Whether Nova's API described it, and not libvirt's metadata.
    pub is_novas: bool,
}

/// The sizes of a flavor that pollsters need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flavor {
    /// `disk`, in GiB.
    pub disk_gib: i64,
    /// `ephemeral`, in GiB.
    pub ephemeral_gib: i64,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::instance;
    use super::*;
    use crate::Resource;

    /// `NovaLikeServer.__repr__` in `ceilometer/compute/discovery.py`, `Server.__repr__` in `novaclient/v2/servers.py`.
    #[test]
    fn agents_in_python_know_an_instance_by_its_display_name() {
        let resource = Resource::Instance(Arc::new(instance("i1")));
        assert_eq!((resource.id(), &*resource.python_text()), ("i1", "<NovaLikeServer: vm>"));
        let resource = Resource::Instance(Arc::new(Instance { is_novas: true, ..instance("i1") }));
        assert_eq!(&*resource.python_text(), "<Server: vm>");
    }
}
