//! An exporter, and what scrapes it.

use std::sync::Arc;

use model::{MeterKind, Sample, Value, json};
use nephoscope_http::{ClientOptions, TlsOptions};
use nephoscope_publishers::Witness;
use nephoscope_publishers::exporter::{ExporterMetrics, ExporterPublisher};
use observability::clock::Clock;
use observability::metrics::Metrics;
use pipeline::{PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};
use testkit::Port;

use crate::records::sample;

pub(crate) const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";

/// An exporter on a port of its own.
pub(crate) struct House {
    pub(crate) publisher: ExporterPublisher,
    pub(crate) port: Port,
    pub(crate) metrics: Metrics,
}

impl House {
    pub(crate) fn new(rest: &str) -> Self {
        Self::with_clock(rest, Clock::machine())
    }

    pub(crate) fn with_clock(rest: &str, clock: Clock) -> Self {
        let (port, metrics) = (Port::take().unwrap(), Metrics::new());
        let publisher = made(&format!("127.0.0.1:{}{rest}", port.number()), &metrics, clock);
        Self { publisher, port, metrics }
    }

    pub(crate) async fn publish(&mut self, samples: &[Arc<Sample>]) -> Result<Refusals, PublishError> {
        self.publisher.publish(Arc::new([Records::Samples(samples.to_vec())])).await
    }

    pub(crate) async fn accept(&mut self, samples: &[Arc<Sample>]) {
        assert_eq!(self.publish(samples).await.unwrap(), Refusals::default());
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port.number())
    }

    pub(crate) async fn get(&self, path: &str, accept: &str) -> (u16, String, String) {
        get(&client(TlsOptions::default()), &self.url(path), accept).await
    }

    /// The lines of series.
    pub(crate) async fn lines(&self) -> Vec<String> {
        let (_, _, text) = self.get("/metrics", "*/*").await;
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// A metric of our own.
    pub(crate) fn own(&self, line: &str) -> u64 {
        let text = self.metrics.prometheus_text();
        let found = text.lines().find_map(|known| known.strip_prefix(line)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("{line}: {text}")).parse().unwrap()
    }
}

pub(crate) fn made(place: &str, metrics: &Metrics, clock: Clock) -> ExporterPublisher {
    let url = PublisherUrl::new(&format!("prometheus+exporter://{place}"));
    let metrics = ExporterMetrics::register(&metrics.component("prometheus_exporter"));
    ExporterPublisher::new(&url, RecordsKind::Samples, metrics, clock, Witness::nobody()).unwrap()
}

pub(crate) fn client(tls: TlsOptions) -> reqwest::Client {
    nephoscope_http::client(&ClientOptions { tls, ..ClientOptions::default() }).unwrap()
}

pub(crate) async fn get(client: &reqwest::Client, url: &str, accept: &str) -> (u16, String, String) {
    let response = client.get(url).header("accept", accept).send().await.unwrap();
    let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), kind.unwrap_or_default(), response.text().await.unwrap())
}

pub(crate) fn made_of(
    name: &str,
    kind: MeterKind,
    resource: &str,
    volume: impl Into<Value>,
    metadata: &str,
) -> Arc<Sample> {
    let mut made = (*sample(name, resource, volume)).clone();
    made.kind = kind;
    made.resource_metadata = json::parse(metadata).unwrap().into();
    Arc::new(made)
}
