//! [`Responses`]: answers for extra metadata, which many samples share, and which a reload does not forget.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Value;
use observability::clock::MonotonicTime;

/// Answers that are remembered at most.
const COUNT_MAX: usize = 10_000;
/// The memory that they may take, in bytes.
const BYTES_MAX: usize = 32 << 20;

/// Answers by who asked and what was asked, each for a time of its own. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub struct Responses(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    answers: HashMap<String, Known>,
    bytes: usize,
}

struct Known {
    answer: Arc<Value>,
    bytes: usize,
    until: MonotonicTime,
}

impl Responses {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was answered, if it is still good.
    pub(super) fn get(&self, question: &str, now: MonotonicTime) -> Option<Arc<Value>> {
        let inner = self.lock();
        inner.answers.get(question).filter(|known| now <= known.until).map(|known| Arc::clone(&known.answer))
    }

    /// Remembers an answer; where there is no room even without those that are old, it does not.
    pub(super) fn put(&self, question: &str, answer: &Arc<Value>, now: MonotonicTime, until: MonotonicTime) {
        let bytes = question.len() + answer.approximate_bytes();
        let mut inner = self.lock();
        let Inner { answers, bytes: all } = &mut *inner;
        if let Some(old) = answers.remove(question) {
            *all -= old.bytes;
        }
        if answers.len() >= COUNT_MAX || *all + bytes > BYTES_MAX {
            answers.retain(|_, known| now <= known.until);
            *all = answers.values().map(|known| known.bytes).sum();
        }
        if answers.len() < COUNT_MAX && *all + bytes <= BYTES_MAX {
            *all += bytes;
            answers.insert(question.to_owned(), Known { answer: Arc::clone(answer), bytes, until });
        }
    }
}

impl fmt::Debug for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("Responses")
            .field("answers", &inner.answers.len())
            .field("bytes", &inner.bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use observability::clock::Clock;

    use super::*;

    #[test]
    fn answers_are_good_for_their_time_and_never_too_many() {
        let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
        let responses = Responses::default();
        let answer = Arc::new(Value::Int(1));
        let now = clock.monotonic();
        responses.put("a", &answer, now, now.plus(Duration::from_secs(10)));
        assert!(responses.get("a", now).is_some() && responses.get("b", now).is_none());
        hand.advance(Duration::from_secs(11));
        let now = clock.monotonic();
        assert!(responses.get("a", now).is_none());
        for number in 0..=COUNT_MAX {
            responses.put(&number.to_string(), &answer, now, now.plus(Duration::from_secs(10)));
        }
        assert_eq!(responses.lock().answers.len(), COUNT_MAX);
        let large = Arc::new(Value::from("x".repeat(BYTES_MAX)));
        responses.put("large", &large, now, now);
        assert!(responses.get("large", now).is_none());
        hand.advance(Duration::from_secs(11));
        let now = clock.monotonic();
        responses.put("new", &answer, now, now.plus(Duration::from_secs(10)));
        assert_eq!(responses.lock().answers.len(), 1);
    }
}
