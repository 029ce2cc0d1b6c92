//! The archive policies of a store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use archive::ArchivePolicy;
use archive::raw::Retention;

use crate::PolicyNumber;
use crate::columns::Columns;

/// A policy, with what every metric of it needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Policy {
    pub(crate) archive: ArchivePolicy,
    pub(crate) columns: Columns,
    pub(crate) retention: Retention,
    pub(crate) has_rate: bool,
}

impl Policy {
    pub(crate) fn new(archive: ArchivePolicy) -> Self {
        let columns = Columns::new(archive.methods());
        let (retention, has_rate) = (archive.retention(), archive.methods().has_rate());
        Self { archive, columns, retention, has_rate }
    }
}

/// The policies by their numbers. A number is never given to another one.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    by_number: RwLock<BTreeMap<PolicyNumber, Arc<Policy>>>,
    /// The least number that nothing names: policies may be lost whose numbers measures have.
    unnamed: AtomicU32,
}

impl Policies {
    pub(crate) fn get(&self, number: PolicyNumber) -> Option<Arc<Policy>> {
        self.by_number.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    pub(crate) fn put(&self, number: PolicyNumber, policy: Arc<Policy>) {
        self.by_number.write().unwrap_or_else(PoisonError::into_inner).insert(number, policy);
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(PolicyNumber, Arc<Policy>)> {
        let by_number = self.by_number.read().unwrap_or_else(PoisonError::into_inner);
        by_number.iter().map(|(number, policy)| (*number, Arc::clone(policy))).collect()
    }

    /// The number and the policy of a name.
    pub(crate) fn named(&self, name: &str) -> Option<(PolicyNumber, Arc<Policy>)> {
        let by_number = self.by_number.read().unwrap_or_else(PoisonError::into_inner);
        by_number.iter().find_map(|(number, policy)| {
            (policy.archive.name() == name).then(|| (*number, Arc::clone(policy)))
        })
    }

    /// A number that none has and nothing names; `None` when all are used up.
    pub(crate) fn next(&self) -> Option<PolicyNumber> {
        let by_number = self.by_number.read().unwrap_or_else(PoisonError::into_inner);
        let unnamed = self.unnamed.load(Ordering::Relaxed);
        let next = match by_number.last_key_value() {
            Some((PolicyNumber(last), _)) => last.checked_add(1)?.max(unnamed),
            None => unnamed,
        };
        (next != u32::MAX).then_some(PolicyNumber(next))
    }

    /// Measures name a policy of this number, which is not there.
    pub(crate) fn note_lost(&self, PolicyNumber(number): PolicyNumber) {
        self.unnamed.fetch_max(number.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_number.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Policies that were used a moment ago, for requests with many metrics of few policies.
#[derive(Debug)]
pub(crate) struct Recent<'p> {
    policies: &'p Policies,
    last: Option<(PolicyNumber, Arc<Policy>)>,
}

impl<'p> Recent<'p> {
    pub(crate) const fn new(policies: &'p Policies) -> Self {
        Self { policies, last: None }
    }

    pub(crate) fn get(&mut self, number: PolicyNumber) -> Option<&Policy> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != number) {
            self.last = Some((number, self.policies.get(number)?));
        }
        self.last.as_ref().map(|(_, policy)| &**policy)
    }
}
