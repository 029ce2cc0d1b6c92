//! [`Store`]: what each owner has given, set by set.
//!
//! A set is what one run has given; it is never changed. An owner has one, or several while its runs fail: that of the last
//! run, and of those before it what the later ones do not have.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use observability::clock::MonotonicTime;
use publishers::series::Kind;

use super::Owner;
use super::collect::Description;
use super::identity::identity;

/// Bytes of names and labels for each series of the limit, all taken together.
const BYTES_PER_SERIES: usize = 1024;

/// The series of one name in a set.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) help: Arc<str>,
    pub(super) kind: Option<Kind>,
    pub(super) unit: Option<&'static str>,
    /// Sorted by labels, each once.
    pub(super) series: Arc<[(Arc<str>, f64)]>,
}

/// What a run has given.
#[derive(Debug)]
pub(super) struct Set {
    read_at: MonotonicTime,
    pub(super) families: BTreeMap<Arc<str>, Part>,
    pub(super) resources: BTreeMap<Arc<str>, Description>,
    series: usize,
    bytes: usize,
}

/// A set and its number: of two, the higher is newer.
pub(super) type Numbered = (u64, Arc<Set>);

/// All sets at one moment.
pub(super) struct Shelf {
    /// Another number for each change.
    pub(super) version: u64,
    pub(super) sets: Vec<Numbered>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It has given everything that there is.
    Whole,
    /// It has not.
    Early,
}

/// What became of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Replaced {
    /// New ones without a place.
    pub(super) no_room: u64,
    /// Old ones that are dropped because they are too old.
    pub(super) stale: u64,
}

#[derive(Debug)]
pub(super) struct Store {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Who may have series; everybody before it is said.
    planned: Option<BTreeSet<Owner>>,
    owners: BTreeMap<Owner, Vec<Numbered>>,
    version: u64,
}

impl Set {
    pub(super) fn new(
        read_at: MonotonicTime,
        families: BTreeMap<Arc<str>, Part>,
        resources: BTreeMap<Arc<str>, Description>,
    ) -> Self {
        let series = families.values().map(|part| part.series.len()).sum();
        let of_family = |(name, part): (&Arc<str>, &Part)| {
            name.len() + part.help.len() + part.series.iter().map(|(labels, _)| labels.len()).sum::<usize>()
        };
        let of_resource = |(resource, labels): (&Arc<str>, &Description)| {
            resource.len() + labels.values().map(|value| value.len()).sum::<usize>()
        };
        let bytes =
            families.iter().map(of_family).sum::<usize>() + resources.iter().map(of_resource).sum::<usize>();
        Self { read_at, families, resources, series, bytes }
    }

    /// What of it `newer` does not have, be it described in another way.
    fn without(&self, newer: &Self) -> Self {
        let families = self.families.iter().filter_map(|(name, part)| {
            let Some(other) = newer.families.get(name) else { return Some((Arc::clone(name), part.clone())) };
            let new: HashSet<String> = other.series.iter().map(|(labels, _)| identity(labels)).collect();
            let kept = part.series.iter().filter(|(labels, _)| !new.contains(&identity(labels))).cloned();
            let part = Part { series: kept.collect(), ..part.clone() };
            (!part.series.is_empty()).then(|| (Arc::clone(name), part))
        });
        Self::new(self.read_at, families.collect(), self.resources.clone())
    }

    /// As many of its series as there is room for, and how many that leaves out.
    fn within(self, series: usize, bytes: usize) -> (Self, u64) {
        if self.series <= series && self.bytes <= bytes {
            return (self, 0);
        }
        let (all, read_at) = (self.series, self.read_at);
        let (mut room, mut room_bytes) = (series, bytes);
        let mut families = BTreeMap::new();
        for (name, part) in self.families {
            let mut left = room_bytes.saturating_sub(name.len() + part.help.len());
            let fitting = part.series.iter().take(room).take_while(|(labels, _)| {
                let fits = labels.len() <= left;
                left = left.saturating_sub(labels.len());
                fits
            });
            let fitting: Arc<[_]> = fitting.cloned().collect();
            if fitting.is_empty() {
                continue;
            }
            (room, room_bytes) = (room - fitting.len(), left);
            families.insert(name, Part { series: fitting, ..part });
        }
        let set = Self::new(read_at, families, self.resources);
        let no_room = u64::try_from(all.saturating_sub(set.series)).unwrap_or(u64::MAX);
        (set, no_room)
    }

