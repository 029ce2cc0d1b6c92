//! Manila: shares.
//!
//! `GET /v2/shares/detail?all_tenants=True`, without a microversion, as Ceilometer asks: a later one would give the id of a
//! share's type in place of its name. In that version Manila ends a list at its `osapi_max_limit` without saying so, and its
//! links to a next page lead to the same one again; so the next page is asked for by its offset.

use model::{Map, MeterKind};

use super::attributes::{boolean, convert, integer, text};
use super::collection::{CollectionLine, Pages};
use super::object_meter::{ObjectMeter, Volume};
use super::python_text;
use crate::Meter;
use crate::rest::{Id, Listing};

/// The service, for [`Pollster::service`](crate::Pollster::service).
const SERVICE: &str = "shared-file-system";
const DISCOVERY: &str = "manila_shares";
const KIND: &str = "share";

/// What samples say of a share.
const METADATA: &[(&str, &str)] = &[
    ("name", "name"),
    ("availability_zone", "availability_zone"),
    ("share_type", "share_type"),
    ("share_network_id", "share_network_id"),
    ("status", "status"),
    ("host", "host"),
    ("is_public", "is_public"),
    ("protocol", "share_proto"),
];

/// `manila.share.status`: the number of each share's status.
pub(super) const STATUS: ObjectMeter = meter(
    "manila.share.status",
    "status",
    Volume::Status(
        "status",
        &[
            ("available", 1),
            ("creating", 2),
            ("deleting", 3),
            ("error", 4),
            ("error_deleting", 5),
            ("migrating", 6),
            ("extending", 7),
            ("shrinking", 8),
            ("reverting", 9),
            ("inactive", 10),
            ("manage_starting", 11),
            ("manage_error", 12),
            ("unmanage_starting", 13),
            ("unmanage_error", 14),
            ("unmanaged", 15),
            ("extending_error", 16),
            ("shrinking_error", 17),
            ("reverting_error", 18),
            ("awaiting_transfer", 19),
            ("backup_creating", 20),
            ("backup_restoring", 21),
            ("backup_restoring_error", 22),
            ("creating_from_snapshot", 23),
            ("shrinking_possible_data_loss_error", 24),
            ("migrating_to", 25),
            ("replication_change", 26),
        ],
    ),
);

/// `manila.share.size`, in GiB.
pub(super) const SIZE: ObjectMeter = meter("manila.share.size", "GiB", Volume::AttributeOrZero("size"));

const fn meter(name: &'static str, unit: &'static str, volume: Volume) -> ObjectMeter {
    ObjectMeter {
        meter: Meter { name, kind: MeterKind::Gauge, unit },
        service: SERVICE,
        discovery: DISCOVERY,
        kind: KIND,
        volume,
        user: &["user_id"],
        project: &["project_id"],
        metadata: METADATA,
        more: None,
    }
}

/// The discovery `manila_shares`.
pub(super) const SHARES: CollectionLine = CollectionLine {
    service_type: |tools| &tools.central.service_types.manila,
    version: Some("v2"),
    path: "shares/detail",
    listing: Listing {
        collection: "shares",
        kind: KIND,
        id: Id::Attribute("id"),
        parameters: &[("all_tenants", "True"), ("limit", "1000")],
    },
    pages: Pages::Offset,
    refine: Some(share),
    kept: &[
        "id",
        "project_id",
        "user_id",
        "size",
        "name",
        "availability_zone",
        "share_type",
        "share_network_id",
        "status",
        "host",
        "is_public",
        "share_proto",
    ],
    python: Some(&python_text::SHARE),
    ..CollectionLine::PLAIN
};

fn share(share: &mut Map) -> bool {
    for name in [
        "availability_zone",
        "host",
        "project_id",
        "share_network_id",
        "share_proto",
        "share_type",
        "status",
        "user_id",
    ] {
        convert(share, name, text);
    }
    convert(share, "is_public", boolean);
    convert(share, "size", integer);
    true
}

#[cfg(test)]
mod tests {
    use model::{Value, json};

    use super::super::testing::{read, refined};
    use super::*;

    #[tokio::test]
    async fn a_share_becomes_two_readings() {
        let shares = [
            r#"{"id": "s1", "project_id": "p1", "user_id": "u1", "name": "n", "status": "Available", "size": 5,
                "share_proto": "NFS", "share_type": "default", "share_type_name": "other", "is_public": false,
                "host": "h@b#p", "availability_zone": "nova", "share_network_id": "sn1"}"#,
            r#"{"id": "s2", "status": "ensuring", "size": null}"#,
            r#"{"id": "s3", "status": null}"#,
            r#"{"id": "s4", "status": "replication_change", "size": "7", "host": 3, "is_public": 1}"#,
        ];
        let shares = shares.map(|text| refined(&SHARES, text).unwrap());
        for (meter, unit, expected) in [(&STATUS, "status", [1, -1, -1, 26]), (&SIZE, "GiB", [5, 0, 0, 7])] {
            let (readings, polled) = read(meter, &shares).await;
            assert!(polled.is_ok(), "{polled:?}");
            let volumes: Vec<_> = readings.iter().map(|reading| json::to_string(&reading.volume)).collect();
            assert_eq!(volumes, expected.map(|volume| volume.to_string()), "{}", meter.meter.name);
            let [first, .., last] = &readings[..] else { panic!("{readings:?}") };
            assert_eq!(first.unit, Value::from(unit));
            assert_eq!((first.user_id.as_str(), first.project_id.as_str()), (Some("u1"), Some("p1")));
            assert_eq!((&last.user_id, &last.project_id), (&Value::Null, &Value::Null));
            assert_eq!(
                json::to_string(&first.resource_metadata),
                r#"{"name": "n", "availability_zone": "nova", "share_type": "default", "share_network_id": "sn1", "status": "Available", "host": "h@b#p", "is_public": false, "protocol": "NFS"}"#
            );
            assert_eq!(
                json::to_string(&last.resource_metadata),
                r#"{"name": null, "availability_zone": null, "share_type": null, "share_network_id": null, "status": "replication_change", "host": "3", "is_public": true, "protocol": null}"#
            );
        }
    }
}
