//! Cinder: volumes, snapshots, backups, pools, services.
//!
//! Volumes, snapshots and backups are those of every project, page by page.

mod pools;
mod services;

use model::{Map, MeterKind, Value};

use super::attributes::{boolean, convert, integer, last_of, list, map};
use super::collection::CollectionLine;
use super::object_meter::{ObjectMeter, Volume};
use super::python_text;
use crate::rest::{Id, Listing};
use crate::{Meter, Object};

pub(super) use pools::{
    ALLOCATED as POOL_ALLOCATED, FREE as POOL_FREE, POOLS, PROVISIONED as POOL_PROVISIONED,
    TOTAL as POOL_TOTAL, VIRTUAL_FREE as POOL_VIRTUAL_FREE,
};
pub(super) use services::{HEALTH as SERVICE_HEALTH, SERVICES};

/// The service, for [`Pollster::service`](crate::Pollster::service).
const SERVICE: &str = "block-storage";
/// The version that each request names, as Ceilometer's do: with 3.41 snapshots say whose they are, with 3.56 backups, and
/// with 3.63 a volume has the id of its type.
const VERSION: &[(&str, &str)] = &[("OpenStack-API-Version", "volume 3.64")];
/// Of every project, so many to a page; Cinder gives fewer where it is told to.
const ALL: &[(&str, &str)] = &[("all_tenants", "True"), ("limit", "1000")];
const VOLUME: &str = "volume";
const SNAPSHOT: &str = "volume snapshot";
const BACKUP: &str = "volume backup";
/// Where a volume lies: the attribute, and the key of the samples' metadata.
const HOST: &str = "os-vol-host-attr:host";
/// Whether a volume moves to another back-end.
const MIGRATION: &str = "os-vol-mig-status-attr:migstat";

/// `volume.size`, in GiB.
pub(super) const VOLUME_SIZE: ObjectMeter = ObjectMeter {
    meter: Meter { name: "volume.size", kind: MeterKind::Gauge, unit: "GiB" },
    service: SERVICE,
    discovery: "volumes",
    kind: VOLUME,
    volume: Volume::Attribute("size"),
    user: &["user_id"],
    project: &["os-vol-tenant-attr:tenant_id"],
    metadata: &[
        ("name", "name"),
        ("status", "status"),
        ("volume_type", "volume_type"),
        ("volume_type_id", "volume_type_id"),
        ("availability_zone", "availability_zone"),
        ("migration_status", MIGRATION),
        ("attachments", "attachments"),
        ("snapshot_id", "snapshot_id"),
    ],
    more: Some(of_volume),
};

/// `volume.snapshot.size`, in GiB.
pub(super) const SNAPSHOT_SIZE: ObjectMeter = ObjectMeter {
    meter: Meter { name: "volume.snapshot.size", kind: MeterKind::Gauge, unit: "GiB" },
    service: SERVICE,
    discovery: "volume_snapshots",
    kind: SNAPSHOT,
    volume: Volume::Attribute("size"),
    user: &["user_id"],
    project: &["os-extended-snapshot-attributes:project_id"],
    metadata: &[
        ("name", "name"),
        ("volume_id", "volume_id"),
        ("status", "status"),
        ("description", "description"),
        ("metadata", "metadata"),
        ("os-extended-snapshot-attributes:progress", "os-extended-snapshot-attributes:progress"),
    ],
    more: None,
};

/// `volume.backup.size`, in GiB.
pub(super) const BACKUP_SIZE: ObjectMeter = ObjectMeter {
    meter: Meter { name: "volume.backup.size", kind: MeterKind::Gauge, unit: "GiB" },
    service: SERVICE,
    discovery: "volume_backups",
    kind: BACKUP,
    volume: Volume::Attribute("size"),
    user: &["user_id"],
    project: &["os-backup-project-attr:project_id"],
    metadata: &[
        ("name", "name"),
        ("is_incremental", "is_incremental"),
        ("object_count", "object_count"),
        ("container", "container"),
        ("volume_id", "volume_id"),
        ("status", "status"),
        ("description", "description"),
    ],
    more: None,
};

