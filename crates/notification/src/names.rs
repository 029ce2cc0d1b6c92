//! Names of users and projects for samples (`[polling] identity_name_discovery`).
//!
//! A name is a help: a sample goes on without it when Keystone or the cache fails, and is never late by more than
//! [`BATCH_DEADLINE`].

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use model::{Sample, Value};
use observability::clock::{Clock, MonotonicTime};
use openstack::{Cache, CacheOptions, Error, ErrorKind, Service};

use crate::metrics::{CacheFailure, NameLookup, NameMetrics};

/// How long the names of one batch may be waited for.
const BATCH_DEADLINE: Duration = Duration::from_secs(5);
/// How many names are asked for at once.
const PARALLEL: usize = 8;
/// How long Keystone is left alone when it has failed, lest every batch waits for it.
const REST: Duration = Duration::from_secs(30);
/// How long an id that Keystone does not know is not asked again: the notifications of a deleted project keep coming.
const UNKNOWN_FOR: Duration = Duration::from_mins(1);

/// Turns in which names are asked for: batches that want the same name at the same time have the same turn.
const TURNS: u64 = 64;

/// Characters of a hash that the Gnocchi publisher, Ceilometer's or ours, keeps under a resource's id. The resource may be
/// a user or a project, and the cache the same.
const HASH_CHARACTERS: usize = 128;

/// Looks names up, in the cache and then in Keystone.
#[derive(Debug)]
pub struct NameResolver {
    identity: Service,
    cache: Cache,
    /// Ids that Keystone does not know.
    unknown: Cache,
    clock: Clock,
    rests_until: Mutex<Option<MonotonicTime>>,
    /// Held while a name is looked up, so that whoever wants it too finds it in the cache.
    turns: Vec<tokio::sync::Mutex<()>>,
    deadline: Duration,
}

/// Whose name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    User,
    Project,
}

impl Whose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
        }
    }
}

impl NameResolver {
    /// Asks `identity` (the service of type `identity`, with the interface and region to use) for what `cache` does not
    /// have.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn new(identity: Service, cache: Cache, clock: Clock) -> Result<Self, Error> {
        let unknown = Cache::with_clock(CacheOptions::InProcess { expiration: UNKNOWN_FOR }, clock.clone())?;
        let rests_until = Mutex::default();
        let turns = (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect();
        Ok(Self { identity, cache, unknown, clock, rests_until, turns, deadline: BATCH_DEADLINE })
    }

    /// Gives the samples at `places` the names of their users and projects, as far as they can be found in time.
    pub async fn fill(&self, samples: &mut [Arc<Sample>], places: &[usize], metrics: &NameMetrics) {
        // Each id once: the samples of a batch are of few projects.
        let mut wanted: HashMap<(Whose, String), Option<String>> = HashMap::new();
        for sample in places.iter().filter_map(|place| samples.get(*place)) {
            for (whose, id) in [(Whose::User, &sample.user_id), (Whose::Project, &sample.project_id)] {
                if let Some(id) = id.as_str().filter(|id| !id.is_empty()) {
                    wanted.entry((whose, id.to_owned())).or_default();
                }
            }
        }
        let lookups = wanted.keys().cloned().map(|(whose, id)| async move {
            let name = self.name(whose, &id, metrics).await;
            ((whose, id), name)
        });
        let mut lookups = futures_util::stream::iter(lookups.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        let total = wanted.len();
        let mut done = 0;
        let all = async {
            while let Some((key, name)) = lookups.next().await {
                done += 1;
                wanted.insert(key, name);
            }
        };
        if tokio::time::timeout(self.deadline, all).await.is_err() {
            let late = total - done;
            metrics.lookups.add(NameLookup::Failed, late as u64);
            let seconds = self.deadline.as_secs_f64();
            tracing::warn!(
                late,
                "names of users and projects were not found within {seconds} s; samples go without them"
            );
            self.rest();
        }
        for place in places {
            let Some(sample) = samples.get_mut(*place).map(Arc::make_mut) else { continue };
            let name = |whose, id: &Value| {
                let id = id.as_str()?;
                wanted.get(&(whose, id.to_owned()))?.as_deref()
            };
            sample.user_name = name(Whose::User, &sample.user_id).into();
            sample.project_name = name(Whose::Project, &sample.project_id).into();
        }
    }

    async fn name(&self, whose: Whose, id: &str, metrics: &NameMetrics) -> Option<String> {
        let mut hasher = DefaultHasher::new();
        (whose, id).hash(&mut hasher);
        let turn = usize::try_from(hasher.finish() % TURNS).unwrap_or_default();
        let _turn = match self.turns.get(turn) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        match self.cache.get(id).await {
            // Upstream takes an empty name for none.
            Ok(Some(name)) if !name.is_empty() && !is_hash(&name) => {
                metrics.lookups.increment(NameLookup::Cached);
                return Some(name);
            }
            Ok(_) => {}
            Err(error) => {
                metrics.cache_failures.increment(CacheFailure::Get);
                tracing::warn!(cause = error.cause(), "the cache of names failed: {error}");
            }
        }
        let unknown = format!("{} {id}", whose.as_str());
        if matches!(self.unknown.get(&unknown).await, Ok(Some(_))) {
            metrics.lookups.increment(NameLookup::Unknown);
            return None;
        }
        if self.is_resting() {
            metrics.lookups.increment(NameLookup::Resting);
            return None;
        }
        let (session, filter) = (&self.identity.session, &self.identity.filter);
        let asked = match whose {
            Whose::User => session.user_name(filter, id).await,
            Whose::Project => session.project_name(filter, id).await,
        };
        match asked {
            Ok(Some(name)) => {
                metrics.lookups.increment(NameLookup::Found);
                if let Err(error) = self.cache.set(id, &name).await {
                    metrics.cache_failures.increment(CacheFailure::Set);
                    tracing::warn!(cause = error.cause(), "the cache of names failed: {error}");
                }
                Some(name)
            }
            Ok(None) => {
                metrics.lookups.increment(NameLookup::Unknown);
                tracing::warn!(
                    id,
                    "Keystone knows no {} of this id; samples go without its name",
                    whose.as_str()
                );
                // Cannot fail: it is in process.
                let _ = self.unknown.set(&unknown, "").await;
                None
            }
            Err(error) => {
                metrics.lookups.increment(NameLookup::Failed);
                let (cause, whose) = (error.cause(), whose.as_str());
                tracing::warn!(
                    id,
                    cause,
                    "the name of a {whose} was not found; samples go without it: {error}"
                );
                if error.kind() != ErrorKind::Refused {
                    self.rest();
                }
                None
            }
        }
    }

    fn is_resting(&self) -> bool {
        let rests_until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        rests_until.is_some_and(|until| self.clock.monotonic() < until)
    }

    fn rest(&self) {
        let until = self.clock.monotonic().plus(REST);
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

/// Whether a cached text is no name, but what the Gnocchi publisher remembers.
fn is_hash(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == HASH_CHARACTERS && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests;
