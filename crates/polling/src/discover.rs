//! Discoveries of one cycle: each runs once, whoever asks first.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use pollsters::{Cycle, DiscoveryError, LoadedDiscovery, Registry, Resource};
use tokio::sync::OnceCell;

use crate::cycle::TaskParts;
use crate::partition::{Group, Share, What};
use crate::poll::panic_text;

/// What a discovery found, or that it failed.
pub(crate) type Found = Result<Discovered, DiscoveryFailed>;

/// What a discovery found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Discovered {
    /// What is this agent's.
    pub(crate) own: Arc<[Resource]>,
    /// What of it was not its own in the last cycle, if that is asked for; else all of it.
    pub(crate) gained: Arc<[Resource]>,
    /// How many there are.
    pub(crate) all: usize,
}

/// It has been logged and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiscoveryFailed(pub(crate) String);

/// The discoveries of one cycle.
pub(crate) struct Discoveries<'t> {
    registry: &'t Registry,
    parts: &'t TaskParts,
    share: Arc<dyn Share>,
    before: Option<Arc<dyn Share>>,
    cells: Mutex<HashMap<String, Arc<OnceCell<Found>>>>,
}

impl<'t> Discoveries<'t> {
    /// Of what is found, this agent has `share`, and had `before` if that counts.
    pub(crate) fn new(
        registry: &'t Registry,
        parts: &'t TaskParts,
        share: Arc<dyn Share>,
        before: Option<Arc<dyn Share>>,
    ) -> Self {
        Self { registry, parts, share, before, cells: Mutex::default() }
    }

    /// What is found by `url`, as it is written under `discovery:`, each resource once. A failure is not repeated in the
    /// same cycle: many pollsters share a discovery.
    pub(crate) async fn find(&self, url: &str, cycle: &Cycle) -> Found {
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(url.to_owned()).or_default())
        };
        cell.get_or_init(|| self.run(url, cycle)).await.clone()
    }

    async fn run(&self, url: &str, cycle: &Cycle) -> Found {
        let (name, parameter) = parse(url);
        // What cannot be made was reported with the plan.
        let Some(Ok(loaded)) = self.registry.discovery(&name) else {
            tracing::debug!(discovery = name, "there is no such discovery");
            return Ok(Discovered::default());
        };
        let metrics = &self.parts.metrics;
        metrics.discoveries.with([&name]).inc();
        let LoadedDiscovery { discovery, .. } = &**loaded;
        let discovering = AssertUnwindSafe(async { discovery.discover(cycle, parameter.as_deref()).await });
        let found = discovering
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(DiscoveryError::Panic { message: panic_text(&*panic).to_owned() }));
        match found {
            Ok(mut resources) => {
                let mut seen = HashSet::with_capacity(resources.len());
                resources.retain(|resource| seen.insert(resource.clone()));
                let all = resources.len();
                let group = discovery.group();
                let group = Group::Discovery(&group);
                resources.retain(|resource| self.share.is_mine(group, What::Resource(resource)));
                metrics.discovered.with([&name]).set(i64::try_from(all).unwrap_or(i64::MAX));
                let count = i64::try_from(resources.len()).unwrap_or(i64::MAX);
                metrics.own.with(["discovery", &name]).set(count);
                tracing::debug!(discovery = name, resources = all, own = resources.len(), "discovered");
                let own: Arc<[Resource]> = resources.into();
                let gained = match &self.before {
                    None => Arc::clone(&own),
                    Some(before) => {
                        let is_new = |resource: &&Resource| !before.is_mine(group, What::Resource(resource));
                        own.iter().filter(is_new).cloned().collect()
                    }
                };
                Ok(Discovered { own, gained, all })
            }
            Err(error) => {
                let cause = error.cause();
                metrics.discovery_errors.with([&name, cause]).inc();
                tracing::error!(
                    discovery = name,
                    cause,
                    "nothing was discovered, and nothing is polled that needs it: {error}"
                );
                Err(DiscoveryFailed(format!("discovery {name}: {error}")))
            }
        }
    }
}

/// The name of the discovery that `url` means.
pub(crate) fn name_of(url: &str) -> String {
    parse(url).0
}

/// Name and parameter, by the rules of Python's `urlparse`: `name`, `name:parameter` or `name://parameter`, where a name
/// with a parameter has letters, digits, `+`, `-` and `.` only, and its case does not count.
fn parse(url: &str) -> (String, Option<String>) {
    let scheme = url.split_once(':').filter(|(name, _)| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let path = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
    match scheme {
        Some((name, rest)) => {
            (name.to_ascii_lowercase(), Some(path(rest.strip_prefix("//").unwrap_or(rest))))
        }
        None => (path(url), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expectations are what `AgentManager._parse_discoverer` gives.
    #[test]
    fn a_discovery_is_named_as_a_url() {
        for (url, name, parameter) in [
            ("images", "images", None),
            ("endpoint:compute", "endpoint", Some("compute")),
            ("endpoint://compute", "endpoint", Some("compute")),
            ("Endpoint:Compute", "endpoint", Some("Compute")),
            ("endpoint://host/path", "endpoint", Some("host/path")),
            ("barbican:", "barbican", Some("")),
            ("endpoint:a:b", "endpoint", Some("a:b")),
            ("endpoint:a?b#c", "endpoint", Some("a")),
            ("fip_services", "fip_services", None),
            // A name with an underscore is no scheme.
            ("local_instances:x", "local_instances:x", None),
            ("", "", None),
        ] {
            assert_eq!(parse(url), (name.to_owned(), parameter.map(str::to_owned)), "{url}");
        }
    }
}
