//! Real notifications of a real Keystone and Glance, into files.

use serde_json::Value;
use testkit::{Glance, Keystone, shared_rabbitmq, until};

use crate::harness::{Agent, read_records, trait_of};

const IMAGE_BYTES: u64 = 123_456;

/// Events of a type whose trait has a value.
fn events<'all>(all: &'all [Value], event_type: &str, name: &str, value: &str) -> Vec<&'all Value> {
    let wanted = |event: &&Value| {
        event["event_type"] == event_type && trait_of(event, name).is_some_and(|known| *known == value)
    };
    all.iter().filter(wanted).collect()
}

#[test]
fn what_happens_in_keystone_and_glance_is_in_the_files() {
    let vhost = shared_rabbitmq().vhost("services").unwrap();
    let mut agent = Agent::new(&vhost.transport_url());
    agent.start();
    agent.wait_ready();
    let keystone = Keystone::start(&vhost.transport_url()).unwrap();
    let glance = Glance::start(&keystone, &vhost.transport_url()).unwrap();
    let cloud = glance.cloud(&keystone).unwrap();

    let project = cloud.create_project("a-project").unwrap();
    let user = cloud.create_user("a-user", "a-password").unwrap();
    let image = cloud.create_image("an-image ü").unwrap();
    cloud.upload_image(&image, IMAGE_BYTES).unwrap();
    cloud.download_image(&image).unwrap();
    cloud.delete_image(&image).unwrap();
    cloud.delete_user(&user).unwrap();
    cloud.delete_project(&project).unwrap();
    // The last of each service: messages of one queue are handled in order.
    agent.event_where("the deleted project", |event| {
        event["event_type"] == "identity.project.deleted"
            && trait_of(event, "resource_id").is_some_and(|id| *id == project.as_str())
    });
    agent.event_where("the deleted image", |event| event["event_type"] == "image.delete");
    // Glance tells of a download when it has ended, which the client need not wait for.
    agent.event_where("the download", |event| event["event_type"] == "image.send");
    until("samples of the deleted image and of the download", || {
        let samples = read_records(&agent.samples());
        let deleted = |sample: &&Value| sample["resource_metadata"]["event_type"] == "image.delete";
        let served = |sample: &&Value| sample["name"] == "image.serve";
        samples.iter().find(deleted).and(samples.iter().find(served)).map(|_| ())
    })
    .unwrap();
    // The last is acknowledged behind its record.
    until("an empty queue", || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    assert!(agent.terminate().success());

    let all = read_records(&agent.events());
    for (event_type, name, value) in [
        ("identity.project.created", "resource_id", project.as_str()),
        ("identity.project.deleted", "resource_id", &project),
        ("identity.user.created", "resource_id", &user),
        ("identity.user.deleted", "resource_id", &user),
        ("image.create", "resource_id", &image),
        ("image.upload", "resource_id", &image),
        ("image.delete", "resource_id", &image),
        ("image.send", "image_id", &image),
    ] {
        assert_eq!(events(&all, event_type, name, value).len(), 1, "{event_type} of {value}");
    }
    let upload = events(&all, "image.upload", "resource_id", &image)[0];
    assert_eq!(trait_of(upload, "size"), Some(&IMAGE_BYTES.into()));
    assert_eq!(trait_of(upload, "name"), Some(&"an-image ü".into()));
    assert_eq!(trait_of(upload, "status"), Some(&"active".into()));
    assert!(trait_of(upload, "service").and_then(Value::as_str).unwrap().starts_with("image."));

    let samples = read_records(&agent.samples());
    let of_image = |meter: &str| -> Vec<&Value> {
        samples
            .iter()
            .filter(|sample| sample["name"] == meter && sample["resource_id"] == image.as_str())
            .collect()
    };
    for (meter, kind, count) in [("image.download", "delta", 1), ("image.serve", "delta", 1)] {
        let found = of_image(meter);
        assert_eq!(found.len(), count, "{meter}");
        assert_eq!((&found[0]["type"], &found[0]["unit"]), (&kind.into(), &"B".into()));
        assert_eq!(found[0]["volume"], IMAGE_BYTES, "{meter}");
    }
    let sizes = of_image("image.size");
    let event_types: Vec<&str> =
        sizes.iter().map(|sample| sample["resource_metadata"]["event_type"].as_str().unwrap()).collect();
    for wanted in ["image.upload", "image.delete"] {
        assert_eq!(event_types.iter().filter(|seen| **seen == wanted).count(), 1, "{event_types:?}");
    }
    for sample in sizes {
        let event_type = &sample["resource_metadata"]["event_type"];
        assert_eq!((&sample["type"], &sample["unit"]), (&"gauge".into(), &"B".into()));
        if event_type != "image.update" {
            assert_eq!(sample["volume"], IMAGE_BYTES, "{event_type}");
        }
        assert_eq!(sample["resource_metadata"]["name"], "an-image ü");
        assert!(sample["timestamp"].as_str().unwrap().ends_with("+00:00"));
    }
    // Every id is one of its own.
    let mut ids: Vec<&str> = samples.iter().map(|sample| sample["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "sample ids repeat");
}
