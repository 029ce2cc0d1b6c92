//! [`Tools`]: what pollsters and discoveries are made with.

use std::sync::Arc;

use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::{Service, Traffic, TrafficLimits, TrafficMetrics};

use crate::central::{Absent, CentralSettings};
use crate::compute::{ComputeMetrics, ComputeSettings, Hypervisor};
use crate::ipmi::{Controller, IpmiMetrics, IpmiSettings};

/// What the configuration and the surroundings give them. Nothing is sent or opened before the first cycle.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `[DEFAULT] host`.
    pub host: String,
    /// A service of the cloud with the credentials, interface and region of `[service_credentials]`, from which others
    /// are taken ([`Service::other`]); else the text says what is wrong with them.
    pub cloud: Result<Service, String>,
    /// The time.
    pub clock: Clock,
    /// What the configuration says to the namespace `compute`.
    pub compute: Arc<ComputeSettings>,
    /// What the namespace `compute` counts.
    pub compute_metrics: ComputeMetrics,
    /// What the configuration says to the namespace `central`.
    pub central: Arc<CentralSettings>,
    /// How requests are spread over services: `cloud`'s, for those that are reached in other ways.
    pub(crate) traffic: Traffic,
    /// Services that the catalogue does not have.
    pub(crate) absent: Absent,
    /// What the configuration says to the namespace `ipmi`.
    pub ipmi: Arc<IpmiSettings>,
    /// See [`hypervisor`](Self::hypervisor).
    hypervisor: Result<Arc<Hypervisor>, MakeError>,
    /// See [`controller`](Self::controller).
    controller: Result<Arc<Controller>, MakeError>,
}

/// Why a pollster or discovery cannot be made. It will not be better before the configuration is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct MakeError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Tools {
    /// Puts them together. The namespaces `central` and `ipmi` have the defaults of their options, until
    /// [`with_central`](Self::with_central) and [`with_ipmi`](Self::with_ipmi).
    #[must_use]
    pub fn new(
        cloud: Result<Service, String>,
        clock: Clock,
        compute: ComputeSettings,
        compute_metrics: ComputeMetrics,
    ) -> Self {
        let hypervisor = Hypervisor::new(&compute, clock.clone(), compute_metrics.clone()).map(Arc::new);
        let host = compute.host.clone();
        let ipmi = IpmiSettings::new(&host);
        let metrics = IpmiMetrics::register(&Metrics::new().component("ipmi"));
        let controller = Controller::new(&ipmi, clock.clone(), metrics).map(Arc::new);
        let traffic = cloud.as_ref().ok().and_then(|cloud| cloud.session.traffic().cloned());
        let traffic = traffic.unwrap_or_else(|| {
            let metrics = TrafficMetrics::register(&Metrics::new().component("openstack"));
            Traffic::new(TrafficLimits::default(), clock.clone(), metrics)
        });
        Self {
            host,
            cloud,
            clock,
            compute: Arc::new(compute),
            compute_metrics,
            central: Arc::default(),
            traffic,
            absent: Absent::default(),
            ipmi: Arc::new(ipmi),
            hypervisor,
            controller,
        }
    }

    /// With what the configuration says to the namespace `ipmi`, and what it counts.
    #[must_use]
    pub fn with_ipmi(self, settings: IpmiSettings, metrics: IpmiMetrics) -> Self {
        let controller = Controller::new(&settings, self.clock.clone(), metrics).map(Arc::new);
        Self { ipmi: Arc::new(settings), controller, ..self }
    }

    /// With what the configuration says to the namespace `central`.
    #[must_use]
    pub fn with_central(self, settings: CentralSettings) -> Self {
        Self { central: Arc::new(settings), ..self }
    }

    /// The service of that type.
    ///
    /// # Errors
    /// [`MakeError`] when the credentials cannot work.
    pub fn service(&self, service_type: &str) -> Result<Service, MakeError> {
        match &self.cloud {
            Ok(cloud) => Ok(cloud.other(service_type)),
            Err(message) => Err(MakeError {
                message: message.clone(),
                hint: "the agent reads the cloud with the credentials of [service_credentials]".into(),
            }),
        }
    }

    /// This host's hypervisor, the same for all who ask.
    ///
    /// # Errors
    /// [`MakeError`] when its URI cannot work.
    pub fn hypervisor(&self) -> Result<Arc<Hypervisor>, MakeError> {
        self.hypervisor.clone()
    }

    /// This machine's management controller, the same for all who ask.
    ///
    /// # Errors
    /// [`MakeError`] when the command that reads it cannot be one.
    pub fn controller(&self) -> Result<Arc<Controller>, MakeError> {
        self.controller.clone()
    }
}
