//! The store's life in a process: opened, looked after, served.

use std::time::Duration;

use anyhow::Context as _;
use buffer::medium::Disk;
use metric::Metrics as Store;
use metric_api::{Api, ApiMetrics};
use observability::clock::Clock;
use observability::http_server::{BindError, HttpServer};
use observability::metrics::Metrics;
use observability::service_manager::ServiceManager;
use observability::supervisor::Supervisor;

use super::{MetricSettings, Restart, control, listen, statsd};

/// Opens the store, or makes it. The service manager waits: a long log, or a damaged state, takes its time.
pub(crate) async fn open(
    settings: &MetricSettings,
    clock: Clock,
    manager: &ServiceManager,
) -> anyhow::Result<Store> {
    let opening = Box::pin(opened(settings, clock.clone()));
    manager.hold_while(&clock, "opening the metric store", opening).await
}

async fn opened(settings: &MetricSettings, clock: Clock) -> anyhow::Result<Store> {
    let directory = &settings.directory;
    let place = directory.clone();
    let settled = tokio::task::spawn_blocking(move || metric::settle_replacement(&Disk, &place)).await?;
    if let Some(kept) = settled.context("cannot put the backup into place that is to be restored")? {
        let kept: Vec<_> = kept.iter().map(|path| path.display().to_string()).collect();
        tracing::info!(
            kept = kept.join(", "),
            "a backup is in place; the old metric store is kept beside it"
        );
    }
    std::fs::create_dir_all(directory).with_context(|| {
        format!("cannot make {}; set [nephoscope] state_dir to a directory of this user", directory.display())
    })?;
    let measures = directory.join("measures");
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

/// Takes the addresses of the API.
pub(crate) async fn bind(settings: &MetricSettings) -> Result<Vec<HttpServer>, BindError> {
    let mut servers = Vec::with_capacity(settings.addresses.len());
    for address in &settings.addresses {
        servers.push(HttpServer::bind(*address).await?);
    }
    Ok(servers)
}

/// Answers requests there until the supervisor stops, and those that have begun then for `drain`; returns the addresses as
/// they are logged.
pub(crate) fn serve_api(
    supervisor: &Supervisor,
    metrics: &Metrics,
    servers: Vec<HttpServer>,
    store: Store,
    settings: MetricSettings,
    drain: Duration,
) -> Vec<String> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let addresses = servers.iter().map(|server| format!("{scheme}://{}", server.address())).collect();
    let counted = ApiMetrics::register(&metrics.component("metric_api"));
    let api = Api::new(store, settings.api).counted(counted);
    listen::serve(supervisor, servers, settings.tls.as_ref(), api, drain);
    if let Some(tls) = settings.tls {
        listen::watch(supervisor, tls);
    }
    addresses
}

/// What else reaches the store: the control socket, and statsd where it is configured.
///
/// # Errors
/// The address of statsd cannot be had, or its resource not be made.
pub(crate) async fn serve_others(
    supervisor: &Supervisor,
    metrics: &Metrics,
    store: &Store,
    settings: &MetricSettings,
    restart: &Restart,
) -> anyhow::Result<()> {
    control::start(settings, metrics, supervisor, store, restart);
    if let Some(statsd) = &settings.statsd {
        statsd::start(statsd, metrics, supervisor, store).await?;
    }
    Ok(())
}
