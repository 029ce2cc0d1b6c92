//! Pauses that grow and differ from peer to peer.

use std::time::Duration;

/// A pause that doubles with each failure up to a bound, with jitter, and starts anew after a long healthy run.
///
/// Each pause is drawn evenly from the upper half of its range: never so short that it hammers, never the same for a
/// hundred agents that lost the same broker at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    last: Duration,
    healthy_after: Duration,
    next: Duration,
}

impl Default for Backoff {
    /// From 0.5 s to 30 s; a run of a minute counts as healthy.
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30), Duration::from_mins(1))
    }
}

impl Backoff {
    /// Pauses from `first` to `last`; an attempt that ran for `healthy_after` or longer starts the row anew.
    pub fn new(first: Duration, last: Duration, healthy_after: Duration) -> Self {
        let last = last.max(first);
        Self { first, last, healthy_after, next: first }
    }

    /// The pause before the next attempt, given how long the failed one ran.
    pub fn next_pause(&mut self, ran: Duration) -> Duration {
        if ran >= self.healthy_after {
            self.next = self.first;
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.last);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Starts the row anew, after a success that is known otherwise than by the length of a run.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_start_anew() {
        let mut backoff =
            Backoff::new(Duration::from_secs(1), Duration::from_secs(5), Duration::from_mins(1));
        for full in [1, 2, 4, 5, 5] {
            let pause = backoff.next_pause(Duration::ZERO);
            let full = Duration::from_secs(full);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        assert!(backoff.next_pause(Duration::from_mins(1)) <= Duration::from_secs(1));
        backoff.next_pause(Duration::ZERO);
        backoff.reset();
        assert!(backoff.next_pause(Duration::ZERO) <= Duration::from_secs(1));
    }

    #[test]
    fn pauses_differ() {
        let pauses: std::collections::BTreeSet<Duration> =
            (0..50).map(|_| Backoff::default().next_pause(Duration::ZERO)).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
