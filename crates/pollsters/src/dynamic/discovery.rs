//! The discoveries of dynamic pollsters: endpoints of the catalogue, and secrets of Barbican.

use std::sync::Arc;

use model::Map;
use model::pytext::write_bytes_repr;
use openstack::{Method, Service};

use super::ask::AskError;
use crate::{Cycle, Discovering, Discovery, DiscoveryError, MakeError, Object, Resource, Tools};

/// What a secret is as a resource. Its contents are read by whoever needs them, so that they are in no message.
pub(super) const SECRET: &str = "secret";

/// A discovery, or the reason why it cannot be made.
type Made = Result<Box<dyn Discovery>, MakeError>;

/// Each with its name.
pub(super) fn all(tools: &Tools) -> [(&'static str, Made); 3] {
    let endpoints =
        tools.service("identity").map(|cloud| Box::new(Endpoints { cloud }) as Box<dyn Discovery>);
    [
        ("endpoint", endpoints),
        (
            "barbican",
            Ok(Box::new(Secrets { shared: tools.central.with_python.then(|| tools.service("identity")) })),
        ),
        // Elsewhere than on compute nodes commands run as well.
        ("local_node", crate::local_node::discovery(tools)),
    ]
}

/// `endpoint:<type>`: the endpoints of the services of a type.
#[derive(Debug)]
struct Endpoints {
    cloud: Service,
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

/// `barbican:<secret>`: the secret, which may be none.
#[derive(Debug)]
struct Secrets {
    /// The cloud, where the work is shared with Ceilometer's agents: they tell secrets apart by what is in them.
    shared: Option<Result<Service, MakeError>>,
}

impl Secrets {
    async fn python_text(&self, id: &str) -> Result<Option<String>, AskError> {
        let Some(cloud) = self.shared.as_ref().filter(|_| !id.is_empty()) else { return Ok(None) };
        let cloud = cloud.as_ref().map_err(|error| AskError::Make(error.clone()))?;
        let mut text = Vec::new();
        write_bytes_repr(&payload(cloud, id).await?, &mut text);
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }
}

/// The contents of a secret of Barbican.
pub(super) async fn payload(cloud: &Service, id: &str) -> Result<Vec<u8>, AskError> {
    let barbican = cloud.other("key-manager");
    let endpoint = barbican.endpoint().await?;
    let path = format!("/v1/secrets/{}/payload", openstack::path_segment(id));
    let url = endpoint.join(&path).map_err(|error| AskError::Address(format!("{path}: {error}")))?;
    let request = barbican.session.request_to(Method::GET, url).header("accept", "text/plain");
    Ok(request.send().await?.success()?.body.into())
}

impl Discovery for Secrets {
    fn discover<'a>(&'a self, _cycle: &'a Cycle, parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move {
            let id = parameter.unwrap_or_default().to_owned();
            let python_text = self.python_text(&id).await.map_err(|error| match error {
                AskError::Service(error) => DiscoveryError::Service(error),
                other => DiscoveryError::Answer { message: other.to_string() },
            })?;
            Ok(vec![Resource::Object(Arc::new(Object {
                kind: SECRET,
                id,
                attributes: Map::new(),
                python_text: python_text.map(Into::into),
            }))])
        })
    }
}
