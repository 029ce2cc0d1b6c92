//! The archive policies of a store.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use archive::ArchivePolicy;

use crate::PolicyNumber;

/// The policies by their numbers. A number is never given to another one.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    by_number: RwLock<BTreeMap<PolicyNumber, Arc<ArchivePolicy>>>,
}

impl Policies {
    pub(crate) fn get(&self, number: PolicyNumber) -> Option<Arc<ArchivePolicy>> {
        self.by_number.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    pub(crate) fn put(&self, number: PolicyNumber, policy: ArchivePolicy) {
        let mut by_number = self.by_number.write().unwrap_or_else(PoisonError::into_inner);
        by_number.insert(number, Arc::new(policy));
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(PolicyNumber, Arc<ArchivePolicy>)> {
        let by_number = self.by_number.read().unwrap_or_else(PoisonError::into_inner);
        by_number.iter().map(|(number, policy)| (*number, Arc::clone(policy))).collect()
    }

    /// The number and the policy of a name.
    pub(crate) fn named(&self, name: &str) -> Option<(PolicyNumber, Arc<ArchivePolicy>)> {
        let by_number = self.by_number.read().unwrap_or_else(PoisonError::into_inner);
        by_number
            .iter()
            .find_map(|(number, policy)| (policy.name() == name).then(|| (*number, Arc::clone(policy))))
    }

    /// A number that none has; `None` when all are used up.
    pub(crate) fn next(&self) -> Option<PolicyNumber> {
        let by_number = self.by_number.read().unwrap_or_else(PoisonError::into_inner);
        match by_number.last_key_value() {
            Some((PolicyNumber(last), _)) => last.checked_add(1).map(PolicyNumber),
            None => Some(PolicyNumber(0)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_number.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}
