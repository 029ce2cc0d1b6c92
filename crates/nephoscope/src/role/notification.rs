//! The notification role: listeners, the agent, and the workers of its publishers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use buffer::dead_letters::DeadLetters;
use notification::{Agent, AgentMetrics, AgentOptions, DeadLetterOffice, NameResolver};
use observability::clock::Clock;
use oslo_config::Config;
use oslo_config::options::{nephoscope, notification as options, rabbit};
use oslo_messaging::{AmqpMetrics, Listener, ListenerConfig, UNLIMITED_PREFETCH};
use pipeline::config::PipelineConfig;
use pipeline::{
    PipelineMetrics, PublisherFactory, RecordLetters, RecordsKind, RetryPolicy, Router, RouterError, Tap,
    WorkerLimits, Workers,
};
use tokio::sync::watch;

use super::{Buffers, House, publishing, watch as watching};
use crate::settings::{self, Definitions};

/// A batch is converted in milliseconds; one that takes longer than this hangs.
const BATCH_PROMISE: Duration = Duration::from_mins(1);

/// Which part of `in_flight_bytes` one publisher's queue may take unless `buffer_memory_bytes` says otherwise, in
/// records ready to be published. Records take a multiple of their message's bytes, and there is a queue for samples and
/// one for events in most configurations: with a quarter each, what is converted stays below what is not.
const QUEUE_SHARE: i64 = 4;

/// Everything about the role that the configuration decides, checked.
pub(crate) struct Notification {
    listeners: Vec<ListenerConfig>,
    maker: Maker,
    agent: Agent,
    workers: Vec<Workers>,
    amqp_metrics: AmqpMetrics,
}

/// What agents are made with, one after another.
struct Maker {
    publishers: Arc<dyn PublisherFactory>,
    pipeline_metrics: PipelineMetrics,
    /// Stays when agents change.
    tap: Tap,
    agent_metrics: AgentMetrics,
    dead_letters: DeadLetterOffice,
    /// For what publishers cannot deliver; the same directory.
    record_letters: RecordLetters,
    buffers: Option<Buffers>,
    /// Names of users and projects, if samples are to carry them.
    names: Option<Arc<NameResolver>>,
}

/// The role at work.
pub(crate) struct Running {
    listeners: Vec<Listener>,
    maker: Maker,
    agents: watch::Sender<Arc<Agent>>,
}

impl Maker {
    /// An agent for `definitions`, with the workers of publishers that `former` does not have.
    fn agent(
        &self,
        config: &Config,
        definitions: Definitions,
        former: Option<&Agent>,
    ) -> Result<(Agent, Vec<Workers>), RouterError> {
        let limits = limits(config);
        let mut workers = Vec::new();
        let mut router = |pipelines: &PipelineConfig, kind: RecordsKind, former: Option<&Router>| {
            let retry = RetryPolicy::default();
            let (router, more) = if let Some(former) = former {
                former.renew(pipelines, &self.publishers, limits, retry)?
            } else {
                let (factory, metrics) = (&self.publishers, &self.pipeline_metrics);
                let (router, more) = Router::new(pipelines, kind, factory, limits, retry, metrics)?;
                (router.with_tap(&self.tap), more)
            };
            workers.push(more);
            Ok::<_, RouterError>(router)
        };
        let options = AgentOptions { ack_on_event_error: config.get(&options::ACK_ON_EVENT_ERROR) };
        let mut agent = Agent::new(options, self.dead_letters.clone(), self.agent_metrics.clone());
        if let Some((endpoints, settings, pipelines)) = definitions.samples {
            let router = router(&pipelines, RecordsKind::Samples, former.and_then(Agent::sample_router))?;
            agent = agent.with_samples(endpoints, settings, router);
            if let Some(names) = &self.names {
                agent = agent.with_names(Arc::clone(names));
            }
        }
        if let Some((events, pipelines)) = definitions.events {
            let router = router(&pipelines, RecordsKind::Events, former.and_then(Agent::event_router))?;
            agent = agent.with_events(events, router);
        }
        Ok((agent, workers))
    }

    fn start_publishers(&self, house: &House, workers: Vec<Workers>) {
        for workers in workers {
            publishing::start(house, workers, &self.record_letters, self.buffers.as_ref());
        }
        if let Some(buffers) = &self.buffers {
            buffers.report_orphans(&self.pipeline_metrics);
        }
    }
}

