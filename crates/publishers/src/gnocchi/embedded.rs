//! [`Embedded`]: a store in this process that takes Gnocchi's place, and is asked without a network between.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use openstack::{Method, Service};

use super::client::Answer;

/// An answer that is to come.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// How Gnocchi is reached.
#[derive(Debug, Clone)]
pub enum Way {
    /// Over HTTP.
    Network(Service),
    /// In this process.
    Here(Arc<dyn Embedded>),
}

impl From<Service> for Way {
    fn from(service: Service) -> Self {
        Self::Network(service)
    }
}

/// What a store in this process can be asked. It answers as Gnocchi's REST API v1 would, with an error document where it
/// refuses; with 503 when it can take nothing now, whatever was sent.
pub trait Embedded: fmt::Debug + Send + Sync {
    /// A request. The path may have a query; `body` is its media type and itself.
    fn request<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<(&'a str, Vec<u8>)>,
    ) -> Answering<'a>;

    /// What `POST /v1/batch/resources/metrics/measures?create_metrics=True` does. An answer of 2xx means that the
    /// measures are durable.
    fn add_measures<'a>(&'a self, measures: Vec<ResourceMeasures<'a>>) -> Answering<'a>;
}

/// Measures of a resource's metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceMeasures<'a> {
    /// The resource's id, as Ceilometer knows it.
    pub id: &'a str,
    /// The metrics.
    pub metrics: Vec<MetricMeasures<'a>>,
}

/// Measures of a metric, with everything that it needs to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricMeasures<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its archive policy; without one, a rule chooses.
    pub archive_policy: Option<&'a str>,
    /// Its unit.
    pub unit: Option<String>,
    /// Nanoseconds since 1970, and values.
    pub points: Vec<(i64, f64)>,
}
