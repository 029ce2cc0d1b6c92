//! [`Lookup`]: what only Nova knows of instances that libvirt tells of.
//!
//! How long an answer may be used is decided by who asks. Here, questions that come one after the other share a request: the
//! first server is asked for alone, a second one within a minute brings the list of the whole host, and flavors are always
//! listed, because Nova does not look for names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};
use openstack::Error;
use tokio::sync::Mutex;

use super::super::{Looking, NovaLookup, ServerExtra};
use super::client::Client;
use super::{NovaMetrics, describe};
use crate::{DiscoveryError, MakeError, Tools};

/// How long a list answers questions.
const LIST_SERVES: Duration = Duration::from_mins(1);
/// How long a failure does.
const FAILURE_SERVES: Duration = Duration::from_secs(30);

/// Asks Nova.
#[derive(Debug)]
pub(super) struct Lookup {
    client: Client,
    host: String,
    clock: Clock,
    metrics: NovaMetrics,
    servers: Mutex<Servers>,
    flavors: Mutex<Option<Listed<String>>>,
}

#[derive(Debug, Default)]
struct Servers {
    alone_at: Option<MonotonicTime>,
    list: Option<Listed<ServerExtra>>,
}

/// A list by name or id, or why there is none.
#[derive(Debug, Clone)]
struct Listed<T> {
    at: MonotonicTime,
    entries: Result<Arc<HashMap<String, T>>, Error>,
}

impl<T> Listed<T> {
    fn serves(&self, now: MonotonicTime) -> bool {
        now.since(self.at) < if self.entries.is_ok() { LIST_SERVES } else { FAILURE_SERVES }
    }
}

impl Lookup {
    pub(super) fn new(tools: &Tools) -> Result<Self, MakeError> {
        Ok(Self {
            client: Client::new(tools)?,
            host: tools.host.clone(),
            clock: tools.clock.clone(),
            metrics: tools.compute_metrics.nova.clone(),
            servers: Mutex::default(),
            flavors: Mutex::default(),
        })
    }

    /// The host's servers, if it is worth while to know them all.
    async fn host(&self) -> Option<Listed<ServerExtra>> {
        let mut servers = self.servers.lock().await;
        let now = self.clock.monotonic();
        if let Some(list) = servers.list.as_ref().filter(|list| list.serves(now)) {
            return Some(list.clone());
        }
        if servers.alone_at.is_none_or(|at| now.since(at) >= LIST_SERVES) {
            servers.alone_at = Some(now);
            return None;
        }
        self.metrics.lists.inc();
        let entries = self.client.servers(&self.host, None).await;
        let entries = entries.map_err(service_error).map(|servers| {
            let named = servers.iter().filter_map(|server| Some((server.get("id")?.as_str()?, server)));
            Arc::new(named.map(|(id, server)| (id.to_owned(), describe::extra(server))).collect())
        });
        let list = Listed { at: self.clock.monotonic(), entries };
        servers.list = Some(list.clone());
        Some(list)
    }

    async fn find_server(&self, id: &str) -> Result<Option<ServerExtra>, Error> {
        match self.host().await.map(|list| list.entries) {
            Some(Ok(servers)) if servers.contains_key(id) => return Ok(servers.get(id).cloned()),
            // Where Nova does not let us list, it may still let us read one.
            None | Some(Ok(_) | Err(Error::Refused { .. })) => {}
            Some(Err(error)) => return Err(error),
        }
        Ok(self.client.server(id).await?.as_ref().map(describe::extra))
    }

    async fn find_flavor(&self, name: &str) -> Result<Option<String>, Error> {
        let mut flavors = self.flavors.lock().await;
        let now = self.clock.monotonic();
        let known = flavors.as_ref().filter(|list| list.serves(now)).cloned();
        let list = if let Some(list) = known {
            list
        } else {
            let entries = self.client.flavors().await.map(|found| Arc::new(found.into_iter().collect()));
            flavors.insert(Listed { at: self.clock.monotonic(), entries }).clone()
        };
        drop(flavors);
        Ok(list.entries?.get(name).cloned())
    }
}

impl NovaLookup for Lookup {
    fn flavor_id<'a>(&'a self, name: &'a str) -> Looking<'a, String> {
        Box::pin(self.find_flavor(name))
    }

    fn server<'a>(&'a self, id: &'a str) -> Looking<'a, ServerExtra> {
        Box::pin(self.find_server(id))
    }
}

/// The same as an error of the service itself.
pub(super) fn service_error(error: DiscoveryError) -> Error {
    match error {
        DiscoveryError::Service(error) => error,
        other => Error::Protocol { message: other.to_string() },
    }
}
