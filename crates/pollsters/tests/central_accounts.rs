//! Swift and the Ceph Object Gateway, where some projects fare worse than others: Ceilometer has no samples at all then.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

use std::sync::Arc;

use model::pytext::to_str;
use nephoscope_pollsters::central::{CentralSettings, RgwSettings, ServiceTypes};
use nephoscope_pollsters::{Cycle, Object, PollError, Readings, Resource};
use observability::clock::Clock;
use testkit::{RecordedCloud, Recording};

#[expect(dead_code, reason = "shared with the other tests of recorded clouds")]
#[path = "support/recorded.rs"]
mod recorded;

use recorded::{Central, settings};

fn recording() -> Recording {
    Recording::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/central/accounts")).unwrap()
}

fn projects() -> Vec<Resource> {
    let project = |id: &str| {
        let attributes = [("id", id)].into_iter().collect();
        Resource::Object(Arc::new(Object {
            kind: "project",
            id: id.to_owned(),
            attributes,
            python_text: None,
        }))
    };
    ["p1", "p2", "p3"].map(project).to_vec()
}

/// What a pollster reads of the projects: resource and volume of each reading.
async fn poll(
    central: &Central,
    cycle: &Cycle,
    name: &str,
) -> (Vec<(String, String)>, Result<(), PollError>) {
    let (_, made) = central.registry.pollsters().find(|(own, _)| *own == name).unwrap();
    let (readings, mut taken) = Readings::channel();
    let polled = made.unwrap().pollster.poll(cycle, &projects(), &readings).await;
    drop(readings);
    let mut read = Vec::new();
    while let Some(reading) = taken.recv().await {
        read.push((to_str(&reading.resource_id), to_str(&reading.volume)));
    }
    (read, polled)
}

fn read(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, volume)| ((*id).to_owned(), (*volume).to_owned())).collect()
}

/// The requests to a service, sorted.
fn requests(cloud: &RecordedCloud, service: &str) -> Vec<String> {
    let requests = cloud.requests().into_iter().filter(|(of, _)| of == service);
    let mut requests: Vec<String> = requests.map(|(_, request)| request).collect();
    requests.sort();
    requests
}

fn cycle() -> Cycle {
    Cycle::of_task(Clock::machine(), 60)
}

#[tokio::test]
async fn one_project_that_swift_fails_for_costs_the_others_nothing_and_nobody_is_asked_for_twice() {
    let cloud = RecordedCloud::start(recording(), 2).unwrap();
    let central = Central::new(&cloud, settings());
    let cycle = cycle();
    for (name, expected) in [
        ("storage.objects", [("p1", "7"), ("p3", "0")]),
        ("storage.objects.size", [("p1", "4096"), ("p3", "0")]),
        ("storage.objects.containers", [("p1", "3"), ("p3", "0")]),
    ] {
        let (found, polled) = poll(&central, &cycle, name).await;
        assert_eq!(found, read(&expected), "{name}");
        let error = polled.unwrap_err();
        assert_eq!(error.cause(), "unavailable");
        let text = error.to_string();
        assert!(text.starts_with("1 of 3 projects could not be read; the first: HEAD http://"), "{text}");
        assert!(text.contains("/swift/v1/AUTH_p2: 500"), "{text}");
    }
    let asked = ["p1", "p2", "p3"].map(|project| format!("HEAD /swift/v1/AUTH_{project}"));
    assert_eq!(requests(&cloud, "object-store"), asked);
}

#[tokio::test]
async fn an_accounts_containers_are_read_to_the_last_page() {
    let cloud = RecordedCloud::start(recording(), 2).unwrap();
    let central = Central::new(&cloud, settings());
    let cycle = cycle();
    for (name, volumes) in [
        ("storage.containers.objects", ["4", "3", "0", "1", "3"]),
        ("storage.containers.objects.size", ["1024", "3072", "0", "2", "4"]),
    ] {
        let (found, polled) = poll(&central, &cycle, name).await;
        let containers = ["p1/a", "p1/b & c", "p1/d", "p3/x", "p3/y"];
        let expected: Vec<_> = containers.into_iter().zip(volumes).collect();
        assert_eq!(found, read(&expected), "{name}");
        let error = polled.unwrap_err();
        assert_eq!(error.cause(), "protocol");
        assert!(
            error.to_string().contains("the project p2 is not understood: an entry has no name"),
            "{error}"
        );
    }
    // What the account has beside the listing says that a page is the last; without it, an empty page does.
    assert_eq!(
        requests(&cloud, "object-store"),
        [
            "GET /swift/v1/AUTH_p1?format=json",
            "GET /swift/v1/AUTH_p1?format=json&marker=b+%26+c",
            "GET /swift/v1/AUTH_p2?format=json",
            "GET /swift/v1/AUTH_p3?format=json",
            "GET /swift/v1/AUTH_p3?format=json&marker=y",
        ]
    );
}

/// The gateway by its name in the catalogue, with users of their projects' own tenants.
fn gateway(rgw: RgwSettings) -> CentralSettings {
    let rgw = RgwSettings { implicit_tenants: true, service_name: Some("ceph".into()), ..rgw };
    CentralSettings { service_types: ServiceTypes::default(), rgw, ..settings() }
}

#[tokio::test]
async fn a_project_without_a_user_at_the_gateway_has_no_readings_and_the_others_have() {
    let cloud = RecordedCloud::start(recording(), 2).unwrap();
    let central = Central::new(&cloud, gateway(settings().rgw));
    let cycle = cycle();
    for (name, expected) in [
        ("radosgw.objects", &[("p1", "3"), ("p3", "0")][..]),
        ("radosgw.objects.size", &[("p1", "2048"), ("p3", "0")]),
        ("radosgw.objects.containers", &[("p1", "1"), ("p3", "0")]),
        ("radosgw.containers.objects", &[("p1/b", "3")]),
        ("radosgw.containers.objects.size", &[("p1/b", "2048")]),
    ] {
        let (found, polled) = poll(&central, &cycle, name).await;
        assert!(polled.is_ok(), "{name}: {polled:?}");
        assert_eq!(found, read(expected), "{name}");
    }
    let asked = ["p1", "p2", "p3"].map(|id| format!("GET /admin/bucket?uid={id}%24{id}&stats=true"));
    assert_eq!(requests(&cloud, "object-gateway"), asked);
    let (found, polled) = poll(&central, &cycle, "radosgw.usage").await;
    assert_eq!(found, read(&[("p3", "9")]));
    let error = polled.unwrap_err();
    assert_eq!(error.cause(), "refused");
    assert!(error.to_string().starts_with("2 of 3 projects could not be read; the first: GET "), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_not_polled_and_what_cannot_work_says_why() {
    let cloud = RecordedCloud::start(recording().without(&["object-store", "object-gateway"]), 2).unwrap();
    let keyless = RgwSettings { secret_key: None, ..settings().rgw };
    for (settings, name, cause) in [
        (settings(), "storage.objects", None),
        (gateway(settings().rgw), "radosgw.objects", None),
        (CentralSettings { service_types: ServiceTypes::default(), ..settings() }, "radosgw.usage", None),
        (gateway(keyless), "radosgw.usage", Some("configuration")),
    ] {
        let central = Central::new(&cloud, settings);
        let (found, polled) = poll(&central, &cycle(), name).await;
        assert!(found.is_empty(), "{name}");
        assert_eq!(polled.err().map(|error| error.cause()), cause, "{name}");
    }
}
