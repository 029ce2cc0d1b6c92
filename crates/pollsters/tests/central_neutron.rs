//! Ceilometer's pollsters of Neutron, and ours, on a real Neutron with a Keystone. `make soak` runs it.
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
use testkit::{Keystone, Neutron};

#[expect(dead_code, reason = "shared with the tests of recorded clouds")]
#[path = "support/recorded.rs"]
mod recorded;

use recorded::{Central, shown};

/// Floating IPs that a page of Neutron's lists has at most.
const PAGE: &str = "DEFAULT.pagination_max_limit=2";
/// Their API is an extension that this Neutron does without.
const EXTENSIONS: [&str; 4] = [
    "network.services.firewall",
    "network.services.firewall.policy",
    "network.services.vpn",
    "network.services.vpn.connections",
];

/// Samples in the order of their resources: Neutron sorts a page, and not a whole list.
fn sorted(samples: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut samples: Vec<Value> = samples.into_iter().collect();
    samples.sort_by_key(|sample| sample["resource_id"].to_string());
    samples
}

#[tokio::test]
async fn floating_ips_are_those_that_ceilometer_finds() {
    let keystone = Keystone::start("fake://").unwrap();
    let neutron = Neutron::start(&keystone, &[PAGE]).unwrap();
    let cloud = keystone.cloud().unwrap();
    cloud.register_service("neutron", "network", neutron.url()).unwrap();
    for (project, count) in [("alpha", 3), ("beta", 2)] {
        let project = cloud.create_project(project).unwrap();
        neutron.create_floating_ips(&project, count).unwrap();
    }
    let config = format!(
        "[service_credentials]\nauth_type = password\nauth_url = {}\nusername = {}\nuser_domain_id = default\n\
         password = {}\nproject_name = admin\nproject_domain_id = default\n",
        keystone.url(),
        keystone.user(),
        keystone.password()
    );
    let meters = [["ip.floating"].as_slice(), &EXTENSIONS].concat();
    let question = json!({ "config": config, "pollsters": meters, "discoveries": [] });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/central/oracle.py");
    let theirs = &testkit::ask_python(script, &[question]).unwrap()[0]["pollsters"];

    let administrator = (keystone.url(), keystone.user(), keystone.password());
    let central = Central::of(administrator, CentralSettings::default());
    let cycle = Cycle::of_task(Clock::machine(), 600);
    let before = neutron.requests().len();
    for name in meters {
        let (readings, ended) = central.poll(&cycle, name).await;
        assert_eq!(ended, Ok(()), "{name}: {}", neutron.log());
        let ours = sorted(readings.iter().map(shown));
        let theirs = &theirs[name];
        assert_eq!(
            ours,
            sorted(theirs["samples"].as_array().unwrap().clone()),
            "{name}: {}",
            theirs["error"]
        );
        assert_eq!(ours.len(), if name == "ip.floating" { 5 } else { 0 }, "{name}");
    }
    // Five floating IPs are on three pages.
    let requests = neutron.requests().split_off(before);
    assert_eq!(requests.len(), 3 + EXTENSIONS.len(), "{requests:?}");
}
