//! What samples say of an image (`image_meta`): the attributes that Glance's answer has, as texts.
//!
//! Ceilometer takes them from openstacksdk's object of the image. Their names are therefore those of the SDK (4.22,
//! `openstack.image.v2.image`), their values Python's `str()` of what the SDK reads, and properties that it does not know
//! stand together in `properties`, as Python writes a `dict`.

use model::{Map, Text, Value, pytext};

/// How the SDK reads a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As it comes.
    Any,
    /// `int()`; what is no number is left out.
    Int,
    /// `float()`; what is no number is left out.
    Float,
    /// A text of a property that is `True` for a handful of spellings, and `False` for every other.
    Flag,
}

/// What is not said in `image_meta`: it has places of its own in the sample, or (`self`) is dropped by the SDK.
const LEFT_OUT: [&str; 7] = ["id", "name", "metadata", "kernel_id", "ramdisk_id", "tags", "self"];

/// Glance's attributes that the SDK knows under the same name.
const SAME_NAMES: [&str; 34] = [
    "checksum",
    "container_format",
    "created_at",
    "disk_format",
    "min_disk",
    "min_ram",
    "store",
    "status",
    "updated_at",
    "virtual_size",
    "visibility",
    "file",
    "locations",
    "direct_url",
    "url",
    "architecture",
    "hypervisor_type",
    "instance_uuid",
    "os_distro",
    "os_version",
    "vm_mode",
    "hw_disk_bus",
    "hw_cpu_policy",
    "hw_cpu_thread_policy",
    "hw_rng_model",
    "hw_machine_type",
    "hw_scsi_model",
    "hw_video_model",
    "hw_watchdog_action",
    "os_command_line",
    "hw_vif_model",
    "vmware_adaptertype",
    "vmware_ostype",
    "os_type",
];

/// Those that it knows under another name, or reads in a way of its own. Glance's name, the SDK's, and how it is read.
const OTHERS: [(&str, &str, Kind); 23] = [
    ("os_hidden", "is_hidden", Kind::Any),
    ("protected", "is_protected", Kind::Any),
    ("os_hash_algo", "hash_algo", Kind::Any),
    ("os_hash_value", "hash_value", Kind::Any),
    ("owner", "owner", Kind::Any),
    ("owner", "owner_id", Kind::Any),
    ("size", "size", Kind::Int),
    ("instance_type_rxtx_factor", "instance_type_rxtx_factor", Kind::Float),
    ("img_config_drive", "needs_config_drive", Kind::Any),
    ("os_secure_boot", "needs_secure_boot", Kind::Any),
    ("os_shutdown_timeout", "os_shutdown_timeout", Kind::Int),
    ("hw_cpu_sockets", "hw_cpu_sockets", Kind::Int),
    ("hw_cpu_cores", "hw_cpu_cores", Kind::Int),
    ("hw_cpu_threads", "hw_cpu_threads", Kind::Int),
    ("hw_serial_port_count", "hw_serial_port_count", Kind::Int),
    ("hw_video_ram", "hw_video_ram", Kind::Int),
    ("hw_vif_multiqueue_enabled", "is_hw_vif_multiqueue_enabled", Kind::Flag),
    ("hw_boot_menu", "is_hw_boot_menu_enabled", Kind::Flag),
    ("auto_disk_config", "has_auto_disk_config", Kind::Any),
    ("os_admin_user", "os_admin_user", Kind::Any),
    ("hw_qemu_guest_agent", "hw_qemu_guest_agent", Kind::Any),
    ("os_require_quiesce", "os_require_quiesce", Kind::Flag),
    ("schema", "schema", Kind::Any),
];

/// Spellings of `True`, in lower case and without white space around them.
const TRUE: [&str; 6] = ["1", "t", "true", "on", "y", "yes"];

