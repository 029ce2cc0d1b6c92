//! [`Shared`]: the work is shared with other agents.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use coordination::{Membership, Rings};

use super::{Beginning, Group, Partition, Share, SharedGroups, What};

/// Shares the work with the other members of its groups.
#[derive(Debug)]
pub struct Shared {
    membership: Membership,
    groups: Mutex<Arc<SharedGroups>>,
}

impl Shared {
    /// Shares what belongs to these groups.
    #[must_use]
    pub fn new(membership: Membership, groups: SharedGroups) -> Self {
        membership.set_groups(groups.all().clone());
        Self { membership, groups: Mutex::new(Arc::new(groups)) }
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
}

impl Partition for Shared {
    fn begin(&self) -> Beginning<'_> {
        let groups = Arc::clone(&self.groups.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(async move {
            let rings = self.membership.for_cycle().await;
            Arc::new(InCycle { rings, groups }) as Arc<dyn Share>
        })
    }
}

/// The groups as they are in one cycle.
#[derive(Debug)]
struct InCycle {
    /// `None`: the others were never seen, and everything is polled.
    rings: Option<Arc<Rings>>,
    groups: Arc<SharedGroups>,
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
}
