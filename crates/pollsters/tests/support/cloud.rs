//! Keystone, Glance and Nova of a test, and sessions on them.

use std::sync::Arc;

use nephoscope_pollsters::compute::Instance;
use nephoscope_pollsters::compute::{ComputeMetrics, ComputeSettings, InstanceDiscovery, local_instances};
use nephoscope_pollsters::{Cycle, Discovery, Tools};
use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::{
    AuthOptions, PasswordOptions, ScopeOptions, Service, ServiceFilter, Session, SessionOptions,
};
use testkit::{Cloud, Glance, Keystone, Nova};

/// The host whose instances are asked for.
pub(crate) const HOST: &str = "compute-1";

/// A cloud with a compute node of which there is only Nova's word.
pub(crate) struct TestCloud {
    pub(crate) keystone: Keystone,
    #[expect(dead_code, reason = "its drop ends Glance")]
    glance: Glance,
    pub(crate) nova: Nova,
    pub(crate) cloud: Cloud,
}

impl TestCloud {
    /// Starts it. A page of Nova's has two entries.
    pub(crate) fn start() -> Self {
        let keystone = Keystone::start("fake://").unwrap();
        let (glance, nova) = std::thread::scope(|scope| {
            let nova = scope.spawn(|| Nova::start(&keystone, &["api.max_limit=2"]).unwrap());
            (Glance::start(&keystone, "fake://").unwrap(), nova.join().unwrap())
        });
        let cloud = glance.cloud(&keystone).unwrap();
        cloud.register_service("glance", "image", glance.url()).unwrap();
        cloud.register_service("nova", "compute", nova.url()).unwrap();
        Self { keystone, glance, nova, cloud }
    }

    /// What discoveries are made with, on that clock.
    pub(crate) fn tools(&self, clock: Clock) -> Tools {
        let password = PasswordOptions {
            auth_url: self.keystone.url().to_owned(),
            username: Some(self.keystone.user().to_owned()),
            user_domain_id: Some("default".to_owned()),
            password: self.keystone.password().to_owned().into(),
            scope: ScopeOptions {
                project_name: Some("admin".to_owned()),
                project_domain_id: Some("default".to_owned()),
                ..ScopeOptions::default()
            },
            ..PasswordOptions::default()
        };
        let session = Session::new(SessionOptions::new(AuthOptions::Password(password))).unwrap();
        let settings = ComputeSettings { discovery: InstanceDiscovery::Nova, ..ComputeSettings::new(HOST) };
        let metrics = ComputeMetrics::register(&Metrics::new().component("compute"));
        Tools::new(Ok(Service::new(session, ServiceFilter::new("identity"))), clock, settings, metrics)
    }
}

/// What a discovery finds, sorted by id.
pub(crate) async fn find(discovery: &dyn Discovery) -> Vec<Arc<Instance>> {
    let found = discovery.discover(&Cycle::new(Clock::machine()), None).await.unwrap();
    found.iter().map(|resource| Arc::clone(resource.instance().unwrap())).collect()
}

/// The discovery that asks Nova.
pub(crate) fn discovery(tools: &Tools) -> Box<dyn Discovery> {
    local_instances(tools).unwrap()
}
