//! The discovery `local_instances`: the instances on this host.
//!
//! This file has the method `libvirt_metadata`: instances are domains that have Nova's metadata, whatever their state. The
//! other methods ask Nova.

mod extras;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use libvirt::DomainState;
use uuid::Uuid;

use self::extras::Extras;
use super::hypervisor::{Definition, NoInstance, NovaInstance, Sighted, Sighting};
use super::{ComputeMetrics, ComputeSettings, Hypervisor, Instance, InstanceDiscovery, ServerExtra, nova};
use crate::{Cycle, Discovering, Discovery, DiscoveryError, MakeError, Resource, Tools};

/// Makes it, by the method that the configuration names.
///
/// # Errors
/// [`MakeError`] when what it needs cannot work.
pub fn local_instances(tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    match tools.compute.discovery {
        InstanceDiscovery::Nova => nova::discovery(tools),
        InstanceDiscovery::LibvirtMetadata => Ok(Box::new(LibvirtMetadata::new(tools)?)),
    }
}

/// The method `libvirt_metadata`.
#[derive(Debug)]
struct LibvirtMetadata {
    hypervisor: Arc<Hypervisor>,
    settings: Arc<ComputeSettings>,
    metrics: ComputeMetrics,
    extras: Extras,
    /// What was made in the last cycle, in the order of the domains.
    made: Mutex<Vec<Made>>,
}

/// What came of a domain.
#[derive(Debug)]
struct Made {
    uuid: Uuid,
    definition: Arc<Definition>,
    state: DomainState,
    extra: Extra,
    /// None, if it is no instance.
    instance: Option<Arc<Instance>>,
}

/// What only Nova knows of an instance.
#[derive(Debug, Default, PartialEq)]
struct Extra {
    flavor_id: Option<Arc<str>>,
    server: Option<Arc<ServerExtra>>,
}

impl LibvirtMetadata {
    fn new(tools: &Tools) -> Result<Self, MakeError> {
        Ok(Self {
            hypervisor: tools.hypervisor()?,
            settings: Arc::clone(&tools.compute),
            metrics: tools.compute_metrics.clone(),
            extras: Extras::new(tools)?,
            made: Mutex::default(),
        })
    }

    async fn find(&self, cycle: &Cycle) -> Result<Vec<Resource>, DiscoveryError> {
        let sighting = Sighting::of(cycle, &self.hypervisor).await;
        if let Err(error) = &*sighting.survey {
            return Err(DiscoveryError::Failed { cause: error.cause(), message: error.to_string() });
        }
        let instances = sighting.domains.iter().filter_map(|domain| domain.definition.instance.as_ref().ok());
        self.extras.refresh(instances).await;
        Ok(self.instances(&sighting.domains))
    }

    /// Instances of domains: those of the last cycle, where nothing has changed.
    fn instances(&self, domains: &[Sighted]) -> Vec<Resource> {
        let mut last = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut made = Vec::with_capacity(domains.len());
        let mut resources = Vec::with_capacity(domains.len());
        let mut former = std::mem::take(&mut *last).into_iter();
        let mut moved = HashMap::new();
        for domain in domains {
            // Nearly always the order is that of the last cycle.
            let is_next = former.as_slice().first().is_some_and(|former| former.uuid == domain.uuid);
            let same = if is_next {
                former.next()
            } else {
                moved.extend(former.by_ref().map(|made| (made.uuid, made)));
                moved.remove(&domain.uuid)
            };
            let now = self.make(domain, same);
            resources.extend(now.instance.clone().map(Resource::Instance));
            made.push(now);
        }
        let skipped = made.len().saturating_sub(resources.len());
        self.metrics.skipped_domains.set(i64::try_from(skipped).unwrap_or(i64::MAX));
        *last = made;
        resources
    }

    fn make(&self, domain: &Sighted, last: Option<Made>) -> Made {
        let Sighted { uuid, state, definition } = domain;
        let found = definition.instance.as_ref();
        let extra = found.map(|instance| self.extras.of(instance)).unwrap_or_default();
        let last = match last {
            Some(last) if last.is_of(domain) && last.extra == extra => return last,
            last => last,
        };
        let instance = match found {
            Ok(found) => {
                let instance = self.instance(found, *state, &extra);
                // Another network interface, for example, makes no other instance.
                let same = last.and_then(|last| last.instance).filter(|last| **last == instance);
                Some(same.unwrap_or_else(|| Arc::new(instance)))
            }
            // Told once: it stands in what was made last until the domain changes.
            Err(NoInstance::NoMetadata) => {
                tracing::info!(%uuid, "a domain that Nova has not made is not polled");
                None
            }
            Err(reason) => {
                tracing::warn!(%uuid, "a domain is not polled, because its metadata cannot be used: {reason}");
                None
            }
        };
        Made { uuid: *uuid, definition: Arc::clone(definition), state: *state, extra, instance }
    }

    fn instance(&self, found: &NovaInstance, state: DomainState, extra: &Extra) -> Instance {
        let flavor_id = extra.flavor_id.as_deref().unwrap_or(&found.flavor_name);
        let metadata = extra.server.as_ref().map(|server| server.metadata.clone()).unwrap_or_default();
        found.server(state, flavor_id, metadata).into_instance(&self.settings.user_metadata)
    }
}

impl Made {
    /// Whether it was made of the same domain in the same state.
    fn is_of(&self, domain: &Sighted) -> bool {
        Arc::ptr_eq(&self.definition, &domain.definition) && self.state == domain.state
    }
}

impl Discovery for LibvirtMetadata {
    fn group(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.settings.host)
    }

    fn discover<'a>(&'a self, cycle: &'a Cycle, _parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(self.find(cycle))
    }
}
