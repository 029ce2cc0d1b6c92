//! [`Cycle`]: what pollsters and discoveries are told of the cycle that they run in.

use observability::clock::Clock;

use crate::CycleCache;

/// One cycle of a polling task.
#[derive(Debug)]
pub struct Cycle {
    /// What has been read in this cycle.
    pub cache: CycleCache,
    /// The time.
    pub clock: Clock,
}

impl Cycle {
    /// A cycle in which nothing has been read yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { cache: CycleCache::default(), clock }
    }
}
