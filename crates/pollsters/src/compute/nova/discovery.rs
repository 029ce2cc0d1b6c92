//! [`NovaDiscovery`]: this host's instances by Nova's API.
//!
//! The first list is a whole one; those after it are of changes, until `resource_cache_expiry` asks for a whole one again.
//! An instance that has left the host for another is not among the changes, so that it stays until then, as in Ceilometer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Map, Value};
use observability::clock::{Clock, MonotonicTime};
use tokio::sync::Mutex;

use super::answers::Answers;
use super::client::Client;
use super::{NovaMetrics, describe};
use crate::compute::{ComputeSettings, Instance};
use crate::{Cycle, Discovering, Discovery, DiscoveryError, MakeError, Resource, Tools};

/// Changes are asked for from so long before the last list on: Nova's clock may be behind ours, and what changed while the
/// list was being read is in the next one.
const OVERLAP: Duration = Duration::from_mins(1);

/// The discovery.
#[derive(Debug)]
pub(super) struct NovaDiscovery {
    client: Client,
    settings: Arc<ComputeSettings>,
    clock: Clock,
    metrics: NovaMetrics,
    flavors: Answers<Arc<Map>>,
    images: Answers<Arc<Map>>,
    /// Held while Nova is asked, so that tasks of several intervals do not ask at once.
    known: Mutex<Option<Known>>,
}

/// What Nova's last list made known. Replaced as a whole.
#[derive(Debug, Clone)]
struct Known {
    instances: BTreeMap<String, Arc<Instance>>,
    /// When that list was asked for.
    at: MonotonicTime,
    /// From when on changes are asked for next.
    since: String,
    /// When the last whole list was asked for.
    whole_at: MonotonicTime,
}

impl NovaDiscovery {
    pub(super) fn new(tools: &Tools) -> Result<Self, MakeError> {
        let metrics = tools.compute_metrics.nova.clone();
        Ok(Self {
            client: Client::new(tools)?,
            settings: Arc::clone(&tools.compute),
            clock: tools.clock.clone(),
            flavors: Answers::new("flavor", tools.clock.clone(), metrics.clone()),
            images: Answers::new("image", tools.clock.clone(), metrics.clone()),
            metrics,
            known: Mutex::default(),
        })
    }

    async fn instances(&self) -> Result<Vec<Resource>, DiscoveryError> {
        let mut known = self.known.lock().await;
        let now = self.clock.monotonic();
        let is_due =
            known.as_ref().is_none_or(|known| now.since(known.at) >= self.settings.resource_update_interval);
        if is_due {
            self.metrics.lists.inc();
            match self.ask(known.as_ref(), now).await {
                Ok(next) => *known = Some(next),
                Err(error) => {
                    self.metrics.errors.with([error.cause()]).inc();
                    let Some(known) = known.as_ref() else { return Err(error) };
                    self.metrics.outdated.with(["instances"]).inc();
                    tracing::error!(
                        cause = error.cause(),
                        instances = known.instances.len(),
                        age_seconds = now.since(known.at).as_secs(),
                        "Nova gave no list of this host's instances; those of its last one are polled on: {error}"
                    );
                }
            }
        }
        let instances = known.iter().flat_map(|known| known.instances.values());
        Ok(instances.map(|instance| Resource::Instance(Arc::clone(instance))).collect())
    }

    /// What is known when Nova has answered everything: one page that fails changes nothing.
    async fn ask(&self, known: Option<&Known>, now: MonotonicTime) -> Result<Known, DiscoveryError> {
        let changed_from =
            known.filter(|known| now.since(known.whole_at) < self.settings.resource_cache_expiry);
        let wall = self.clock.now();
        let since = wall.saturating_sub(OVERLAP).unwrap_or(wall).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let host = &self.settings.host;
        let servers = self.client.servers(host, changed_from.map(|known| known.since.as_str())).await?;
        tracing::debug!(
            servers = servers.len(),
            is_whole = changed_from.is_none(),
            "Nova listed this host's servers"
        );
        let mut next = Known {
            instances: changed_from.map(|known| known.instances.clone()).unwrap_or_default(),
            at: now,
            since,
            whole_at: changed_from.map_or(now, |known| known.whole_at),
        };
        for server in servers {
            // A list without ids is refused where it is read.
            let Some(id) = server.get("id").and_then(Value::as_str) else { continue };
            if describe::is_gone(&server) {
                next.instances.remove(id);
                continue;
            }
            let instance = self.describe(id, &server).await?;
            // The same one as long as nothing about it has changed: what pollsters have made of it stays with it.
            let same = known.and_then(|known| known.instances.get(id)).filter(|former| ***former == instance);
            let instance = same.map_or_else(|| Arc::new(instance), Arc::clone);
            next.instances.insert(id.to_owned(), instance);
        }
        Ok(next)
    }

    async fn describe(&self, id: &str, server: &Map) -> Result<Instance, DiscoveryError> {
        let flavor = match describe::flavor_id(server) {
            Some(id) => {
                let ask = || async { Ok(self.client.flavor(id).await?.map(Arc::new)) };
                self.flavors.of(id, ask).await?
            }
            None => None,
        };
        let image = match describe::image_id(server) {
            Some(id) => {
                let ask = || async { Ok(self.client.image(id).await?.map(Arc::new)) };
                self.images.of(id, ask).await?
            }
            None => None,
        };
        let server = describe::server(id, server, flavor.as_deref(), image.as_deref());
        Ok(Instance { is_novas: true, ..server.into_instance(&self.settings.user_metadata) })
    }
}

impl Discovery for NovaDiscovery {
    fn group(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.settings.host)
    }

    fn discover<'a>(&'a self, _cycle: &'a Cycle, _parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(self.instances())
    }
}
