//! [`Client`]: requests to Gnocchi, and what its answers mean.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::{Value, json};
use openstack::{Bytes, Method, Service, StatusCode};
use pipeline::PublishError;
use tokio::time::Instant;

use super::batch::{self, Entry};
use super::embedded::Way;
use super::writer::MEASURES;
use crate::witness::{Witness, body_text};

/// The longest that is waited because of a `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The largest answer: a page of 1 000 resources with all their metrics.
const ANSWER_BYTES: usize = 32 << 20;
/// Characters of an answer that a reason shows.
const SHOWN_CHARACTERS: usize = 500;

pub(super) const JSON: &str = "application/json";
pub(super) const JSON_PATCH: &str = "application/json-patch+json";

/// Gnocchi's REST API v1, below the endpoint of a service or in this process.
#[derive(Debug)]
pub struct Client {
    way: Way,
    timeout: Duration,
    /// Nothing is sent before: a server has asked for it.
    not_before: Mutex<Option<Instant>>,
    witness: Witness,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
    /// Whether it links to another page.
    pub has_more: bool,
}

impl Answer {
    /// One page.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), has_more: false }
    }

    const fn is_success(&self) -> bool {
        matches!(self.status, 200..300)
    }

    /// The body in one line, for a message.
    fn excerpt(&self) -> String {
        // Four bytes a character at most.
        let bytes = self.body.get(..SHOWN_CHARACTERS * 4).unwrap_or(&self.body);
        let text = String::from_utf8_lossy(bytes);
        let words = text.split(|character: char| character.is_whitespace() || character.is_control());
        let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        line.chars().take(SHOWN_CHARACTERS).collect()
    }
}

/// Why a request has not done what it should.
#[derive(Debug)]
pub(super) enum Failure {
    /// Not now; nothing can be said about what was sent.
    Later(Later),
    /// Gnocchi has looked at what was sent, and refuses it.
    Refused(Rejection),
}

/// Why it did not work now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Later {
    pub(super) cause: &'static str,
    pub(super) message: String,
    /// The server answered 5xx: it may be what was sent that it fails at.
    pub(super) is_server_error: bool,
}

impl Later {
    pub(super) fn new(cause: &'static str, message: impl Into<String>) -> Self {
        Self { cause, message: message.into(), is_server_error: false }
    }

    /// The server took too long.
    pub(super) fn is_timeout(&self) -> bool {
        self.cause == "timeout"
    }
}

impl From<Later> for PublishError {
    fn from(later: Later) -> Self {
        Self { cause: later.cause, message: later.message }
    }
}

impl From<Later> for Failure {
    fn from(later: Later) -> Self {
        Self::Later(later)
    }
}

/// What Gnocchi says about a request that it refuses.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rejection {
    /// The HTTP status: one of [`REFUSING`].
    pub(super) status: u16,
    /// A text, or a map with `cause`, and perhaps `reason` and `detail`.
    pub(super) description: Value,
}

/// Statuses by which Gnocchi refuses what was sent, and not everything.
const REFUSING: [u16; 6] = [400, 403, 404, 409, 413, 422];
/// Of these, those that a server in front of Gnocchi gives as well, in words of its own.
const TOO_LARGE: u16 = 413;

impl Rejection {
    /// The short name of the cause, if the description has one.
    pub(super) fn cause(&self) -> Option<&str> {
        self.description.get("cause").and_then(Value::as_str)
    }

    /// What the cause is about.
    pub(super) fn detail(&self) -> Option<&Value> {
        self.description.get("detail")
    }

    /// The description in words.
    pub(super) fn words(&self) -> String {
        let mut words = match &self.description {
            Value::Null => String::new(),
            Value::Str(text) => text.to_string(),
            other => match (self.cause(), other.get("reason").and_then(Value::as_str), self.detail()) {
                (Some(cause), Some(reason), _) => format!("{cause}: {reason}"),
                (Some(cause), None, Some(detail)) => format!("{cause}: {}", json::to_compact_string(detail)),
                _ => json::to_compact_string(other),
            },
        };
        if words.chars().count() > SHOWN_CHARACTERS {
            words = words.chars().take(SHOWN_CHARACTERS).collect();
        }
        let _ = write!(words, "{}(HTTP {})", if words.is_empty() { "" } else { " " }, self.status);
        words
    }

