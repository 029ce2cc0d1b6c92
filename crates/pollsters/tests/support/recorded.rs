//! Recorded clouds, and what the central pollsters read of them.

use std::sync::Arc;
use std::time::Duration;

use definitions::{DynamicPollsters, Source};
use model::{Value, json};
use nephoscope_pollsters::central::{CentralSettings, RgwSettings, ServiceTypes};
use nephoscope_pollsters::compute::{ComputeMetrics, ComputeSettings};
use nephoscope_pollsters::{
    Cycle, DiscoveryError, Namespace, PollError, Reading, Readings, Registry, Resource, Tools, dynamic,
};
use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::{
    AuthOptions, PasswordOptions, ScopeOptions, Service, ServiceFilter, Session, SessionOptions, Traffic,
    TrafficLimits, TrafficMetrics,
};
use testkit::{RecordedCloud, Recording};

/// Under which type the catalogue has the Ceph Object Gateway.
pub(crate) const RADOSGW: &str = "radosgw";
/// Its administrator.
pub(crate) const RGW_KEYS: (&str, &str) =
    ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

/// The recorded answers of all services.
pub(crate) fn recording() -> Recording {
    Recording::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/central/answers")).unwrap()
}

/// What the settings of the tests are.
pub(crate) fn settings() -> CentralSettings {
    CentralSettings {
        service_types: ServiceTypes { radosgw: Some(RADOSGW.into()), ..ServiceTypes::default() },
        rgw: RgwSettings {
            access_key: Some(RGW_KEYS.0.into()),
            secret_key: Some(RGW_KEYS.1.to_owned().into()),
            ..RgwSettings::default()
        },
        ..CentralSettings::default()
    }
}

/// Pollsters and discoveries of a cloud.
pub(crate) struct Central {
    pub(crate) registry: Registry,
    pub(crate) metrics: Metrics,
    tools: Tools,
}

impl Central {
    pub(crate) fn new(cloud: &RecordedCloud, settings: CentralSettings) -> Self {
        Self::with(cloud, settings, TrafficLimits::default(), |_| ())
    }

    pub(crate) fn with(
        cloud: &RecordedCloud,
        settings: CentralSettings,
        limits: TrafficLimits,
        change: impl FnOnce(&mut SessionOptions),
    ) -> Self {
        Self::made((&cloud.auth_url(), "ceilometer", "swordfish"), settings, limits, None, change)
    }

    /// As an agent that is told its region.
    pub(crate) fn in_region(cloud: &RecordedCloud, settings: CentralSettings, region: &str) -> Self {
        let address = cloud.auth_url().replace("127.0.0.1", "localhost");
        let administrator = (&*address, "ceilometer", "swordfish");
        Self::made(administrator, settings, TrafficLimits::default(), Some(region), |_| ())
    }

    /// Of a real cloud: Keystone's address, an administrator's name and password.
    pub(crate) fn of(administrator: (&str, &str, &str), settings: CentralSettings) -> Self {
        Self::made(administrator, settings, TrafficLimits::default(), None, |_| ())
    }

    fn made(
        (auth_url, user, password): (&str, &str, &str),
        settings: CentralSettings,
        limits: TrafficLimits,
        region: Option<&str>,
        change: impl FnOnce(&mut SessionOptions),
    ) -> Self {
        let password = PasswordOptions {
            auth_url: auth_url.to_owned(),
            username: Some(user.to_owned()),
            user_domain_id: Some("default".to_owned()),
            password: password.to_owned().into(),
            scope: ScopeOptions {
                project_name: Some("admin".to_owned()),
                project_domain_id: Some("default".to_owned()),
                ..ScopeOptions::default()
            },
            ..PasswordOptions::default()
        };
        let metrics = Metrics::new();
        let mut options = SessionOptions::new(AuthOptions::Password(password));
        options.timeout = Duration::from_secs(30);
        change(&mut options);
        let counters = TrafficMetrics::register(&metrics.component("openstack"));
        let traffic = Traffic::new(limits, Clock::machine(), counters);
        let session = Session::new(options).unwrap().with_traffic(traffic);
        let compute = ComputeMetrics::register(&metrics.component("compute"));
        let service = Service::new(session, ServiceFilter::new("identity").with_region(region));
        let tools = Tools::new(Ok(service), Clock::machine(), ComputeSettings::new("h"), compute)
            .with_central(settings);
        Self { registry: Registry::load(&[Namespace::named("central").unwrap()], &tools), metrics, tools }
    }

    /// With the discoveries that dynamic pollsters bring.
    pub(crate) fn with_dynamic(mut self) -> Self {
        let text =
            "- {name: any, sample_type: gauge, unit: u, value_attribute: v, endpoint_type: t, url_path: x}\n";
        let (definitions, problems) =
            DynamicPollsters::load(&[Source { path: "d.yaml", text }], &["central"]);
        assert_eq!(problems, []);
        let surroundings = dynamic::Surroundings::default();
        assert_eq!(dynamic::add(&mut self.registry, &definitions, &self.tools, surroundings), []);
        self
    }

    /// What a discovery finds.
    pub(crate) async fn discover(
        &self,
        cycle: &Cycle,
        name: &str,
        parameter: Option<&str>,
    ) -> Result<Vec<Resource>, DiscoveryError> {
        let discovery = self.registry.discovery(name).unwrap().unwrap();
        discovery.discovery.discover(cycle, parameter).await
    }

    /// What a pollster reads of what its discovery finds.
    pub(crate) async fn poll(&self, cycle: &Cycle, name: &str) -> (Vec<Reading>, Result<(), String>) {
        let (_, made) = self.registry.pollsters().find(|(own, _)| *own == name).unwrap();
        let loaded = Arc::clone(made.unwrap());
        let resources = match self.discover(cycle, loaded.discovery.as_deref().unwrap(), None).await {
            Ok(resources) => resources,
            Err(error) => return (Vec::new(), Err(error.to_string())),
        };
        if resources.is_empty() {
            return (Vec::new(), Ok(()));
        }
        let (readings, mut taken) = Readings::channel();
        let polling = async {
            let polled: Result<(), PollError> = loaded.pollster.poll(cycle, &resources, &readings).await;
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
        (all, polled.map_err(|error| error.to_string()))
    }
}

/// A reading in the form of the original's answers.
pub(crate) fn shown(reading: &Reading) -> serde_json::Value {
    let value =
        |value: &Value| -> serde_json::Value { serde_json::from_str(&json::to_string(value)).unwrap() };
    serde_json::json!({
        "name": reading.name.as_str(),
        "type": reading.kind.as_str(),
        "unit": value(&reading.unit),
        "volume": value(&reading.volume),
        "user_id": value(&reading.user_id),
        "project_id": value(&reading.project_id),
        "resource_id": value(&reading.resource_id),
        "metadata": value(&reading.resource_metadata),
        "keys": reading.resource_metadata.as_map().unwrap().iter().map(|(key, _)| key).collect::<Vec<_>>(),
    })
}
