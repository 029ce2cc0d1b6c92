//! Notifications from RabbitMQ: topics × exchanges × priorities.
//!
//! ```text
//! supervisor task ── connects, fails over, watches ──┐
//!   worker task per queue: own channel, own consumer │  one connection
//!     lapin stream ─► pending ─► Batch ─► mpsc ──────┼─► the caller
//!     ledger of delivery tags ◄── Receipt ◄──────────┘
//! ```
//!
//! One channel per queue, because the broker closes a channel for one bad queue and the others must not feel it; and
//! because delivery tags count per channel, so each queue's messages can be acknowledged many at once without waiting
//! for another queue's slow batch.

mod supervisor;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::batch::{Batch, ReceiptSource};
use crate::budget::Budget;
use crate::connection::Profile;
use crate::metrics::AmqpMetrics;
use crate::options::{OptionsError, RabbitOptions};
use crate::state::{ListenerState, Phase};
use crate::topology::{NAME_BYTES_MAX, QueueSpec};
use crate::url::{TransportUrl, UrlError};

/// Priorities that oslo.messaging's notification dispatcher listens to.
pub const PRIORITIES: [&str; 7] = ["audit", "debug", "info", "warn", "error", "critical", "sample"];
/// Default budget of bytes in process.
pub const DEFAULT_BUDGET_BYTES: u64 = 64 * 1024 * 1024;
/// Default bound of a batch, in bytes of bodies.
pub const DEFAULT_BATCH_BYTES: u64 = 4 * 1024 * 1024;
/// Batches that may wait between the listener and its caller.
pub const OUTPUT_BATCHES: usize = 8;
/// Most queues that one listener may consume (RabbitMQ's default `channel_max` is 2047).
const QUEUES_MAX: usize = 1024;
/// Frame size asked for, in bytes.
const FRAME_BYTES: u32 = 64 * 1024;
/// How long after its deadline a shutdown may take to close the connection.
const CLOSE_GRACE: Duration = Duration::from_secs(6);

/// What to listen to, and how.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Name in logs, metrics and the broker's list of connections.
    pub name: String,
    /// Broker; its query overrides `options`.
    pub url: TransportUrl,
    /// `[oslo_messaging_rabbit]`.
    pub options: RabbitOptions,
    /// `[oslo_messaging_notifications] topics`.
    pub topics: Vec<String>,
    /// `notification_control_exchanges`.
    pub exchanges: Vec<String>,
    /// Priorities; all of [`PRIORITIES`] by default.
    pub priorities: Vec<&'static str>,
    /// Name of one queue that receives everything besides what other consumers get; `None` for the usual queues.
    pub pool: Option<String>,
    /// Most messages in a batch.
    pub batch_size: usize,
    /// Most bytes in a batch; a larger message makes a batch of its own.
    pub batch_bytes: u64,
    /// How long an unfilled batch may wait for more. Zero hands out what is there.
    pub linger: Duration,
    /// Most bytes of messages in this process, read or handed out, and not resolved yet.
    pub budget_bytes: u64,
}

impl ListenerConfig {
    /// A configuration with oslo.messaging's topic and our defaults.
    pub fn new(name: impl Into<String>, url: TransportUrl) -> Self {
        Self {
            name: name.into(),
            url,
            options: RabbitOptions::default(),
            topics: vec!["notifications".to_owned()],
            exchanges: Vec::new(),
            priorities: PRIORITIES.to_vec(),
            pool: None,
            batch_size: 100,
            batch_bytes: DEFAULT_BATCH_BYTES,
            linger: Duration::ZERO,
            budget_bytes: DEFAULT_BUDGET_BYTES,
        }
    }

    /// Checks everything that [`Listener::start`] would refuse, without starting anything.
    ///
    /// # Errors
    ///
    /// What no retry could mend: a list that is empty, a name that AMQP cannot carry, a query of the URL that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.options.clone().with_overrides(&self.url.query)?;
        queues(self)?;
        checked("virtual host", self.url.vhost())?;
        Ok(())
    }
}

/// Why a listener or notifier cannot be started as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// `[oslo_messaging_rabbit]`, or the URL's query.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// Nothing to do.
    #[error("{what} is empty")]
    Empty {
        /// Which list.
        what: &'static str,
    },
    /// A name that AMQP cannot carry.
    #[error("{what} {name:?} is empty or longer than {NAME_BYTES_MAX} bytes")]
    Name {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// More queues than one connection should have.
    #[error("{queues} queues are more than {QUEUES_MAX}: list fewer topics")]
    TooManyQueues {
        /// Topics × priorities.
        queues: usize,
    },
}

/// What the supervisor and its workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    profile: Profile,
    batch_size: usize,
    batch_bytes: u64,
    linger: Duration,
    prefetch_share_bytes: u64,
    budget: Arc<Budget>,
    metrics: AmqpMetrics,
    source: Arc<ReceiptSource>,
    state: watch::Sender<ListenerState>,
    /// `Some(deadline)` once it is to stop.
    stop: watch::Receiver<Option<Instant>>,
}

