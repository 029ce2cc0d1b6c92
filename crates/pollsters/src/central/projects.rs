//! The discovery `tenant`: Keystone's projects.

use std::sync::Arc;

use openstack::Url;

use super::python_text::of_project;
use super::remote::Remote;
use crate::rest::{self, Id, Listing};
use crate::{Cycle, Discovering, Discovery, DiscoveryError, MakeError, Object, Resource, Tools};

/// Its name.
pub(super) const DISCOVERY: &str = "tenant";
/// What a project is as a resource; its attributes are Keystone's.
pub(super) const PROJECT: &str = "project";
/// The API's version.
const VERSION: &str = "v3";

const DOMAINS: Listing =
    Listing { collection: "domains", kind: "domain", id: Id::Attribute("id"), parameters: &[] };
const PROJECTS: Listing =
    Listing { collection: "projects", kind: PROJECT, id: Id::Attribute("id"), parameters: &[] };

/// `GET /v3/domains`, then `GET /v3/projects?domain_id=…` for each of them, as Ceilometer asks.
#[derive(Debug)]
struct Projects {
    keystone: Remote,
    /// `[polling] ignore_disabled_projects`: neither disabled projects nor those of disabled domains.
    only_enabled: bool,
    /// Whether Python's texts are wanted.
    with_python: bool,
}

/// Makes the discovery.
pub(super) fn discovery(tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    let keystone = Remote::new(tools, "identity")?;
    let settings = &tools.central;
    let (only_enabled, with_python) = (settings.ignore_disabled_projects, settings.with_python);
    Ok(Box::new(Projects { keystone, only_enabled, with_python }))
}

impl Projects {
    async fn of_domain(
        &self,
        cycle: &Cycle,
        url: &Url,
        domain: &str,
    ) -> Result<Vec<Resource>, DiscoveryError> {
        let mut parameters = vec![("domain_id", domain)];
        if self.only_enabled {
            parameters.push(("enabled", "True"));
        }
        let projects = PROJECTS.entries(&parameters, || self.keystone.get(cycle, url)).await?;
        let resource = |(id, attributes)| {
            let python_text = self.with_python.then(|| of_project(&attributes).into());
            Resource::Object(Arc::new(Object { kind: PROJECT, id, attributes, python_text }))
        };
        Ok(projects.into_iter().map(resource).collect())
    }
}

impl Discovery for Projects {
    fn discover<'a>(&'a self, cycle: &'a Cycle, _parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move {
            let Some(endpoint) = self.keystone.endpoint().await? else { return Ok(Vec::new()) };
            let endpoint = rest::versioned(endpoint, VERSION);
            let url = rest::below(&endpoint, "domains");
            let domains = DOMAINS.entries(&[], || self.keystone.get(cycle, &url)).await?;
            let url = rest::below(&endpoint, "projects");
            let mut projects = Vec::new();
            for (id, domain) in domains {
                let is_enabled = domain.get("enabled").is_none_or(model::Value::is_truthy);
                if self.only_enabled && !is_enabled {
                    continue;
                }
                projects.extend(self.of_domain(cycle, &url, &id).await?);
            }
            Ok(projects)
        })
    }
}

/// The project's id, for pollsters that read projects.
pub(super) fn project(resource: &Resource) -> Option<&str> {
    (resource.kind() == PROJECT).then(|| resource.id())
}
