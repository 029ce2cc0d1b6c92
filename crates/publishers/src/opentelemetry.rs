//! `opentelemetryhttp://host:4318/v1/metrics`: sends samples to an OpenTelemetry collector as OTLP/JSON. Samples only.
//!
//! **Accepted** means that the collector answered 2xx; [`crate::post`] says what other answers mean.
//!
//! The default is OTLP as its specification and the protobuf JSON mapping have it (see [`otlp`]), many samples a request.
//! What Ceilometer sends (`publisher/opentelemetry_http.py`) is no valid OTLP; whoever has built on it gets it with
//! `ceilometer_format=True`, one request a sample (see [`ceilometer`]). The other parameters are those of the `http`
//! publisher, and `ssl`.

mod ceilometer;
mod otlp;

use std::ops::Range;
use std::sync::Arc;

use model::Sample;
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};

use crate::inexpressible::Inexpressible;
use crate::post::{
    Answered, HttpSettings, Place, PostOptions, Poster, REQUEST_BYTES, REQUEST_RECORDS, Shipment, requests,
};
use crate::url_options::UrlOptions;
use crate::witness::Witness;
use crate::{placed_samples, samples_only};

/// Sends samples as OTLP/JSON.
#[derive(Debug)]
pub struct OpenTelemetryPublisher {
    poster: Poster,
    /// Whether requests are Ceilometer's own.
    ceilometer_format: bool,
    answered: Answered,
}

impl OpenTelemetryPublisher {
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
        let mut options = UrlOptions::from_url(url);
        let ceilometer_format = options.switch("ceilometer_format", false)?;
        let options = PostOptions::from_url(url, options)?;
        let poster = Poster::new(options, "application/json", settings, witness)?;
        Ok(Self { poster, ceilometer_format, answered: Answered::default() })
    }

    async fn publish_all(&mut self, groups: &Arc<[Records]>) -> Result<Refusals, PublishError> {
        let Self { poster, ceilometer_format, answered } = self;
        answered.begin(groups);
        let (places, samples) = placed_samples(groups);
        let open = places.into_iter().zip(samples).filter(|(place, _)| answered.is_open(*place));
        let open: Vec<(Place, &Sample)> = open.collect();
        if *ceilometer_format {
            publish_ceilometers(poster, &open, answered).await?;
            return Ok(answered.end());
        }
        let mut points = Vec::new();
        let mut kept = Vec::new();
        for (place, sample) in open {
            match otlp::Point::of(sample) {
                Ok(point) => {
                    points.push(point);
                    kept.push(place);
                }
                Err(refused) => answered.refuse(refused.at(place)),
            }
        }
        let records = if poster.options().batch { REQUEST_RECORDS } else { 1 };
        let lengths: Vec<usize> = points.iter().map(otlp::Point::approximate_bytes).collect();
        for range in requests(&lengths, records, REQUEST_BYTES) {
            let places = kept.get(range.clone()).unwrap_or_default();
            let points = points.get(range).unwrap_or_default();
            let body = |part: Range<usize>| otlp::request(points.get(part).unwrap_or_default());
            poster.deliver_open(&Shipment { sub_path: None, places, body: &body }, answered).await?;
        }
        Ok(answered.end())
    }
}

async fn publish_ceilometers(
    poster: &Poster,
    open: &[(Place, &Sample)],
    answered: &mut Answered,
) -> Result<(), PublishError> {
    for (place, sample) in open {
        match ceilometer::request(sample) {
            Ok(text) => {
                let body = |_: Range<usize>| text.clone();
                let places = std::slice::from_ref(place);
                poster.deliver_open(&Shipment { sub_path: None, places, body: &body }, answered).await?;
            }
            Err(refused) => answered.refuse(refused.at(*place)),
        }
    }
    Ok(())
}

impl Publisher for OpenTelemetryPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }
}
