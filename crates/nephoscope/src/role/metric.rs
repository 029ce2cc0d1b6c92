//! `nephoscope metric`: the metric store alone, behind Gnocchi's API.

mod settings;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use metric::Metrics as Store;
use metric_api::{Api, Authentication};
use observability::clock::Clock;
use observability::health::{HealthRegistry, HealthServer, Scope};
use observability::http_server::{HttpServer, Plain, ServerLimits};
use observability::metrics::Metrics;
use observability::service_manager::ServiceManager;
use observability::supervisor::{Supervisor, SupervisorMetrics};

use self::settings::{MetricSettings, settings};
use super::log_metrics;
use crate::cli::{Invocation, MetricArguments};
use crate::signals::{Asked, Signals};
use crate::surroundings::Surroundings;
use crate::{Ending, check};

/// In so long all of the store is written to disk once, step by step.
const ROUND: Duration = Duration::from_mins(10);
/// Connections to the API at once.
const CONNECTIONS: usize = 1_024;
/// The older aggregation has the ids of all its metrics in the address.
const HEADER_BYTES: usize = 64 * 1_024;
/// What `auth_mode = keystone` needs.
const PROXY: &str =
    "a proxy must validate them, set X-User-Id, X-Project-Id and X-Roles, and remove those that clients send";
/// How long the last requests may take when it is told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Starts it, and waits for its end.
pub(crate) fn run(
    arguments: &MetricArguments,
    invocation: &Invocation,
    surroundings: &Surroundings,
) -> Ending {
    let loaded = match crate::settings::load_metric(arguments, invocation, surroundings) {
        Ok(loaded) => loaded,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let config = loaded.config;
    let settings = match settings(&config) {
        Ok(settings) => settings,
        Err(text) => return Ending::Configuration(text),
    };
    let metrics = Metrics::new();
    let logs = crate::settings::log_options(&config, &invocation.program, surroundings)
        .and_then(|options| observability::logs::start(&options, &Clock::machine(), log_metrics(&metrics)));
    let logs = match logs {
        Ok(logs) => logs,
        Err(error) => return Ending::Configuration(check::with_sources(&error)),
    };
    observability::logs::log_panics();
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.to_string().replace("\n  ", "; "));
    }
    let served = served(settings, metrics, surroundings);
    drop(logs);
    served.map_or_else(Ending::Failed, |()| Ending::Done)
}

fn served(settings: MetricSettings, metrics: Metrics, surroundings: &Surroundings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("nephoscope")
        .enable_all()
        .build()
        .context("cannot start the threads")?;
    let served = runtime.block_on(Box::pin(serve(settings, metrics, surroundings)));
    runtime.shutdown_timeout(LAST_REQUESTS);
    served
}

async fn serve(
    settings: MetricSettings,
    metrics: Metrics,
    surroundings: &Surroundings,
) -> anyhow::Result<()> {
    let clock = Clock::machine();
    let mut signals = Signals::install().context("cannot install signal handlers")?;
    metrics.register_process();
    metrics.register_build_info(&[("version", env!("CARGO_PKG_VERSION").into())]);
    let manager =
        ServiceManager::connect(&surroundings.service_manager).context("cannot reach the service manager")?;
    let health = HealthRegistry::new(clock.clone());
    let supervisor =
        Supervisor::new(clock.clone(), SupervisorMetrics::register(&metrics.component("supervisor")));
    let directory = &settings.directory;
    std::fs::create_dir_all(directory).with_context(|| {
        format!("cannot make {}; set [nephoscope] state_dir to a directory of this user", directory.display())
    })?;
    let server = HttpServer::bind(settings.address).await?;
    if let Some(address) = settings.health {
        let server = HealthServer::bind(address, health.clone(), metrics.clone()).await?;
        let stop = supervisor.token().clone();
        supervisor.spawn_once("health", async move {
            server.serve(stop).await;
            Ok::<(), Infallible>(())
        });
    }
    let store = open(&settings, clock.clone()).await?;
    maintain(&supervisor, &health, store.clone());
    if settings.api.authentication == Authentication::KeystoneHeaders {
        tracing::warn!("[api] auth_mode = keystone: tokens are not validated here; {PROXY}");
    }
    let address: SocketAddr = server.address();
    let router = Api::new(store, settings.api).router();
    let stop = supervisor.token().clone();
    supervisor.spawn_once("api", async move {
        let limits =
            ServerLimits { connections: CONNECTIONS, header_bytes: HEADER_BYTES, ..ServerLimits::default() };
        server.serve(router, Plain, limits, stop).await;
        Ok::<(), Infallible>(())
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), api = format!("http://{address}"), "started");
    manager.ready("started");
    let reason = loop {
        match signals.next().await {
            Asked::Stop(reason) => break reason,
            Asked::Reload => tracing::info!("nothing of the metric role can be changed while it runs"),
        }
    };
    tracing::info!(reason, "stopping");
    manager.stopping("finishing requests");
    health.set_stopping();
    let drained = tokio::select! {
        drained = supervisor.drain(LAST_REQUESTS) => drained,
        () = signals.second() => anyhow::bail!("stopped at once by a second signal"),
    };
    anyhow::ensure!(drained.is_clean(), "stopped with unfinished tasks: {}", drained.aborted.join(", "));
    tracing::info!("stopped");
    Ok(())
}

async fn open(settings: &MetricSettings, clock: Clock) -> anyhow::Result<Store> {
    let measures = settings.directory.join("measures");
    let opened = Store::open(&measures, &settings.index, settings.store.clone(), clock).await;
    let (store, opened) = opened.context("cannot open the metric store")?;
    if opened.damage.damage_count > 0 || opened.damaged_state_bytes > 0 {
        tracing::warn!(
            places = opened.damage.damage_count,
            state_bytes = opened.damaged_state_bytes,
            "the store of measures was damaged; what could be read is there, the rest is kept in quarantine"
        );
    }
    tracing::info!(changes = opened.changes, "the store of measures is open");
    if settings.presets {
        store.create_presets().await.context("cannot make the archive policies")?;
    }
    Ok(store)
}

/// Writes the store to disk part by part, and looks after what was deleted.
fn maintain(supervisor: &Supervisor, health: &HealthRegistry, store: Store) {
    let check = health.register("metric-store", Scope::Ready);
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
