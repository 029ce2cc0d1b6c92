//! `http://host/path` and `https://host/path`: posts records as JSON. Samples and events.
//!
//! **Accepted** means that the server answered 2xx; [`crate::post`] says what other answers mean.
//!
//! The parameters `timeout`, `max_retries`, `batch`, `verify_ssl`, `clientcert`, `clientkey` and `raw_only` are taken out of
//! the URL, the rest of it is where requests go. Bodies are Ceilometer's (`publisher/http.py`): a list of samples as
//! `as_dict()` gives them, or of serialized events, or, with `raw_only`, of the payloads of raw notifications; with
//! `batch=False` one record a request. Records that wait together go together, up to 1 000 or 1 MiB a request.

use std::ops::Range;
use std::sync::Arc;

use model::{Event, Value, json};
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, Refusals};

use crate::post::{
    Answered, HttpSettings, Place, PostOptions, Poster, REQUEST_BYTES, REQUEST_RECORDS, Shipment, requests,
};
use crate::url_options::UrlOptions;
use crate::witness::Witness;

/// Posts samples and events as JSON.
#[derive(Debug)]
pub struct HttpPublisher {
    poster: Poster,
    answered: Answered,
}

impl HttpPublisher {
    /// The publisher for `url`.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work, and for certificates that cannot be read.
    pub fn new(url: &PublisherUrl, settings: &HttpSettings, witness: Witness) -> Result<Self, BuildError> {
        let options = PostOptions::from_url(url, UrlOptions::from_url(url))?;
        let poster = Poster::new(options, "application/json", settings, witness)?;
        Ok(Self { poster, answered: Answered::default() })
    }

    async fn publish_all(&mut self, groups: &Arc<[Records]>) -> Result<Refusals, PublishError> {
        let answered = &mut self.answered;
        answered.begin(groups);
        let Texts { places, texts } = texts(groups, self.poster.options().raw_only, answered);
        if !self.poster.options().batch {
            for (place, text) in places.iter().zip(&texts) {
                let body = |_: Range<usize>| text.clone();
                let shipment = Shipment { sub_path: None, places: std::slice::from_ref(place), body: &body };
                self.poster.deliver_open(&shipment, answered).await?;
            }
            return Ok(answered.end());
        }
        let lengths: Vec<usize> = texts.iter().map(|text| text.len() + 2).collect();
        for range in requests(&lengths, REQUEST_RECORDS, REQUEST_BYTES) {
            let places = places.get(range.clone()).unwrap_or_default();
            let texts = texts.get(range).unwrap_or_default();
            let body = |part: Range<usize>| list(texts.get(part).unwrap_or_default());
            let shipment = Shipment { sub_path: None, places, body: &body };
            self.poster.deliver_open(&shipment, answered).await?;
        }
        Ok(answered.end())
    }
}

impl Publisher for HttpPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }
}

/// The JSON text of each record that there is something to send of, and its place.
pub(crate) struct Texts {
    pub(crate) places: Vec<Place>,
    pub(crate) texts: Vec<Vec<u8>>,
}

/// The texts of open records: samples as `as_dict()` gives them, serialized events.
pub(crate) fn texts(groups: &[Records], raw_only: bool, answered: &Answered) -> Texts {
    let (mut places, mut texts) = (Vec::new(), Vec::new());
    let mut add = |place, text| {
        places.push(place);
        texts.push(text);
    };
    let is_open = |place: &Place| answered.is_open(*place);
    for (group, records) in groups.iter().enumerate() {
        match records {
            Records::Samples(samples) => {
                for (record, sample) in samples.iter().enumerate() {
                    let Some(place) = Some(Place { group, record }).filter(is_open) else { continue };
                    let mut text = Vec::new();
                    sample.write_json(&mut text);
                    add(place, text);
                }
            }
            Records::Events(events) => {
                for (record, event) in events.iter().enumerate() {
                    let Some(place) = Some(Place { group, record }).filter(is_open) else { continue };
                    if let Some(text) = event_text(event, raw_only) {
                        add(place, text);
                    }
                }
            }
        }
    }
    Texts { places, texts }
}

/// `None`: with `raw_only` there is nothing to send of an event without a payload.
fn event_text(event: &Event, raw_only: bool) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    if raw_only {
        let payload = event.raw.get("payload").filter(|payload| payload.is_truthy())?;
        json::write(payload, &mut text);
    } else {
        json::write(&Value::Map(event.to_serialized()), &mut text);
    }
    Some(text)
}

/// A JSON list of texts, as `json.dumps` writes it.
pub(crate) fn list(texts: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(texts.iter().map(|text| text.len() + 2).sum::<usize>() + 2);
    body.push(b'[');
    for (place, text) in texts.iter().enumerate() {
        if place > 0 {
            body.extend_from_slice(b", ");
        }
        body.extend_from_slice(text);
    }
    body.push(b']');
    body
}
