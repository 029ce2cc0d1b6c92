//! [`CycleCache`]: what pollsters of one cycle read once and share.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// Values shared by the pollsters of one cycle, one of each type.
///
/// The type is the key: a family declares a type of its own for what it reads (for example the statistics of all
/// domains of a hypervisor), so that two families cannot take each other's values. A value that says why it could not be
/// read (a `Result`) is a value like any other: whoever comes later does not try again in the same cycle.
#[derive(Default)]
pub struct CycleCache(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl CycleCache {
    /// The value of type `T`; `make` makes it if nobody has in this cycle. Who comes meanwhile waits for the same one.
    /// When whoever makes it gives up, the next one in line makes it.
    pub async fn get_or_make<T, F>(&self, make: impl FnOnce() -> F + Send) -> Arc<T>
    where
        T: Send + Sync + 'static,
        F: Future<Output = T> + Send,
    {
        let place = self.place::<T>();
        Arc::clone(place.get_or_init(|| async move { Arc::new(make().await) }).await)
    }

    fn place<T: Send + Sync + 'static>(&self) -> Arc<OnceCell<Arc<T>>> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(OnceCell::<Arc<T>>::new()));
        // What stands under a type's id is a cell of that type, so the other case cannot come about.
        Arc::clone(place).downcast().unwrap_or_default()
    }
}

impl fmt::Debug for CycleCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("CycleCache").field("values", &values).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Images(usize);
    #[derive(Debug, PartialEq)]
    struct Volumes(usize);

    #[tokio::test]
    async fn each_type_is_made_once_whoever_comes_first() {
        let cache = CycleCache::default();
        let made = AtomicUsize::new(0);
        let images = || {
            cache.get_or_make(|| async {
                tokio::task::yield_now().await;
                Images(made.fetch_add(1, Ordering::Relaxed) + 1)
            })
        };
        let (one, other) = tokio::join!(images(), images());
        assert!(Arc::ptr_eq(&one, &other));
        let volumes = cache.get_or_make(|| async { Volumes(7) }).await;
        assert_eq!((&*one, &*volumes, made.into_inner()), (&Images(1), &Volumes(7), 1));
    }

    #[tokio::test]
    async fn one_who_gives_up_leaves_it_to_the_next() {
        let cache = CycleCache::default();
        let never = cache.get_or_make(|| async { std::future::pending::<Images>().await });
        tokio::select! {
            biased;
            _ = never => unreachable!(),
            () = std::future::ready(()) => {}
        }
        assert_eq!(*cache.get_or_make(|| async { Images(2) }).await, Images(2));
    }
}
