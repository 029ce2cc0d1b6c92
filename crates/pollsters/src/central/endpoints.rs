//! The discovery `endpoint`: addresses of the catalogue.

use openstack::Service;

use crate::{Cycle, Discovering, Discovery, MakeError, Resource, Tools};

/// `endpoint:<type>`: the endpoints of the services of a type, with the interface and region of `[service_credentials]`;
/// without a type those of every service.
#[derive(Debug)]
struct Endpoints {
    cloud: Service,
}

/// Makes the discovery.
pub(super) fn discovery(tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    Ok(Box::new(Endpoints { cloud: tools.service("identity")? }))
}

impl Discovery for Endpoints {
    fn discover<'a>(&'a self, _cycle: &'a Cycle, parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move {
            let service = self.cloud.other(parameter.unwrap_or_default());
            let endpoints = service.endpoints().await?;
            if endpoints.is_empty() {
                tracing::warn!(service = parameter, "the catalogue has no endpoint of this service");
            }
            Ok(endpoints.iter().map(|url| Resource::text(url.as_str())).collect())
        })
    }
}
