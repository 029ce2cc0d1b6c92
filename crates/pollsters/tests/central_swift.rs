//! Ceilometer's pollsters of Swift, and ours, on a real Swift with a Keystone. `make soak` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

use nephoscope_pollsters::Cycle;
use nephoscope_pollsters::central::CentralSettings;
use observability::clock::Clock;
use serde_json::{Value, json};
use testkit::{Keystone, Swift};

#[expect(dead_code, reason = "shared with the tests of recorded clouds")]
#[path = "support/recorded.rs"]
mod recorded;

use recorded::{Central, shown};

const TOTALS: [&str; 3] = ["storage.objects", "storage.objects.size", "storage.objects.containers"];
const CONTAINERS: [&str; 2] = ["storage.containers.objects", "storage.containers.objects.size"];
/// Containers that a page of Swift's listings has.
const PAGE: usize = 2;

#[tokio::test]
async fn accounts_and_containers_are_those_that_ceilometer_finds() {
    let keystone = Keystone::start("fake://").unwrap();
    let swift = Swift::start(&keystone, PAGE).unwrap();
    let cloud = keystone.cloud().unwrap();
    cloud.register_service("swift", "object-store", &swift.catalog_url()).unwrap();
    let alpha = cloud.create_project("alpha").unwrap();
    let beta = cloud.create_project("beta").unwrap();
    for (container, sizes) in [("a", &[1, 2, 3][..]), ("b c & d", &[]), ("é", &[1000]), ("z", &[7, 7])] {
        swift.store(&alpha, container, sizes).unwrap();
    }
    swift.store(&beta, "only", &[42]).unwrap();

    let config = format!(
        "[service_credentials]\nauth_type = password\nauth_url = {}\nusername = {}\nuser_domain_id = default\n\
         password = {}\nproject_name = admin\nproject_domain_id = default\n",
        keystone.url(),
        keystone.user(),
        keystone.password()
    );
    let pollsters = [TOTALS.as_slice(), &CONTAINERS].concat();
    let question = json!({ "config": config, "pollsters": pollsters, "discoveries": [] });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/central/oracle.py");
    let theirs = &testkit::ask_python(script, &[question]).unwrap()[0]["pollsters"];

    let central =
        Central::of((keystone.url(), keystone.user(), keystone.password()), CentralSettings::default());
    let cycle = Cycle::of_task(Clock::machine(), 600);
    for name in TOTALS {
        let (readings, ended) = central.poll(&cycle, name).await;
        assert_eq!(ended, Ok(()), "{name}: {}", swift.log());
        let ours: Vec<Value> = readings.iter().map(shown).collect();
        assert_eq!(json!(ours), theirs[name]["samples"], "{name}: {}", theirs[name]["error"]);
        // Three projects: Swift makes an account of whoever is asked for.
        assert_eq!(ours.len(), 3, "{name}");
    }
    for name in CONTAINERS {
        let (readings, ended) = central.poll(&cycle, name).await;
        assert_eq!(ended, Ok(()), "{name}: {}", swift.log());
        let ours: Vec<Value> = readings.iter().map(shown).collect();
        // Ceilometer reads the first page of each account.
        let theirs = theirs[name]["samples"].as_array().unwrap();
        assert_eq!((ours.len(), theirs.len()), (5, PAGE + 1), "{name}");
        assert!(
            theirs.iter().all(|sample| ours.contains(sample)),
            "{name}: {ours:?}, Ceilometer: {theirs:?}"
        );
        assert!(
            ours.iter().all(|sample| sample["metadata"] == json!({"storage_policy": "gold"})),
            "{ours:?}"
        );
    }
}
