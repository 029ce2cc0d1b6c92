//! [`Agent`]: the tasks at work.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use observability::clock::Clock;
use observability::health::{Check, HealthRegistry, Scope};
use observability::service_manager::ProgressRegistry;
use observability::supervisor::{Policy, Supervisor};
use tokio::sync::{mpsc, watch};

use crate::cycle::Task;
use crate::metrics::PollingMetrics;
use crate::poll::STALL;
use crate::schedule::Schedule;

/// A cycle shows progress with every pollster and every reading; one that does not for longer than a pollster may be silent
/// hangs.
const PROMISE: Duration = Duration::from_secs(STALL.as_secs() + 60);

/// What an agent needs of the process.
#[derive(Debug, Clone)]
pub struct AgentParts {
    /// Runs the loops.
    pub supervisor: Supervisor,
    /// Shows how they fare.
    pub health: HealthRegistry,
    /// Watches that they make progress.
    pub progress: ProgressRegistry,
    /// The time.
    pub clock: Clock,
    /// The counters.
    pub metrics: PollingMetrics,
    /// The first cycle of each task waits for a random part of this, so that agents that start together do not ask together.
    pub jitter: Duration,
}

/// Runs tasks, each in a loop of its own.
pub struct Agent {
    parts: AgentParts,
    loops: BTreeMap<u64, watch::Sender<Arc<Task>>>,
    /// Shown while there is nothing to do.
    idle: Option<Check>,
    /// Each loop has a copy; none is left when all have ended.
    alive: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Agent {
    /// Starts a loop for each task. Must run inside a tokio runtime.
    #[must_use]
    pub fn start(tasks: Vec<Task>, parts: AgentParts) -> Self {
        let (alive, ended) = mpsc::channel(1);
        let supervisor = parts.supervisor.child();
        let parts = AgentParts { supervisor, ..parts };
        let mut agent = Self { parts, loops: BTreeMap::new(), idle: None, alive, ended };
        agent.take(tasks);
        agent
    }

    /// Goes on with other tasks. An interval that stays keeps its time; a cycle that runs is finished as it was begun.
    pub fn take(&mut self, tasks: Vec<Task>) {
        let intervals: Vec<u64> = tasks.iter().map(Task::interval_seconds).collect();
        // Loops end when their sender is gone.
        self.loops.retain(|interval, _| intervals.contains(interval));
        for task in tasks {
            let (interval, pollsters) = (task.interval_seconds(), task.pollsters());
            let task = Arc::new(task);
            match self.loops.get(&interval) {
                Some(known) => {
                    known.send_replace(task);
                }
                None => self.begin(interval, task),
            }
            tracing::info!(interval_seconds = interval, pollsters, "polling task scheduled");
        }
        self.idle = self.loops.is_empty().then(|| {
            let check = self.parts.health.register("polling", Scope::Ready);
            let reason = "no source of polling.yaml selects a pollster of this agent: nothing is polled";
            tracing::warn!("{reason}");
            check.degraded(reason);
            check
        });
    }

    fn begin(&mut self, interval: u64, task: Arc<Task>) {
        let name = format!("polling:{interval}s");
        let (sender, tasks) = watch::channel(task);
        let schedule = Schedule {
            interval: Duration::from_secs(interval),
            tasks,
            jitter: self.parts.jitter,
            clock: self.parts.clock.clone(),
            progress: Arc::new(self.parts.progress.register(name.clone(), PROMISE)),
            check: Arc::new(self.parts.health.register(name.clone(), Scope::Ready)),
            metrics: self.parts.metrics.clone(),
        };
        // Nothing is promised before the loop runs.
        schedule.progress.rest();
        let alive = self.alive.clone();
        self.parts.supervisor.spawn(name, Policy::restart(), move |stop| {
            let (schedule, alive) = (schedule.clone(), alive.clone());
            async move {
                let ended = schedule.run(stop).await;
                drop(alive);
                ended
            }
        });
        self.loops.insert(interval, sender);
    }

    /// Begins nothing more and waits up to `grace` for the cycles that run; returns whether they have ended.
    pub async fn stop(self, grace: Duration) -> bool {
        let Self { parts, loops, alive, mut ended, .. } = self;
        parts.supervisor.token().cancel();
        drop((alive, loops));
        let has_ended = tokio::time::timeout(grace, ended.recv()).await.is_ok();
        if !has_ended {
            tracing::warn!("cycles that run are given up: what they have not read by now is not sent");
        }
        has_ended
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let intervals: Vec<&u64> = self.loops.keys().collect();
        f.debug_struct("Agent").field("intervals", &intervals).finish_non_exhaustive()
    }
}
