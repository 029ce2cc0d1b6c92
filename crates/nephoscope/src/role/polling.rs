//! The polling role: its tasks, and where their samples go.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coordination::{CoordinationMetrics, Membership, MembershipParts};
use definitions::{Problem, Severity};
use notification::NameResolver;
use observability::clock::Clock;
use observability::health::Scope;
use observability::metrics::Metrics;
use observability::supervisor::Policy;
use oslo_config::Config;
use oslo_config::options::{nephoscope, polling as options};
use oslo_messaging::AmqpMetrics;
use pipeline::{
    DeliveryToken, PipelineMetrics, PublisherFactory, RecordLetters, Records, RecordsKind, RetryPolicy,
    Router, Tap, WorkerLimits, Workers,
};
use polling::{
    Agent, AgentParts, Alone, BusPublishers, Deliveries, Heartbeats, Nowhere, Output, Partition, Plan,
    PollingMetrics, Sending, Shared, SharedGroups, ShownOnly, Task, TaskOptions, TaskParts, ToRouter,
    bus_pipeline, socket_path,
};
use pollsters::Registry;
use publishers::exporter::server::Tls;
use tokio::sync::watch;

use super::exporter::Shown;
use super::notification::limits;
use super::{Buffers, House, publishing};
use crate::check::{describe_fatal, with_sources};
use crate::settings::coordination::Coordination;
use crate::settings::polling::dynamic::{Maker, refuse_errors};
use crate::settings::polling::{PolledAgain, PollingFiles};
use crate::settings::{self, polling as settings_polling};

/// The part of a publisher's share of memory that the message bus has.
const BUS_SHARE: u32 = 4;

/// The newest notification agent, whose pipelines take polled samples in `nephoscope run`.
pub(crate) type Pipelines = watch::Receiver<Arc<notification::Agent>>;

/// Everything about the role that the configuration decides, checked.
pub(crate) struct Polling {
    files: PollingFiles,
    options: TaskOptions,
    metrics: PollingMetrics,
    names: Option<Arc<NameResolver>>,
    heartbeat_directory: Option<PathBuf>,
    jitter: Duration,
    sharing: Option<Sharing>,
    bus: Option<Bus>,
    shown: Option<Shown>,
}

/// The work is shared with other agents.
struct Sharing {
    coordination: Coordination,
    with: Arc<Shared>,
}

/// The way to the message bus: a pipeline of one publisher.
struct Bus {
    router: Router,
    workers: Workers,
    metrics: PipelineMetrics,
    tap: Tap,
    buffers: Option<Buffers>,
    record_letters: RecordLetters,
}

/// The role at work.
pub(crate) struct PollingRunning {
    agent: Agent,
    registry: Arc<Registry>,
    dynamic: Maker,
    parts: Arc<TaskParts>,
    deliveries: Deliveries,
    sharing: Option<Sharing>,
    /// The certificate of the addresses that Prometheus scrapes.
    tls: Option<Tls>,
    /// The buffers' directory is this process's for as long as the role lives.
    _buffers: Option<Buffers>,
}

impl Polling {
    /// Puts the role together without starting anything. `with_bus`: samples go to the message bus, unless they are not
    /// wanted there; else the caller brings pipelines to [`start`](Self::start).
    ///
    /// # Errors
    /// The text says which option can never work.
    pub(crate) fn new(
        config: &Config,
        mut files: PollingFiles,
        names: Option<NameResolver>,
        with_bus: bool,
        metrics: &Metrics,
        amqp: &AmqpMetrics,
    ) -> Result<Self, String> {
        let bus = if with_bus && config.get(&options::ENABLE_NOTIFICATIONS) {
            Some(Bus::new(config, metrics, amqp)?)
        } else {
            None
        };
        let shortest = files.plan.tasks.iter().map(|task| task.interval_seconds).min();
        let sharing = files.sharing.take().map(|(mut coordination, groups)| {
            if let Some(seconds) = shortest {
                coordination.url = coordination.url.at_interval(Duration::from_secs(seconds));
            }
            Sharing::new(coordination, groups, metrics)
        });
        Ok(Self {
            sharing: sharing.transpose()?,
            files,
            options: settings_polling::task_options(config),
            metrics: PollingMetrics::register(&metrics.component("polling")),
            names: names.map(Arc::new),
            heartbeat_directory: config
                .get(&options::HEARTBEAT_SOCKET_DIR)
                .filter(|directory| !directory.is_empty())
                .map(PathBuf::from),
            jitter: settings_polling::jitter(config),
            bus,
            shown: Shown::new(config, metrics)?,
        })
    }

    /// Listens for Prometheus, if it may scrape.
    ///
    /// # Errors
    /// The text names the address that cannot be listened on.
    pub(crate) fn listening(mut self) -> Result<Self, String> {
        if let Some(shown) = &mut self.shown {
            shown.listen()?;
        }
        Ok(self)
    }

    /// Lets samples for the message bus wait on disk.
    pub(crate) fn with_buffers(mut self, buffers: Option<Buffers>) -> Self {
        if let Some(bus) = &mut self.bus {
            bus.buffers = buffers;
        }
        self
    }

