//! OTLP over HTTP, with protobuf as content (OTLP 1.x, "OTLP/HTTP").
//!
//! | Answer | What becomes of the records |
//! |---|---|
//! | 2xx | accepted, but for those that the receiver says it has rejected |
//! | 2xx with a page of HTML | offered again: that is no receiver of OTLP |
//! | anything else | as [`crate::post`] says; the reason is the message of `google.rpc.Status` |

use nephoscope_http::BodyError;
use pipeline::{BuildError, PublishError};
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::answer::{Outcome, Status};
use super::gzip;
use super::options::OtlpOptions;
use crate::post::{Answer, Content, HttpSettings, Post, Poster, Response, decided, said};
use crate::witness::Witness;

/// The type of requests and answers.
const PROTOBUF: &str = "application/x-protobuf";
/// Requests as they are.
const PLAIN: Content = Content { media_type: PROTOBUF, headers: &[], is_text: false };
/// Requests packed with gzip.
const PACKED: Content = Content { headers: &[("content-encoding", "gzip")], ..PLAIN };

/// Posts requests.
#[derive(Debug)]
pub(super) struct Http {
    poster: Poster,
    gzip: bool,
}

impl Http {
    pub(super) fn new(
        options: OtlpOptions,
        settings: &HttpSettings,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        let content = if options.gzip { PACKED } else { PLAIN };
        let poster = Poster::new(options.post, content, settings, witness)?.with_headers(options.headers);
        Ok(Self { poster, gzip: options.gzip })
    }
}

impl Post for Http {
    async fn post(&self, sub_path: Option<&str>, body: Vec<u8>) -> Result<Answer, PublishError> {
        let body = if self.gzip { gzip(&body) } else { body };
        let Response { status, headers, body } = self.poster.exchange(sub_path, body).await?;
        let shown = self.poster.shown(sub_path);
        if status.is_success() {
            return accepted(&shown, &headers, body.as_deref());
        }
        let body = body.unwrap_or_default();
        let message = match media_type(&headers) {
            Some(PROTOBUF) => Status::read(&body).ok(),
            _ => None,
        };
        let words = message.as_ref().map_or(&*body, |status| status.message.as_bytes());
        if let Some(delay) = message.as_ref().and_then(|status| status.retry_delay) {
            self.poster.patience().leave_alone(delay);
        }
        decided(&shown, status, &headers, words, self.poster.patience())
    }
}

/// Reads an answer of 2xx. The status counts: an answer that cannot be read does not undo it.
fn accepted(
    shown: &str,
    headers: &HeaderMap,
    body: Result<&[u8], &BodyError>,
) -> Result<Answer, PublishError> {
    let outcome = match (media_type(headers), body) {
        (Some("text/html"), _) => {
            let message = format!("{shown}: the answer is a page of HTML, not one of OTLP");
            return Err(PublishError { cause: "not_otlp", message });
        }
        (_, Err(error)) => Err(error.to_string()),
        (_, Ok([])) => Ok(Outcome::default()),
        (Some("application/json"), Ok(body)) => {
            Outcome::read_json(body).map_err(|_| format!("it is no JSON of OTLP{}", said(body)))
        }
        (_, Ok(body)) => Outcome::read(body).map_err(|error| error.to_string()),
    };
    Ok(super::taken(shown, outcome))
}

/// The type of a body, without parameters.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}
