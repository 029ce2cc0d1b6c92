//! [`Answers`]: what a service has answered, kept for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use observability::clock::{Clock, MonotonicTime};
use openstack::Error;

use super::{KEPT, KEPT_ABSENT, NovaMetrics};

/// Answers at most; beyond, the one whose time ends first goes.
const MAX_ENTRIES: usize = 4096;

/// Answers by id or name, of one kind. "There is none" is an answer too, and is kept for a shorter time.
///
/// When its time is up and the service fails, an answer serves on: a service that is down does not change what was true. So
/// do others then, without a question, for a while: each question could take as long as its deadline.
pub(super) struct Answers<T> {
    what: &'static str,
    clock: Clock,
    metrics: NovaMetrics,
    entries: Mutex<Entries<T>>,
}

struct Entries<T> {
    by_key: HashMap<String, Entry<T>>,
    /// Until when nobody is asked for what was answered before.
    resting_until: Option<MonotonicTime>,
}

#[derive(Clone)]
struct Entry<T> {
    answer: Option<T>,
    until: MonotonicTime,
}

impl<T: Clone + Send> Answers<T> {
    /// None yet. `what` they are is told to the operator.
    pub(super) fn new(what: &'static str, clock: Clock, metrics: NovaMetrics) -> Self {
        let entries = Mutex::new(Entries { by_key: HashMap::new(), resting_until: None });
        Self { what, clock, metrics, entries }
    }

    /// The answer that is kept, else that of `ask`.
    pub(super) async fn of<F>(&self, key: &str, ask: impl FnOnce() -> F) -> Result<Option<T>, Error>
    where
        F: Future<Output = Result<Option<T>, Error>>,
    {
        let now = self.clock.monotonic();
        let (older, is_resting) = {
            let entries = self.lock();
            (entries.by_key.get(key).cloned(), entries.resting_until.is_some_and(|until| now < until))
        };
        if let Some(entry) = &older {
            if now < entry.until {
                return Ok(entry.answer.clone());
            }
            if is_resting {
                self.metrics.outdated.with([self.what]).inc();
                return Ok(entry.answer.clone());
            }
        }
        match (ask().await, older) {
            (Ok(answer), _) => {
                self.keep(key, answer.clone());
                Ok(answer)
            }
            (Err(error), None) => Err(error),
            (Err(error), Some(Entry { answer, .. })) => {
                self.metrics.errors.with([error.cause()]).inc();
                self.metrics.outdated.with([self.what]).inc();
                tracing::warn!(what = self.what, id = key, "what was answered before serves on: {error}");
                self.lock().resting_until = Some(self.clock.monotonic().plus(KEPT_ABSENT));
                Ok(answer)
            }
        }
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, key: &str, answer: Option<T>) {
        let time = if answer.is_some() { KEPT } else { KEPT_ABSENT };
        self.put(key, Entry { answer, until: self.clock.monotonic().plus(time) });
    }

    /// Whether an answer is kept whose time is not up.
    #[cfg(test)]
    fn is_kept(&self, key: &str) -> bool {
        let now = self.clock.monotonic();
        self.lock().by_key.get(key).is_some_and(|entry| now < entry.until)
    }

    fn put(&self, key: &str, entry: Entry<T>) {
        let now = self.clock.monotonic();
        let mut entries = self.lock();
        let entries = &mut entries.by_key;
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(key) {
            entries.retain(|_, entry| now < entry.until);
            if entries.len() >= MAX_ENTRIES
                && let Some(first) =
                    entries.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| key.clone())
            {
                entries.remove(&first);
            }
        }
        entries.insert(key.to_owned(), entry);
    }

    fn lock(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Answers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("what", &self.what).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use observability::clock::TestClock;
    use observability::metrics::Metrics;

    use super::*;

    struct Asked {
        answers: Answers<u32>,
        hand: TestClock,
        metrics: Metrics,
        times: Cell<u32>,
    }

    impl Asked {
        fn new() -> Self {
            let (clock, hand) = Clock::test("2026-11-26T02:00:00Z".parse().unwrap());
            let metrics = Metrics::new();
            let answers = Answers::new("flavor", clock, NovaMetrics::register(&metrics.component("compute")));
            Self { answers, hand, metrics, times: Cell::new(0) }
        }

        async fn of(
            &self,
            key: &str,
            answer: Result<Option<u32>, &str>,
        ) -> Result<Option<u32>, &'static str> {
            let ask = || async {
                self.times.set(self.times.get() + 1);
                answer.map_err(|message| Error::Timeout { message: message.into() })
            };
            self.answers.of(key, ask).await.map_err(|error| error.cause())
        }
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_time_and_none_for_a_shorter_one() {
        let asked = Asked::new();
        assert_eq!(asked.of("a", Ok(Some(1))).await, Ok(Some(1)));
        assert_eq!(asked.of("b", Ok(None)).await, Ok(None));
        asked.hand.advance(KEPT_ABSENT.saturating_sub(Duration::from_secs(1)));
        assert_eq!(
            (asked.of("a", Ok(Some(2))).await, asked.of("b", Ok(Some(2))).await),
            (Ok(Some(1)), Ok(None))
        );
        assert_eq!(asked.times.get(), 2);
        asked.hand.advance(Duration::from_secs(1));
        assert_eq!(
            (asked.of("a", Ok(Some(3))).await, asked.of("b", Ok(Some(3))).await),
            (Ok(Some(1)), Ok(Some(3)))
        );
        asked.hand.advance(KEPT);
        assert!(!asked.answers.is_kept("a"));
        assert_eq!(asked.of("a", Ok(None)).await, Ok(None));
        assert!(asked.answers.is_kept("a"));
    }

    #[tokio::test]
    async fn who_fails_is_left_alone_while_older_answers_serve() {
        let asked = Asked::new();
        assert_eq!(asked.of("a", Err("down")).await, Err("timeout"));
        for key in ["a", "b"] {
            assert_eq!(asked.of(key, Ok(Some(1))).await, Ok(Some(1)));
        }
        asked.hand.advance(KEPT);
        for key in ["a", "b", "a"] {
            assert_eq!(asked.of(key, Err("down")).await, Ok(Some(1)));
        }
        assert_eq!(asked.times.get(), 4);
        // Of what nothing is known there is nothing else to do.
        assert_eq!(asked.of("c", Ok(Some(7))).await, Ok(Some(7)));
        let text = asked.metrics.prometheus_text();
        for line in [
            "nephoscope_compute_nova_errors_total{cause=\"timeout\"} 1",
            "nephoscope_compute_nova_outdated_total{what=\"flavor\"} 3",
        ] {
            assert!(text.contains(line), "{text}");
        }
        asked.hand.advance(KEPT_ABSENT);
        assert_eq!(asked.of("a", Ok(Some(2))).await, Ok(Some(2)));
    }

    #[tokio::test]
    async fn there_is_a_bound() {
        let asked = Asked::new();
        asked.answers.keep("first to end", None);
        for number in 0..MAX_ENTRIES {
            asked.answers.keep(&number.to_string(), Some(1));
        }
        assert!(!asked.answers.is_kept("first to end") && asked.answers.is_kept("0"));
        asked.answers.keep("0", Some(2));
        asked.hand.advance(Duration::from_secs(1));
        asked.answers.keep("another", Some(1));
        assert_eq!(asked.answers.lock().by_key.len(), MAX_ENTRIES);
        asked.hand.advance(KEPT);
        asked.answers.keep("and another", Some(1));
        assert_eq!(asked.answers.lock().by_key.len(), 1);
    }
}