impl Notification {
    /// Puts the role together without starting anything.
    pub(crate) fn new(
        config: &Config,
        definitions: Definitions,
        listeners: Vec<ListenerConfig>,
        publishers: &Arc<dyn PublisherFactory>,
        names: Option<NameResolver>,
        metrics: &observability::metrics::Metrics,
        amqp_metrics: AmqpMetrics,
    ) -> Result<Self, RouterError> {
        let agent_metrics = AgentMetrics::register(&metrics.component("notification"));
        let pipeline_metrics = PipelineMetrics::register(&metrics.component("pipeline"));
        let store = Arc::new(settings::dead_letters(config));
        let maker = Maker {
            publishers: Arc::clone(publishers),
            tap: Tap::new(&pipeline_metrics),
            pipeline_metrics,
            record_letters: RecordLetters::new(Arc::clone(&store), Clock::machine()),
            dead_letters: dead_letters(store, config, &agent_metrics),
            agent_metrics,
            buffers: None,
            names: names.map(Arc::new),
        };
        let (agent, workers) = maker.agent(config, definitions, None)?;
        Ok(Self { listeners, maker, agent, workers, amqp_metrics })
    }

    /// Lets publishers' queues go on on disk.
    pub(crate) fn with_buffers(mut self, buffers: Option<Buffers>) -> Self {
        self.maker.buffers = buffers;
        self
    }

    /// Where records can be looked at.
    pub(crate) const fn tap(&self) -> &Tap {
        &self.maker.tap
    }

    /// Starts publishers first and listeners last; without a broker, `listens` is false, and only what polls feeds the
    /// pipelines.
    pub(crate) fn start(self, house: &House, listens: bool) -> anyhow::Result<Running> {
        self.maker.start_publishers(house, self.workers);
        watching::dead_letters(house, self.maker.dead_letters.clone());
        let (agents, newest) = watch::channel(Arc::new(self.agent));
        let mut listeners = Vec::new();
        for config in self.listeners.into_iter().filter(|_| listens) {
            let name = config.name.clone();
            let (listener, mut batches) = Listener::start(config, &self.amqp_metrics)?;
            watching::listener(house, &name, listener.state());
            let (newest, progress) = (newest.clone(), house.progress.register(name.clone(), BATCH_PROMISE));
            house.supervisor.spawn_once(format!("agent:{name}"), async move {
                Agent::run(newest, &mut batches, progress).await;
                Ok::<(), Infallible>(())
            });
            listeners.push(listener);
        }
        Ok(Running { listeners, maker: self.maker, agents })
    }
}

/// Nothing is touched yet.
fn dead_letters(store: Arc<DeadLetters>, config: &Config, metrics: &AgentMetrics) -> DeadLetterOffice {
    let requeue_limit = u64::try_from(config.get(&nephoscope::REQUEUE_LIMIT)).unwrap_or(0);
    DeadLetterOffice::new(store.keeps().then_some(store), requeue_limit, Clock::machine(), metrics)
}

/// A publisher's queue holds its share of the bytes in flight. Its batches grow to a quarter of what the broker sends
/// unacknowledged: one quarter is being written while the next is converted, and the broker never has to wait for both.
pub(super) fn limits(config: &Config) -> WorkerLimits {
    let queue_bytes = match config.get(&nephoscope::BUFFER_MEMORY_BYTES) {
        0 => config.get(&nephoscope::IN_FLIGHT_BYTES) / QUEUE_SHARE,
        bytes => bytes,
    };
    let queue_bytes = u32::try_from(queue_bytes).unwrap_or(u32::MAX);
    let prefetch = match usize::try_from(config.get(&rabbit::RABBIT_QOS_PREFETCH_COUNT)) {
        Ok(0) | Err(_) => usize::from(UNLIMITED_PREFETCH),
        Ok(prefetch) => prefetch,
    };
    WorkerLimits { queue_bytes, enough_records: (prefetch / 4).max(1), ..WorkerLimits::default() }
}

impl Running {
    /// Goes on with other definitions and pipelines, from the next batch on. Publishers that stay keep what they have, and
    /// take what has changed in files of their own.
    ///
    /// # Errors
    /// [`RouterError`] when a publisher's URL or a file of its own can never work; everything stays as it was.
    pub(crate) fn reload(
        &self,
        house: &House,
        config: &Config,
        definitions: Definitions,
    ) -> Result<(), RouterError> {
        let former = Arc::clone(&self.agents.borrow());
        let mut changes = Vec::new();
        for (_, pipelines) in definitions.pipelines() {
            changes.append(&mut pipeline::read_again(pipelines, &*self.maker.publishers)?);
        }
        let (agent, workers) = self.maker.agent(config, definitions, Some(&former))?;
        for change in changes {
            change();
        }
        self.maker.start_publishers(house, workers);
        self.agents.send_replace(Arc::new(agent));
        Ok(())
    }

    /// The newest agent, for what brings samples to its pipelines.
    pub(crate) fn agents(&self) -> watch::Receiver<Arc<Agent>> {
        self.agents.subscribe()
    }

    /// Takes no more messages, finishes those in hand within `grace`, and lets go of the broker.
    pub(crate) async fn stop(self, grace: Duration) {
        let mut stopping = tokio::task::JoinSet::new();
        for listener in self.listeners {
            stopping.spawn(listener.shutdown(grace));
        }
        while stopping.join_next().await.is_some() {}
    }
}