/// `image_meta` of an image.
pub(super) fn meta(id: &str, image: &Map) -> Map {
    let mut pairs: Vec<(Text, Value)> = vec![(Text::new_static("base_image_ref"), id.into())];
    let mut unknown = Map::new();
    for (name, value) in image.iter() {
        if LEFT_OUT.contains(&name) {
            continue;
        }
        if SAME_NAMES.contains(&name) {
            pairs.extend(text(value, Kind::Any).map(|text| (name.into(), text)));
            continue;
        }
        let mut is_known = false;
        for (_, known, kind) in OTHERS.iter().filter(|(theirs, ..)| *theirs == name) {
            is_known = true;
            pairs.extend(text(value, *kind).map(|text| (Text::new_static(known), text)));
        }
        if !is_known {
            unknown.insert(name, value.clone());
        }
    }
    pairs.extend(text(&unknown.into(), Kind::Any).map(|text| (Text::new_static("properties"), text)));
    Map::from_pairs(pairs)
}

/// A value as a text; none for null, and for what is not of the kind.
fn text(value: &Value, kind: Kind) -> Option<Value> {
    let value = match (kind, value) {
        (_, Value::Null) => return None,
        (Kind::Any, value) | (Kind::Flag, value @ Value::Bool(_)) => value.clone(),
        (Kind::Int, value) => pytext::integer_of(value).ok()?,
        (Kind::Float, value) => Value::Float(pytext::float_of(value).ok()?),
        (Kind::Flag, value) => {
            let text = python(value).to_lowercase();
            Value::Bool(TRUE.contains(&pytext::strip(&text)))
        }
    };
    Some(python(&value).into())
}

/// Python's `str()`.
fn python(value: &Value) -> String {
    let mut out = Vec::new();
    pytext::write_str(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    /// Expectations are what `Image.to_dict(ignore_none=True)` of openstacksdk 4.22 gives, made texts by `str`.
    #[test]
    fn attributes_are_named_as_the_sdk_names_them() {
        let Value::Map(image) = json::parse(
            r#"{"hw_disk_bus": "virtio", "my_prop": "x'y", "name": "cirros", "visibility": "public", "size": 117440512,
                "virtual_size": null, "checksum": null, "protected": false, "min_ram": 0, "owner": "p1", "os_hidden": true,
                "os_hash_algo": "sha512", "id": "i1", "created_at": "2026-07-21T13:56:12Z",
                "locations": [{"url": "file:///x", "metadata": {}}], "tags": ["a"], "self": "/v2/images/i1",
                "stores": "file", "kernel_id": "k1", "ramdisk_id": null, "os_secure_boot": "required",
                "hw_cpu_cores": " 04", "hw_cpu_threads": "many", "instance_type_rxtx_factor": "2",
                "hw_boot_menu": " Yes ", "os_require_quiesce": "certainly", "hw_vif_multiqueue_enabled": "true"}"#,
        )
        .unwrap() else {
            unreachable!()
        };
        assert_eq!(
            json::to_string(&meta("i1", &image).into()),
            r#"{"base_image_ref": "i1", "hw_disk_bus": "virtio", "visibility": "public", "size": "117440512", "is_protected": "False", "min_ram": "0", "owner": "p1", "owner_id": "p1", "is_hidden": "True", "hash_algo": "sha512", "created_at": "2026-07-21T13:56:12Z", "locations": "[{'url': 'file:///x', 'metadata': {}}]", "needs_secure_boot": "required", "hw_cpu_cores": "4", "instance_type_rxtx_factor": "2.0", "is_hw_boot_menu_enabled": "True", "os_require_quiesce": "False", "is_hw_vif_multiqueue_enabled": "True", "properties": "{'my_prop': \"x'y\", 'stores': 'file'}"}"#
        );
        assert_eq!(
            json::to_string(&meta("i1", &Map::new()).into()),
            r#"{"base_image_ref": "i1", "properties": "{}"}"#
        );
    }

    #[test]
    fn no_attribute_is_in_two_tables() {
        for name in SAME_NAMES {
            let is_elsewhere = LEFT_OUT.contains(&name) || OTHERS.iter().any(|(theirs, ..)| *theirs == name);
            assert!(!is_elsewhere, "{name}");
        }
    }
}
