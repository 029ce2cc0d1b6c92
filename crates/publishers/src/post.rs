//! [`Poster`]: how every publisher that speaks HTTP delivers records by POST.
//!
//! **Accepted** means that the server answered 2xx. Ceilometer logs every other answer, and the records are gone; here
//! they are either offered again or refused:
//!
//! | Answer | What becomes of the records |
//! |---|---|
//! | none (no connection, time is up), 5xx, and every 4xx that is not named below | offered again; `Retry-After` is honoured, up to 5 minutes |
//! | 3xx | offered again; a redirect is not followed, because a POST would become a GET and its records would be lost |
//! | 400, 409, 413, 422 | the request is divided until it is known which of its records are refused; the others are delivered |
//!
//! An attempt that fails half-way goes on where it was: what was answered in it is not sent again.
//!
//! The publishers that speak OTLP read more in an answer than its status; what they share is here as well.

mod answer;
mod answered;
mod exchange;
mod options;
mod retry_after;
mod target;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use nephoscope_http::{BodyError, ProxyOptions, read_body};
use pipeline::{BuildError, PublishError, Refusal, Refusals, Unnamed};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use tokio::time::Instant;

pub(crate) use self::answer::{Meaning, meaning};
pub(crate) use self::answered::Answered;
pub(crate) use self::exchange::send;
pub(crate) use self::options::{Defaults, PostOptions, with_sources};
use crate::witness::{Witness, body_text};

/// Most records in one request.
pub(crate) const REQUEST_RECORDS: usize = 1000;
/// Most bytes of a request's body; one larger record still goes, alone.
pub(crate) const REQUEST_BYTES: usize = 1024 * 1024;
/// Most bytes of an answer that are read.
pub(crate) const ANSWER_BYTES: usize = 64 * 1024;
/// Most characters of an answer that are repeated in errors and dead letters.
const SHOWN_CHARACTERS: usize = 300;

/// What the configuration says to all publishers that speak HTTP.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The proxies of the environment, which Ceilometer's HTTP library uses as well.
    pub proxy: ProxyOptions,
    /// `[DEFAULT] max_parallel_requests`: connections that are kept, and requests at the same time where their order does
    /// not matter.
    pub max_parallel_requests: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { proxy: ProxyOptions::default(), max_parallel_requests: 64 }
    }
}

/// Sends requests to one target.
#[derive(Debug)]
pub(crate) struct Poster {
    client: reqwest::Client,
    options: PostOptions,
    content: Content,
    /// Further headers of every request, which may be secret.
    headers: HeaderMap,
    patience: Patience,
    witness: Witness,
}

/// What the bodies of a publisher's requests are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    pub(crate) media_type: &'static str,
    /// Further headers, with names in small letters.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// Whether a person can read them.
    pub(crate) is_text: bool,
}

impl From<&'static str> for Content {
    /// A text of that type.
    fn from(media_type: &'static str) -> Self {
        Self { media_type, headers: &[], is_text: true }
    }
}

impl Content {
    /// A body for a person.
    fn shown(self, body: &[u8]) -> String {
        if self.is_text { body_text(body) } else { format!("{} bytes", body.len()) }
    }
}

/// An answer as it came.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Why it is not there in full, if it is not.
    pub(crate) body: Result<Bytes, BodyError>,
}

/// The place of a record in what was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) group: usize,
    pub(crate) record: usize,
}

impl Place {
    /// The place of a refused record.
    pub(crate) const fn of(refusal: &Refusal) -> Self {
        Self { group: refusal.group, record: refusal.record }
    }
}

/// Records that go together unless the server refuses some of them.
pub(crate) struct Shipment<'s> {
    /// What is put behind the target's path.
    pub(crate) sub_path: Option<String>,
    /// Where the records come from, in order.
    pub(crate) places: &'s [Place],
    /// The body of a part of them.
    pub(crate) body: &'s (dyn Fn(Range<usize>) -> Vec<u8> + Sync),
}

/// What became of a request.
pub(crate) enum Answer {
    Accepted,
    /// All but some of which it is not said which they are.
    Partly(Unnamed),
    Refused {
        cause: &'static str,
        reason: String,
    },
    /// Too much at once, perhaps: fewer records may be taken. If it is one alone, it is offered again.
    Less(PublishError),
}

