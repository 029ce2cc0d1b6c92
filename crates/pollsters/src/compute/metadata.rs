//! The metadata of samples of instances: one order of keys, whoever describes the instance.
//!
//! As `make_sample_from_instance` of Ceilometer's compute pollsters, and `add_reserved_user_metadata` of its samples.

use model::{Map, Text, Value};

use super::server::size;
use super::{Server, UserMetadataRules};

/// Metadata without what a pollster adds.
pub(super) fn of(server: &Server, rules: &UserMetadataRules) -> Map {
    let flavor = |key: &str| server.flavor.get(key).cloned().unwrap_or_default();
    let or_empty = |value: &Option<Value>| value.clone().unwrap_or_else(|| Value::from(""));
    let mut pairs: Vec<(Text, Value)> = Vec::with_capacity(28);
    let mut add = |key: &'static str, value: Value| pairs.push((Text::new_static(key), value));
    add("display_name", server.display_name.clone());
    add("name", or_empty(&server.instance_name));
    add("instance_id", Value::from(server.id.as_str()));
    add("instance_type", flavor("name"));
    add("host", server.host_id.clone());
    add("instance_host", or_empty(&server.instance_host));
    add("flavor", server.flavor.clone().into());
    add("status", lower(&server.status));
    add("state", or_empty(&server.vm_state));
    add("task_state", or_empty(&server.task_state));
    let image = if server.image.is_truthy() { server.image.clone() } else { Value::Null };
    let image_id = image.get("id").cloned().unwrap_or_default();
    let link = image.get("links").and_then(Value::as_list).and_then(<[Value]>::first);
    let image_url = link.and_then(|link| link.get("href")).cloned().unwrap_or_default();
    add("image", image);
    add("image_ref", image_id);
    add("image_ref_url", image_url);
    if !server.image_meta.is_empty() {
        add("image_meta", server.image_meta.clone().into());
    }
    for (key, value) in [
        ("reservation_id", &server.reservation_id),
        ("architecture", &server.architecture),
        ("OS-EXT-AZ:availability_zone", &server.availability_zone),
        ("kernel_id", &server.kernel_id),
        ("os_type", &server.os_type),
        ("ramdisk_id", &server.ramdisk_id),
    ] {
        if let Some(value) = value {
            add(key, value.clone());
        }
    }
    add("vcpus", flavor("vcpus"));
    add("memory_mb", flavor("ram"));
    add("disk_gb", flavor("disk"));
    add("ephemeral_gb", flavor("ephemeral"));
    let root = size(&server.flavor, "disk").saturating_sub(size(&server.flavor, "ephemeral"));
    add("root_gb", Value::Int(root));
    let mut metadata = Map::from_pairs(pairs);
    let kept = kept(&server.user_metadata, rules, &metadata);
    if !kept.is_empty() {
        metadata.insert("user_metadata", kept);
    }
    metadata
}

fn lower(status: &Value) -> Value {
    status.as_str().map_or_else(|| status.clone(), |status| status.to_lowercase().into())
}

/// What of a user's metadata samples carry: keys with a prefix, without it, then whole keys; dots become underscores, and
/// what the sample says already is not said again.
fn kept(given: &Map, rules: &UserMetadataRules, taken: &Map) -> Map {
    let mut kept = Map::new();
    let mut keep = |key: &str, value: &Value| {
        let key = key.replace('.', "_");
        if taken.get(&key).is_none() {
            let value =
                value.as_str().map_or_else(|| value.clone(), |text| cropped(text, rules.length).into());
            kept.insert(key, value);
        }
    };
    for prefix in &rules.namespaces {
        for (key, value) in given.iter() {
            if let Some(rest) = key.strip_prefix(prefix.as_str()) {
                keep(rest, value);
            }
        }
    }
    for wanted in &rules.keys {
        if let Some(value) = given.get(wanted) {
            keep(wanted, value);
        }
    }
    kept
}

