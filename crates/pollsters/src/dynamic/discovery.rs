//! The discoveries of dynamic pollsters: endpoints of the catalogue, and secrets of Barbican.

use std::sync::Arc;

use model::Map;
use openstack::Service;

use crate::{Cycle, Discovering, Discovery, MakeError, Object, Resource, Tools};

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
        ("barbican", Ok(Box::new(Secrets))),
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
struct Secrets;

impl Discovery for Secrets {
    fn discover<'a>(&'a self, _cycle: &'a Cycle, parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move {
            let id = parameter.unwrap_or_default().to_owned();
            Ok(vec![Resource::Object(Arc::new(Object {
                kind: SECRET,
                id,
                attributes: Map::new(),
                python_text: None,
            }))])
        })
    }
}
