//! What Nova, and Glance with it, say of a server, as a [`Server`].

use model::{Map, Value};

use super::super::{Server, ServerExtra};
use super::image;

/// Attributes of a flavor that samples carry: their key there, and in Nova's answer.
const SIZES: [(&str, &str); 4] =
    [("vcpus", "vcpus"), ("ram", "ram"), ("disk", "disk"), ("ephemeral", "OS-FLV-EXT-DATA:ephemeral")];

/// States of servers that are not polled. Whole lists have none that is deleted softly, lists of changes do.
const GONE: [&str; 3] = ["deleted", "error", "soft-delete"];

/// Whether a server is one that is not polled: it is deleted, or was never made.
pub(super) fn is_gone(server: &Map) -> bool {
    server.get("OS-EXT-STS:vm_state").and_then(Value::as_str).is_some_and(|state| GONE.contains(&state))
}

/// The id of its flavor.
pub(super) fn flavor_id(server: &Map) -> Option<&str> {
    server.get("flavor")?.get("id")?.as_str()
}

/// The id of its image; none if it was booted from a volume.
pub(super) fn image_id(server: &Map) -> Option<&str> {
    server.get("image")?.get("id")?.as_str()
}

/// What a look-up tells of a server.
pub(super) fn extra(server: &Map) -> ServerExtra {
    ServerExtra {
        flavor_id: flavor_id(server).map(str::to_owned),
        metadata: server.get("metadata").and_then(Value::as_map).cloned().unwrap_or_default(),
    }
}

/// A server of that id, with its flavor and its image, which are [`None`] when nobody knows them (any more).
pub(super) fn server(id: &str, server: &Map, flavor: Option<&Map>, image: Option<&Map>) -> Server {
    let value = |key: &str| server.get(key).cloned();
    let said = |key: &str| value(key).unwrap_or_default();
    let (kernel_id, ramdisk_id, image_meta) = match (image_id(server), image) {
        (Some(id), Some(image)) => {
            let attribute = |key: &str| image.get(key).cloned().unwrap_or_default();
            (attribute("kernel_id"), attribute("ramdisk_id"), image::meta(id, image))
        }
        _ => Default::default(),
    };
    Server {
        id: id.to_owned(),
        display_name: said("name"),
        instance_name: value("OS-EXT-SRV-ATTR:instance_name"),
        host_id: said("hostId"),
        instance_host: value("OS-EXT-SRV-ATTR:host"),
        flavor: described_flavor(server, flavor),
        status: said("status"),
        vm_state: value("OS-EXT-STS:vm_state"),
        task_state: value("OS-EXT-STS:task_state"),
        image: described_image(server, image),
        image_meta,
        reservation_id: value("reservation_id"),
        architecture: value("architecture"),
        availability_zone: value("OS-EXT-AZ:availability_zone"),
        kernel_id: Some(kernel_id),
        os_type: value("os_type"),
        ramdisk_id: Some(ramdisk_id),
        user_metadata: extra(server).metadata,
        user_id: said("user_id"),
        project_id: said("tenant_id"),
    }
}

fn described_flavor(server: &Map, known: Option<&Map>) -> Map {
    let mut flavor = server.get("flavor").and_then(Value::as_map).cloned().unwrap_or_default();
    let name = known.and_then(|known| known.get("name")).cloned();
    flavor.insert("name", name.unwrap_or_else(|| unknown(flavor_id(server))));
    for (key, theirs) in SIZES {
        let size = known.and_then(|known| known.get(theirs)).cloned();
        flavor.insert(key, size.unwrap_or(Value::Int(0)));
    }
    flavor
}

fn described_image(server: &Map, known: Option<&Map>) -> Value {
    let (Some(id), Some(Value::Map(image))) = (image_id(server), server.get("image")) else {
        return Value::Null;
    };
    let mut image = image.clone();
    let name = match known {
        Some(known) => known.get("name").cloned().unwrap_or_default(),
        None => unknown(Some(id)),
    };
    image.insert("name", name);
    image.into()
}

