//! [`Task`]: everything that is polled at one interval, one cycle at a time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use notification::NameResolver;
use observability::clock::Clock;
use observability::service_manager::Progress;
use pollsters::{Registry, Resource};
use tokio_util::sync::CancellationToken;

use crate::exporter::Exporter;
use crate::heartbeat::Heartbeats;
use crate::metrics::PollingMetrics;
use crate::output::Output;
use crate::partition::{Alone, Partition, Share};
use crate::plan::{Assignment, Plan, TaskPlan};
use crate::poll::Run;

/// What the configuration says to all tasks.
#[derive(Debug, Clone)]
pub struct TaskOptions {
    /// Samples that are sent together (`[polling] batch_size`).
    pub batch_size: usize,
    /// Pollsters of a source that run at the same time (`[polling] threads_to_process_pollsters`); 0: all of them.
    pub threads: usize,
    /// What samples name as their source.
    pub sample_source: String,
}

/// What all tasks share.
#[derive(Debug)]
pub struct TaskParts {
    /// What the configuration says.
    pub options: TaskOptions,
    /// Where samples go.
    pub output: Arc<dyn Output>,
    /// Shows them to Prometheus as well.
    pub exporter: Option<Arc<Exporter>>,
    /// Names of users and projects, if samples are to carry them.
    pub names: Option<Arc<NameResolver>>,
    /// Which part of the work is this agent's.
    pub partition: Arc<dyn Partition>,
    /// When each pollster last ran.
    pub heartbeats: Heartbeats,
    /// The counters.
    pub metrics: PollingMetrics,
    /// The time.
    pub clock: Clock,
}

/// Everything that is polled at one interval.
pub struct Task {
    interval_seconds: u64,
    sources: Vec<Source>,
    registry: Arc<Registry>,
    parts: Arc<TaskParts>,
}

/// The pollsters of one source.
struct Source {
    name: String,
    assigned: Vec<Assigned>,
}

/// A pollster of a source.
pub(crate) struct Assigned {
    pub(crate) assignment: Assignment,
    /// Another source of the task has a pollster of that name, too.
    pub(crate) is_shared: bool,
    /// What it can never read. Forgotten when the plan changes, or the process ends.
    pub(crate) given_up: Mutex<HashSet<Resource>>,
}

impl Assigned {
    /// Whom it reads.
    fn service(&self) -> Option<&str> {
        self.assignment.pollster.pollster.service()
    }
}

/// What came of a cycle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Pollsters that ran.
    pub polls: usize,
    /// Samples made.
    pub samples: usize,
    /// What failed, once each.
    pub failures: Vec<String>,
}

impl Task {
    /// The task of a part of a plan.
    #[must_use]
    pub fn new(plan: TaskPlan, registry: Arc<Registry>, parts: Arc<TaskParts>) -> Self {
        let mut sources_of: HashMap<String, usize> = HashMap::new();
        for assignment in plan.sources.iter().flat_map(|source| &source.assignments) {
            *sources_of.entry(assignment.pollster.name.clone()).or_default() += 1;
        }
        let assigned = |assignment: Assignment| Assigned {
            is_shared: sources_of.get(&assignment.pollster.name).is_some_and(|sources| *sources > 1),
            assignment,
            given_up: Mutex::default(),
        };
        let sources = plan.sources.into_iter().map(|source| Source {
            name: source.name,
            assigned: source.assignments.into_iter().map(assigned).collect(),
        });
        let sources = sources.collect();
        Self { interval_seconds: plan.interval_seconds, sources, registry, parts }
    }

    /// The tasks of a plan.
    #[must_use]
    pub fn all(plan: Plan, registry: &Arc<Registry>, parts: &Arc<TaskParts>) -> Vec<Self> {
        let tasks = plan.tasks.into_iter();
        tasks.map(|task| Self::new(task, Arc::clone(registry), Arc::clone(parts))).collect()
    }

    /// Seconds from the start of one cycle to the start of the next.
    #[must_use]
    pub const fn interval_seconds(&self) -> u64 {
        self.interval_seconds
    }

    /// How many pollsters it has, counted once for each source.
    #[must_use]
    pub fn pollsters(&self) -> usize {
        self.sources.iter().map(|source| source.assigned.len()).sum()
    }

    /// The pollsters that read that service.
    async fn poll_service<'t>(&'t self, run: &Run<'t>, service: Option<&str>) {
        let threads = self.parts.options.threads;
        for source in &self.sources {
            let of_service = source.assigned.iter().filter(|assigned| assigned.service() == service);
            let polls: Vec<_> = of_service.map(|assigned| run.poll(&source.name, assigned)).collect();
            let limit = if threads == 0 { polls.len() } else { threads };
            let mut polls = futures_util::stream::iter(polls).buffer_unordered(limit.max(1));
            while polls.next().await.is_some() {}
        }
    }

    /// Whom its pollsters read.
    fn services(&self) -> BTreeSet<Option<&str>> {
        let assigned = self.sources.iter().flat_map(|source| &source.assigned);
        assigned.map(Assigned::service).collect()
    }

    /// One cycle. Pollsters of different services run beside each other, so that one that is in trouble holds up none of the
    /// others. Those of one service: the sources in the order of the file, of each as many at a time as the options allow.
    /// A resource is polled once by a pollster of that name, whichever source comes first. Once `stop` is cancelled, no
    /// further pollster is begun.
    pub async fn run(&self, progress: &Progress, stop: &CancellationToken) -> CycleReport {
        let share = self.share(stop).await;
        self.run_with(share, progress, stop).await
    }

    /// What is this agent's in a cycle that begins now.
    pub(crate) async fn share(&self, stop: &CancellationToken) -> Arc<dyn Share> {
        tokio::select! {
            biased;
            share = self.parts.partition.begin() => share,
            // Nothing is begun then.
            () = stop.cancelled() => Arc::new(Alone),
        }
    }

    pub(crate) async fn run_with(
        &self,
        share: Arc<dyn Share>,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> CycleReport {
        let TaskParts { metrics, clock, .. } = &*self.parts;
        let started = clock.monotonic();
        let report = self.poll(share, None, progress, stop).await;
        let label = self.interval_seconds.to_string();
        metrics.cycles.with([&label]).inc();
        metrics.cycle_duration.with([&label]).observe(clock.elapsed(started).as_secs_f64());
        report
    }

    /// Between two cycles, polls what was not this agent's in the last, but is now.
    pub(crate) async fn take_over(
        &self,
        share: Arc<dyn Share>,
        before: Arc<dyn Share>,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> CycleReport {
        let report = self.poll(share, Some(before), progress, stop).await;
        self.parts.metrics.takeovers.with([&self.interval_seconds.to_string()]).inc();
        report
    }

    async fn poll(
        &self,
        share: Arc<dyn Share>,
        before: Option<Arc<dyn Share>>,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> CycleReport {
        let run = Run::new(self.interval_seconds, &self.registry, &self.parts, share, before, progress, stop);
        join_all(self.services().into_iter().map(|service| self.poll_service(&run, service))).await;
        run.into_report()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
        f.debug_struct("Task")
            .field("interval_seconds", &self.interval_seconds)
            .field("sources", &names)
            .finish_non_exhaustive()
    }
}
