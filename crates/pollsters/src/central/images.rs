//! Glance: the discovery `images` and the pollster `image.size`.
//!
//! `GET /v2/images`, page by page; the policy of Glance decides which images the credentials see.

use model::{Map, MeterKind, Value};

use super::collection::CollectionLine;
use super::object_meter::{ObjectMeter, Volume};
use super::python_text;
use crate::rest::{Id, Listing};
use crate::{Meter, Object};

/// What an image is as a resource.
const IMAGE: &str = "image";

/// `image.size`. The size of an image that is queued is null.
pub(super) const SIZE: ObjectMeter = ObjectMeter {
    meter: Meter { name: "image.size", kind: MeterKind::Gauge, unit: "B" },
    service: "image",
    discovery: "images",
    kind: IMAGE,
    volume: Volume::Attribute("size"),
    user: &[],
    project: &["owner"],
    metadata: &[
        ("status", "status"),
        ("visibility", "visibility"),
        ("name", "name"),
        ("container_format", "container_format"),
        ("created_at", "created_at"),
        ("disk_format", "disk_format"),
        ("updated_at", "updated_at"),
        ("min_disk", "min_disk"),
        ("is_protected", "protected"),
        ("checksum", "checksum"),
        ("min_ram", "min_ram"),
        ("tags", "tags"),
        ("virtual_size", "virtual_size"),
    ],
    more: Some(tags),
};

/// The discovery `images`. Glance gives fewer to a page where it is told to.
pub(super) const IMAGES: CollectionLine = CollectionLine {
    service_type: |_tools| "image",
    version: Some("v2"),
    path: "images",
    headers: &[],
    listing: Listing {
        collection: "images",
        kind: IMAGE,
        id: Id::Attribute("id"),
        parameters: &[("limit", "1000")],
    },
    // Beside these, an image has whatever properties its owner gave it.
    kept: &[
        "id",
        "owner",
        "size",
        "status",
        "visibility",
        "name",
        "container_format",
        "created_at",
        "disk_format",
        "updated_at",
        "min_disk",
        "protected",
        "checksum",
        "min_ram",
        "tags",
        "virtual_size",
    ],
    python: Some(&python_text::IMAGE),
    ..CollectionLine::PLAIN
};

/// An image without tags has an empty list of them.
fn tags(_image: &Object, metadata: &mut Map) {
    if let Some(tags @ Value::Null) = metadata.get_mut("tags") {
        *tags = Value::List(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::super::testing::{object, read};
    use super::*;
    use crate::Resource;

    #[tokio::test]
    async fn an_image_becomes_a_reading_with_the_keys_in_order() {
        let (readings, polled) = read(
            &SIZE,
            &[
                object(
                    IMAGE,
                    r#"{"id": "i1", "owner": "p1", "size": 1000, "name": "é", "protected": false, "tags": ["a"],
                        "min_disk": 0, "status": "active", "visibility": "shared", "other": "x"}"#,
                ),
                // Queued: nobody knows its size yet.
                object(IMAGE, r#"{"id": "i2", "size": null}"#),
            ],
        )
        .await;
        assert!(polled.is_ok(), "{polled:?}");
        let [first, second] = &readings[..] else { panic!("{readings:?}") };
        assert_eq!((first.resource_id.as_str(), first.project_id.as_str()), (Some("i1"), Some("p1")));
        assert_eq!(
            (&first.volume, &first.unit, &first.user_id),
            (&Value::Int(1000), &"B".into(), &Value::Null)
        );
        assert_eq!(
            json::to_string(&first.resource_metadata),
            r#"{"status": "active", "visibility": "shared", "name": "\u00e9", "container_format": null, "created_at": null, "disk_format": null, "updated_at": null, "min_disk": 0, "is_protected": false, "checksum": null, "min_ram": null, "tags": ["a"], "virtual_size": null}"#
        );
        assert_eq!((&second.volume, &second.project_id), (&Value::Null, &Value::Null));
        assert_eq!(second.resource_metadata.get("tags"), Some(&Value::List(Vec::new())));
    }

    #[tokio::test]
    async fn what_is_no_image_is_named_and_what_came_before_it_counts() {
        let (readings, polled) = read(&SIZE, &[object(IMAGE, r#"{"id": "i1"}"#), Resource::text("i2")]).await;
        assert_eq!(readings.len(), 1);
        let error = polled.unwrap_err();
        assert_eq!(error.cause(), "resource");
        assert!(error.to_string().starts_with("cannot read \"i2\": image.size reads each image"), "{error}");
    }
}
