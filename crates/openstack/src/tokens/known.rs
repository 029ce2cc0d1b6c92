//! What is remembered of tokens: never they themselves, only hashes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use observability::clock::MonotonicTime;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::{Fault, TokenIdentity};

/// Refused tokens that are remembered. Strangers can send as many as they like, so they have no part in the room of good ones.
const REFUSED_MAX: usize = 1_024;

/// A token's hash, and whether it may have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    hash: [u8; 32],
    pub(super) allow_expired: bool,
}

impl Key {
    pub(super) fn of(token: &str, allow_expired: bool) -> Self {
        Self { hash: Sha256::digest(token.as_bytes()).into(), allow_expired }
    }
}

type Answer = Result<Arc<TokenIdentity>, Fault>;

#[derive(Debug)]
pub(super) struct Known(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What a good token says does not depend on whether it may have expired; that is looked at each time.
    good: Shelf<[u8; 32], Arc<TokenIdentity>>,
    refused: Shelf<Key, ()>,
    /// At most one for each request under way.
    under_way: HashMap<Key, Arc<OnceCell<Answer>>>,
}

impl Known {
    pub(super) fn new(good_max: usize) -> Self {
        let (good, refused) = (Shelf::new(good_max), Shelf::new(REFUSED_MAX));
        Self(Mutex::new(State { good, refused, under_way: HashMap::new() }))
    }

    pub(super) fn good(&self, key: &Key, now: MonotonicTime) -> Option<Arc<TokenIdentity>> {
        self.lock().good.get(&key.hash, now).cloned()
    }

    pub(super) fn is_refused(&self, key: &Key, now: MonotonicTime) -> bool {
        self.lock().refused.get(key, now).is_some()
    }

    pub(super) fn remember(&self, key: &Key, identity: Arc<TokenIdentity>, until: MonotonicTime) {
        self.lock().good.put(key.hash, identity, until);
    }

    pub(super) fn refuse(&self, key: &Key, until: MonotonicTime) {
        self.lock().refused.put(*key, (), until);
    }

    /// Asks once for everybody who wants to know the same now. If whoever asks goes away, the next one takes over.
    pub(super) async fn once<F, W>(&self, key: &Key, ask: F) -> Answer
    where
        F: FnOnce() -> W,
        W: Future<Output = Answer>,
    {
        let waiting = Waiting {
            known: self,
            key: *key,
            cell: Arc::clone(self.lock().under_way.entry(*key).or_default()),
        };
        waiting.cell.get_or_init(ask).await.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for an answer. The first one to leave after it has come, and the last one in any case, takes it away.
struct Waiting<'k> {
    known: &'k Known,
    key: Key,
    cell: Arc<OnceCell<Answer>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.known.lock();
        let is_current = state.under_way.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // The map's and ours.
        if is_current && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            state.under_way.remove(&self.key);
        }
    }
}

/// So many things for a time; the oldest one goes when there is no room.
#[derive(Debug)]
struct Shelf<K, V> {
    entries: HashMap<K, (V, MonotonicTime)>,
    order: VecDeque<K>,
    max: usize,
}

impl<K: Copy + Eq + std::hash::Hash, V> Shelf<K, V> {
    fn new(max: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), max }
    }

    fn get(&self, key: &K, now: MonotonicTime) -> Option<&V> {
        self.entries.get(key).filter(|(_, until)| now < *until).map(|(value, _)| value)
    }

    fn put(&mut self, key: K, value: V, until: MonotonicTime) {
        if self.entries.insert(key, (value, until)).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.max {
            let Some(oldest) = self.order.pop_front() else { return };
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use observability::clock::Clock;

    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let (clock, hand) = Clock::test("2026-11-26T02:00:00Z".parse().unwrap());
        let minute = std::time::Duration::from_mins(1);
        let until = clock.monotonic().plus(minute);
        let mut shelf = Shelf::new(2);
        for key in [1, 2, 1, 3] {
            shelf.put(key, (), until);
        }
        let there =
            |shelf: &Shelf<i32, ()>| [1, 2, 3].map(|key| shelf.get(&key, clock.monotonic()).is_some());
        assert_eq!(there(&shelf), [false, true, true]);
        hand.advance(minute);
        assert_eq!(there(&shelf), [false; 3]);
    }
}
