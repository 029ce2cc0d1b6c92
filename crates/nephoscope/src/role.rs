//! The roles: what each starts, watches and stops.

mod buffers;
mod control;
mod embedded;
mod exporter;
pub(crate) mod metric;
mod notification;
mod polling;
mod publishing;
mod reload;
mod restart;
mod watch;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use observability::clock::Clock;
use observability::health::{HealthRegistry, HealthServer};
use observability::logs::{LogHandle, LogMetrics};
use observability::metrics::Metrics;
use observability::service_manager::{NotifySettings, ProgressRegistry, ServiceManager};
use observability::supervisor::{Supervisor, SupervisorMetrics};
use oslo_config::Config;
use oslo_config::options::{
    gnocchi as gnocchi_options, library, messaging, nephoscope, notification as notification_options,
    notifications_bus,
};
use publishers::gnocchi::Way;

pub(crate) use self::buffers::Buffers;
pub(crate) use self::embedded::{EmbeddedStore, StorePart, served_store};
pub(crate) use self::notification::Notification;
pub(crate) use self::polling::Polling;
use self::polling::PollingRunning;
use self::reload::Reloader;
pub(crate) use self::reload::{ReadAgain, Reread};
pub(crate) use self::restart::End;
use self::restart::Restart;
use crate::gnocchi;
use crate::publishers_by_url::Publishers;
use crate::settings::{self, Definitions, PublisherSettings};
use crate::signals::{Asked, Signals};

/// Most threads that convert.
const MAX_WORKER_THREADS: usize = 64;
/// How long tasks that have nothing left to deliver may take to end.
const LAST_TASKS: Duration = Duration::from_secs(5);
/// What `graceful_shutdown_timeout = 0` (no limit) comes to.
const NO_LIMIT: Duration = Duration::from_hours(365 * 24);

/// Which roles a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roles {
    /// The notification agent alone.
    Notification,
    /// The polling agent alone.
    Polling,
    /// `nephoscope run`.
    All,
}

impl Roles {
    /// The roles that a command of that name starts.
    pub(crate) fn named(command: &str) -> Option<Self> {
        match command {
            "notification" => Some(Self::Notification),
            "polling" => Some(Self::Polling),
            "run" => Some(Self::All),
            _ => None,
        }
    }

    /// The publishers that these roles can have; `store` is the one of `run`.
    pub(crate) fn publishers(
        self,
        config: &Config,
        settings: PublisherSettings,
        store: Option<Way>,
    ) -> Publishers {
        match self {
            Self::All => {
                let store = store.unwrap_or_else(|| EmbeddedStore::default().way());
                Publishers::all_in_one(settings, gnocchi::is_named(config), store, &state_dir(config))
            }
            Self::Notification | Self::Polling => Publishers::new(settings),
        }
    }

    /// Whether the metric store is in this process: in `run`, unless another Gnocchi is named and no pipeline names this one.
    pub(crate) fn stores(self, config: &Config, definitions: Option<&Definitions>) -> bool {
        let is_written_to = || {
            let pipelines: Vec<_> = definitions.into_iter().flat_map(Definitions::pipelines).collect();
            let pipelines: Vec<_> = pipelines.iter().map(|(_, pipelines)| *pipelines).collect();
            gnocchi::is_written_to(&pipelines, &[gnocchi::STORE_SCHEME])
        };
        self == Self::All && (!gnocchi::is_named(config) || is_written_to())
    }

    /// Makes what must be there before anything starts: the state directory of `run`.
    pub(crate) fn prepare(self, config: &Config) -> anyhow::Result<()> {
        if self == Self::All {
            let directory = state_dir(config);
            std::fs::create_dir_all(&directory).with_context(|| {
                let hint = "make it by hand, or set [nephoscope] state_dir to a directory that this user may write to";
                format!("cannot make the state directory {}; {hint}", directory.display())
            })?;
            let directory = directory.display();
            if gnocchi::is_named(config) {
                let credentials = config.get(&gnocchi_options::AUTH_SECTION);
                tracing::info!(
                    credentials,
                    "records for gnocchi:// go to the Gnocchi that [gnocchi] leads to"
                );
            } else {
                tracing::info!(
                    %directory,
                    "records for gnocchi:// go to the metric store here; set credentials for [gnocchi] to use another one"
                );
            }
            tracing::info!(%directory, "records for notifier:// without a host go to samples.json and events.json here");
        }
        Ok(())
    }

    /// Takes the directory of publishers' buffers, where there is a role that needs it.
    ///
    /// # Errors
    /// [`BufferDirectoryError`](pipeline::BufferDirectoryError) when the directory that the configuration names cannot be
    /// used.
    pub(crate) fn buffers(self, config: &Config) -> Result<Option<Buffers>, pipeline::BufferDirectoryError> {
        match self {
            Self::Notification => Buffers::prepare(config, "notification"),
            Self::All if self.listens(config) || self.polls(config) => {
                Buffers::prepare(config, "notification")
            }
            Self::All => Ok(None),
            Self::Polling => Buffers::prepare(config, "polling"),
        }
    }

