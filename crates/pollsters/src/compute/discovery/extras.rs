//! [`Extras`]: what Nova has said of instances, and for how long that is believed.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use observability::clock::{Clock, MonotonicTime};

use super::Extra;
use crate::compute::hypervisor::NovaInstance;
use crate::compute::{ComputeMetrics, NovaLookup, ServerExtra, nova};
use crate::{MakeError, Tools};

/// Look-ups at the same time.
const PARALLEL: usize = 8;
/// For all look-ups of a cycle; what is not answered by then is asked for again later.
const DEADLINE: Duration = Duration::from_secs(20);
/// After so long is asked again for what Nova did not know.
const UNKNOWN_AGAIN: Duration = Duration::from_mins(1);
/// After so long is asked again when Nova gave no answer.
const FAILURE_AGAIN: Duration = Duration::from_secs(30);

/// Looks up what libvirt's metadata does not have, and remembers it.
#[derive(Debug)]
pub(super) struct Extras {
    /// Who is asked, if anybody can be.
    nova: Option<Arc<dyn NovaLookup>>,
    /// Whether Nova is asked for each instance (`fetch_extra_metadata`).
    wants_servers: bool,
    /// For how long an answer is believed.
    expiry: Duration,
    clock: Clock,
    metrics: ComputeMetrics,
    flavors: Mutex<HashMap<String, Answer<str>>>,
    servers: Mutex<HashMap<String, Answer<ServerExtra>>>,
}

/// What was answered, and until when that holds.
#[derive(Debug)]
struct Answer<T: ?Sized> {
    value: Option<Arc<T>>,
    until: MonotonicTime,
}

impl Extras {
    pub(super) fn new(tools: &Tools) -> Result<Self, MakeError> {
        let wants_servers = tools.compute.fetch_extra_metadata;
        let nova = match nova::lookup(tools) {
            Ok(nova) => Some(nova),
            Err(error) if wants_servers => return Err(error),
            Err(error) => {
                tracing::debug!(
                    "flavors are known by name alone where libvirt does not have their ids: {error}"
                );
                None
            }
        };
        Ok(Self::with(nova, tools))
    }

    fn with(nova: Option<Arc<dyn NovaLookup>>, tools: &Tools) -> Self {
        Self {
            nova,
            wants_servers: tools.compute.fetch_extra_metadata,
            expiry: tools.compute.resource_cache_expiry,
            clock: tools.clock.clone(),
            metrics: tools.compute_metrics.clone(),
            flavors: Mutex::default(),
            servers: Mutex::default(),
        }
    }

    /// What is known of an instance.
    pub(super) fn of(&self, instance: &NovaInstance) -> Extra {
        let server = if self.wants_servers { known(&self.servers, instance.id()) } else { None };
        let flavor_id = match &instance.flavor_id {
            Some(id) => Some(id.as_str().into()),
            None => match server.as_ref().and_then(|server| server.flavor_id.as_deref()) {
                Some(id) => Some(id.into()),
                None => known(&self.flavors, &instance.flavor_name),
            },
        };
        Extra { flavor_id, server }
    }

    /// Asks Nova for what is not known, or was known for too long. Forgets what no instance needs any more.
    pub(super) async fn refresh<'a>(&self, instances: impl Iterator<Item = &'a NovaInstance> + Clone) {
        let Some(nova) = &self.nova else { return };
        let end = self.clock.monotonic().plus(DEADLINE);
        if self.wants_servers {
            let ids: HashSet<&str> = instances.clone().map(NovaInstance::id).collect();
            let ask = |id: String| async move {
                let found = nova.server(&id).await;
                (id, found.map(|server| server.map(Arc::new)))
            };
            self.ask("server", &self.servers, &ids, end, ask).await;
        }
        let nameless = instances.filter(|instance| {
            instance.flavor_id.is_none()
                && known(&self.servers, instance.id()).is_none_or(|server| server.flavor_id.is_none())
        });
        let names: HashSet<&str> = nameless.map(|instance| instance.flavor_name.as_str()).collect();
        let ask = |name: String| async move {
            let found = nova.flavor_id(&name).await;
            (name, found.map(|id| id.map(Arc::from)))
        };
        self.ask("flavor", &self.flavors, &names, end, ask).await;
    }

    async fn ask<T: ?Sized, F>(
        &self,
        what: &'static str,
        answers: &Mutex<HashMap<String, Answer<T>>>,
        wanted: &HashSet<&str>,
        end: MonotonicTime,
        ask: impl Fn(String) -> F,
    ) where
        F: Future<Output = (String, Result<Option<Arc<T>>, openstack::Error>)>,
    {
        let now = self.clock.monotonic();
        let due: Vec<String> = {
            let mut answers = lock(answers);
            answers.retain(|key, _| wanted.contains(key.as_str()));
            let is_due = |key: &&&str| answers.get(**key).is_none_or(|answer| answer.until <= now);
            wanted.iter().filter(is_due).map(|key| (*key).to_owned()).collect()
        };
        if due.is_empty() {
            return;
        }
        let mut left: HashSet<String> = due.iter().cloned().collect();
        let mut found = futures_util::stream::iter(due.into_iter().map(ask)).buffer_unordered(PARALLEL);
        loop {
            let next = tokio::select! {
                biased;
                next = found.next() => next,
                () = self.clock.sleep_until(end) => break,
            };
            let Some((key, answer)) = next else { break };
            left.remove(&key);
            self.take(what, answers, key, answer);
        }
        drop(found);
        if !left.is_empty() {
            tracing::warn!(what, count = left.len(), "Nova takes too long to tell, and is asked again later");
            let until = self.clock.monotonic().plus(FAILURE_AGAIN);
            for key in left {
                self.metrics.lookup_errors.with([what, "timeout"]).inc();
                put_off(answers, key, until);
            }
        }
    }

    fn take<T: ?Sized>(
        &self,
        what: &'static str,
        answers: &Mutex<HashMap<String, Answer<T>>>,
        key: String,
        answer: Result<Option<Arc<T>>, openstack::Error>,
    ) {
        let now = self.clock.monotonic();
        match answer {
            Ok(value) => {
                let believed = if value.is_some() { self.expiry } else { self.expiry.min(UNKNOWN_AGAIN) };
                lock(answers).insert(key, Answer { value, until: now.plus(believed) });
            }
            Err(error) => {
                self.metrics.lookup_errors.with([what, error.cause()]).inc();
                tracing::warn!(what, key, "Nova does not tell, and is asked again later: {error}");
                // What was known before is better than nothing.
                put_off(answers, key, now.plus(FAILURE_AGAIN));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn known<K, T: ?Sized>(answers: &Mutex<HashMap<K, Answer<T>>>, key: &str) -> Option<Arc<T>>
where
    K: Hash + Eq + std::borrow::Borrow<str>,
{
    lock(answers).get(key)?.value.clone()
}

/// Keeps what is known, and asks again later.
fn put_off<T: ?Sized>(answers: &Mutex<HashMap<String, Answer<T>>>, key: String, until: MonotonicTime) {
    lock(answers).entry(key).or_insert(Answer { value: None, until }).until = until;
}

#[cfg(test)]
mod tests;
