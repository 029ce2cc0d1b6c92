//! What a member had that is gone: when the others may not leave it until their next turn.

use std::sync::Arc;
use std::time::Duration;

use observability::clock::MonotonicTime;

use super::Membership;
use crate::rings::Rings;

impl Membership {
    /// For work that is done every `interval`, next at `due`, and was last done by the rings `before`: waits until members are
    /// gone whose part would be left for longer than two intervals if it were done at `due` alone. Returns what is known then.
    ///
    /// Whoever is gone may have been dead for [`membership_timeout`](crate::BackendUrl::membership_timeout) when it was seen last,
    /// and may have done its part an interval before that. Mostly `due` is soon enough: its part is not done twice
    /// in an interval then. Otherwise, this member has just done its own part, as it was before, and what is done at once is
    /// done again nearly an interval later.
    pub async fn takeover(&self, before: &Rings, due: MonotonicTime, interval: Duration) -> Arc<Rings> {
        let mut rings = self.0.rings.subscribe();
        let is_urgent = |now: &Option<Arc<Rings>>| {
            now.as_ref().is_some_and(|now| self.is_urgent(now, before, due, interval))
        };
        let rings = rings.wait_for(is_urgent).await.ok().and_then(|rings| rings.clone());
        match rings {
            Some(rings) => rings,
            // The sender is this member's own, and lives as long.
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_urgent(
        &self,
        now: &Rings,
        before: &Rings,
        due: MonotonicTime,
        interval: Duration,
    ) -> bool {
        let seen_until = now.lost_since(before);
        seen_until.is_some_and(|seen_until| due.since(seen_until) + self.0.membership_timeout > interval)
    }
}
