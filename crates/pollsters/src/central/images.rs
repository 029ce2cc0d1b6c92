//! Glance: the discovery `images` and the pollster `image.size`.
//!
//! `GET /v2/images`, page by page; the policy of Glance decides which images the credentials see.

use model::{Map, MeterKind, Value};
use openstack::{Method, Service};

use crate::rest::{self, Listing};
use crate::{
    Cycle, Discovering, Discovery, MakeError, Meter, Object, PollError, Polling, Pollster, Reading, Readings,
    Resource, Tools,
};

/// The meter.
pub(super) const SIZE: Meter = Meter { name: "image.size", kind: MeterKind::Gauge, unit: "B" };

/// What an image is as a resource.
const IMAGE: &str = "image";
/// The API's version.
const VERSION: &str = "v2";
/// Images that one page has at most; Glance gives fewer where it is told to.
const PAGE: &str = "1000";

/// What samples say of an image: key, and attribute of Glance's answer.
const METADATA: [(&str, &str); 13] = [
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
];

#[derive(Debug)]
struct Images {
    glance: Service,
}

/// Makes the discovery.
pub(super) fn discovery(tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    Ok(Box::new(Images { glance: tools.service("image")? }))
}

impl Discovery for Images {
    fn discover<'a>(&'a self, _cycle: &'a Cycle, _parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move {
            let endpoint = rest::versioned(self.glance.endpoint().await?, VERSION);
            let url = rest::below(&endpoint, "images");
            let listing = Listing { collection: "images", kind: IMAGE, parameters: &[("limit", PAGE)] };
            listing.read(|| self.glance.session.request_to(Method::GET, url.clone())).await
        })
    }
}

#[derive(Debug)]
struct Size;

/// Makes the pollster.
#[expect(clippy::unnecessary_wraps, reason = "the form of a line in the table")]
pub(super) fn size(_tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    Ok(Box::new(Size))
}

impl Pollster for Size {
    fn poll<'a>(
        &'a self,
        _cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            for resource in resources {
                let image = resource.object(IMAGE).ok_or_else(|| PollError::Resource {
                    resource: resource.to_string(),
                    expected: "image.size reads images, which the discovery images finds",
                })?;
                readings.give(reading(image)).await?;
            }
            Ok(())
        })
    }
}

fn reading(image: &Object) -> Reading {
    Reading {
        project_id: image.get("owner"),
        metadata: metadata(image).into(),
        ..Reading::new(&SIZE, image.id.as_str(), image.get("size"))
    }
}

fn metadata(image: &Object) -> Map {
    let value = |attribute| match (attribute, image.get(attribute)) {
        ("tags", Value::Null) => Value::List(Vec::new()),
        (_, value) => value,
    };
    METADATA.into_iter().map(|(key, attribute)| (key, value(attribute))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::json;
    use observability::clock::Clock;

    use super::*;

    fn image(text: &str) -> Resource {
        let Value::Map(attributes) = json::parse(text).unwrap() else { unreachable!() };
        let id = attributes.get("id").and_then(Value::as_str).unwrap().to_owned();
        Resource::Object(Arc::new(Object { kind: IMAGE, id, attributes }))
    }

    async fn read(resources: &[Resource]) -> (Vec<Reading>, Result<(), PollError>) {
        let (readings, mut taken) = Readings::channel();
        let cycle = Cycle::new(Clock::machine());
        let polled = Size.poll(&cycle, resources, &readings).await;
        drop(readings);
        let mut all = Vec::new();
        while let Some(reading) = taken.recv().await {
            all.push(reading);
        }
        (all, polled)
    }

    #[tokio::test]
    async fn an_image_becomes_a_reading_with_the_keys_in_order() {
        let (readings, polled) = read(&[
            image(
                r#"{"id": "i1", "owner": "p1", "size": 1000, "name": "é", "protected": false, "tags": ["a"],
                    "min_disk": 0, "status": "active", "visibility": "shared", "other": "x"}"#,
            ),
            // Queued: nobody knows its size yet.
            image(r#"{"id": "i2", "size": null}"#),
        ])
        .await;
        assert!(polled.is_ok(), "{polled:?}");
        let [first, second] = &readings[..] else { panic!("{readings:?}") };
        assert_eq!((first.resource_id.as_str(), first.project_id.as_str()), (Some("i1"), Some("p1")));
        assert_eq!(
            (&first.volume, &first.unit, &first.user_id),
            (&Value::Int(1000), &"B".into(), &Value::Null)
        );
        assert_eq!(
            json::to_string(&first.metadata),
            r#"{"status": "active", "visibility": "shared", "name": "\u00e9", "container_format": null, "created_at": null, "disk_format": null, "updated_at": null, "min_disk": 0, "is_protected": false, "checksum": null, "min_ram": null, "tags": ["a"], "virtual_size": null}"#
        );
        assert_eq!((&second.volume, &second.project_id), (&Value::Null, &Value::Null));
        assert_eq!(second.metadata.get("tags"), Some(&Value::List(Vec::new())));
    }

    #[tokio::test]
    async fn what_is_no_image_is_named_and_what_came_before_it_counts() {
        let (readings, polled) = read(&[image(r#"{"id": "i1"}"#), Resource::text("i2")]).await;
        assert_eq!(readings.len(), 1);
        let error = polled.unwrap_err();
        assert_eq!(error.cause(), "resource");
        assert!(error.to_string().starts_with("cannot read \"i2\": image.size reads images"), "{error}");
    }
}
