//! Ceilometer's publisher, unmodified, tells a real Gnocchi and our store the same story, and ours tells it to another store;
//! after which all of them say the same.

use std::thread;

use serde_json::{Value, json};
use testkit::{Gnocchi, GnocchiApi};

use crate::script;
use crate::store::Store;
use crate::telling::publish_ours;

const VM: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0a01";
const VOLUME: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0b01";
const IMAGE: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0c01";

fn sample(
    name: &str,
    kind: &str,
    unit: &str,
    volume: &Value,
    resource: &str,
    minute: u32,
    metadata: &Value,
) -> Value {
    json!({
        "name": name, "type": kind, "unit": unit, "volume": volume, "user_id": "u", "project_id": "p", "resource_id": resource,
        "timestamp": format!("2026-07-21T13:{minute:02}:12.5+00:00"), "resource_metadata": metadata, "id": format!("{name}-{minute}"),
    })
}

/// Polls of an instance that moves, a volume that changes hands, an image, and what ends them.
fn steps() -> Vec<Value> {
    let vm = |host: &str| {
        json!({"display_name": "web", "host": "hash", "instance_host": host, "flavor": {"id": "f1", "name": "m1"},
               "image_ref": IMAGE, "launched_at": "2026-07-21T12:00:00.000000", "created_at": "2026-07-21T11:59:00+00:00"})
    };
    let disk = json!({"disk_name": "vda", "instance_id": VM});
    let data = json!({"display_name": "data", "volume_type": "ssd"});
    let mut steps = Vec::new();
    for (minute, host) in [(0, "h1"), (5, "h1"), (10, "h2"), (15, "h2")] {
        steps.push(json!({"samples": [
            sample("cpu", "cumulative", "ns", &json!(1_000 * minute), VM, minute, &vm(host)),
            sample("memory.usage", "gauge", "MB", &json!(51.5), VM, minute, &vm(host)),
            sample("disk.device.read.bytes", "cumulative", "B", &json!(7 * minute), &format!("{VM}-vda"), minute, &disk),
            sample("volume.size", "gauge", "GB", &json!(10), VOLUME, minute, &data),
        ]}));
    }
    let image = json!({"name": "cirros", "disk_format": "qcow2", "container_format": "bare"});
    steps.push(json!({"samples": [
        sample("image.size", "gauge", "B", &json!(5), IMAGE, 0, &image),
        sample("storage.objects.size", "gauge", "B", &json!(3), "ac/count", 0, &json!({})),
        sample("identity.authenticate.success", "delta", "user", &json!(1), "someone", 0, &json!({})),
        sample("network.incoming.bytes", "cumulative", "B", &json!(99), "instance-2/tap1", 0, &json!({"vnic_name": "tap1", "instance_id": VM})),
    ]}));
    steps.push(json!({"events": [
        {"event_type": "volume.transfer.accept.end", "traits": [["resource_id", 1, VOLUME], ["project_id", 1, "p2"]]},
        {"event_type": "compute.instance.delete.start", "traits": [["instance_id", 1, VM]]},
        {"event_type": "image.delete", "traits": [["resource_id", 1, IMAGE]]},
        {"event_type": "image.delete", "traits": [["resource_id", 1, "nobody-knows-it"]]},
    ]}));
    steps
}

/// Resource types by Ceilometer's own command.
fn upgrade(api: GnocchiApi) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("ceilometer.conf");
    let credentials = format!("auth_type = gnocchi-basic\nuser = admin\nendpoint = {}\n", api.url());
    std::fs::write(&config, format!("[service_credentials]\n{credentials}[gnocchi]\n{credentials}")).unwrap();
    let command = testkit::venv().join("bin/ceilometer-upgrade");
    script(command.to_str().unwrap(), &["--config-file", config.to_str().unwrap()]);
}

fn tell(api: GnocchiApi, steps: &str) {
    let said = script("crates/publishers/tests/gnocchi/oracle.py", &[&api.url(), steps]);
    assert_eq!(said, "");
}

#[test]
fn publishers_leave_in_it_what_they_leave_in_gnocchi() {
    let directory = tempfile::tempdir().unwrap();
    let (steps, file) = (steps(), directory.path().join("steps.json"));
    std::fs::write(&file, Value::from(steps.clone()).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let (stores, gnocchi) = thread::scope(|scope| {
        let gnocchi = scope.spawn(|| Gnocchi::start().unwrap());
        let stores = [Store::start(), Store::start()];
        for store in &stores {
            upgrade(store.api);
        }
        tell(stores[0].api, file);
        assert_eq!(publish_ours(&stores[1].api.url(), &steps), Vec::<String>::new());
        (stores, gnocchi.join().unwrap())
    });
    upgrade(gnocchi.api());
    tell(gnocchi.api(), file);
    let types = |api: GnocchiApi| api.get("/v1/resource_type").unwrap();
    let theirs = gnocchi.dump().unwrap();
    assert!(theirs.len() >= 7, "{:?}", theirs.keys());
    for (store, publisher) in stores.iter().zip(["Ceilometer's", "ours"]) {
        assert_eq!(types(store.api), types(gnocchi.api()));
        let ours = store.api.dump().unwrap();
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{publisher}");
        for (resource, theirs) in &theirs {
            assert_eq!(&ours[resource], theirs, "{publisher}: {resource}");
        }
    }
}
