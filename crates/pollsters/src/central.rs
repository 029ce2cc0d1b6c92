//! The namespace `central`: pollsters of OpenStack's services, one file a service.
//!
//! - A service's file has its meters and collections as constants, and functions for what no constant can say.
//! - [`object_meter`]: a meter with one reading for each object that a discovery finds (status numbers, metadata).
//! - [`collection`]: a discovery that lists one collection, page by page ([`crate::rest`]).
//! - [`remote`]: the services themselves; one that the catalogue lacks is logged once, and nothing comes of it.
//! - [`projects`], [`endpoints`]: what Keystone knows.
//!
//! What several pollsters read once in a cycle is a value of a type of its own in [`crate::CycleCache`].

mod accounts;
mod aodh;
mod attributes;
mod cinder;
mod collection;
mod designate;
mod endpoints;
mod images;
mod manila;
mod neutron;
mod object_meter;
mod octavia;
mod projects;
mod python_text;
mod remote;
mod rgw;
mod settings;
mod swift;
#[cfg(test)]
mod testing;

pub(crate) use remote::Absent;
pub use settings::{CentralSettings, RgwSettings, ServiceTypes};

use self::collection::Collection;
use self::object_meter::ObjectPollster;
use crate::{DiscoveryLine, Namespace, PollsterLine};

/// The line of an [`ObjectMeter`](object_meter::ObjectMeter).
macro_rules! objects {
    ($meter:path) => {
        PollsterLine {
            name: $meter.meter.name,
            meters: &[$meter.meter],
            discovery: Some($meter.discovery),
            make: |_tools| Ok(Box::new(ObjectPollster(&$meter))),
        }
    };
}

/// The line of a pollster of projects.
macro_rules! of_projects {
    ($name:literal, $meter:path, $make:path) => {
        PollsterLine { name: $name, meters: &[$meter], discovery: Some(projects::DISCOVERY), make: $make }
    };
}

/// The line of a [`Collection`].
macro_rules! collection {
    ($name:literal, $line:path) => {
        DiscoveryLine { name: $name, make: |tools| Collection::discovery(tools, &$line) }
    };
}

pub(crate) static CENTRAL: Namespace = Namespace {
    name: "central",
    pollsters: &[
        PollsterLine {
            name: "alarm.evaluation_result",
            meters: &[aodh::EVALUATION_RESULT],
            discovery: Some("alarm"),
            make: aodh::evaluation_result,
        },
        PollsterLine {
            name: "dns.zone.recordsets",
            meters: &[designate::RECORDSETS],
            discovery: Some("dns_zones"),
            make: designate::recordsets,
        },
        objects!(designate::SERIAL),
        objects!(designate::STATUS),
        objects!(designate::TTL),
        objects!(images::SIZE),
        objects!(neutron::FLOATING_IP),
        objects!(octavia::OPERATING),
        objects!(octavia::PROVISIONING),
        objects!(manila::SIZE),
        objects!(manila::STATUS),
        objects!(neutron::FIREWALL),
        objects!(neutron::FIREWALL_POLICY),
        objects!(neutron::VPN),
        objects!(neutron::VPN_CONNECTION),
        of_projects!("radosgw.containers.objects", rgw::CONTAINERS_OBJECTS, rgw::containers_objects),
        of_projects!("radosgw.containers.objects.size", rgw::CONTAINERS_SIZE, rgw::containers_size),
        of_projects!("radosgw.objects", rgw::OBJECTS, rgw::objects),
        of_projects!("radosgw.objects.containers", rgw::CONTAINERS, rgw::containers),
        of_projects!("radosgw.objects.size", rgw::SIZE, rgw::size),
        of_projects!("radosgw.usage", rgw::API_REQUEST, rgw::usage),
        of_projects!("storage.containers.objects", swift::CONTAINERS_OBJECTS, swift::containers_objects),
        of_projects!("storage.containers.objects.size", swift::CONTAINERS_SIZE, swift::containers_size),
        of_projects!("storage.objects", swift::OBJECTS, swift::objects),
        of_projects!("storage.objects.containers", swift::CONTAINERS, swift::containers),
        of_projects!("storage.objects.size", swift::SIZE, swift::size),
        objects!(cinder::BACKUP_SIZE),
        objects!(cinder::POOL_ALLOCATED),
        objects!(cinder::POOL_FREE),
        objects!(cinder::POOL_PROVISIONED),
        objects!(cinder::POOL_TOTAL),
        objects!(cinder::POOL_VIRTUAL_FREE),
        objects!(cinder::SERVICE_HEALTH),
        objects!(cinder::VOLUME_SIZE),
        objects!(cinder::SNAPSHOT_SIZE),
    ],
    discoveries: &[
        DiscoveryLine { name: "alarm", make: aodh::discovery },
        collection!("dns_zones", designate::ZONES),
        DiscoveryLine { name: "endpoint", make: endpoints::discovery },
        collection!("fip_services", neutron::FLOATING_IPS),
        collection!("fw_policy", neutron::FIREWALL_POLICIES),
        collection!("fw_services", neutron::FIREWALL_GROUPS),
        collection!("images", images::IMAGES),
        collection!("ipsec_connections", neutron::VPN_CONNECTIONS),
        collection!("lb_services", octavia::LOAD_BALANCERS),
        collection!("manila_shares", manila::SHARES),
        DiscoveryLine { name: projects::DISCOVERY, make: projects::discovery },
        collection!("volume_backups", cinder::BACKUPS),
        collection!("volume_pools", cinder::POOLS),
        collection!("volume_services", cinder::SERVICES),
        collection!("volume_snapshots", cinder::SNAPSHOTS),
        collection!("volumes", cinder::VOLUMES),
        collection!("vpn_services", neutron::VPN_SERVICES),
    ],
};
