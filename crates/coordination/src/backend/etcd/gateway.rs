//! etcd's gateway: its calls as JSON over HTTP. Bytes are in base64, and numbers of 64 bits are texts.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nephoscope_http::{BodyError, ClientOptions, client, explain, read_body};
use redis::ServerError;
use reqwest::StatusCode;
use serde_json::Value;

use crate::UrlError;
use crate::url::EtcdUrl;

/// Who did not answer; the address is in what went wrong.
const SERVER: &str = "etcd";
/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// The most characters of a refusal that are shown.
const MAX_SHOWN: usize = 300;

#[derive(Debug)]
pub(super) struct Gateway {
    client: reqwest::Client,
    base: String,
    limit: Duration,
}

impl Gateway {
    pub(super) fn new(url: &EtcdUrl, limit: Duration) -> Result<Self, UrlError> {
        let options = ClientOptions {
            tls: url.tls.clone(),
            connect_timeout: limit,
            timeout: limit,
            read_timeout: limit,
            max_idle_per_host: 1,
            max_redirects: 0,
            ..ClientOptions::default()
        };
        let client = client(&options).map_err(|error| UrlError {
            message: format!("TLS towards etcd: {error}"),
            hint: "correct ca_cert, cert_cert or cert_key".to_owned(),
        })?;
        Ok(Self { client, base: url.base.clone(), limit })
    }

    /// Makes a call, and returns the answer.
    pub(super) async fn ask(&self, call: &str, request: &Value) -> Result<Value, ServerError> {
        let sent = self.client.post(format!("{}/{call}", self.base)).json(request).send().await;
        let response = sent.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let body = read_body(response, ANSWER_BYTES_MAX).await.map_err(|error| match error {
            BodyError::TooLong { .. } => self.wrong(&error.to_string()),
            BodyError::Transport(reason) => ServerError::Connection { server: self.name(), reason },
        })?;
        let answer = serde_json::from_slice::<Value>(&body);
        match answer {
            // A call whose answer is a stream fails with a status of 200.
            Ok(answer) if status == StatusCode::OK && answer.get("error").is_none() => Ok(answer),
            Ok(answer) => Err(self.refused(status, &refusal(&answer))),
            Err(_) if status == StatusCode::OK => Err(self.wrong("the answer is no JSON")),
            Err(_) => Err(self.refused(status, &String::from_utf8_lossy(&body))),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> ServerError {
        if error.is_timeout() {
            self.late()
        } else {
            ServerError::Connection { server: SERVER.to_owned(), reason: explain(error) }
        }
    }

    fn refused(&self, status: StatusCode, text: &str) -> ServerError {
        let text: String = text.trim().chars().take(MAX_SHOWN).collect();
        let (server, reason) = (self.name(), format!("{text} (status {})", status.as_u16()));
        match status {
            // No leader, or no majority.
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY => {
                ServerError::Connection { server, reason }
            }
            _ => ServerError::Answer { server, reason },
        }
    }

    pub(super) fn wrong(&self, reason: &str) -> ServerError {
        ServerError::Answer { server: self.name(), reason: reason.to_owned() }
    }

    pub(super) fn late(&self) -> ServerError {
        ServerError::Timeout { server: self.name(), limit: self.limit }
    }

    fn name(&self) -> String {
        format!("{SERVER} at {}", self.base)
    }
}

/// What a refusal says: in `error`, which is a text or has one as its `message`.
fn refusal(answer: &Value) -> String {
    let error = answer.get("error").unwrap_or(answer);
    let text = error.get("message").unwrap_or(error);
    text.as_str().map_or_else(|| text.to_string(), str::to_owned)
}

pub(super) fn encoded(text: &str) -> String {
    bytes(text.as_bytes())
}

pub(super) fn bytes(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn decoded(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}

/// A number of 64 bits.
pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_are_shown_as_etcd_words_them() {
        for (answer, expected) in [
            (json!({ "error": "lease not found", "code": 5 }), "lease not found"),
            (json!({ "error": { "message": "no leader", "http_code": 503 } }), "no leader"),
            (json!({ "code": 7 }), "{\"code\":7}"),
            (json!([1]), "[1]"),
        ] {
            assert_eq!(refusal(&answer), expected);
        }
    }

    #[test]
    fn numbers_come_as_texts() {
        assert_eq!(number(&json!("7587862094800000000")), Some(7_587_862_094_800_000_000));
        assert_eq!(number(&json!(5)), Some(5));
        assert_eq!(number(&json!("x")), None);
    }
}