/// The discovery `volumes`.
pub(super) const VOLUMES: CollectionLine = CollectionLine {
    refine: Some(|volume| {
        convert(volume, "size", integer);
        convert(volume, "attachments", list);
        // Administrators see it under both names.
        let status = last_of(volume, &["migration_status", MIGRATION]);
        volume.insert(MIGRATION, status);
        true
    }),
    kept: &[
        "size",
        "user_id",
        "os-vol-tenant-attr:tenant_id",
        "name",
        "status",
        "volume_type",
        "volume_type_id",
        "availability_zone",
        MIGRATION,
        "attachments",
        "snapshot_id",
        "volume_image_metadata",
        HOST,
        "source_volid",
    ],
    python: Some(&python_text::VOLUME),
    also_read: &["migration_status"],
    ..line("volumes/detail", owned("volumes", VOLUME))
};

/// The discovery `volume_snapshots`.
pub(super) const SNAPSHOTS: CollectionLine = CollectionLine {
    refine: Some(|snapshot| {
        convert(snapshot, "size", integer);
        convert(snapshot, "metadata", map);
        true
    }),
    kept: &[
        "size",
        "user_id",
        "os-extended-snapshot-attributes:project_id",
        "name",
        "volume_id",
        "status",
        "description",
        "metadata",
        "os-extended-snapshot-attributes:progress",
    ],
    python: Some(&python_text::SNAPSHOT),
    ..line("snapshots/detail", owned("snapshots", SNAPSHOT))
};

/// The discovery `volume_backups`.
pub(super) const BACKUPS: CollectionLine = CollectionLine {
    refine: Some(|backup| {
        convert(backup, "size", integer);
        convert(backup, "is_incremental", boolean);
        convert(backup, "object_count", integer);
        true
    }),
    kept: &[
        "size",
        "user_id",
        "os-backup-project-attr:project_id",
        "name",
        "is_incremental",
        "object_count",
        "container",
        "volume_id",
        "status",
        "description",
    ],
    python: Some(&python_text::BACKUP),
    ..line("backups/detail", owned("backups", BACKUP))
};

/// What belongs to projects.
const fn owned(collection: &'static str, kind: &'static str) -> Listing {
    Listing { collection, kind, id: Id::Attribute("id"), parameters: ALL }
}

/// One of Cinder's lists.
const fn line(path: &'static str, listing: Listing) -> CollectionLine {
    CollectionLine {
        service_type: |tools| &tools.central.service_types.cinder,
        path,
        headers: VERSION,
        listing,
        ..CollectionLine::PLAIN
    }
}

