//! The watchdog is fed only while every main loop makes progress.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ServiceManager;
use crate::clock::{Clock, MonotonicTime};
use crate::health::{Check, HealthRegistry, Scope};

/// The watchdog is fed this many times within the interval after which systemd would act.
const PINGS_PER_INTERVAL: u32 = 3;
/// How often progress is looked at when no watchdog is configured (health shows it all the same).
const DEFAULT_LOOK: Duration = Duration::from_secs(5);

/// The main loops of a role, each with its promise. Cheap to clone; clones share the loops.
#[derive(Debug, Clone)]
pub struct ProgressRegistry(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    loops: Mutex<Loops>,
}

#[derive(Debug, Default)]
struct Loops {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    promise: Duration,
    /// None while the loop has said that it waits for work.
    last_tick: Option<MonotonicTime>,
}

/// One main loop's promise to come around within its interval. Dropping it ends the promise.
pub struct Progress {
    registry: ProgressRegistry,
    id: u64,
}

impl ProgressRegistry {
    /// A registry without loops.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared { clock, loops: Mutex::default() }))
    }

    /// Promises that the loop `name` will tick at least once in every `promise` from now on.
    pub fn register(&self, name: impl Into<String>, promise: Duration) -> Progress {
        let last_tick = Some(self.0.clock.monotonic());
        let mut loops = self.lock();
        let id = loops.next;
        loops.next += 1;
        loops.entries.insert(id, Entry { name: name.into(), promise, last_tick });
        Progress { registry: self.clone(), id }
    }

    /// The loops that have broken their promise, with the time since their last tick.
    pub fn late(&self) -> Vec<(String, Duration)> {
        let now = self.0.clock.monotonic();
        let loops = self.lock();
        let late = loops.entries.values().filter_map(|entry| {
            let silent = now.since(entry.last_tick?);
            (silent > entry.promise).then(|| (entry.name.clone(), silent))
        });
        late.collect()
    }

    /// Feeds the service manager's watchdog until `stop`, but only while no loop is late, and keeps the check
    /// `progress` of `health` (late loops make the role not alive). Run it as a supervised task.
    ///
    /// `interval` is systemd's; without one, only health is kept. The watchdog goes on being fed during a drain: the
    /// drain has its own deadline.
    pub async fn feed_watchdog(
        self,
        manager: ServiceManager,
        interval: Option<Duration>,
        health: HealthRegistry,
        stop: CancellationToken,
    ) {
        let check = health.register("progress", Scope::Alive);
        let look = interval.map_or(DEFAULT_LOOK, |interval| interval / PINGS_PER_INTERVAL);
        let mut was_late = false;
        loop {
            let late = self.late();
            was_late = report(&check, &late, was_late);
            if late.is_empty() && interval.is_some() {
                manager.watchdog();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.clock.sleep(look) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Loops> {
        self.0.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(check: &Check, late: &[(String, Duration)], was_late: bool) -> bool {
    if late.is_empty() {
        check.ok();
        if was_late {
            tracing::info!("all main loops make progress again");
        }
        return false;
    }
    let list: Vec<String> =
        late.iter().map(|(name, silent)| format!("{name} (silent for {} s)", silent.as_secs())).collect();
    let list = list.join(", ");
    if !was_late {
        tracing::error!(loops = list, "main loops make no progress; the watchdog is not fed");
    }
    check.failed(format_args!("no progress: {list}"));
    true
}

impl Progress {
    /// The loop has come around.
    pub fn tick(&self) {
        self.set(Some(self.registry.0.clock.monotonic()));
    }

    /// The loop waits for work that may never come; the promise rests until the next [`Progress::tick`].
    pub fn rest(&self) {
        self.set(None);
    }

    fn set(&self, last_tick: Option<MonotonicTime>) {
        if let Some(entry) = self.registry.lock().entries.get_mut(&self.id) {
            entry.last_tick = last_tick;
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loops = self.registry.lock();
        let name = loops.entries.get(&self.id).map(|entry| entry.name.as_str());
        formatter.debug_struct("Progress").field("name", &name).finish_non_exhaustive()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.registry.lock().entries.remove(&self.id);
    }
}
