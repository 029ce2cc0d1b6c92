//! Central pollsters and discoveries where Ceilometer has nothing to be compared with: it fails there, or asks in another way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

use std::sync::Arc;

use model::json;
use nephoscope_pollsters::compute::{ComputeMetrics, ComputeSettings};
use nephoscope_pollsters::{
    Cycle, DiscoveryError, Namespace, Object, PollError, Reading, Readings, Registry, Resource, Tools,
};
use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::{
    AuthOptions, PasswordOptions, ScopeOptions, Service, ServiceFilter, Session, SessionOptions,
};
use testkit::{CloudFault, RecordedCloud, Recording};

/// An agent's central namespace on a cloud of recorded answers.
struct Rig {
    cloud: RecordedCloud,
    registry: Registry,
}

impl Rig {
    fn start(recordings: &str) -> Self {
        let directory = format!("{}/tests/central/{recordings}", env!("CARGO_MANIFEST_DIR"));
        let cloud = RecordedCloud::start(Recording::read(directory).unwrap(), 2).unwrap();
        let password = PasswordOptions {
            auth_url: cloud.auth_url(),
            username: Some("ceilometer".to_owned()),
            user_domain_id: Some("default".to_owned()),
            password: "secret".to_owned().into(),
            scope: ScopeOptions {
                project_name: Some("admin".to_owned()),
                project_domain_id: Some("default".to_owned()),
                ..ScopeOptions::default()
            },
            ..PasswordOptions::default()
        };
        let session = Session::new(SessionOptions::new(AuthOptions::Password(password))).unwrap();
        let metrics = ComputeMetrics::register(&Metrics::new().component("compute"));
        let service = Service::new(session, ServiceFilter::new("identity"));
        let tools = Tools::new(Ok(service), Clock::machine(), ComputeSettings::new("controller"), metrics);
        Self { cloud, registry: Registry::load(&[Namespace::named("central").unwrap()], &tools) }
    }

    async fn find(&self, discovery: &str) -> Result<Vec<Resource>, DiscoveryError> {
        let discovery = self.registry.discovery(discovery).unwrap().unwrap();
        discovery.discovery.discover(&Cycle::new(Clock::machine()), None).await
    }

    async fn poll(&self, name: &str, resources: &[Resource]) -> (Vec<Reading>, Result<(), PollError>) {
        let (_, pollster) = self.registry.pollsters().find(|(known, _)| *known == name).unwrap();
        let cycle = Cycle::new(Clock::machine());
        let (readings, mut taken) = Readings::channel();
        let polling = async {
            let polled = pollster.unwrap().pollster.poll(&cycle, resources, &readings).await;
            drop(readings);
            polled
        };
        let taking = async {
            let mut all = Vec::new();
            while let Some(reading) = taken.recv().await {
                all.push(reading);
            }
            all
        };
        let (polled, all) = tokio::join!(polling, taking);
        (all, polled)
    }

    /// The requests to a service since the last call.
    fn requests(&self, service: &str) -> Vec<String> {
        let requests = self.cloud.requests().into_iter();
        requests.filter(|(of, _)| of == service).map(|(_, request)| request).collect()
    }
}

/// Id and volume of each.
fn volumes(readings: &[Reading]) -> Vec<(String, String)> {
    let texts = |reading: &Reading| (json::to_string(&reading.resource_id), json::to_string(&reading.volume));
    readings.iter().map(texts).collect()
}

/// Manila's links to further pages lead to the first again, and it does not say which page is the last.
#[tokio::test]
async fn shares_are_found_to_the_last_page() {
    let rig = Rig::start("alone");
    let shares = rig.find("manila_shares").await.unwrap();
    assert_eq!(shares.iter().map(Resource::id).collect::<Vec<_>>(), ["s1", "s2", "s3"]);
    let base = "GET /share/v2/11111111111111111111111111111111/shares/detail?all_tenants=True&limit=1000";
    assert_eq!(
        rig.requests("sharev2"),
        [base.to_owned(), format!("{base}&offset=2"), format!("{base}&offset=4")]
    );
    let (readings, polled) = rig.poll("manila.share.size", &shares).await;
    assert!(polled.is_ok(), "{polled:?}");
    let expected = [("\"s1\"", "1"), ("\"s2\"", "2"), ("\"s3\"", "3")];
    assert_eq!(volumes(&readings), expected.map(|(id, volume)| (id.to_owned(), volume.to_owned())));
}

