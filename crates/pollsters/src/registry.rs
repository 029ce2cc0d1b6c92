//! [`Registry`]: the pollsters and discoveries of the namespaces that an agent has.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Discovery, MakeError, Namespace, Pollster, Tools};

/// A pollster that the agent has.
#[derive(Debug)]
pub struct LoadedPollster {
    /// Its name, which `meters:` in `polling.yaml` is compared with.
    pub name: String,
    /// The discovery that finds its resources unless the source says otherwise.
    pub discovery: Option<String>,
    /// What polls.
    pub pollster: Box<dyn Pollster>,
}

/// A discovery that the agent has.
#[derive(Debug)]
pub struct LoadedDiscovery {
    /// Its name, as in `discovery:` of `polling.yaml`.
    pub name: String,
    /// What discovers.
    pub discovery: Box<dyn Discovery>,
}

/// Everything that an agent can poll.
///
/// What cannot be made from the configuration is remembered with the reason: whether that matters is decided by
/// `polling.yaml`, which may not select it.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    pollsters: Vec<Result<Arc<LoadedPollster>, (String, MakeError)>>,
    discoveries: HashMap<String, Result<Arc<LoadedDiscovery>, MakeError>>,
    elsewhere: Vec<String>,
}

impl Registry {
    /// Loads `namespaces`, in order; of equal names the first counts.
    #[must_use]
    pub fn load(namespaces: &[&Namespace], tools: &Tools) -> Self {
        let mut registry = Self::default();
        for namespace in namespaces {
            for line in namespace.pollsters {
                let made = (line.make)(tools).map(|pollster| LoadedPollster {
                    name: line.name.to_owned(),
                    discovery: line.discovery.map(str::to_owned),
                    pollster,
                });
                registry.add(line.name, made);
            }
            for line in namespace.discoveries {
                let made = (line.make)(tools)
                    .map(|discovery| LoadedDiscovery { name: line.name.to_owned(), discovery });
                registry.add_discovery(line.name, made);
            }
        }
        registry
    }

    /// Adds a pollster; of equal names the first counts. Returns whether it was added.
    pub fn add(&mut self, name: &str, pollster: Result<LoadedPollster, MakeError>) -> bool {
        let is_new = self.names().all(|known| known != name);
        if is_new {
            self.pollsters.push(pollster.map(Arc::new).map_err(|error| (name.to_owned(), error)));
        }
        is_new
    }

    /// Adds a discovery; of equal names the first counts.
    pub fn add_discovery(&mut self, name: &str, discovery: Result<LoadedDiscovery, MakeError>) {
        self.discoveries.entry(name.to_owned()).or_insert_with(|| discovery.map(Arc::new));
    }

    /// The names of all pollsters, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pollsters.iter().map(|made| match made {
            Ok(loaded) => loaded.name.as_str(),
            Err((name, _)) => name.as_str(),
        })
    }

    /// The pollsters in order: each with its name, or the reason why it cannot be made.
    pub fn pollsters(&self) -> impl Iterator<Item = (&str, Result<&Arc<LoadedPollster>, &MakeError>)> {
        self.pollsters.iter().map(|made| match made {
            Ok(loaded) => (loaded.name.as_str(), Ok(loaded)),
            Err((name, error)) => (name.as_str(), Err(error)),
        })
    }

    /// The discovery of that name; the inner error says why it cannot be made.
    #[must_use]
    pub fn discovery(&self, name: &str) -> Option<Result<&Arc<LoadedDiscovery>, &MakeError>> {
        self.discoveries.get(name).map(Result::as_ref)
    }

    /// The names of all discoveries, sorted.
    #[must_use]
    pub fn discovery_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.discoveries.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Notes pollsters that are defined for other namespaces than this agent's.
    pub fn note_elsewhere(&mut self, names: impl IntoIterator<Item = String>) {
        self.elsewhere.extend(names);
    }

    /// Whether a pollster of that name is here, or defined for another agent.
    #[must_use]
    pub fn is_known(&self, name: &str) -> bool {
        self.names().any(|known| known == name) || self.elsewhere.iter().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use observability::clock::Clock;
    use observability::metrics::Metrics;

    use super::*;
    use crate::NAMESPACES;
    use crate::compute::{ComputeMetrics, ComputeSettings};

    #[test]
    fn what_cannot_be_made_says_why() {
        let cloud = Err("[service_credentials] auth_url is not set".to_owned());
        let metrics = ComputeMetrics::register(&Metrics::new().component("compute"));
        let tools = Tools::new(cloud, Clock::machine(), ComputeSettings::new("node-1"), metrics);
        let registry = Registry::load(&NAMESPACES, &tools);
        // A pollster that asks nobody can be made all the same.
        let (_, made) = registry.pollsters().find(|(name, _)| *name == "image.size").unwrap();
        assert!(made.is_ok());
        let error = registry.discovery("images").unwrap().unwrap_err().to_string();
        assert!(error.starts_with("[service_credentials] auth_url is not set; "), "{error}");
        assert_eq!(registry.discovery("local_node").unwrap().unwrap().discovery.group(), "LocalNode-node-1");
        assert!(registry.discovery("local_nodes").is_none());
        let names = registry.discovery_names();
        assert!(
            ["images", "local_instances", "local_node", "tenant"].iter().all(|name| names.contains(name))
        );
        let fan = registry.pollsters().find(|(name, _)| *name == "hardware.ipmi.fan").unwrap();
        assert_eq!(fan.1.unwrap().discovery.as_deref(), Some("local_node"));
    }
}
