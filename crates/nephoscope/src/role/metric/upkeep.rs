//! What goes on beside requests: the store is written to disk part by part, and whether store and index work is looked at.

use std::convert::Infallible;
use std::time::Duration;

use metric::{CleanUp, Metrics as Store};
use observability::health::{HealthRegistry, Scope};
use observability::supervisor::Supervisor;

use super::settings::Lives;

/// In so long all of the store is written to disk once, step by step.
const ROUND: Duration = Duration::from_mins(10);
/// How often it is asked whether store and index work.
const LOOK: Duration = Duration::from_secs(1);
/// Within this time the index must answer.
const INDEX_ANSWER: Duration = Duration::from_secs(5);

/// Begins with it.
pub(crate) fn start(supervisor: &Supervisor, health: &HealthRegistry, store: &Store, lives: Lives) {
    maintain(supervisor, health, store.clone());
    if lives.inactive_after.is_some() || lives.deleted_after.is_some() {
        clean_up(supervisor, health, store.clone(), lives);
    }
    look(supervisor, health, store.clone());
}

/// Writes the store to disk part by part, and looks after what was deleted.
fn maintain(supervisor: &Supervisor, health: &HealthRegistry, store: Store) {
    let check = health.register("metric-maintenance", Scope::Ready);
    check.ok();
    let (clock, stop) = (supervisor.clock().clone(), supervisor.token().clone());
    let pause = ROUND / u32::try_from(Store::STEPS).unwrap_or(1);
    supervisor.spawn_once("metric-maintenance", async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok::<(), Infallible>(()),
                () = clock.sleep(pause) => {}
            }
            match store.maintain().await {
                Ok(()) => check.ok(),
                Err(error) => check.degraded(&error),
            }
        }
    });
}

/// Ends resources that are silent, and deletes those that ended long ago.
fn clean_up(supervisor: &Supervisor, health: &HealthRegistry, store: Store, lives: Lives) {
    let check = health.register("metric-cleanup", Scope::Ready);
    check.ok();
    let (clock, stop) = (supervisor.clock().clone(), supervisor.token().clone());
    supervisor.spawn_once("metric-cleanup", async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok::<(), Infallible>(()),
                () = clock.sleep(lives.pause) => {}
            }
            match store.clean_up(lives.inactive_after, lives.deleted_after).await {
                Ok(CleanUp { ended: 0, deleted: 0 }) => check.ok(),
                Ok(CleanUp { ended, deleted }) => {
                    check.ok();
                    tracing::info!(
                        ended,
                        deleted,
                        "resources without measures have ended, old ones are gone"
                    );
                }
                Err(error) => check.degraded(&error),
            }
        }
    });
}

/// Shows whether measures can be taken and the index answers. Either may end and begin again without a restart; what works
/// meanwhile goes on, so that neither makes the role unready.
fn look(supervisor: &Supervisor, health: &HealthRegistry, store: Store) {
    let measures = health.register("metric-store", Scope::Ready);
    let index = health.register("metric-index", Scope::Ready);
    // Both have just been opened.
    measures.ok();
    index.ok();
    let (clock, stop) = (supervisor.clock().clone(), supervisor.token().clone());
    supervisor.spawn_once("metric-health", async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok::<(), Infallible>(()),
                () = clock.sleep(LOOK) => {}
            }
            // Nobody may write while it is refused: it tries by itself whether that is over.
            let tried = store.try_to_write().await;
            match store.write_trouble().filter(|_| tried.is_err()) {
                None => measures.ok(),
                Some(why) => measures.degraded(format_args!("the store takes no measures: {why}")),
            }
            match tokio::time::timeout(INDEX_ANSWER, store.index().ping()).await {
                Ok(Ok(())) => index.ok(),
                Ok(Err(error)) => index.degraded(format_args!("the index does not answer: {error}")),
                Err(_elapsed) => index.degraded("the index does not answer in time"),
            }
        }
    });
}
