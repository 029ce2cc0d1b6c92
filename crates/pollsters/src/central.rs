//! The namespace `central`: pollsters of OpenStack's services, one file a service.

mod images;

use crate::{DiscoveryLine, Namespace, PollsterLine};

pub(crate) static CENTRAL: Namespace = Namespace {
    name: "central",
    pollsters: &[PollsterLine {
        name: "image.size",
        meters: &[images::SIZE],
        discovery: Some("images"),
        make: images::size,
    }],
    discoveries: &[DiscoveryLine { name: "images", make: images::discovery }],
    later: &[
        "alarm.evaluation_result",
        "dns.zone.recordsets",
        "dns.zone.serial",
        "dns.zone.status",
        "dns.zone.ttl",
        "ip.floating",
        "loadbalancer.operating",
        "loadbalancer.provisioning",
        "manila.share.size",
        "manila.share.status",
        "network.services.firewall",
        "network.services.firewall.policy",
        "network.services.vpn",
        "network.services.vpn.connections",
        "radosgw.containers.objects",
        "radosgw.containers.objects.size",
        "radosgw.objects",
        "radosgw.objects.containers",
        "radosgw.objects.size",
        "radosgw.usage",
        "storage.containers.objects",
        "storage.containers.objects.size",
        "storage.objects",
        "storage.objects.containers",
        "storage.objects.size",
        "volume.backup.size",
        "volume.provider.pool.capacity.allocated",
        "volume.provider.pool.capacity.free",
        "volume.provider.pool.capacity.provisioned",
        "volume.provider.pool.capacity.total",
        "volume.provider.pool.capacity.virtual_free",
        "volume.service.health",
        "volume.size",
        "volume.snapshot.size",
    ],
};
