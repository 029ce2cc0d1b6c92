//! [`Subject`]: what a sample is about.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use super::wire::SubjectTexts;
use crate::{Map, Metadata, Value};

/// What subjects without metadata share.
static NO_METADATA: LazyLock<Metadata> = LazyLock::new(|| Map::new().into());

/// What was measured, whose it is, and what else is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Who owns the resource.
    pub user_id: Value,
    /// The owner's name, where names are looked up.
    pub user_name: Value,
    /// The project that pays.
    pub project_id: Value,
    /// The project's name, where names are looked up.
    pub project_name: Value,
    /// What was measured.
    pub resource_id: Value,
    /// What else is known of the resource. Samples that come out of one notification share it.
    pub resource_metadata: Metadata,
}

impl Subject {
    /// A resource of nobody's, without metadata.
    #[must_use]
    pub fn new(resource_id: impl Into<Value>) -> Self {
        Self {
            user_id: Value::Null,
            user_name: Value::Null,
            project_id: Value::Null,
            project_name: Value::Null,
            resource_id: resource_id.into(),
            resource_metadata: NO_METADATA.clone(),
        }
    }

    /// About how many bytes of memory it takes, its own place included.
    fn approximate_bytes(&self) -> usize {
        let Self { user_id, user_name, project_id, project_name, resource_id, resource_metadata } = self;
        let values = [user_id, user_name, project_id, project_name, resource_id];
        let held: usize = values.into_iter().map(Value::approximate_bytes).sum();
        size_of::<Metadata>() + held + resource_metadata.approximate_bytes()
    }
}

/// A subject that its copies share: a cycle of polling makes dozens of samples of one, and every cycle again. Whoever
/// changes one has a copy of its own from then on.
#[derive(Clone)]
pub struct SharedSubject(Arc<Shared>);

/// In this order, so that what is asked of each sample lies beside the counter of copies.
#[repr(C)]
struct Shared {
    /// [`Subject::approximate_bytes`], once somebody has asked; 0 before.
    bytes: AtomicUsize,
    /// Made for a subject that has copies only: nobody would ask a second time of another.
    texts: OnceLock<Box<SubjectTexts>>,
    subject: Subject,
}

impl Shared {
    const fn new(subject: Subject) -> Self {
        Self { subject, bytes: AtomicUsize::new(0), texts: OnceLock::new() }
    }
}

impl SharedSubject {
    /// Whether both are copies of one.
    #[must_use]
    pub fn is_copy_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// About how many bytes of memory it takes, as if it were not shared.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let shared = &*self.0;
        let known = shared.bytes.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let bytes = shared.subject.approximate_bytes();
        shared.bytes.store(bytes, Ordering::Relaxed);
        bytes
    }

    /// What messages have of it, if it has copies.
    pub(super) fn texts(&self) -> Option<&SubjectTexts> {
        if Arc::strong_count(&self.0) == 1 {
            return None;
        }
        Some(self.0.texts.get_or_init(|| Box::new(SubjectTexts::of(&self.0.subject))))
    }

    /// The same, if it was asked for before.
    pub(super) fn known_texts(&self) -> Option<&SubjectTexts> {
        self.0.texts.get().map(|texts| &**texts)
    }
}

impl Deref for SharedSubject {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.0.subject
    }
}

impl DerefMut for SharedSubject {
    fn deref_mut(&mut self) -> &mut Subject {
        let shared = Arc::make_mut(&mut self.0);
        *shared.bytes.get_mut() = 0;
        shared.texts.take();
        &mut shared.subject
    }
}

impl From<Subject> for SharedSubject {
    fn from(subject: Subject) -> Self {
        Self(Arc::new(Shared::new(subject)))
    }
}

impl Clone for Shared {
    fn clone(&self) -> Self {
        Self::new(self.subject.clone())
    }
}

impl PartialEq for SharedSubject {
    fn eq(&self, other: &Self) -> bool {
        // Not by identity: a number that is none differs from itself.
        self.0.subject == other.0.subject
    }
}

impl fmt::Debug for SharedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.subject.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_changes_one_has_a_copy_of_its_own() {
        let first = SharedSubject::from(Subject::new("r"));
        let bytes = first.approximate_bytes();
        let mut second = first.clone();
        assert!(second.is_copy_of(&first));
        second.project_id = "a project with a long name indeed".into();
        assert!(!second.is_copy_of(&first) && second != first);
        assert_eq!(first.project_id, Value::Null);
        assert!(second.approximate_bytes() > bytes);
        // What was worked out before is not true any more.
        second.project_id = Value::Null;
        assert_eq!((second.approximate_bytes(), first.approximate_bytes()), (bytes, bytes));
        assert_eq!(second, first);
        second.resource_metadata = f64::NAN.into();
        let copy = second.clone();
        assert!(copy != second, "NaN differs from itself");
    }
}
