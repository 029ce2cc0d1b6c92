//! Waits between attempts.

use std::time::Duration;

/// Doubling waits with jitter.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, failures: 0 }
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        jitter(self.first.saturating_mul(1 << doublings).min(self.max))
    }

    /// All is well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// `wait` give or take a quarter, so that many clients of one broker do not come back all at once.
pub(crate) fn jitter(wait: Duration) -> Duration {
    wait.mul_f64(0.75 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        for expected in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] {
            let wait = backoff.next().as_secs_f64();
            assert!((expected * 0.75..=expected * 1.25).contains(&wait), "{wait} for {expected}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(1250));
        for _ in 0..100 {
            assert!(backoff.next() <= Duration::from_millis(12_500));
        }
    }
}
