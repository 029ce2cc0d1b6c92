//! What the polling role shows to Prometheus.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Context as _;
use observability::clock::Clock;
use observability::metrics::Metrics;
use oslo_config::Config;
use polling::{Exporter, ExporterMetrics, Listeners};
use publishers::exporter::server::Tls;

use super::House;
use crate::check::with_sources;
use crate::settings::exporter::{self, ExporterSettings};

/// The exporter, checked.
pub(crate) struct Shown {
    settings: ExporterSettings,
    exporter: Arc<Exporter>,
    listeners: Listeners,
}

impl Shown {
    /// Nothing is listened on yet. `None`: it is off.
    ///
    /// # Errors
    /// The text says which option can never work.
    pub(crate) fn new(config: &Config, metrics: &Metrics) -> Result<Option<Self>, String> {
        // They are there whether it is on or off.
        let metrics = ExporterMetrics::register(&metrics.component("polling_exporter"));
        let Some(settings) = exporter::settings(config)? else { return Ok(None) };
        let exporter = Arc::new(Exporter::new(settings.mode, settings.max_series, metrics));
        Ok(Some(Self { settings, exporter, listeners: Listeners::default() }))
    }

    /// Binds the addresses.
    ///
    /// # Errors
    /// The text names the one that cannot be listened on.
    pub(crate) fn listen(&mut self) -> Result<(), String> {
        self.listeners = Listeners::bind(&self.settings.addresses)
            .map_err(|error| format!("{}: {}", exporter::ADDRESSES, with_sources(&error)))?;
        Ok(())
    }

    /// Serves what is listened on, until the end. Must run inside a tokio runtime.
    pub(crate) fn serve(self, house: &House, clock: &Clock) -> anyhow::Result<(Arc<Exporter>, Option<Tls>)> {
        let Self { settings, exporter, listeners } = self;
        let tls = settings.tls;
        let servers = listeners.servers(&exporter, tls.as_ref(), clock).context("cannot serve Prometheus")?;
        for (server, pages) in servers {
            let address = server.address();
            tracing::info!(%address, tls = tls.is_some(), "samples are shown to Prometheus");
            let stop = house.supervisor.token().clone();
            house.supervisor.spawn_once(format!("exporter:{address}"), async move {
                server.serve(pages, stop).await;
                Ok::<(), Infallible>(())
            });
        }
        Ok((exporter, tls))
    }
}