    /// Where samples for the message bus can be looked at.
    pub(crate) fn tap(&self) -> Option<&Tap> {
        self.bus.as_ref().map(|bus| &bus.tap)
    }

    /// Starts what sends first, and the tasks last.
    ///
    /// # Errors
    /// When there cannot be a heartbeat socket.
    pub(crate) fn start(self, house: &House, pipelines: Option<Pipelines>) -> anyhow::Result<PollingRunning> {
        let Self { files, options, metrics, names, heartbeat_directory, jitter, sharing, bus, shown } = self;
        let clock = Clock::machine();
        let heartbeats = Heartbeats::default();
        if let Some(directory) = &heartbeat_directory {
            let names: Vec<String> =
                files.namespaces.iter().map(|namespace| namespace.name.to_owned()).collect();
            serve_heartbeats(house, &heartbeats, directory, &names)?;
        }
        let (exporter, tls) = shown.map(|shown| shown.serve(house, &clock)).transpose()?.unzip();
        if let Some(exporter) = &exporter {
            exporter.keep(&files.plan);
        }
        let deliveries = Deliveries::new(&metrics);
        let (output, buffers): (Arc<dyn Output>, _) = match (bus, pipelines) {
            (Some(bus), _) => {
                let (router, buffers) = bus.start(house);
                (Arc::new(ToRouter::new(router, deliveries.clone())), buffers)
            }
            (None, Some(agents)) => (Arc::new(ToPipelines { agents, deliveries: deliveries.clone() }), None),
            (None, None) if exporter.is_some() => {
                tracing::info!(
                    "[polling] enable_notifications is off: samples are shown to Prometheus alone"
                );
                (Arc::new(ShownOnly), None)
            }
            (None, None) => {
                tracing::warn!(
                    "[polling] enable_notifications is off: samples are made, counted and dropped"
                );
                (Arc::new(Nowhere::new(&metrics)), None)
            }
        };
        let parts = Arc::new(TaskParts {
            options,
            output,
            exporter,
            names,
            partition: sharing.as_ref().map_or_else(
                || Arc::new(Alone) as Arc<dyn Partition>,
                |sharing| {
                    sharing.start(house);
                    Arc::<Shared>::clone(&sharing.with)
                },
            ),
            heartbeats,
            metrics: metrics.clone(),
            clock: clock.clone(),
        });
        tracing::info!(file = files.file, "polling definition read");
        let agent_parts = AgentParts {
            supervisor: house.supervisor.clone(),
            health: house.health.clone(),
            progress: house.progress.clone(),
            clock,
            metrics,
            jitter,
        };
        let PollingFiles { registry, dynamic, plan, .. } = files;
        let tasks = Task::all(plan, &registry, &parts);
        let agent = Agent::start(tasks, agent_parts);
        let tls = tls.flatten();
        Ok(PollingRunning { agent, registry, dynamic, parts, deliveries, sharing, tls, _buffers: buffers })
    }
}

/// What a changed `polling.yaml`, and changed definitions of dynamic pollsters, come to.
pub(crate) struct Prepared {
    registry: Arc<Registry>,
    plan: Plan,
    groups: Option<SharedGroups>,
}

impl Sharing {
    fn new(coordination: Coordination, groups: SharedGroups, metrics: &Metrics) -> Result<Self, String> {
        let membership = Membership::new(MembershipParts {
            url: coordination.url.clone(),
            member: uuid::Uuid::new_v4().to_string(),
            clock: Clock::machine(),
            metrics: CoordinationMetrics::register(&metrics.component("coordination")),
        });
        let membership = membership.map_err(|error| coordination.describe(&error))?;
        Ok(Self { coordination, with: Arc::new(Shared::new(membership, groups)) })
    }

    fn start(&self, house: &House) {
        let membership = self.with.membership();
        let Coordination { url, .. } = &self.coordination;
        let membership_timeout_seconds = url.membership_timeout().as_secs_f64();
        tracing::info!(backend = %url, membership_timeout_seconds, "the work is shared with other agents");
        membership.show_in(house.health.register("coordination", Scope::Ready));
        let membership = membership.clone();
        house.supervisor.spawn("coordination", Policy::restart(), move |stop| membership.clone().run(stop));
    }
}

impl Bus {
    fn new(config: &Config, metrics: &Metrics, amqp: &AmqpMetrics) -> Result<Self, String> {
        let settings = settings_polling::notifications(config, amqp)?;
        let factory: Arc<dyn PublisherFactory> = Arc::new(BusPublishers(settings));
        let pipelines = bus_pipeline().map_err(|problems| describe_fatal(&problems))?;
        let metrics = PipelineMetrics::register(&metrics.component("pipeline"));
        let kind = RecordsKind::Samples;
        let limits = bus_limits(config);
        let made = Router::new(&pipelines, kind, &factory, limits, RetryPolicy::default(), &metrics);
        let (router, workers) = made.map_err(|error| with_sources(&error))?;
        let tap = Tap::new(&metrics);
        let router = router.with_tap(&tap).with_any_volume();
        let store = Arc::new(settings::dead_letters(config));
        let record_letters = RecordLetters::new(store, Clock::machine());
        Ok(Self { router, workers, metrics, tap, buffers: None, record_letters })
    }

