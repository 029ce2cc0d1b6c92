//! Octavia: load balancers.
//!
//! `GET /v2.0/lbaas/loadbalancers`; the policy of Octavia decides which load balancers the credentials see.

use model::MeterKind;

use super::collection::CollectionLine;
use super::object_meter::{ObjectMeter, Volume};
use super::python_text;
use crate::Meter;
use crate::rest::{Id, Listing};

/// The service, for [`Pollster::service`](crate::Pollster::service).
const SERVICE: &str = "load-balancer";
const DISCOVERY: &str = "lb_services";
const KIND: &str = "load balancer";

/// What samples say of a load balancer.
const METADATA: &[(&str, &str)] = &[
    ("name", "name"),
    ("availability_zone", "availability_zone"),
    ("vip_address", "vip_address"),
    ("vip_port_id", "vip_port_id"),
    ("provisioning_status", "provisioning_status"),
    ("operating_status", "operating_status"),
    ("provider", "provider"),
    ("flavor_id", "flavor_id"),
];

/// `loadbalancer.operating`: the number of each load balancer's operating status.
pub(super) const OPERATING: ObjectMeter = meter(
    "loadbalancer.operating",
    Volume::Status(
        "operating_status",
        &[("online", 1), ("draining", 2), ("offline", 3), ("degraded", 4), ("error", 5), ("no_monitor", 6)],
    ),
);

/// `loadbalancer.provisioning`: the number of each load balancer's provisioning status.
pub(super) const PROVISIONING: ObjectMeter = meter(
    "loadbalancer.provisioning",
    Volume::Status(
        "provisioning_status",
        &[
            ("active", 1),
            ("deleted", 2),
            ("error", 3),
            ("pending_create", 4),
            ("pending_update", 5),
            ("pending_delete", 6),
        ],
    ),
);

const fn meter(name: &'static str, volume: Volume) -> ObjectMeter {
    ObjectMeter {
        meter: Meter { name, kind: MeterKind::Gauge, unit: "status" },
        service: SERVICE,
        discovery: DISCOVERY,
        kind: KIND,
        volume,
        user: &[],
        project: &["project_id"],
        metadata: METADATA,
        more: None,
    }
}

/// The discovery `lb_services`.
pub(super) const LOAD_BALANCERS: CollectionLine = CollectionLine {
    service_type: |tools| &tools.central.service_types.octavia,
    version: Some("v2.0"),
    path: "lbaas/loadbalancers",
    listing: Listing {
        collection: "loadbalancers",
        kind: KIND,
        id: Id::Attribute("id"),
        // Without a limit, and with an unlimited `pagination_max_limit`, Octavia links to one more page for ever.
        parameters: &[("limit", "1000")],
    },
    // Beside these, a load balancer has lists of its listeners and pools.
    kept: &[
        "id",
        "project_id",
        "name",
        "availability_zone",
        "vip_address",
        "vip_port_id",
        "provisioning_status",
        "operating_status",
        "provider",
        "flavor_id",
    ],
    python: Some(&python_text::LOAD_BALANCER),
    ..CollectionLine::PLAIN
};

#[cfg(test)]
mod tests {
    use model::json;

    use super::super::testing::{object, read};
    use super::*;

    #[tokio::test]
    async fn each_status_has_its_number() {
        let balancer = |operating: &str, provisioning: &str| {
            let text = format!(
                r#"{{"id": "l1", "project_id": "p1", "operating_status": {operating},
                    "provisioning_status": {provisioning}, "name": "lb", "provider": "amphora", "flavor_id": ""}}"#
            );
            object(KIND, &text)
        };
        let balancers = [
            balancer(r#""ONLINE""#, r#""ACTIVE""#),
            balancer(r#""DRAINING""#, r#""DELETED""#),
            balancer(r#""OFFLINE""#, r#""ERROR""#),
            balancer(r#""DEGRADED""#, r#""PENDING_CREATE""#),
            balancer(r#""ERROR""#, r#""PENDING_UPDATE""#),
            balancer(r#""No_Monitor""#, r#""pending_delete""#),
            balancer(r#""EXPLODED""#, r#""ALLOCATED""#),
            balancer("null", r#""""#),
        ];
        for (meter, expected) in
            [(&OPERATING, [1, 2, 3, 4, 5, 6, -1, -1]), (&PROVISIONING, [1, 2, 3, 4, 5, 6, -1, -1])]
        {
            let (readings, polled) = read(meter, &balancers).await;
            assert!(polled.is_ok(), "{polled:?}");
            let volumes: Vec<_> = readings.iter().map(|reading| json::to_string(&reading.volume)).collect();
            assert_eq!(volumes, expected.map(|volume| volume.to_string()), "{}", meter.meter.name);
            assert_eq!(readings[0].project_id.as_str(), Some("p1"));
            assert_eq!(
                json::to_string(&readings[0].resource_metadata),
                r#"{"name": "lb", "availability_zone": null, "vip_address": null, "vip_port_id": null, "provisioning_status": "ACTIVE", "operating_status": "ONLINE", "provider": "amphora", "flavor_id": ""}"#
            );
        }
    }
}