/// A running listener. Dropping it stops it at once; [`Listener::shutdown`] is the kind way.
#[derive(Debug)]
pub struct Listener {
    stop: watch::Sender<Option<Instant>>,
    state: watch::Receiver<ListenerState>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Starts listening, on the current tokio runtime, and goes on until told to stop: a broker that is away is
    /// waited for, whatever the reason. Batches come out of the receiver; it ends when the listener has stopped.
    ///
    /// Throughput is best on a current-thread runtime that does little else.
    ///
    /// # Errors
    ///
    /// Only what no retry could mend: a wrong configuration.
    pub fn start(
        config: ListenerConfig,
        metrics: &AmqpMetrics,
    ) -> Result<(Self, mpsc::Receiver<Batch>), ConfigError> {
        let options = config.options.clone().with_overrides(&config.url.query)?;
        let queues = queues(&config)?;
        let vhost = checked("virtual host", config.url.vhost())?.to_owned();
        let endpoints = config.url.endpoints();
        let profile = Profile {
            vhost,
            check_name: options.checks_host_name(endpoints.len()),
            options,
            name: config.name.clone(),
            frame_bytes: FRAME_BYTES,
        };
        let (stop, stopped) = watch::channel(None);
        let (state, state_receiver) =
            watch::channel(ListenerState { queues: queues.len(), ..ListenerState::default() });
        let (output, batches) = mpsc::channel(OUTPUT_BATCHES);
        // Of many queues few have a backlog at the same time. Should more have one, and of large messages, then it is the
        // budget that stops them.
        let quarter = config.budget_bytes / 4;
        let share = quarter.max(quarter * 3 / (queues.len() as u64).max(1));
        let shared = Arc::new(Shared {
            source: Arc::new(ReceiptSource { metrics: metrics.clone(), peer: config.name.clone() }),
            name: config.name,
            profile,
            batch_size: config.batch_size.max(1),
            batch_bytes: config.batch_bytes.max(1),
            linger: config.linger,
            prefetch_share_bytes: share,
            budget: Budget::new(config.budget_bytes),
            metrics: metrics.clone(),
            state,
            stop: stopped,
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "this crate's own supervisor; the handle is kept and aborted on drop"
        )]
        let task = tokio::spawn(supervisor::run(shared, endpoints, queues, output));
        Ok((Self { stop, state: state_receiver, task }, batches))
    }

    /// The listener's state, and a way to wait for changes of it.
    pub fn state(&self) -> watch::Receiver<ListenerState> {
        self.state.clone()
    }

    /// Stops: no more batches are made, those handed out may still be resolved within `grace`, what was accepted is
    /// acknowledged, the connection is closed. What is not accepted by then stays with the broker.
    pub async fn shutdown(mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        // The task may have ended already, with nobody left to tell.
        let _ = self.stop.send(Some(deadline));
        if tokio::time::timeout_at(deadline + CLOSE_GRACE, &mut self.task).await.is_err() {
            tracing::warn!("listener did not stop in time");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn checked<'a>(what: &'static str, name: &'a str) -> Result<&'a str, ConfigError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(ConfigError::Name { what, name: name.chars().take(300).collect() });
    }
    Ok(name)
}

fn queues(config: &ListenerConfig) -> Result<Vec<QueueSpec>, ConfigError> {
    for (what, empty) in [
        ("the list of topics", config.topics.is_empty()),
        ("the list of exchanges", config.exchanges.is_empty()),
        ("the list of priorities", config.priorities.is_empty()),
    ] {
        if empty {
            return Err(ConfigError::Empty { what });
        }
    }
    for exchange in &config.exchanges {
        checked("exchange", exchange)?;
    }
    for topic in &config.topics {
        checked("topic", topic)?;
    }
    if let Some(pool) = &config.pool {
        checked("pool", pool)?;
    }
    let count = config.topics.len().saturating_mul(config.priorities.len());
    if count > QUEUES_MAX {
        return Err(ConfigError::TooManyQueues { queues: count });
    }
    let queues =
        QueueSpec::all(&config.topics, &config.exchanges, &config.priorities, config.pool.as_deref());
    for queue in &queues {
        checked("queue", &queue.name)?;
        for (_, key) in &queue.bindings {
            checked("routing key", key)?;
        }
    }
    Ok(queues)
}

impl Shared {
    fn stopping(&self) -> Option<Instant> {
        *self.stop.borrow()
    }

    fn update(&self, change: impl FnOnce(&mut ListenerState)) {
        self.state.send_modify(change);
    }

    fn enter(&self, phase: Phase) {
        self.update(|state| {
            state.phase = phase;
            state.since = Some(Instant::now().into_std());
        });
    }
}