/// What makes requests.
pub(crate) trait Post: Sync {
    /// One request.
    ///
    /// # Errors
    /// [`PublishError`] when its records are to be offered again.
    fn post(
        &self,
        sub_path: Option<&str>,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<Answer, PublishError>> + Send;
}

impl Poster {
    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when a certificate or key that the URL names cannot be used.
    pub(crate) fn new(
        options: PostOptions,
        content: impl Into<Content>,
        settings: &HttpSettings,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        let client = options.client(settings, None)?;
        let (content, headers) = (content.into(), HeaderMap::new());
        Ok(Self { client, options, content, headers, patience: Patience::default(), witness })
    }

    /// With further headers in every request.
    pub(crate) fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    pub(crate) const fn options(&self) -> &PostOptions {
        &self.options
    }

    /// Delivers a shipment; what the server refuses goes to `refusals`.
    pub(crate) async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        refusals: &mut Refusals,
    ) -> Result<(), PublishError> {
        deliver(self, shipment, refusals).await
    }

    /// Delivers a shipment of open records, and notes what was answered, also when the rest of it has to wait.
    pub(crate) async fn deliver_open(
        &self,
        shipment: &Shipment<'_>,
        answered: &mut Answered,
    ) -> Result<(), PublishError> {
        deliver_open(self, shipment, answered).await
    }