    fn start(self, house: &House) -> (Router, Option<Buffers>) {
        let Self { router, workers, metrics, buffers, record_letters, .. } = self;
        publishing::start(house, workers, &record_letters, buffers.as_ref());
        if let Some(buffers) = &buffers {
            buffers.report_orphans(&metrics);
        }
        (router, buffers)
    }
}

/// Less than for other publishers: all that waits is sent together, one notification after the other, and room is given back
/// when the broker has confirmed the last. A broker that is merely slow must give room before polling has waited so long that
/// samples go to disk; and what is polled is in memory as well.
fn bus_limits(config: &Config) -> WorkerLimits {
    let limits = limits(config);
    match config.get(&nephoscope::BUFFER_MEMORY_BYTES) {
        0 => WorkerLimits { queue_bytes: limits.queue_bytes / BUS_SHARE, ..limits },
        _ => limits,
    }
}

impl PollingRunning {
    /// What changed files come to; nothing is changed yet.
    ///
    /// # Errors
    /// Everything that prevents their use.
    pub(crate) fn prepare(&self, again: &PolledAgain) -> Result<(Prepared, Vec<Problem>), String> {
        let (registry, mut problems) = self.dynamic.registry(&again.dynamic);
        refuse_errors(&mut problems);
        let (plan, mut found) = Plan::new(&again.sources, &registry);
        problems.append(&mut found);
        let groups = self.sharing.as_ref().map(|sharing| {
            let (groups, mut found) = sharing.coordination.groups(&again.sources, &plan, &registry);
            problems.append(&mut found);
            groups
        });
        if problems.iter().any(|problem| problem.severity == Severity::Fatal) {
            return Err(describe_fatal(&problems));
        }
        Ok((Prepared { registry: Arc::new(registry), plan, groups }, problems))
    }

    /// The certificate for Prometheus, read again; nothing is changed yet. Files that are gone, or half written, are an
    /// error.
    ///
    /// # Errors
    /// The text names option and file.
    pub(crate) fn prepare_tls(&self, config: &Config) -> Result<Option<Tls>, String> {
        if self.tls.is_none() { Ok(None) } else { settings::exporter::tls(config) }
    }

    /// Goes on with another certificate.
    pub(crate) fn take_tls(&self, newer: Option<&Tls>) {
        if let (Some(tls), Some(newer)) = (&self.tls, newer) {
            tls.replace(newer);
        }
    }

    /// Goes on with another plan.
    pub(crate) fn take(&mut self, prepared: Prepared) {
        let Prepared { registry, plan, groups } = prepared;
        self.registry = registry;
        if let Some(exporter) = &self.parts.exporter {
            exporter.keep(&plan);
        }
        if let (Some(sharing), Some(groups)) = (&self.sharing, groups) {
            sharing.with.take(groups);
        }
        self.agent.take(Task::all(plan, &self.registry, &self.parts));
    }

    /// Begins nothing more, and waits within `grace` for the cycles that run and for their samples to be safe.
    pub(crate) async fn stop(self, grace: Duration) {
        let Self { agent, deliveries, .. } = self;
        let ended = async {
            agent.stop(grace).await;
            deliveries.settled().await;
        };
        if tokio::time::timeout(grace, ended).await.is_err() {
            let samples = deliveries.waiting();
            if samples > 0 {
                tracing::error!(
                    samples,
                    "samples that no publisher has accepted by now are lost, and counted"
                );
            }
        }
    }
}

/// Brings samples to the pipelines of the newest notification agent.
#[derive(Debug)]
struct ToPipelines {
    agents: Pipelines,
    deliveries: Deliveries,
}

impl Output for ToPipelines {
    fn send(&self, samples: Vec<Arc<model::Sample>>) -> Sending<'_> {
        let token: DeliveryToken = self.deliveries.token(samples.len());
        let agent = Arc::clone(&self.agents.borrow());
        Box::pin(async move {
            match agent.sample_router() {
                Some(router) => router.dispatch(Records::Samples(samples), token).await,
                // Without the pipeline manager `meter` nobody wants samples.
                None => token.accept(),
            }
        })
    }
}

fn serve_heartbeats(
    house: &House,
    heartbeats: &Heartbeats,
    directory: &Path,
    namespaces: &[String],
) -> anyhow::Result<()> {
    let path = socket_path(directory, namespaces);
    let listener = Heartbeats::bind(&path)?;
    tracing::info!(path = %path.display(), "heartbeat socket");
    let (heartbeats, stop) = (heartbeats.clone(), house.supervisor.token().clone());
    house.supervisor.spawn_once("heartbeat", async move {
        if let Err(error) = heartbeats.serve(listener, path, stop).await {
            tracing::error!("the heartbeat socket is not served: {error}");
        }
        Ok::<(), Infallible>(())
    });
    Ok(())
}
