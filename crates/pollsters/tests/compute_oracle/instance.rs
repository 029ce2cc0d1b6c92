//! Instances as either discovery describes them: attributes for Ceilometer, and the same as our `Server`.

use model::{Map, Value, json};
use nephoscope_pollsters::compute::Server;
use serde_json::json;

use super::domain::{Domain, uuid};

/// The attributes of an instance, by Ceilometer's names.
pub(crate) struct Attributes(pub(crate) serde_json::Value);

impl Attributes {
    pub(crate) fn generate(random: &mut fastrand::Rng, domain: &Domain) -> Self {
        let name = ["vm", "web é", ""][random.usize(..3)];
        let status = ["active", "ACTIVE", "SHUTOFF", "Paused"][random.usize(..4)];
        let project = uuid(random).replace('-', "");
        let user = if random.u8(..10) == 0 { json!(null) } else { json!(uuid(random)) };
        let mut attributes = json!({
            "id": domain.uuid, "name": name, "flavor": flavor(random), "image": image(random),
            "hostId": uuid(random), "status": status, "tenant_id": project, "user_id": user,
            "metadata": user_metadata(random),
        });
        let task_states = [json!(null), json!("reboot_started"), json!("")];
        let image_metas = [json!({}), json!({ "base_image_ref": "i", "min_disk": "1", "x": null })];
        let optional = [
            ("OS-EXT-SRV-ATTR:instance_name", json!(domain.name)),
            ("OS-EXT-SRV-ATTR:host", json!("node-1")),
            ("OS-EXT-STS:vm_state", json!("active")),
            ("OS-EXT-STS:task_state", task_states[random.usize(..3)].clone()),
            ("reservation_id", json!("r-1")),
            ("architecture", json!("x86_64")),
            ("OS-EXT-AZ:availability_zone", json!("nova")),
            ("kernel_id", json!(null)),
            ("os_type", json!("hvm")),
            ("ramdisk_id", [json!(null), json!("k")][random.usize(..2)].clone()),
            ("image_meta", image_metas[random.usize(..2)].clone()),
        ];
        for (key, value) in optional {
            if random.u8(..4) > 0 {
                attributes[key] = value;
            }
        }
        Self(attributes)
    }

    pub(crate) fn server(&self) -> Server {
        // Through the text, as it comes from a service.
        let text = self.0.to_string();
        let Ok(Value::Map(mut attributes)) = json::parse(&text) else { panic!("{}", self.0) };
        let mut take = |key: &str| attributes.remove(key);
        let map = |value: Option<Value>| match value {
            Some(Value::Map(map)) => map,
            _ => Map::new(),
        };
        Server {
            id: take("id").unwrap().as_str().unwrap().to_owned(),
            display_name: take("name").unwrap(),
            flavor: map(take("flavor")),
            image: take("image").unwrap(),
            host_id: take("hostId").unwrap(),
            status: take("status").unwrap(),
            project_id: take("tenant_id").unwrap(),
            user_id: take("user_id").unwrap(),
            user_metadata: map(take("metadata")),
            instance_name: take("OS-EXT-SRV-ATTR:instance_name"),
            instance_host: take("OS-EXT-SRV-ATTR:host"),
            vm_state: take("OS-EXT-STS:vm_state"),
            task_state: take("OS-EXT-STS:task_state"),
            reservation_id: take("reservation_id"),
            architecture: take("architecture"),
            availability_zone: take("OS-EXT-AZ:availability_zone"),
            kernel_id: take("kernel_id"),
            os_type: take("os_type"),
            ramdisk_id: take("ramdisk_id"),
            image_meta: map(take("image_meta")),
        }
    }
}

fn flavor(random: &mut fastrand::Rng) -> serde_json::Value {
    let mut flavor = json!({
        "id": random.u8(..9).to_string(), "name": "m1.small", "vcpus": random.u8(..9), "ram": random.u16(..),
        "disk": random.u8(..100), "ephemeral": random.u8(..3) * 10,
    });
    if random.bool() {
        flavor["swap"] = json!(0);
        flavor["extra_specs"] = json!({ "hw:cpu_policy": "dedicated" });
    }
    flavor
}

fn image(random: &mut fastrand::Rng) -> serde_json::Value {
    match random.u8(..5) {
        0 => json!(null),
        1 => json!(""),
        2 => json!({ "id": "i1", "links": [] }),
        3 => {
            json!({ "id": "i1", "links": [{ "rel": "bookmark", "href": "http://nova/images/i1" }], "name": "debian" })
        }
        _ => json!({ "id": "i1" }),
    }
}

fn user_metadata(random: &mut fastrand::Rng) -> serde_json::Value {
    let all = [
        ("metering.a", "1"),
        ("metering.server.group", "stack-äöü"),
        ("metering.flavor", "hidden"),
        ("x.a", "2"),
        ("plain.key", "value"),
        ("other", "no"),
    ];
    let kept = all.into_iter().filter(|_| random.bool());
    kept.map(|(key, value)| (key.to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}