    /// One request, with as many attempts to connect as `max_retries` allows, and what it is answered.
    pub(crate) async fn exchange(
        &self,
        sub_path: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Response, PublishError> {
        self.patience.keep_away().await;
        let url = self.options.target.url(sub_path);
        self.tell_request(&self.shown(sub_path), &body);
        let body = Bytes::from(body);
        let request = || {
            let mut request = self.client.post(url.clone()).headers(self.headers.clone()).body(body.clone());
            request = request.header(CONTENT_TYPE, self.content.media_type);
            for (name, value) in self.content.headers {
                request = request.header(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            self.options.authorized(request)
        };
        let response = send(request, self.options.max_retries, &self.witness).await?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read_body(response, ANSWER_BYTES).await;
        self.witness.tell(|| format!("< {status}"));
        if let Ok(body) = body.as_ref()
            && !body.is_empty()
        {
            self.witness.tell(|| format!("< {}", self.content.shown(body)));
        }
        Ok(Response { status, headers, body })
    }

    /// The address for a person.
    pub(crate) fn shown(&self, sub_path: Option<&str>) -> String {
        self.options.target.shown(sub_path)
    }

    pub(crate) const fn patience(&self) -> &Patience {
        &self.patience
    }

    fn tell_request(&self, shown: &str, body: &[u8]) {
        self.witness.tell(|| format!("> POST {shown}"));
        self.witness.tell(|| format!("> Content-type: {}", self.content.media_type));
        for (name, value) in self.content.headers {
            self.witness.tell(|| format!("> {name}: {value}"));
        }
        if self.options.authorization.is_some() {
            self.witness.tell(|| "> Authorization: Basic ***".to_owned());
        }
        for name in self.headers.keys() {
            self.witness.tell(|| format!("> {name}: ***"));
        }
        self.witness.tell(|| format!("> {}", self.content.shown(body)));
    }
}

impl Post for Poster {
    async fn post(&self, sub_path: Option<&str>, body: Vec<u8>) -> Result<Answer, PublishError> {
        let Response { status, headers, body } = self.exchange(sub_path, body).await?;
        // The status counts: a body that breaks off does not undo it.
        let body = body.as_deref().unwrap_or_default();
        decided(&self.shown(sub_path), status, &headers, body, &self.patience)
    }
}

/// Delivers a shipment; what the server refuses goes to `refusals`.
pub(crate) async fn deliver(
    post: &impl Post,
    shipment: &Shipment<'_>,
    refusals: &mut Refusals,
) -> Result<(), PublishError> {
    let mut parts = std::iter::once(0..shipment.places.len()).collect();
    deliver_parts(post, shipment, &mut parts, refusals).await
}

/// Delivers a shipment of open records, and notes what was answered, also when the rest of it has to wait.
pub(crate) async fn deliver_open(
    post: &impl Post,
    shipment: &Shipment<'_>,
    answered: &mut Answered,
) -> Result<(), PublishError> {
    let mut parts = std::iter::once(0..shipment.places.len()).collect();
    let delivered = deliver_parts(post, shipment, &mut parts, answered.refusals()).await;
    let is_answered = |number: &usize| !parts.iter().any(|part| part.contains(number));
    let places = shipment.places.iter().enumerate();
    answered.add(places.filter(|(number, _)| is_answered(number)).map(|(_, place)| *place));
    delivered
}

/// Delivers parts of a shipment, the last one first. What is answered leaves `parts`, so that after an error the rest can
/// be delivered another time.
pub(crate) async fn deliver_parts(
    post: &impl Post,
    shipment: &Shipment<'_>,
    parts: &mut Vec<Range<usize>>,
    refusals: &mut Refusals,
) -> Result<(), PublishError> {
    while let Some(part) = parts.last().cloned() {
        let answer = if part.is_empty() {
            Answer::Accepted
        } else {
            post.post(shipment.sub_path.as_deref(), (shipment.body)(part.clone())).await?
        };
        parts.pop();
        match answer {
            Answer::Accepted => {}
            Answer::Partly(Unnamed { records, cause, reason }) => {
                // A server that counts wrongly is not believed.
                let records = records.min(part.len() as u64);
                refusals.push_unnamed(Unnamed { records, cause, reason });
            }
            Answer::Refused { .. } | Answer::Less(_) if part.len() > 1 => {
                let middle = part.start + part.len() / 2;
                parts.push(middle..part.end);
                parts.push(part.start..middle);
            }
            Answer::Less(error) => {
                parts.push(part);
                return Err(error);
            }
            Answer::Refused { cause, reason } => {
                for place in shipment.places.get(part).unwrap_or_default() {
                    let (group, record) = (place.group, place.record);
                    refusals.push(Refusal { group, record, cause, reason: reason.clone() });
                }
            }
        }
    }
    Ok(())
}

/// What a server with that answer has decided: the records are taken or refused, or are to be offered again.
pub(crate) fn decided(
    shown: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    patience: &Patience,
) -> Result<Answer, PublishError> {
    let mut message = format!("{shown}: {status}{}", said(body));
    match meaning(status.as_u16()) {
        Meaning::Accepted => Ok(Answer::Accepted),
        Meaning::Refused(cause) => Ok(Answer::Refused { cause, reason: message }),
        Meaning::Later(cause) => {
            if let Some(wait) = asked_wait(headers) {
                patience.leave_alone(wait);
                message = format!("{message} (it asks to wait for {} s)", wait.as_secs());
            }
            if cause == "redirect" {
                let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
                let location = location.map_or("nowhere", without_query);
                message = format!("{message} (redirects to {location}; write the address that it leads to)");
            }
            Err(PublishError { cause, message })
        }
    }
}

/// Until when a server wants to be left alone.
#[derive(Debug, Default)]
pub(crate) struct Patience(Mutex<Option<Instant>>);

impl Patience {
    /// Waits for as long as the server has asked for.
    pub(crate) async fn keep_away(&self) {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Leaves the server alone for as long as it wants, within reason.
    pub(crate) fn leave_alone(&self, wait: Duration) {
        let until = Instant::now() + wait.min(retry_after::LONGEST);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

/// The wait that an answer asks for.
pub(crate) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    retry_after::wait(text(RETRY_AFTER)?, text(DATE))
}

/// What the server said in its body, behind a colon; empty when it said nothing.
pub(crate) fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(SHOWN_CHARACTERS).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// An address without what may be secret in it.
fn without_query(location: &str) -> &str {
    location.split(['?', '#']).next().unwrap_or_default()
}

/// Divides records into requests: ranges of at most `records` of them and about `bytes` of body.
pub(crate) fn requests(lengths: &[usize], records: usize, bytes: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut held) = (0, 0);
    for (place, length) in lengths.iter().enumerate() {
        if place > start && (place - start >= records || held + length > bytes) {
            ranges.push(start..place);
            (start, held) = (place, 0);
        }
        held += length;
    }
    if start < lengths.len() {
        ranges.push(start..lengths.len());
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_bounded_by_records_and_bytes() {
        let ranges = |lengths: &[usize]| requests(lengths, 3, 10);
        assert!(ranges(&[]).is_empty());
        assert_eq!(ranges(&[1, 1, 1, 1]), [0..3, 3..4]);
        assert_eq!(ranges(&[6, 5, 5, 99, 1]), [0..1, 1..3, 3..4, 4..5]);
    }

    #[test]
    fn a_servers_words_are_short_and_on_one_line() {
        assert_eq!(said(b""), "");
        assert_eq!(said(b"text format\n parsing\terror"), ": text format parsing error");
        assert_eq!(said(&[b'x'; 5000]).len(), SHOWN_CHARACTERS + 2);
        assert_eq!(without_query("https://h/p?token=x#y"), "https://h/p");
    }
}
