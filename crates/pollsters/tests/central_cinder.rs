//! Ceilometer's pollsters of Cinder, and ours, on a real Cinder with a Keystone. `make soak` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

use std::collections::BTreeMap;

use nephoscope_pollsters::Cycle;
use nephoscope_pollsters::central::CentralSettings;
use observability::clock::Clock;
use serde_json::{Value, json};
use testkit::{Cinder, Keystone, shared_rabbitmq};

#[expect(dead_code, reason = "shared with the tests of recorded clouds")]
#[path = "support/recorded.rs"]
mod recorded;

use recorded::{Central, shown};

/// Entries that a page of Cinder's lists has at most.
const PAGE: &str = "DEFAULT.osapi_max_limit=2";
/// How many samples each pollster has: the second pool does not say its capacities as numbers, nor all of them.
const METERS: [(&str, usize); 9] = [
    ("volume.size", 5),
    ("volume.snapshot.size", 2),
    ("volume.backup.size", 0),
    ("volume.service.health", 2),
    ("volume.provider.pool.capacity.total", 2),
    ("volume.provider.pool.capacity.free", 2),
    ("volume.provider.pool.capacity.allocated", 2),
    ("volume.provider.pool.capacity.provisioned", 1),
    ("volume.provider.pool.capacity.virtual_free", 1),
];

/// Samples by resource: what was made in the same second has no order.
fn by_resource(samples: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    samples.into_iter().map(|sample| (sample["resource_id"].to_string(), sample)).collect()
}

#[tokio::test]
async fn volumes_snapshots_pools_and_services_are_those_that_ceilometer_finds() {
    let vhost = shared_rabbitmq().vhost("cinder").unwrap();
    let keystone = Keystone::start("fake://").unwrap();
    let cinder = Cinder::start(&keystone, &vhost.transport_url(), &[PAGE]).unwrap();
    let cloud = keystone.cloud().unwrap();
    cloud.register_service("cinderv3", "volumev3", &cinder.catalog_url()).unwrap();
    for (project, sizes) in [("alpha", &[1, 2, 3][..]), ("beta", &[5, 8])] {
        let project = cloud.create_project(project).unwrap();
        cinder.create_volumes(&project, sizes).unwrap();
    }
    let config = format!(
        "[service_credentials]\nauth_type = password\nauth_url = {}\nusername = {}\nuser_domain_id = default\n\
         password = {}\nproject_name = admin\nproject_domain_id = default\n",
        keystone.url(),
        keystone.user(),
        keystone.password()
    );
    let meters = METERS.map(|(meter, _)| meter);
    let question = json!({ "config": config, "pollsters": meters, "discoveries": [] });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/central/oracle.py");
    let theirs = &testkit::ask_python(script, &[question]).unwrap()[0]["pollsters"];

    let administrator = (keystone.url(), keystone.user(), keystone.password());
    let central = Central::of(administrator, CentralSettings::default());
    let cycle = Cycle::of_task(Clock::machine(), 600);
    let mut pages = 0;
    for (name, count) in METERS {
        let before = cinder.requests().len();
        let (readings, ended) = central.poll(&cycle, name).await;
        if name == "volume.size" {
            pages = cinder.requests().len() - before;
        }
        assert_eq!(ended, Ok(()), "{name}: {}", cinder.log());
        let ours = by_resource(readings.iter().map(shown));
        let theirs = &theirs[name];
        let original = by_resource(theirs["samples"].as_array().unwrap().iter().cloned());
        assert_eq!(ours, original, "{name}: {}", theirs["error"]);
        assert_eq!(ours.len(), count, "{name}");
    }
    // Five volumes are on three pages.
    assert_eq!(pages, 3, "{:?}", cinder.requests());
}
