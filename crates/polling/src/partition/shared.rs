//! [`Shared`]: the work is shared with other agents.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coordination::{Membership, Rings};
use observability::clock::MonotonicTime;

use super::{Beginning, Group, Partition, Share, SharedGroups, What};

/// Shares the work with the other members of its groups. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Shared {
    membership: Membership,
    groups: Arc<Mutex<Arc<SharedGroups>>>,
}

impl Shared {
    /// Shares what belongs to these groups.
    #[must_use]
    pub fn new(membership: Membership, groups: SharedGroups) -> Self {
        membership.set_groups(groups.all().clone());
        Self { membership, groups: Arc::new(Mutex::new(Arc::new(groups))) }
    }

    /// Goes on with other groups, from the next cycle on.
    pub fn take(&self, groups: SharedGroups) {
        self.membership.set_groups(groups.all().clone());
        *self.groups.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(groups);
    }

    /// This agent among the others.
    #[must_use]
    pub const fn membership(&self) -> &Membership {
        &self.membership
    }

    fn share(&self, rings: Option<Arc<Rings>>) -> Arc<dyn Share> {
        let groups = Arc::clone(&self.groups.lock().unwrap_or_else(PoisonError::into_inner));
        Arc::new(InCycle { rings, groups, shared: self.clone() })
    }
}

impl Partition for Shared {
    fn begin(&self) -> Beginning<'_> {
        Box::pin(async {
            let rings = self.membership.for_cycle().await;
            self.share(rings)
        })
    }
}

/// The groups as they are in one cycle.
#[derive(Debug)]
struct InCycle {
    /// `None`: the others were never seen, and everything is polled.
    rings: Option<Arc<Rings>>,
    groups: Arc<SharedGroups>,
    shared: Shared,
}

impl Share for InCycle {
    fn is_mine(&self, group: Group<'_>, what: What<'_>) -> bool {
        let (Some(rings), Some(group)) = (&self.rings, self.groups.name(group)) else { return true };
        let key = match what {
            What::Pollster(name) => Cow::Borrowed(name),
            What::Resource(resource) if self.groups.with_python() => resource.python_text(),
            What::Resource(resource) => Cow::Borrowed(resource.id()),
        };
        rings.owns(&group, &key)
    }

    fn takeover(&self, due: MonotonicTime, interval: Duration) -> Beginning<'_> {
        Box::pin(async move {
            // Who has polled everything has nothing to take over.
            let Some(before) = &self.rings else { return std::future::pending().await };
            let rings = self.shared.membership.takeover(before, due, interval).await;
            self.shared.share(Some(rings))
        })
    }
}
