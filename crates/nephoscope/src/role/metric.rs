//! `nephoscope metric`: the metric store alone, behind Gnocchi's API.

mod access;
mod control;
mod listen;
mod settings;
mod statsd;
mod store;
mod upkeep;

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context as _;
use metric_api::Authentication;
use observability::clock::Clock;
use observability::health::{HealthRegistry, HealthServer};
use observability::metrics::Metrics;
use observability::service_manager::{ProgressRegistry, ServiceManager};
use observability::supervisor::{Supervisor, SupervisorMetrics};
use oslo_config::Config;

pub(crate) use self::access::Access;
pub(super) use self::settings::{MetricSettings, settings};
pub(super) use self::store::{bind, open, serve_api, serve_others};
pub(super) use self::upkeep::start as keep_up;
use super::log_metrics;
use super::restart::{End, Restart};
use crate::cli::{Invocation, MetricArguments};
use crate::signals::{Asked, Signals};
use crate::surroundings::Surroundings;
use crate::{Ending, check};

/// What `metric_trusts_headers` needs.
const PROXY: &str =
    "a proxy must validate them, set X-User-Id, X-Project-Id and X-Roles, and remove those that clients send";
/// How much longer than a request may take the last ones may when it is told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// For what ends after the last request.
const LAST_STEPS: Duration = Duration::from_secs(2);

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
    let access = match Access::new(&config, &surroundings.env) {
        Ok(access) => access,
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
    for warning in &access.warnings {
        tracing::warn!("{warning}");
    }
    let served = served(settings, access, metrics, surroundings);
    drop(logs);
    match served {
        Ok(End::Stopped) => Ending::Done,
        Ok(End::Restart) => Ending::Restart,
        Err(error) => Ending::Failed(error),
    }
}

/// What prevents a start with this configuration; if nothing does, what should be known of it.
pub(crate) fn check(config: &Config, surroundings: &Surroundings) -> Result<Vec<String>, String> {
    settings(config)?;
    Ok(Access::new(config, &surroundings.env)?.warnings)
}

fn served(
    settings: MetricSettings,
    access: Access,
    metrics: Metrics,
    surroundings: &Surroundings,
) -> anyhow::Result<End> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("nephoscope")
        .enable_all()
        .build()
        .context("cannot start the threads")?;
    let mut signals = None;
    let served = serve(settings, access, metrics, surroundings, &mut signals);
    let served = runtime.block_on(Box::pin(served));
    runtime.shutdown_timeout(LAST_STEPS);
    Ok(served?.unless_stopped(signals))
}

async fn serve(
    mut settings: MetricSettings,
    access: Access,
    metrics: Metrics,
    surroundings: &Surroundings,
    kept_signals: &mut Option<Signals>,
) -> anyhow::Result<End> {
    let clock = Clock::machine();
    let signals = kept_signals.insert(Signals::install().context("cannot install signal handlers")?);
    metrics.register_process();
    metrics.register_build_info(&[("version", env!("CARGO_PKG_VERSION").into())]);
    let manager =
        ServiceManager::connect(&surroundings.service_manager).context("cannot reach the service manager")?;
    let health = HealthRegistry::new(clock.clone());
    let supervisor =
        Supervisor::new(clock.clone(), SupervisorMetrics::register(&metrics.component("supervisor")));
    // Outlives the rest, so that a drain is watched.
    let watchers = Supervisor::new(clock.clone(), SupervisorMetrics::register(&metrics.component("watch")));
    let feed = ProgressRegistry::new(clock.clone()).feed_watchdog(
        manager.clone(),
        surroundings.service_manager.watchdog,
        health.clone(),
        watchers.token().clone(),
    );
    watchers.spawn_once("watchdog", async move {
        feed.await;
        Ok::<(), Infallible>(())
    });
    let servers = bind(&settings).await?;
    if let Some(address) = settings.health {
        let server = HealthServer::bind(address, health.clone(), metrics.clone()).await?;
        let stop = supervisor.token().clone();
        supervisor.spawn_once("health", async move {
            server.serve(stop).await;
            Ok::<(), Infallible>(())
        });
    }
    let store = tokio::select! {
        opened = open(&settings, clock.clone(), &manager) => opened?,
        () = signals.stop() => {
            tracing::info!("stopped before the metric store was open");
            return Ok(End::Stopped);
        }
    };
    keep_up(&supervisor, &health, &store, settings.lives);
    let restart = Restart::default();
    serve_others(&supervisor, &metrics, &store, &settings, &restart).await?;
    access.apply(&mut settings.api, &clock, &metrics);
    access.watch(&supervisor);
    if matches!(settings.api.authentication, Authentication::KeystoneHeaders) {
        tracing::warn!("[nephoscope] metric_trusts_headers: tokens are not validated here; {PROXY}");
    }
    let (tls, drain) = (settings.tls.clone(), settings.api.deadline + LAST_REQUESTS);
    let addresses = serve_api(&supervisor, &metrics, servers, store, settings, drain);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), api = addresses.join(","), "started");
    manager.ready("started");
    let (reason, mut end) = loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = restart.asked() => break ("restoration", End::Restart),
        };
        match asked {
            Asked::Stop(reason) => break (reason, End::Stopped),
            Asked::Reload => {
                if let Some(tls) = &tls {
                    listen::refresh(tls).await;
                } else {
                    tracing::info!(
                        "nothing of the metric role but a certificate can be changed while it runs"
                    );
                }
            }
        }
    };
    tracing::info!(reason, "stopping");
    end.tell(&manager, &clock);
    health.set_stopping();
    let drain = supervisor.drain(drain + LAST_STEPS);
    let Some(drained) = end.drained(drain, signals, &manager, &clock).await else {
        anyhow::bail!("stopped at once by a second signal");
    };
    let _ = watchers.drain(LAST_STEPS).await;
    end.of(&drained)
}
