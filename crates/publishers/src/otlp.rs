//! `otlp+grpc://host:4317`, `otlp+grpcs://…`, `otlp+http://host:4318/v1/metrics`, `otlp+https://…`: sends samples to an
//! OpenTelemetry collector, or whatever else receives OTLP, as protobuf. Samples only.
//!
//! **Accepted** means that the receiver answered OK (gRPC; see [`grpc`]) or 2xx (HTTP; see [`http`]). An answer may say that
//! some points of a request were rejected, but not which (`partial_success`); OTLP forbids to send them again, so they are
//! counted as lost, with the receiver's message in the log.
//!
//! [`metrics`] says how samples become metrics, and [`series`] how sums get the start of their time. An attempt that fails
//! half-way goes on where it was, and sends the same bytes again.
//!
//! Parameters are those of the `http` publisher and `batch_size`, `compression`, `max_series`, `header.NAME` and
//! `resource.NAME` (see [`options`]). Ceilometer has no such publisher; its `opentelemetryhttp` speaks JSON.

mod answer;
mod grpc;
mod http;
mod metrics;
mod options;
mod series;

use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};

use self::answer::Outcome;
use self::grpc::Grpc;
use self::http::Http;
use self::metrics::{Point, sample_at};
use self::options::{Carrier, OtlpOptions};
use self::series::Series;
use crate::post::{Answer, HttpSettings, Place, REQUEST_BYTES, Shipment, deliver_parts, requests, said};
use crate::witness::Witness;
use crate::{placed_samples, samples_only};

/// Sends samples as OTLP.
#[derive(Debug)]
pub struct OtlpPublisher {
    transport: Transport,
    batch_size: usize,
    /// The message `Resource`.
    resource: Vec<u8>,
    series: Series,
    /// An offer that is not done with.
    progress: Option<Progress>,
}

#[derive(Debug)]
enum Transport {
    Grpc(Box<Grpc>),
    Http(Box<Http>),
}

/// What of an offer is done with.
#[derive(Debug)]
struct Progress {
    groups: Arc<[Records]>,
    points: Vec<Point>,
    /// Of these, what is still to be sent, the last part first: a request each, if the receiver does not want less.
    parts: Vec<Range<usize>>,
    refusals: Refusals,
}

impl OtlpPublisher {
    /// The publisher for `url`.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work, for events, and for certificates that cannot be read.
    pub fn new(
        url: &PublisherUrl,
        kind: RecordsKind,
        settings: &HttpSettings,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        samples_only(url, kind)?;
        let mut options = OtlpOptions::from_url(url)?;
        let (batch_size, max_series) = (options.batch_size, options.max_series);
        let resource = std::mem::take(&mut options.resource);
        let transport = match options.carrier {
            Carrier::Grpc => Transport::Grpc(Box::new(Grpc::new(options, settings, witness)?)),
            Carrier::Http => Transport::Http(Box::new(Http::new(options, settings, witness)?)),
        };
        Ok(Self { transport, batch_size, resource, series: Series::new(max_series), progress: None })
    }

    async fn publish_all(&mut self, groups: Arc<[Records]>) -> Result<Refusals, PublishError> {
        let known = self.progress.take().filter(|progress| Arc::ptr_eq(&progress.groups, &groups));
        let known = known.unwrap_or_else(|| Progress::new(groups, self.batch_size, &mut self.series));
        // It stays here also when this call is given up half-way.
        let progress = self.progress.insert(known);
        let (groups, points, resource) = (&progress.groups, &progress.points, &self.resource);
        let places: Vec<Place> = points.iter().map(|point| point.place).collect();
        let body =
            |part: Range<usize>| metrics::request(groups, points.get(part).unwrap_or_default(), resource);
        let shipment = Shipment { sub_path: None, places: &places, body: &body };
        let (parts, refusals) = (&mut progress.parts, &mut progress.refusals);
        match &self.transport {
            Transport::Grpc(grpc) => deliver_parts(&**grpc, &shipment, parts, refusals).await?,
            Transport::Http(http) => deliver_parts(&**http, &shipment, parts, refusals).await?,
        }
        Ok(self.progress.take().map(|progress| progress.refusals).unwrap_or_default())
    }
}

impl Progress {
    /// Everything is to be sent but what has no form in OTLP.
    fn new(groups: Arc<[Records]>, batch_size: usize, series: &mut Series) -> Self {
        let (places, samples) = placed_samples(&groups);
        let (mut points, mut refusals) = (Vec::with_capacity(places.len()), Refusals::default());
        for (place, sample) in places.into_iter().zip(samples) {
            match Point::of(sample, place, series) {
                Ok(point) => points.push(point),
                Err(refused) => refusals.push(refused.at(place)),
            }
        }
        let length = |point: &Point| sample_at(&groups, point.place).map_or(0, Point::approximate_bytes);
        let lengths: Vec<usize> = points.iter().map(length).collect();
        let parts = requests(&lengths, batch_size, REQUEST_BYTES).into_iter().rev().collect();
        Self { groups, points, parts, refusals }
    }
}

impl Publisher for OtlpPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(self.publish_all(groups))
    }
}

/// The answer to a request that was taken, of which the receiver says `outcome`; an error is why that cannot be read.
fn taken(shown: &str, outcome: Result<Outcome, String>) -> Answer {
    match outcome {
        Ok(outcome) => {
            if outcome.rejected == 0 && !outcome.message.is_empty() {
                tracing::warn!("{shown} took the records with a warning{}", said(outcome.message.as_bytes()));
            }
            outcome.unnamed(shown).map_or(Answer::Accepted, Answer::Partly)
        }
        Err(error) => {
            tracing::warn!(
                "{shown} took the records, and its answer cannot be read: {error}; whether it has rejected some of them is \
                 not known"
            );
            Answer::Accepted
        }
    }
}

/// Packs a message: fast rather than small, because much of it repeats.
fn gzip(message: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
    // Writing to memory cannot fail.
    let _ = packed.write_all(message);
    packed.finish().unwrap_or_default()
}
