//! Reads of the store, which end when nobody waits for them any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metric_store::Store;

use crate::{Kind, Refusal};

/// Points of a series after which it is asked once more whether somebody waits.
pub(crate) const POINTS: usize = 256;

/// The store, for as long as somebody waits for what is read.
#[derive(Debug)]
pub(crate) struct Reader<'s> {
    store: &'s Store,
    given_up: &'s AtomicBool,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(store: &'s Store, given_up: &'s AtomicBool) -> Self {
        Self { store, given_up }
    }

    /// The store. To be asked for anew for each series: it costs nothing beside one.
    ///
    /// # Errors
    /// Nobody waits any more; nobody is told, either.
    pub(crate) fn store(&self) -> Result<&'s Store, Refusal> {
        if self.given_up.load(Ordering::Relaxed) { Err(given_up()) } else { Ok(self.store) }
    }

    /// Set when nobody waits any more.
    pub(crate) fn given_up(&self) -> &'s AtomicBool {
        self.given_up
    }
}

/// What a read ends with that nobody waits for.
pub(crate) fn given_up() -> Refusal {
    Refusal::new(Kind::Unavailable, "The request was given up.")
}

/// Held by whoever waits: when it is dropped, the read is given up.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// For the thread that reads.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use observability::clock::Clock;

    use super::*;
    use crate::{Metrics, Settings};

    /// Longer than anything takes that ends.
    const LIMIT: Duration = Duration::from_secs(30);

    /// Once it had to be waited for to its end, however long it took, and kept its place.
    #[tokio::test]
    async fn a_read_that_nobody_waits_for_ends() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:///{}", directory.path().join("index.sqlite").display());
        let store = directory.path().join("measures");
        let (metrics, _) = Metrics::open(&store, &url, Settings::default(), Clock::machine()).await.unwrap();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go, may_go) = mpsc::sync_channel::<()>(1);
        let (ended, has_ended) = mpsc::sync_channel(1);
        let read = metrics.on_store(move |reader| {
            let before = reader.store().is_ok();
            let _ = begun.send(());
            let _ = may_go.recv();
            let read = reader.store().map(|_| ());
            let _ = ended.send((before, read.clone()));
            read
        });
        // It is dropped here, as by a deadline, while it is under way.
        tokio::select! {
            _ = read => panic!("it cannot have ended"),
            begun = has_begun => begun.unwrap(),
        }
        assert_eq!(metrics.reads_under_way(), 1);
        go.send(()).unwrap();
        let ended = tokio::task::spawn_blocking(move || has_ended.recv_timeout(LIMIT)).await.unwrap();
        assert_eq!(ended.unwrap(), (true, Err(given_up())));
        // Its place is free.
        let free = tokio::task::spawn_blocking({
            let metrics = metrics.clone();
            move || {
                testkit::wait::wait_until("a free place", LIMIT, || {
                    (metrics.reads_under_way() == 0).then_some(())
                })
            }
        });
        free.await.unwrap().unwrap();
        // One that is waited for is not given up.
        assert_eq!(metrics.on_store(|reader| reader.store().map(|_| 1)).await, Ok(1));
    }
}