#[tokio::test]
async fn record_sets_are_counted_with_one_request_a_zone_where_designate_says_their_number() {
    let rig = Rig::start("alone");
    let zones = rig.find("dns_zones").await.unwrap();
    assert_eq!(rig.requests("dns"), ["GET /dns/v2/zones?limit=max"]);
    let (readings, polled) = rig.poll("dns.zone.recordsets", &zones).await;
    assert!(polled.is_ok(), "{polled:?}");
    // Nobody knows the zone z2 any more.
    let expected = [("\"z1\"", "31"), ("\"z3\"", "3"), ("\"z4\"", "0"), ("\"z5\"", "1")];
    assert_eq!(volumes(&readings), expected.map(|(id, volume)| (id.to_owned(), volume.to_owned())));
    assert_eq!(readings.first().and_then(|first| first.project_id.as_str()), Some("p1"));
    let mut requests = rig.requests("dns");
    requests.sort();
    assert_eq!(
        requests,
        [
            "GET /dns/v2/zones/z1/recordsets?limit=1",
            "GET /dns/v2/zones/z2/recordsets?limit=1",
            "GET /dns/v2/zones/z3/recordsets?limit=1",
            "GET /dns/v2/zones/z3/recordsets?limit=max",
            "GET /dns/v2/zones/z3/recordsets?limit=max&marker=r2",
            "GET /dns/v2/zones/z4/recordsets?limit=1",
            "GET /dns/v2/zones/z5/recordsets?limit=1",
        ]
    );
    rig.cloud.fault("dns", CloudFault::NoJson, 100);
    let (readings, polled) = rig.poll("dns.zone.recordsets", &zones).await;
    assert_eq!((readings.len(), polled.unwrap_err().cause()), (0, "protocol"));
    let (_, polled) = rig.poll("dns.zone.recordsets", &[Resource::text("z1")]).await;
    assert_eq!(polled.unwrap_err().cause(), "resource");
}

/// Most clouds have no firewall and no VPN as a service: there is nothing then, and nobody is to be told every five minutes.
#[tokio::test]
async fn an_extension_that_neutron_does_without_is_no_failure() {
    let rig = Rig::start("answers");
    for discovery in ["fip_services", "fw_services", "fw_policy", "vpn_services", "ipsec_connections"] {
        assert!(!rig.find(discovery).await.unwrap().is_empty(), "{discovery}");
        rig.cloud.fault("network", CloudFault::Status(404, None), 1);
        assert_eq!(rig.find(discovery).await.unwrap(), [], "{discovery}");
        rig.cloud.fault("network", CloudFault::Status(403, None), 1);
        assert_eq!(rig.find(discovery).await.unwrap_err().cause(), "refused", "{discovery}");
    }
}

#[tokio::test]
async fn an_aodh_that_counts_no_evaluations_has_nothing() {
    let rig = Rig::start("answers");
    let metrics = rig.find("alarm").await.unwrap();
    assert_eq!(metrics.len(), 1);
    assert_eq!(rig.requests("alarming"), ["GET /alarming/v2/metrics?all_projects=true"]);
    for (fault, cause) in [
        (CloudFault::Status(403, None), None),
        (CloudFault::Status(404, None), Some("refused")),
        (CloudFault::NoJson, Some("protocol")),
    ] {
        rig.cloud.fault("alarming", fault, 1);
        match rig.find("alarm").await {
            Ok(found) => assert!(found.is_empty() && cause.is_none(), "{found:?}"),
            Err(error) => assert_eq!(Some(error.cause()), cause, "{error}"),
        }
    }
}

/// Somebody may name the discovery of one meter for another.
#[tokio::test]
async fn each_meter_reads_its_own_objects_alone() {
    let rig = Rig::start("answers");
    let zone = Object { kind: "zone", id: "z1".into(), attributes: model::Map::new(), python_text: None };
    let zone = [Resource::Object(Arc::new(zone))];
    for name in ["ip.floating", "loadbalancer.operating", "manila.share.size", "alarm.evaluation_result"] {
        let (readings, polled) = rig.poll(name, &zone).await;
        assert_eq!((readings.len(), polled.unwrap_err().cause()), (0, "resource"), "{name}");
    }
    let (readings, polled) = rig.poll("dns.zone.ttl", &zone).await;
    assert!(polled.is_ok() && readings.len() == 1);
}