/// Python's `text[:length]`.
fn cropped(text: &str, length: i64) -> &str {
    let characters = match usize::try_from(length) {
        Ok(characters) => characters,
        Err(_) => {
            text.chars().count().saturating_sub(usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX))
        }
    };
    let end = text.char_indices().nth(characters).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    fn map(text: &str) -> Map {
        let Ok(Value::Map(map)) = json::parse(text) else { panic!("{text}") };
        map
    }

    fn server() -> Server {
        Server {
            id: "i1".into(),
            display_name: "myvm".into(),
            instance_name: Some("instance-00000001".into()),
            host_id: "h".into(),
            instance_host: Some("node1".into()),
            flavor: map(
                r#"{"id": "fid", "name": "m1.small", "vcpus": 2, "ram": 512, "disk": 10, "ephemeral": 1, "swap": 0,
                    "extra_specs": {"hw:x": "y"}}"#,
            ),
            status: "ACTIVE".into(),
            vm_state: Some("running".into()),
            image: map(r#"{"id": "img"}"#).into(),
            image_meta: map(r#"{"base_image_ref": "img", "min_disk": "1"}"#),
            architecture: Some("x86_64".into()),
            os_type: Some("hvm".into()),
            user_id: "u1".into(),
            project_id: "p1".into(),
            ..Server::default()
        }
    }

    #[test]
    fn keys_come_in_ceilometers_order() {
        let instance = server().into_instance(&UserMetadataRules::default());
        assert_eq!(
            json::to_string(instance.metadata.plain()),
            r#"{"display_name": "myvm", "name": "instance-00000001", "instance_id": "i1", "instance_type": "m1.small", "host": "h", "instance_host": "node1", "flavor": {"id": "fid", "name": "m1.small", "vcpus": 2, "ram": 512, "disk": 10, "ephemeral": 1, "swap": 0, "extra_specs": {"hw:x": "y"}}, "status": "active", "state": "running", "task_state": "", "image": {"id": "img"}, "image_ref": "img", "image_ref_url": null, "image_meta": {"base_image_ref": "img", "min_disk": "1"}, "architecture": "x86_64", "os_type": "hvm", "vcpus": 2, "memory_mb": 512, "disk_gb": 10, "ephemeral_gb": 1, "root_gb": 9}"#
        );
        assert_eq!((instance.name.as_str(), instance.id.as_str()), ("instance-00000001", "i1"));
        assert_eq!(instance.flavor, super::super::Flavor { disk_gib: 10, ephemeral_gib: 1 });
        assert_eq!((instance.user_id, instance.project_id), ("u1".into(), "p1".into()));
    }

    #[test]
    fn an_instance_of_which_little_is_known() {
        let bare = Server {
            id: "i1".into(),
            image: Value::from(""),
            task_state: Some(Value::Null),
            kernel_id: Some(Value::Null),
            ..Server::default()
        };
        assert_eq!(
            json::to_string(&of(&bare, &UserMetadataRules::default()).into()),
            r#"{"display_name": null, "name": "", "instance_id": "i1", "instance_type": null, "host": null, "instance_host": "", "flavor": {}, "status": null, "state": "", "task_state": null, "image": null, "image_ref": null, "image_ref_url": null, "kernel_id": null, "vcpus": null, "memory_mb": null, "disk_gb": null, "ephemeral_gb": null, "root_gb": 0}"#
        );
    }

    #[test]
    fn the_first_link_leads_to_the_image() {
        let image =
            map(r#"{"id": "img", "links": [{"rel": "bookmark", "href": "http://n/img"}, {"href": "x"}]}"#);
        let metadata = of(&Server { image: image.into(), ..server() }, &UserMetadataRules::default());
        assert_eq!(metadata.get("image_ref_url"), Some(&"http://n/img".into()));
    }

    #[test]
    fn of_users_metadata_that_is_kept_which_is_asked_for() {
        let rules = |namespaces: &[&str], keys: &[&str], length| UserMetadataRules {
            namespaces: namespaces.iter().map(|text| (*text).to_owned()).collect(),
            keys: keys.iter().map(|text| (*text).to_owned()).collect(),
            length,
        };
        let given = r#"{"metering.a.b": "12345", "metering.flavor": "x", "other.k": "ü2345", "metering.n": 7, "plain": "p",
            "second.n": "8"}"#;
        for (rules, expected) in [
            (rules(&["metering."], &[], 256), Some(r#"{"a_b": "12345", "n": 7}"#)),
            (
                rules(&["metering."], &["other.k", "absent"], 3),
                Some(r#"{"a_b": "123", "n": 7, "other_k": "\u00fc23"}"#),
            ),
            (rules(&["metering.", "second."], &[], 0), Some(r#"{"a_b": "", "n": ""}"#)),
            (rules(&[], &["plain", "other.k"], -2), Some(r#"{"plain": "", "other_k": "\u00fc23"}"#)),
            (rules(&[], &[], 256), None),
            (rules(&["none."], &[], 256), None),
        ] {
            let metadata = of(&Server { user_metadata: map(given), ..server() }, &rules);
            let kept = metadata.get("user_metadata").map(json::to_string);
            assert_eq!(kept.as_deref(), expected, "{rules:?}");
            if kept.is_some() {
                assert_eq!(metadata.iter().last().map(|(key, _)| key), Some("user_metadata"));
            }
        }
    }
}
