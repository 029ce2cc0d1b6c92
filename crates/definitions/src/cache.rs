//! A bounded cache from event type to the definitions that want it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// How many event types are remembered. A cloud has some hundreds; a flood of invented ones empties the cache now and
/// then, which costs time, not memory.
const MAX_EVENT_TYPES: usize = 2048;

/// Longer event types are matched each time.
const MAX_EVENT_TYPE_BYTES: usize = 256;

/// Remembers what each event type was matched to.
#[derive(Debug, Default)]
pub struct Cache<T> {
    known: RwLock<HashMap<Box<str>, Arc<T>>>,
}

impl<T> Cache<T> {
    /// One that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { known: RwLock::new(HashMap::new()) }
    }

    /// What `event_type` was matched to, or `find`s it now.
    pub fn get_or(&self, event_type: &str, find: impl FnOnce() -> T) -> Arc<T> {
        // A panic elsewhere cannot leave the map half changed, so a poisoned lock is as good as any.
        if let Some(found) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(event_type) {
            return Arc::clone(found);
        }
        let found = Arc::new(find());
        if event_type.len() <= MAX_EVENT_TYPE_BYTES {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MAX_EVENT_TYPES {
                known.clear();
            }
            known.insert(event_type.into(), Arc::clone(&found));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_remembers() {
        let cache = Cache::new();
        for number in 0..3 * MAX_EVENT_TYPES {
            let name = format!("type.{number}");
            assert_eq!(*cache.get_or(&name, || number), number);
            assert_eq!(*cache.get_or(&name, || unreachable!()), number);
        }
        assert!(cache.known.read().unwrap().len() <= MAX_EVENT_TYPES);
        let long = "x".repeat(MAX_EVENT_TYPE_BYTES + 1);
        cache.get_or(&long, || 1);
        assert_eq!(*cache.get_or(&long, || 2), 2);
    }
}
