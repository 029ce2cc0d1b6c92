//! [`Sent`]: which attributes of which resources Gnocchi has been told.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use model::{Map, json};
use tokio::time::Instant;

/// Resources that are remembered in each of the two halves. One more than both hold costs an update that changes
/// nothing.
const HALF: usize = 20_000;
/// What was told is told again after a time between this and twice as long, so that what others have changed in Gnocchi
/// is mended, and not for all resources at once.
const REPEAT_AFTER: Duration = Duration::from_hours(6);

/// The attributes that were sent last, as hashes: by resource, bounded.
#[derive(Debug, Default)]
pub(super) struct Sent {
    young: HashMap<Box<str>, Known>,
    old: HashMap<Box<str>, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    /// Hashes of names and values.
    attributes: Vec<(u64, u64)>,
    until: Instant,
    /// A hash of what a shared cache said when we looked last, or were heard.
    heard: Option<u64>,
}

impl Sent {
    /// Whether Gnocchi must be told these attributes of a resource.
    pub(super) fn is_news(&mut self, resource: &str, attributes: &Map, now: Instant) -> bool {
        let Some(known) = self.find(resource) else { return true };
        known.until <= now
            || hashes(attributes).any(|(name, value)| {
                !known.attributes.iter().any(|(known, said)| *known == name && *said == value)
            })
    }

    /// Gnocchi was told these attributes; what it was told of others before stays true.
    pub(super) fn tell(&mut self, resource: &str, attributes: &Map, now: Instant) {
        let until = now + REPEAT_AFTER.mul_f64(1.0 + fastrand::f64());
        let mut known =
            self.take(resource).unwrap_or_else(|| Known { attributes: Vec::new(), until, heard: None });
        if known.until <= now {
            known = Known { attributes: Vec::new(), until, heard: None };
        }
        for (name, value) in hashes(attributes) {
            match known.attributes.iter_mut().find(|(known, _)| *known == name) {
                Some((_, said)) => *said = value,
                None => known.attributes.push((name, value)),
            }
        }
        self.put(resource, known);
    }

    /// The shared cache says so about a resource that is known.
    pub(super) fn heard(&mut self, resource: &str, said: &str) {
        if let Some(known) = self.young.get_mut(resource).or_else(|| self.old.get_mut(resource)) {
            known.heard = Some(hash(said));
        }
    }

    /// Whether the shared cache still says what it said last.
    pub(super) fn has_heard(&self, resource: &str, said: &str) -> bool {
        let known = self.young.get(resource).or_else(|| self.old.get(resource));
        known.is_some_and(|known| known.heard == Some(hash(said)))
    }

    fn find(&mut self, resource: &str) -> Option<&Known> {
        if !self.young.contains_key(resource) {
            let known = self.old.remove(resource)?;
            self.put(resource, known);
        }
        self.young.get(resource)
    }

    fn take(&mut self, resource: &str) -> Option<Known> {
        self.young.remove(resource).or_else(|| self.old.remove(resource))
    }

    fn put(&mut self, resource: &str, known: Known) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(resource.into(), known);
    }
}

fn hashes(attributes: &Map) -> impl Iterator<Item = (u64, u64)> {
    attributes.iter().map(|(name, value)| (hash(name), hash(&json::to_compact_string(value))))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Map {
        pairs.iter().copied().collect()
    }

    #[test]
    fn what_was_told_is_told_again_when_it_changes() {
        let now = Instant::now();
        let mut sent = Sent::default();
        let both = map(&[("host", "a"), ("name", "n")]);
        assert!(sent.is_news("r", &both, now));
        sent.tell("r", &both, now);
        assert!(!sent.is_news("r", &both, now));
        // A part of it is known, in any order.
        assert!(!sent.is_news("r", &map(&[("name", "n")]), now));
        assert!(sent.is_news("r", &map(&[("name", "m")]), now));
        assert!(sent.is_news("r", &map(&[("name", "n"), ("new", "x")]), now));
        assert!(sent.is_news("other", &both, now));
        // Somebody says otherwise, and back.
        sent.tell("r", &map(&[("host", "b")]), now);
        assert!(!sent.is_news("r", &map(&[("name", "n"), ("host", "b")]), now));
        assert!(sent.is_news("r", &both, now));
    }

    #[test]
    fn what_was_heard_last_is_known() {
        let now = Instant::now();
        let mut sent = Sent::default();
        sent.heard("r", "a");
        assert!(!sent.has_heard("r", "a"));
        sent.tell("r", &map(&[("host", "a")]), now);
        assert!(!sent.has_heard("r", "a"));
        sent.heard("r", "a");
        assert!(sent.has_heard("r", "a") && !sent.has_heard("r", "b") && !sent.has_heard("r", ""));
    }

    #[test]
    fn it_is_told_again_after_a_time() {
        let now = Instant::now();
        let mut sent = Sent::default();
        let attributes = map(&[("host", "a")]);
        sent.tell("r", &attributes, now);
        assert!(!sent.is_news("r", &attributes, now + REPEAT_AFTER));
        assert!(sent.is_news("r", &attributes, now + 2 * REPEAT_AFTER + Duration::from_secs(1)));
        // Changes in between do not put it off for ever.
        sent.tell("r", &map(&[("name", "n")]), now + REPEAT_AFTER);
        assert!(sent.is_news("r", &attributes, now + 2 * REPEAT_AFTER + Duration::from_secs(1)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_in_use_stays() {
        let now = Instant::now();
        let mut sent = Sent::default();
        let attributes = map(&[("host", "a")]);
        sent.tell("used", &attributes, now);
        for number in 0..3 * HALF {
            sent.tell(&format!("r{number}"), &attributes, now);
            if number % 1_000 == 0 {
                assert!(!sent.is_news("used", &attributes, now), "{number}");
            }
        }
        assert!(sent.young.len() + sent.old.len() <= 2 * HALF);
        assert!(sent.is_news("r0", &attributes, now));
    }
}
