//! etcd's gateway: its calls as JSON over HTTP. Bytes are in base64, and numbers of 64 bits are texts.
//!
//! With an account, each call carries a token that the first one asked for. etcd forgets tokens with time, when it is started
//! again, and when accounts change: a call that is refused for that is made once more with another token.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nephoscope_http::{BodyError, ClientOptions, client, explain, read_body};
use observability::secret::Secret;
use redis::ServerError;
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::UrlError;
use crate::url::{EtcdAccount, EtcdUrl};

/// Who did not answer; the address is in what went wrong.
const SERVER: &str = "etcd";
/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// The most characters of a refusal that are shown.
const MAX_SHOWN: usize = 300;
/// What etcd says of a token that is no longer one.
const STALE: [&str; 2] = ["invalid auth token", "revision of auth store is old"];
/// What it says where accounts are made and not yet asked for.
const NOT_ENABLED: &str = "authentication is not enabled";

#[derive(Debug)]
pub(super) struct Gateway {
    client: reqwest::Client,
    base: String,
    limit: Duration,
    account: Option<EtcdAccount>,
    token: Mutex<Option<Token>>,
}

/// `None`: etcd asks nobody for one.
type Token = Option<Secret<String>>;

/// Why a call was not answered.
enum Failure {
    /// The token is no longer one.
    Stale(ServerError),
    Other(ServerError),
}

impl Failure {
    fn into_error(self) -> ServerError {
        match self {
            Self::Stale(error) | Self::Other(error) => error,
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        match &error {
            ServerError::Answer { reason, .. } if STALE.iter().any(|words| reason.contains(words)) => {
                Self::Stale(error)
            }
            _ => Self::Other(error),
        }
    }
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
        let (base, account) = (url.base.clone(), url.account.clone());
        Ok(Self { client, base, limit, account, token: Mutex::default() })
    }

    /// Makes a call, and returns the answer.
    pub(super) async fn ask(&self, call: &str, request: &Value) -> Result<Value, ServerError> {
        let Some(account) = &self.account else {
            return self.call(call, request, None).await.map_err(Failure::into_error);
        };
        let token = self.token(account).await?;
        match self.call(call, request, token.as_ref()).await {
            Err(Failure::Stale(_)) => {}
            Err(Failure::Other(error)) => return Err(error),
            Ok(answer) => return Ok(answer),
        }
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let token = self.token(account).await?;
        self.call(call, request, token.as_ref()).await.map_err(Failure::into_error)
    }

    /// The token that is known, or a new one.
    async fn token(&self, account: &EtcdAccount) -> Result<Token, ServerError> {
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let question = json!({ "name": account.user, "password": account.password.expose() });
        let token = match self.call("auth/authenticate", &question, None).await.map_err(Failure::into_error) {
            Ok(answer) => {
                let token = answer.get("token").and_then(Value::as_str);
                let token = token.ok_or_else(|| self.wrong("an authentication without a token"))?;
                Some(Secret::new(token.to_owned()))
            }
            Err(ServerError::Answer { reason, .. }) if reason.contains(NOT_ENABLED) => None,
            Err(error) => return Err(error),
        };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    async fn call(
        &self,
        call: &str,
        request: &Value,
        token: Option<&Secret<String>>,
    ) -> Result<Value, Failure> {
        let mut post = self.client.post(format!("{}/{call}", self.base)).json(request);
        if let Some(token) = token {
            post = post.header(AUTHORIZATION, token.expose());
        }
        let response = post.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let body = read_body(response, ANSWER_BYTES_MAX).await.map_err(|error| match error {
            BodyError::TooLong { .. } => self.wrong(&error.to_string()),
            BodyError::Transport(reason) => ServerError::Connection { server: self.name(), reason },
        })?;
        let answer = serde_json::from_slice::<Value>(&body);
        match answer {
            // A call whose answer is a stream fails with a status of 200.
            Ok(answer) if status == StatusCode::OK && answer.get("error").is_none() => Ok(answer),
            Ok(answer) => Err(self.refused(status, &refusal(&answer)).into()),
            Err(_) if status == StatusCode::OK => Err(self.wrong("the answer is no JSON").into()),
            Err(_) => Err(self.refused(status, &String::from_utf8_lossy(&body)).into()),
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
