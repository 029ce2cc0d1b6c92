//! `prometheus+exporter://127.0.0.1:9102[/metrics]`: an address that Prometheus scrapes the last value of each series from.
//! Samples only.
//!
//! **Accepted** means that the next scrape has the sample's value, unless a newer one has come by then. The values are in
//! memory: a restart begins without any. A sample that cannot be shown because there are `max_series` series already, or
//! because its series has a newer value, is counted in `nephoscope_prometheus_exporter_samples_not_shown_total`. While the
//! address cannot be listened on the samples are kept.
//!
//! A series that gets no value for `stale_after` seconds disappears. Updates and scrapes are whole: a scrape has all of a
//! batch or nothing of it, and never a hole. Values have no timestamps, as with Ceilometer: they are those of the moment.
//!
//! What is shown, and how, is [`series`](crate::series)'s; [`server`] serves it.

mod metrics;
mod options;
pub mod server;

use std::net::SocketAddr;
use std::sync::Arc;

use observability::clock::Clock;
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::inexpressible::{microseconds_of, volume_of};
use crate::series::{Point, Series, SeriesStore};
use crate::url_options::configuration;
use crate::witness::Witness;
use crate::{placed_samples, samples_only};
pub use metrics::{ExporterMetrics, NotShown};
use options::ExporterOptions;
use server::{ExpositionServer, Pages, Tls};

/// Shows samples to whoever scrapes them.
#[derive(Debug)]
pub struct ExporterPublisher {
    options: ExporterOptions,
    tls: Option<Tls>,
    store: Arc<SeriesStore>,
    /// Series that are in the gauge.
    counted: i64,
    metrics: ExporterMetrics,
    clock: Clock,
    /// A task for each address, once it listens.
    servers: JoinSet<()>,
    witness: Witness,
}

impl ExporterPublisher {
    /// The publisher for `url`. It listens once it is prepared, or when the first sample comes.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work, for events, and for certificates that cannot be read.
    pub fn new(
        url: &PublisherUrl,
        kind: RecordsKind,
        metrics: ExporterMetrics,
        clock: Clock,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        samples_only(url, kind)?;
        let options = ExporterOptions::from_url(url)?;
        let tls = options.tls.as_ref().map(Tls::new).transpose().map_err(|error| {
            configuration(
                crate::post::with_sources(&error),
                "certfile, keyfile and client_cafile name PEM files that this user may read",
            )
        })?;
        let store = Arc::new(SeriesStore::new(options.series));
        let servers = JoinSet::new();
        Ok(Self { options, tls, store, counted: 0, metrics, clock, servers, witness })
    }

    /// Listens on all addresses, if it does not yet.
    async fn listen(&mut self) -> Result<(), PublishError> {
        while let Some(ended) = self.servers.try_join_next() {
            // They serve until they are dropped: this one panicked.
            tracing::error!(
                ?ended,
                "a server of samples for Prometheus has ended; all of them are started again"
            );
            self.servers.shutdown().await;
        }
        if !self.servers.is_empty() {
            return Ok(());
        }
        let mut bound = Vec::new();
        for address in &self.options.addresses {
            let server = ExpositionServer::bind(*address, self.tls.clone(), self.options.limits).await;
            bound.push(server.map_err(|error| PublishError {
                cause: "listen",
                message: crate::post::with_sources(&error),
            })?);
        }
        let pages = Pages::new(
            Arc::<SeriesStore>::clone(&self.store),
            self.clock.clone(),
            self.options.path.clone(),
            self.metrics.scrapes.clone(),
        );
        for server in bound {
            let address = server.address();
            tracing::info!(%address, "listening for Prometheus");
            self.witness.tell(|| format!("  listening on {address}"));
            self.servers.spawn(server.serve(pages.clone(), CancellationToken::new()));
        }
        Ok(())
    }

    async fn publish_all(&mut self, groups: &[Records]) -> Result<Refusals, PublishError> {
        self.listen().await?;
        let mut refusals = Refusals::default();
        let (places, samples) = placed_samples(groups);
        let mut points = Vec::with_capacity(samples.len());
        for (place, sample) in places.into_iter().zip(samples) {
            match volume_of(sample) {
                Ok(value) => {
                    let series = Series::of(sample, self.options.naming);
                    let measured_at = microseconds_of(sample).ok();
                    points.push(Point { series, value, measured_at });
                }
                Err(refused) => refusals.push(refused.at(place)),
            }
        }
        for Point { series, value, .. } in &points {
            self.witness.tell(|| {
                let mut labels = String::new();
                series.write_labels(&mut labels);
                format!("  {}{labels} {value}", series.name)
            });
        }
        let updated = self.store.update(&points, self.clock.monotonic());
        self.count();
        self.metrics.not_shown.add(NotShown::Outdated, updated.outdated);
        if updated.no_room > 0 {
            self.metrics.not_shown.add(NotShown::MaxSeries, updated.no_room);
            let (samples, series) = (updated.no_room, self.options.series.series);
            tracing::warn!(
                samples,
                series,
                "no room for further series: they are not shown; max_series is the limit"
            );
        }
        Ok(refusals)
    }

    /// Brings the gauge of series up to date.
    fn count(&mut self) {
        let series = i64::try_from(self.store.len()).unwrap_or(i64::MAX);
        self.metrics.series.inc_by(series - self.counted);
        self.counted = series;
    }

    /// The addresses in the URL.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.options.addresses
    }
}

impl Drop for ExporterPublisher {
    fn drop(&mut self) {
        self.metrics.series.dec_by(self.counted);
    }
}

impl Publisher for ExporterPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }

    fn prepare(&mut self) -> pipeline::Preparing<'_> {
        Box::pin(async move {
            if let Err(error) = self.listen().await {
                tracing::warn!("tried again with the first sample: {error}");
            }
        })
    }
}