/// The name of what nobody knows.
fn unknown(id: Option<&str>) -> Value {
    format!("unknown-id-{}", id.unwrap_or("None")).into()
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    fn map(text: &str) -> Map {
        let Ok(Value::Map(map)) = json::parse(text) else { panic!("{text}") };
        map
    }

    const SERVER: &str = r#"{"id": "s1", "name": "web", "status": "ACTIVE", "hostId": "h", "tenant_id": "p1",
        "user_id": "u1", "metadata": {"metering.x": "1"}, "image": {"id": "i1", "links": [{"href": "http://n/i1"}]},
        "flavor": {"id": "f1", "links": []}, "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": null,
        "OS-EXT-SRV-ATTR:instance_name": "instance-00000001", "OS-EXT-SRV-ATTR:host": "compute-1",
        "OS-EXT-AZ:availability_zone": "nova"}"#;
    const FLAVOR: &str = r#"{"id": "f1", "name": "m1.small", "vcpus": 2, "ram": 512, "disk": 10,
        "OS-FLV-EXT-DATA:ephemeral": 1, "swap": ""}"#;

    #[test]
    fn all_that_is_known_of_a_server() {
        let image = map(r#"{"id": "i1", "name": "cirros", "kernel_id": "k1", "min_disk": 1}"#);
        let server = server("s1", &map(SERVER), Some(&map(FLAVOR)), Some(&image));
        assert_eq!(
            json::to_string(&server.flavor.into()),
            r#"{"id": "f1", "links": [], "name": "m1.small", "vcpus": 2, "ram": 512, "disk": 10, "ephemeral": 1}"#
        );
        assert_eq!(
            json::to_string(&server.image),
            r#"{"id": "i1", "links": [{"href": "http://n/i1"}], "name": "cirros"}"#
        );
        assert_eq!((server.kernel_id, server.ramdisk_id), (Some("k1".into()), Some(Value::Null)));
        assert_eq!(server.image_meta.get("min_disk"), Some(&"1".into()));
        assert_eq!((server.display_name, server.user_id), ("web".into(), "u1".into()));
        assert_eq!((server.task_state, server.reservation_id), (Some(Value::Null), None));
        assert_eq!(server.user_metadata.get("metering.x"), Some(&"1".into()));
    }

    #[test]
    fn what_is_gone_has_a_name_all_the_same() {
        let server = server("s1", &map(SERVER), None, None);
        assert_eq!(
            json::to_string(&server.flavor.into()),
            r#"{"id": "f1", "links": [], "name": "unknown-id-f1", "vcpus": 0, "ram": 0, "disk": 0, "ephemeral": 0}"#
        );
        assert_eq!(server.image.get("name"), Some(&"unknown-id-i1".into()));
        assert!(server.image_meta.is_empty());
        assert_eq!(server.kernel_id, Some(Value::Null));
    }

    #[test]
    fn a_server_that_was_booted_from_a_volume_has_no_image() {
        for image in [r#""""#, "null", "{}", "7"] {
            let mut text = map(SERVER);
            text.insert("image", json::parse(image).unwrap());
            assert_eq!(image_id(&text), None);
            let server = server("s1", &text, None, None);
            assert_eq!((server.image, server.image_meta.len()), (Value::Null, 0), "{image}");
        }
    }

    #[test]
    fn deleted_servers_and_failed_ones_are_gone() {
        for (state, expected) in [
            (r#""deleted""#, true),
            (r#""error""#, true),
            (r#""soft-delete""#, true),
            (r#""stopped""#, false),
            ("null", false),
        ] {
            let mut server = map(SERVER);
            server.insert("OS-EXT-STS:vm_state", json::parse(state).unwrap());
            assert_eq!(is_gone(&server), expected, "{state}");
        }
    }
}