    fn len(&self) -> u64 {
        u64::try_from(self.series).unwrap_or(u64::MAX)
    }
}

impl Store {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    /// Puts what a run has given in the place of what the owner has, as far as the run says anything about it. Nothing is
    /// done for an owner that is not in the plan: its run began under another.
    pub(super) fn replace(&self, owner: &Owner, set: Set, ended: Ended) -> Replaced {
        let now = set.read_at;
        let mut replaced = Replaced::default();
        let mut inner = self.lock();
        if inner.planned.as_ref().is_some_and(|planned| !planned.contains(owner)) {
            return replaced;
        }
        let old = inner.owners.remove(owner).unwrap_or_default();
        let mut kept = Vec::new();
        if ended == Ended::Early {
            for (number, old) in old {
                let old = old.without(&set);
                if now.since(old.read_at) > owner.kept() {
                    replaced.stale += old.len();
                } else if old.series > 0 {
                    kept.push((number, Arc::new(old)));
                }
            }
        }
        let others = inner.owners.values().flatten().chain(&kept);
        let (series, bytes) = others.fold((0_usize, 0_usize), |(series, bytes), (_, set)| {
            (series.saturating_add(set.series), bytes.saturating_add(set.bytes))
        });
        let room = self.limit.saturating_sub(series);
        let room_bytes = self.limit.saturating_mul(BYTES_PER_SERIES).saturating_sub(bytes);
        let (set, no_room) = set.within(room, room_bytes);
        replaced.no_room = no_room;
        inner.version += 1;
        if set.series > 0 {
            kept.push((inner.version, Arc::new(set)));
        }
        if !kept.is_empty() {
            inner.owners.insert(owner.clone(), kept);
        }
        replaced
    }

    /// From now on these alone may have series. What others have goes to one of them for the same pollster that has nothing
    /// yet, the same source's if there is one; or away. Returns how many series went away.
    pub(super) fn keep(&self, planned: BTreeSet<Owner>) -> u64 {
        let mut inner = self.lock();
        let gone: Vec<Owner> =
            inner.owners.keys().filter(|owner| !planned.contains(owner)).cloned().collect();
        let mut inherited: BTreeMap<Owner, Vec<Numbered>> = BTreeMap::new();
        let mut dropped = 0;
        for owner in gone {
            let sets = inner.owners.remove(&owner).unwrap_or_default();
            let heirs = || {
                let of_pollster = planned.iter().filter(|heir| heir.pollster == owner.pollster);
                of_pollster.filter(|heir| !inner.owners.contains_key(heir))
            };
            match heirs().find(|heir| heir.source == owner.source).or_else(|| heirs().next()) {
                Some(heir) => inherited.entry(heir.clone()).or_default().extend(sets),
                None => dropped += sets.iter().map(|(_, set)| set.len()).sum::<u64>(),
            }
        }
        inner.owners.extend(inherited);
        inner.planned = Some(planned);
        inner.version += 1;
        dropped
    }

    /// All sets, without those that are too old in any case; and how many series those had.
    pub(super) fn shelf(&self, now: MonotonicTime) -> (Shelf, u64) {
        let mut inner = self.lock();
        let mut stale = 0;
        let mut has_changed = false;
        inner.owners.retain(|owner, sets| {
            sets.retain(|(_, set)| {
                let is_live = now.since(set.read_at) <= owner.latest();
                if !is_live {
                    has_changed = true;
                    stale += set.len();
                }
                is_live
            });
            !sets.is_empty()
        });
        if has_changed {
            inner.version += 1;
        }
        let sets = inner.owners.values().flatten().cloned().collect();
        (Shelf { version: inner.version, sets }, stale)
    }

    /// How many series there are. What two owners have counts twice.
    pub(super) fn len(&self) -> usize {
        self.lock().owners.values().flatten().map(|(_, set)| set.series).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