    /// Whether it is about something that `what` names, such as `Archive policy`, that is not there.
    pub(super) fn is_missing(&self, what: &str) -> bool {
        let says = |text: &str| text.starts_with(what) && text.contains("does not exist");
        self.cause().is_some_and(says) || self.description.as_str().is_some_and(says)
    }
}

impl Client {
    /// Requests go to `gnocchi` and take `timeout` at most.
    #[must_use]
    pub fn new(gnocchi: impl Into<Way>, timeout: Duration) -> Self {
        Self { way: gnocchi.into(), timeout, not_before: Mutex::default(), witness: Witness::nobody() }
    }

    /// Lets `witness` look at requests and answers.
    pub(super) fn set_witness(&mut self, witness: Witness) {
        self.witness = witness;
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        read(&self.send(Method::GET, path, None).await?)
    }

    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        self.send(Method::POST, path, Some((JSON, body))).await
    }

    pub(super) async fn patch(&self, path: &str, kind: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        self.send(Method::PATCH, path, Some((kind, body))).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends measures, sorted by resource and metric; metrics that are not there are created.
    pub(super) async fn add_measures(&self, entries: &[Entry<'_>]) -> Result<(), Failure> {
        let Way::Here(store) = &self.way else {
            return self.post(MEASURES, batch::body(entries)).await.map(drop);
        };
        self.witness.tell(|| format!("> {}", body_text(&batch::body(entries))));
        let measures = batch::measures(entries).map_err(Failure::Refused)?;
        let answer = self.here(MEASURES, store.add_measures(measures)).await?;
        self.judge(MEASURES, answer).map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        self.witness.tell(|| {
            let head = format!("> {method} {path}\n> credentials: ***");
            match &body {
                Some((kind, body)) => format!("{head}\n> Content-Type: {kind}\n> {}", body_text(body)),
                None => head,
            }
        });
        let answer = match &self.way {
            Way::Network(service) => self.over_network(service, method, path, body).await?,
            Way::Here(store) => self.here(path, store.request(method, path, body)).await?,
        };
        self.judge(path, answer)
    }

    async fn over_network(
        &self,
        service: &Service,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, Later> {
        self.pause().await;
        let request = service.request(method, path).header("Accept", JSON);
        let mut request = request.deadline(self.timeout).body_limit(ANSWER_BYTES);
        if let Some((kind, body)) = body {
            request = request.body(kind, Bytes::from(body));
        }
        let response = request.send().await.map_err(|error| {
            self.witness.tell(|| format!("! {error}"));
            self.later(&error)
        })?;
        let mut links = response.headers.get_all("link").iter().filter_map(|link| link.to_str().ok());
        let has_more = links.any(|link| link.contains("rel=\"next\""));
        let status = response.status.as_u16();
        let is_server_error = response.status.is_server_error();
        if (status == 429 || is_server_error)
            && let Some(error) = response.error()
        {
            // A server that is there and cannot answer now.
            self.tell_answer(status, &response.body);
            let message = format!("{path} answered {status}: {}", response.excerpt());
            return Err(Later { message, is_server_error, ..self.later(&error) });
        }
        Ok(Answer { status, body: response.body, has_more })
    }

    /// Waits for an answer of the store in this process.
    async fn here(&self, path: &str, answer: impl Future<Output = Answer>) -> Result<Answer, Later> {
        let Ok(answer) = tokio::time::timeout(self.timeout, answer).await else {
            return Err(Later::new("timeout", format!("the metric store took too long for {path}")));
        };
        if answer.status < 500 {
            return Ok(answer);
        }
        self.tell_answer(answer.status, &answer.body);
        let said = description(&answer.body).map_or_else(
            || answer.excerpt(),
            |description| Rejection { status: answer.status, description }.words(),
        );
        // It says by 503 that it takes nothing now, so that what was sent is not to blame.
        let is_server_error = answer.status != 503;
        Err(Later { is_server_error, ..Later::new("unavailable", format!("the metric store: {said}")) })
    }

    /// What an answer means.
    fn judge(&self, path: &str, answer: Answer) -> Result<Answer, Failure> {
        self.tell_answer(answer.status, &answer.body);
        let status = answer.status;
        if answer.is_success() {
            return Ok(answer);
        }
        if REFUSING.contains(&status) {
            if let Some(description) = description(&answer.body) {
                return Err(Failure::Refused(Rejection { status, description }));
            }
            if status == TOO_LARGE {
                let description = Value::from(answer.excerpt());
                return Err(Failure::Refused(Rejection { status, description }));
            }
        }
        // What is nothing of Gnocchi's: perhaps the endpoint leads elsewhere.
        let cause = if status == 401 { "unauthorized" } else { "unexpected_answer" };
        Err(Later::new(cause, format!("{path} answered {status}: {}", answer.excerpt())).into())
    }

    fn tell_answer(&self, status: u16, body: &[u8]) {
        self.witness.tell(|| {
            let text = body_text(body);
            let status =
                StatusCode::from_u16(status).map_or_else(|_| status.to_string(), |status| status.to_string());
            format!("< {status}{}{text}", if text.is_empty() { "" } else { "\n< " })
        });
    }

    fn later(&self, error: &openstack::Error) -> Later {
        if let Some(pause) = error.retry_after() {
            let until = Instant::now() + pause.min(LONGEST_PAUSE);
            *self.not_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
        Later::new(error.cause(), error.to_string())
    }

    /// Waits as long as the server has asked for.
    async fn pause(&self) {
        let until = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }
}

/// The JSON of an answer.
pub(super) fn read(answer: &Answer) -> Result<Value, Failure> {
    json::parse(&answer.body).map_err(|error| {
        Later::new("protocol", format!("an answer is not JSON ({error}): {}", answer.excerpt())).into()
    })
}

/// The description of one of Gnocchi's error documents.
fn description(body: &[u8]) -> Option<Value> {
    let document = json::parse(body).ok()?;
    document.get("code").or_else(|| document.get("title"))?;
    document.get("description").cloned()
}

/// A path below the endpoint; every part is quoted.
pub(super) fn path(parts: &[&str]) -> String {
    let mut path = String::from("/v1");
    for part in parts {
        path.push('/');
        path.push_str(&openstack::path_segment(part));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted() {
        assert_eq!(
            path(&["resource", "instance", "a b_c-1.2~ü@"]),
            "/v1/resource/instance/a%20b_c-1.2~%C3%BC%40"
        );
    }

    #[test]
    fn gnocchis_words_are_read_and_nobody_elses() {
        let rejection =
            |text: &str| Rejection { status: 400, description: description(text.as_bytes()).unwrap() };
        let unknown = r#"{"code": 400, "title": "Bad Request", "description": {"cause": "Unknown resources", "detail": [1]}}"#;
        let unknown = rejection(unknown);
        assert_eq!(
            (unknown.cause(), unknown.words()),
            (Some("Unknown resources"), "Unknown resources: [1] (HTTP 400)".into())
        );
        let invalid = r#"{"code": 400, "title": "", "description": {"cause": "Invalid input", "reason": "expected str", "detail": []}}"#;
        assert_eq!(rejection(invalid).words(), "Invalid input: expected str (HTTP 400)");
        let text =
            rejection(r#"{"code": 400, "title": "", "description": "Archive policy x does not exist"}"#);
        assert!(text.is_missing("Archive policy") && !text.is_missing("Resource type"));
        assert!(
            rejection(
                r#"{"code": 400, "title": "", "description": {"cause": "Archive policy does not exist"}}"#
            )
            .is_missing("Archive policy")
        );
        assert_eq!(rejection(r#"{"code": 403, "title": "", "description": null}"#).words(), "(HTTP 400)");
        for other in ["", "<html>", "[]", "7", r#"{"error": {"message": "x"}}"#, r#"{"description": "x"}"#] {
            assert_eq!(description(other.as_bytes()), None, "{other}");
        }
    }
}
