//! Designate: DNS zones.
//!
//! `GET /v2/zones` of every project, and for each zone the number of `GET /v2/zones/<id>/recordsets`.

mod record_sets;

use model::{Map, MeterKind};

use super::attributes::{convert, integer};
use super::collection::CollectionLine;
use super::object_meter::{ObjectMeter, Volume};
use super::python_text;
use crate::Meter;
use crate::rest::{Id, Listing};

pub(super) use record_sets::{METER as RECORDSETS, pollster as recordsets};

/// The service, for [`Pollster::service`](crate::Pollster::service).
const SERVICE: &str = "dns";
const DISCOVERY: &str = "dns_zones";
const KIND: &str = "zone";
const VERSION: &str = "v2";
/// The header without which only the agent's own project is shown.
const ALL_PROJECTS: (&str, &str) = ("x-auth-all-projects", "True");
/// As many to a page as Designate allows; it gives 20 if it is not told, and refuses more than its own limit.
const PAGE: (&str, &str) = ("limit", "max");

/// What samples say of a zone: its attributes of the same names.
const METADATA: &[(&str, &str)] = &[
    ("name", "name"),
    ("email", "email"),
    ("ttl", "ttl"),
    ("description", "description"),
    ("type", "type"),
    ("status", "status"),
    ("action", "action"),
    ("serial", "serial"),
    ("pool_id", "pool_id"),
];

/// `dns.zone.status`: the number of each zone's status.
pub(super) const STATUS: ObjectMeter = meter(
    "dns.zone.status",
    "status",
    Volume::Status("status", &[("active", 1), ("pending", 2), ("error", 3), ("deleted", 4)]),
);

/// `dns.zone.ttl`, in seconds.
pub(super) const TTL: ObjectMeter = meter("dns.zone.ttl", "second", Volume::AttributeOrZero("ttl"));

/// `dns.zone.serial`: the serial number of each zone.
pub(super) const SERIAL: ObjectMeter = meter("dns.zone.serial", "serial", Volume::AttributeOrZero("serial"));

const fn meter(name: &'static str, unit: &'static str, volume: Volume) -> ObjectMeter {
    ObjectMeter {
        meter: Meter { name, kind: MeterKind::Gauge, unit },
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

/// The discovery `dns_zones`.
pub(super) const ZONES: CollectionLine = CollectionLine {
    service_type: |tools| &tools.central.service_types.designate,
    version: Some(VERSION),
    path: "zones",
    headers: &[ALL_PROJECTS],
    listing: Listing { collection: "zones", kind: KIND, id: Id::Attribute("id"), parameters: &[PAGE] },
    refine: Some(zone),
    python: Some(&python_text::ZONE),
    ..CollectionLine::PLAIN
};

fn zone(zone: &mut Map) -> bool {
    convert(zone, "ttl", integer);
    convert(zone, "serial", integer);
    true
}

#[cfg(test)]
mod tests {
    use model::{Value, json};

    use super::super::testing::{read, refined};
    use super::*;

    #[tokio::test]
    async fn a_zone_becomes_three_readings() {
        let zones = [
            r#"{"id": "z1", "project_id": "p1", "name": "example.org.", "email": "joe@example.org", "ttl": 7200,
                "serial": 1404757531, "status": "ACTIVE", "action": "NONE", "description": null, "type": "PRIMARY",
                "pool_id": "o1", "links": {"self": "http://d/v2/zones/z1"}}"#,
            r#"{"id": "z2", "status": "PENDING", "ttl": null, "serial": "7"}"#,
            r#"{"id": "z3", "status": "ERROR"}"#,
            r#"{"id": "z4", "status": "DELETED"}"#,
            r#"{"id": "z5", "status": "SUCCESS"}"#,
            r#"{"id": "z6", "status": null}"#,
        ];
        let zones = zones.map(|text| refined(&ZONES, text).unwrap());
        for (meter, unit, expected) in [
            (&STATUS, "status", [1, 2, 3, 4, -1, -1]),
            (&TTL, "second", [7200, 0, 0, 0, 0, 0]),
            (&SERIAL, "serial", [1_404_757_531, 7, 0, 0, 0, 0]),
        ] {
            let (readings, polled) = read(meter, &zones).await;
            assert!(polled.is_ok(), "{polled:?}");
            let volumes: Vec<_> = readings.iter().map(|reading| json::to_string(&reading.volume)).collect();
            assert_eq!(volumes, expected.map(|volume: i64| volume.to_string()), "{}", meter.meter.name);
            let [first, second, ..] = &readings[..] else { panic!("{readings:?}") };
            assert_eq!((&first.unit, first.project_id.as_str()), (&Value::from(unit), Some("p1")));
            assert_eq!(
                json::to_string(&first.resource_metadata),
                r#"{"name": "example.org.", "email": "joe@example.org", "ttl": 7200, "description": null, "type": "PRIMARY", "status": "ACTIVE", "action": "NONE", "serial": 1404757531, "pool_id": "o1"}"#
            );
            assert_eq!(
                json::to_string(&second.resource_metadata),
                r#"{"name": null, "email": null, "ttl": null, "description": null, "type": null, "status": "PENDING", "action": null, "serial": 7, "pool_id": null}"#
            );
        }
    }
}