/// The image that a volume was made of, the instance that it was attached to first, where it lies, and what it was copied
/// from.
fn of_volume(volume: &Object, metadata: &mut Map) {
    let within = |outer: Option<&Value>, key: &str| outer.and_then(|outer| outer.get(key)).cloned();
    let image = volume.attributes.get("volume_image_metadata");
    let attachments = volume.attributes.get("attachments").and_then(Value::as_list);
    let attachment = attachments.and_then(|attachments| attachments.first());
    metadata.insert("image_id", within(image, "image_id"));
    metadata.insert("instance_id", within(attachment, "server_id"));
    metadata.insert(HOST, volume.get(HOST));
    metadata.insert("source_volid", volume.get("source_volid"));
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::super::testing::{read, refined};
    use super::*;
    use crate::Reading;

    /// What becomes of entries of a list.
    async fn readings(meter: &'static ObjectMeter, line: &CollectionLine, entries: &[&str]) -> Vec<Reading> {
        let resources: Vec<_> = entries.iter().filter_map(|entry| refined(line, entry)).collect();
        let (readings, polled) = read(meter, &resources).await;
        assert!(polled.is_ok() && readings.len() == entries.len(), "{polled:?}");
        readings
    }

    #[tokio::test]
    async fn a_volume_becomes_a_reading_with_the_keys_in_order() {
        let volume = r#"{"id": "v1", "status": "in-use", "size": 10, "availability_zone": "nova", "name": "data",
            "volume_type": "lvm", "volume_type_id": "t1", "snapshot_id": "s1", "source_volid": "v0",
            "user_id": "u1", "migration_status": null, "encrypted": false,
            "attachments": [{"server_id": "i1", "device": "/dev/vdb"}, {"server_id": "i2"}],
            "os-vol-tenant-attr:tenant_id": "p1", "os-vol-host-attr:host": "h@b#p",
            "os-vol-mig-status-attr:migstat": "success",
            "volume_image_metadata": {"image_id": "g1", "image_name": "cirros"}}"#;
        let readings = readings(&VOLUME_SIZE, &VOLUMES, &[volume]).await;
        let [reading] = &readings[..] else { panic!("{readings:?}") };
        assert_eq!((reading.resource_id.as_str(), &reading.volume), (Some("v1"), &Value::Int(10)));
        assert_eq!((reading.user_id.as_str(), reading.project_id.as_str()), (Some("u1"), Some("p1")));
        assert_eq!(
            json::to_string(&reading.resource_metadata),
            r#"{"name": "data", "status": "in-use", "volume_type": "lvm", "volume_type_id": "t1", "availability_zone": "nova", "migration_status": "success", "attachments": [{"server_id": "i1", "device": "/dev/vdb"}, {"server_id": "i2"}], "snapshot_id": "s1", "image_id": "g1", "instance_id": "i1", "os-vol-host-attr:host": "h@b#p", "source_volid": "v0"}"#
        );
    }

    #[tokio::test]
    async fn what_a_volume_does_not_say_is_null() {
        let readings = readings(
            &VOLUME_SIZE,
            &VOLUMES,
            &[
                r#"{"id": "v1"}"#,
                r#"{"id": "v2", "attachments": [], "volume_image_metadata": {}, "size": "3"}"#,
                r#"{"id": "v3", "attachments": [{}], "volume_image_metadata": "none"}"#,
                r#"{"id": "v4", "migration_status": "starting"}"#,
            ],
        )
        .await;
        let [first, second, third, fourth] = &readings[..] else { panic!("{readings:?}") };
        assert_eq!((&first.volume, &first.project_id), (&Value::Null, &Value::Null));
        assert_eq!(second.volume, Value::Int(3));
        let metadata = first.resource_metadata.as_map().unwrap();
        assert!(metadata.len() == 12 && metadata.values().all(Value::is_null), "{metadata:?}");
        for reading in [second, third] {
            let metadata = reading.resource_metadata.as_map().unwrap();
            assert!(
                metadata.get("image_id").unwrap().is_null() && metadata.get("instance_id").unwrap().is_null()
            );
        }
        assert_eq!(fourth.resource_metadata.get("migration_status"), Some(&Value::from("starting")));
    }

    #[tokio::test]
    async fn snapshots_and_backups_become_readings() {
        let snapshot = r#"{"id": "s1", "size": 1, "name": "daily", "volume_id": "v1", "status": "available",
            "description": "", "metadata": {"key": "v3"}, "user_id": "u1", "created_at": "2019-03-12",
            "os-extended-snapshot-attributes:progress": "100%",
            "os-extended-snapshot-attributes:project_id": "p1"}"#;
        let backup = r#"{"id": "b1", "size": 2, "name": "backup001", "container": "volumebackups",
            "volume_id": "v1", "status": "error", "description": null, "object_count": "22", "user_id": "u1",
            "is_incremental": false, "os-backup-project-attr:project_id": "p1", "fail_reason": null}"#;
        for (meter, line, entry, id, size, metadata) in [
            (
                &SNAPSHOT_SIZE,
                &SNAPSHOTS,
                snapshot,
                "s1",
                1,
                r#"{"name": "daily", "volume_id": "v1", "status": "available", "description": "", "metadata": {"key": "v3"}, "os-extended-snapshot-attributes:progress": "100%"}"#,
            ),
            (
                &BACKUP_SIZE,
                &BACKUPS,
                backup,
                "b1",
                2,
                r#"{"name": "backup001", "is_incremental": false, "object_count": 22, "container": "volumebackups", "volume_id": "v1", "status": "error", "description": null}"#,
            ),
        ] {
            let readings = readings(meter, line, &[entry]).await;
            let [reading] = &readings[..] else { panic!("{readings:?}") };
            assert_eq!((reading.resource_id.as_str(), &reading.volume), (Some(id), &Value::Int(size)));
            assert_eq!((reading.user_id.as_str(), reading.project_id.as_str()), (Some("u1"), Some("p1")));
            assert_eq!(json::to_string(&reading.resource_metadata), metadata);
        }
    }
}
