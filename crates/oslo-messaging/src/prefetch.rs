//! How many messages the broker may send ahead on one queue, from the sizes seen.
//!
//! It starts small, because nothing is known of a backlog's messages, and rises to the configured number when they
//! turn out small. It is set per consumer (quorum queues refuse channel-wide limits), so a change means to cancel the
//! consumer and start another; hence it changes by large steps only.

/// Size assumed before the first message, in bytes.
const ASSUMED_BYTES: u64 = 1024 * 1024;
/// One part in this many of a new size enters the moving average: wide enough that a run of larger ones among usual ones
/// changes nothing.
const AVERAGE_WINDOW: f64 = 64.0;
/// What remains of the remembered peak after each message.
const PEAK_DECAY: f64 = 0.995;
/// The peak counts this many times less than the average: the byte budget stops what this lets through.
const PEAK_DISCOUNT: f64 = 8.0;
/// Head room over the average.
const AVERAGE_MARGIN: f64 = 1.5;
/// A rise waits for this many messages (or the number in force, if smaller).
const RISE_SAMPLES: u32 = 32;
/// A rise multiplies by at most this.
const RISE_FACTOR: u16 = 8;

/// The policy for one queue.
#[derive(Debug, Clone)]
pub(crate) struct Prefetch {
    max: u16,
    share_bytes: f64,
    current: u16,
    /// `None` before the first message.
    average: Option<f64>,
    peak: f64,
    samples: u32,
}

#[expect(clippy::cast_precision_loss, reason = "estimates of sizes")]
impl Prefetch {
    /// `max` messages at most, and about `share_bytes` bytes.
    pub(crate) fn new(max: u16, share_bytes: u64) -> Self {
        let start = (share_bytes / ASSUMED_BYTES).clamp(1, u64::from(max.max(1)));
        Self {
            max: max.max(1),
            share_bytes: share_bytes as f64,
            current: u16::try_from(start).unwrap_or(1),
            average: None,
            peak: 0.0,
            samples: 0,
        }
    }

    /// The number in force.
    pub(crate) fn current(&self) -> u16 {
        self.current
    }

    /// Notes the size of a message.
    pub(crate) fn observe(&mut self, bytes: u64) {
        let bytes = bytes as f64;
        self.average =
            Some(self.average.map_or(bytes, |average| average + (bytes - average) / AVERAGE_WINDOW));
        self.peak = (self.peak * PEAK_DECAY).max(bytes);
        self.samples = self.samples.saturating_add(1);
    }

    /// A number that the queue should change to, if the change is worth the round trips.
    pub(crate) fn proposal(&self) -> Option<u16> {
        let target = self.target();
        if u32::from(target) * 4 < u32::from(self.current) * 3 {
            return Some(target);
        }
        let risen = target.min(self.current.saturating_mul(RISE_FACTOR));
        let worth = u32::from(risen) * 2 >= u32::from(self.current) * 3
            || (risen == self.max && risen > self.current);
        let known = self.samples >= RISE_SAMPLES.min(u32::from(self.current));
        (worth && known).then_some(risen)
    }

    /// The proposal was put into force.
    pub(crate) fn set(&mut self, value: u16) {
        self.current = value.clamp(1, self.max);
        self.samples = 0;
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=65535")]
    fn target(&self) -> u16 {
        let Some(average) = self.average else { return self.current };
        let size = (average * AVERAGE_MARGIN).max(self.peak / PEAK_DISCOUNT).max(1.0);
        (self.share_bytes / size).clamp(1.0, f64::from(self.max)) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: u64 = 8 * 1024 * 1024;

    fn settle(policy: &mut Prefetch, bytes: u64, messages: u32) -> Vec<u16> {
        let mut changes = Vec::new();
        for _ in 0..messages {
            policy.observe(bytes);
            if let Some(value) = policy.proposal() {
                policy.set(value);
                changes.push(value);
            }
        }
        changes
    }

    #[test]
    fn small_messages_raise_it_to_the_configured_number_in_few_steps() {
        let mut policy = Prefetch::new(1000, SHARE);
        assert_eq!(policy.current(), 8);
        assert_eq!(settle(&mut policy, 1_400, 1_000), [64, 512, 1000]);
    }

    #[test]
    fn large_messages_keep_it_small() {
        let mut policy = Prefetch::new(1000, SHARE);
        settle(&mut policy, 1_000_000, 1_000);
        assert!((4..=8).contains(&policy.current()), "{}", policy.current());
        settle(&mut policy, 20_000_000, 100);
        assert_eq!(policy.current(), 1);
    }

    #[test]
    fn it_falls_at_once_when_messages_grow_and_recovers() {
        let mut policy = Prefetch::new(1000, SHARE);
        settle(&mut policy, 1_400, 1_000);
        policy.observe(1_000_000);
        assert!(policy.proposal().is_some_and(|value| value < 100), "{:?}", policy.proposal());
        settle(&mut policy, 1_000_000, 100);
        assert!(policy.current() <= 8);
        settle(&mut policy, 1_400, 2_000);
        assert_eq!(policy.current(), 1000);
    }

    #[test]
    fn a_steady_mix_does_not_flap() {
        let mut policy = Prefetch::new(1000, SHARE);
        let mut changes = 0;
        for index in 0..10_000_u32 {
            policy.observe(if index % 50 == 0 { 300_000 } else { 2_000 });
            if let Some(value) = policy.proposal() {
                policy.set(value);
                changes += 1;
            }
        }
        assert!(changes <= 20, "{changes} changes");
    }

    /// A run of notifications of instances, 5 kB each, once made the consumer start anew dozens of times a second.
    #[test]
    fn runs_of_larger_messages_among_small_ones_change_nothing() {
        let mut policy = Prefetch::new(2000, 16 * 1024 * 1024);
        settle(&mut policy, 1_500, 1_000);
        for _ in 0..100 {
            for (bytes, messages) in [(1_500, 73), (5_400, 4), (3_500, 60)] {
                assert!(settle(&mut policy, bytes, messages).is_empty());
            }
        }
    }

    #[test]
    fn it_never_leaves_its_bounds() {
        let mut policy = Prefetch::new(3, 10);
        assert_eq!(policy.current(), 1);
        settle(&mut policy, 0, 100);
        assert_eq!(policy.current(), 3);
        settle(&mut policy, u64::MAX, 10);
        assert_eq!(policy.current(), 1);
    }
}