    /// Whether definitions and pipelines are among what these roles need.
    pub(crate) const fn has_pipelines(self) -> bool {
        matches!(self, Self::Notification | Self::All)
    }

    /// Whether something is polled. `run` does it where there is a `polling.yaml`.
    pub(crate) fn polls(self, config: &Config) -> bool {
        match self {
            Self::Notification => false,
            Self::Polling => true,
            Self::All => settings::polling::polling_file(config).is_some(),
        }
    }

    /// The control socket's name in the state directory: one for each role, so that several can share a directory.
    pub(crate) const fn socket_name(self) -> &'static str {
        match self {
            Self::Notification => "notification.sock",
            Self::Polling => "polling.sock",
            Self::All => "run.sock",
        }
    }

    fn listen_address(self, config: &Config) -> &str {
        match self {
            Self::Notification => config.get(&nephoscope::NOTIFICATION_LISTEN_ADDRESS),
            Self::Polling => config.get(&nephoscope::POLLING_LISTEN_ADDRESS),
            Self::All => config.get(&nephoscope::RUN_LISTEN_ADDRESS),
        }
    }

    /// Whether notifications are consumed: `run` on a machine without a broker does not.
    fn listens(self, config: &Config) -> bool {
        self == Self::Notification
            || config.is_set(&messaging::TRANSPORT_URL)
            || config.is_set(&notifications_bus::TRANSPORT_URL)
            || config.is_set(&notification_options::MESSAGING_URLS)
    }
}

pub(crate) fn state_dir(config: &Config) -> PathBuf {
    PathBuf::from(config.get(&nephoscope::STATE_DIR))
}

/// What every role shares.
pub(crate) struct House {
    pub(crate) metrics: Metrics,
    pub(crate) health: HealthRegistry,
    pub(crate) progress: ProgressRegistry,
    pub(crate) supervisor: Supervisor,
    pub(crate) manager: ServiceManager,
    pub(crate) restart: Restart,
}

/// The roles of a process, checked and not started.
pub(crate) struct Parts {
    /// Definitions and pipelines, and what listens for notifications.
    pub(crate) notification: Option<Notification>,
    /// What polls.
    pub(crate) polling: Option<Polling>,
    /// The metric store.
    pub(crate) store: Option<StorePart>,
}

impl Parts {
    /// Where records can be looked at.
    fn tap(&self) -> Option<&pipeline::Tap> {
        let of_pipelines = self.notification.as_ref().map(Notification::tap);
        of_pipelines.or_else(|| self.polling.as_ref().and_then(Polling::tap))
    }
}

/// The roles at work.
struct Running {
    notification: Option<notification::Running>,
    polling: Option<PollingRunning>,
}

/// The parts of a start that can fail for reasons of configuration have succeeded by now; what is left can fail
/// only for reasons of the machine.
pub(crate) fn run(
    roles: Roles,
    config: &Config,
    parts: Parts,
    metrics: Metrics,
    manager_settings: &NotifySettings,
    logs: LogHandle,
    read_again: ReadAgain<'_>,
) -> anyhow::Result<End> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads(config))
        .thread_name("nephoscope")
        .enable_all()
        .build()
        .context("cannot start the threads")?;
    let reloader = Reloader::new(config, &metrics, &logs, read_again);
    let mut signals = None;
    let served = serve(roles, config, parts, metrics, manager_settings, reloader, &mut signals);
    let served = runtime.block_on(Box::pin(served));
    // Threads that still write are not waited for without end: what they hold was not acknowledged.
    runtime.shutdown_timeout(LAST_TASKS);
    drop(logs);
    Ok(served?.unless_stopped(signals))
}

/// Threads that convert: `[notification] workers`, of which one (the default) takes more than a broker gives. What
/// waits for the disk, and the AMQP library's socket, have threads of their own.
fn worker_threads(config: &Config) -> usize {
    usize::try_from(config.get(&notification_options::WORKERS)).unwrap_or(1).clamp(1, MAX_WORKER_THREADS)
}

/// The log's counters, to be registered before the first line is written.
pub(crate) fn log_metrics(metrics: &Metrics) -> LogMetrics {
    LogMetrics::register(&metrics.component("log"))
}

async fn serve(
    roles: Roles,
    config: &Config,
    parts: Parts,
    metrics: Metrics,
    manager_settings: &NotifySettings,
    mut reloader: Reloader<'_>,
    kept_signals: &mut Option<Signals>,
) -> anyhow::Result<End> {
    let clock = Clock::machine();
    let signals = kept_signals.insert(Signals::install().context("cannot install signal handlers")?);
    metrics.register_process();
    metrics.register_build_info(&[("version", env!("CARGO_PKG_VERSION").into())]);
    let manager = ServiceManager::connect(manager_settings).context("cannot reach the service manager")?;
    let house = House {
        health: HealthRegistry::new(clock.clone()),
        progress: ProgressRegistry::new(clock.clone()),
        supervisor: Supervisor::new(clock, SupervisorMetrics::register(&metrics.component("supervisor"))),
        manager,
        metrics,
        restart: Restart::default(),
    };
    // Outlives the roles, so that a drain can be watched.
    let watchers = Supervisor::new(
        house.supervisor.clock().clone(),
        SupervisorMetrics::register(&house.metrics.component("watch")),
    );
    let address = start_health_server(roles.listen_address(config), &house, &watchers).await?;
    if let Some(tap) = parts.tap() {
        control::start(&state_dir(config).join(roles.socket_name()), &house, &watchers, tap);
    }
    let feed = house.progress.clone().feed_watchdog(
        house.manager.clone(),
        manager_settings.watchdog,
        house.health.clone(),
        watchers.token().clone(),
    );
    watchers.spawn_once("watchdog", async move {
        feed.await;
        Ok::<(), Infallible>(())
    });
    let mut parts = parts;
    if let Some(store) = parts.store.take() {
        tokio::select! {
            started = Box::pin(store.start(&house)) => started?,
            () = signals.stop() => {
                tracing::info!("stopped before the metric store was open");
                return Ok(End::Stopped);
            }
        }
    }
    let mut running = start(roles, config, parts, &house)?;
    let health = address.map_or_else(|| "off".to_owned(), |address| format!("http://{address}"));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), health, "started");
    house.manager.ready("started");
    let (reason, mut end) = loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = house.restart.asked() => break ("restoration", End::Restart),
        };
        match asked {
            Asked::Stop(reason) => break (reason, End::Stopped),
            Asked::Reload => {
                house.manager.reloading(house.supervisor.clock());
                let status = reloader.reload(&house, &mut running);
                house.manager.ready(&status);
            }
        }
    };
    tracing::info!(reason, "stopping: what is in hand is finished, the rest stays with the broker");
    let clock = house.supervisor.clock();
    end.tell(&house.manager, clock);
    house.health.set_stopping();
    let grace = grace(config);
    let drain = async {
        // What polls first: the pipelines take what it has in hand.
        if let Some(polling) = running.polling {
            polling.stop(grace).await;
        }
        if let Some(notification) = running.notification {
            notification.stop(grace).await;
        }
        house.supervisor.drain(LAST_TASKS).await
    };
    let Some(drained) = end.drained(drain, signals, &house.manager, clock).await else {
        anyhow::bail!("stopped at once by a second signal; nothing unfinished was acknowledged");
    };
    let _ = watchers.drain(LAST_TASKS).await;
    end.of(&drained)
}

/// Starts what is there: pipelines, listeners, and last what polls.
fn start(roles: Roles, config: &Config, parts: Parts, house: &House) -> anyhow::Result<Running> {
    let Parts { notification, polling, .. } = parts;
    let listens = roles.listens(config);
    if roles == Roles::All && !listens {
        tracing::info!("no transport_url is set: no notifications are consumed");
    }
    let notification = match notification {
        Some(notification) if listens || polling.is_some() => Some(notification.start(house, listens)?),
        _ => None,
    };
    let pipelines = notification.as_ref().map(notification::Running::agents);
    let polling = polling.map(|polling| polling.start(house, pipelines)).transpose()?;
    Ok(Running { notification, polling })
}

async fn start_health_server(
    address: &str,
    house: &House,
    watchers: &Supervisor,
) -> anyhow::Result<Option<SocketAddr>> {
    if address.is_empty() {
        return Ok(None);
    }
    let address: SocketAddr =
        address.parse().with_context(|| format!("{address:?} is not an address and port"))?;
    let server = HealthServer::bind(address, house.health.clone(), house.metrics.clone()).await?;
    let address = server.address();
    let token = watchers.token().clone();
    watchers.spawn_once("health", async move {
        server.serve(token).await;
        Ok::<(), Infallible>(())
    });
    Ok(Some(address))
}

fn grace(config: &Config) -> Duration {
    match u64::try_from(config.get(&library::GRACEFUL_SHUTDOWN_TIMEOUT)) {
        // No clock can be moved by as much as an operator can write.
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds).min(NO_LIMIT),
        _ => NO_LIMIT,
    }
}

#[cfg(test)]
mod tests {
    use oslo_config::Loader;

    use super::*;

    #[test]
    fn a_grace_without_limit_is_one_that_a_clock_can_bear() {
        for (written, expected) in [
            ("60", Duration::from_mins(1)),
            ("0", NO_LIMIT),
            ("-1", NO_LIMIT),
            ("9223372036854775807", NO_LIMIT),
        ] {
            let mut loader = Loader::new("test");
            loader.default_sources = false;
            loader.env.insert("OS_DEFAULT__GRACEFUL_SHUTDOWN_TIMEOUT".into(), written.into());
            let grace = grace(&loader.load().unwrap().config);
            assert_eq!(grace, expected, "{written}");
        }
    }
}
