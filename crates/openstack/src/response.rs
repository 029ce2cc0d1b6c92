//! An answer whose body has been read.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::Error;
use crate::url_path::shown;

/// Characters of a body that an error message shows.
const EXCERPT_CHARACTERS: usize = 500;

/// An answer. Its status may be anything; see [`Response::success`].
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, unpacked.
    pub body: Bytes,
    pub(crate) method: Method,
    pub(crate) url: Url,
}

impl Response {
    /// The answer if it is 2xx.
    ///
    /// # Errors
    /// [`Error::Unavailable`] for 429 and 5xx, [`Error::Refused`] for everything else.
    pub fn success(self) -> Result<Self, Error> {
        match self.error() {
            None => Ok(self),
            Some(error) => Err(error),
        }
    }

    /// The error that [`success`](Self::success) would give.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        let status = self.status;
        if status.is_success() {
            return None;
        }
        let place = self.place();
        let message = match self.excerpt() {
            excerpt if excerpt.is_empty() => format!("{place}: {status}"),
            excerpt => format!("{place}: {status}: {excerpt}"),
        };
        Some(if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            Error::Unavailable { message, status: Some(status), retry_after: self.retry_after() }
        } else {
            Error::Refused { status, message, body: self.body.clone() }
        })
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Protocol`] if it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::protocol(format!("{}: the answer cannot be understood: {error}", self.place()))
        })
    }

    /// The body as text for a message: one line, shortened.
    #[must_use]
    pub fn excerpt(&self) -> String {
        // Four bytes a character at most.
        let bytes = self.body.get(..EXCERPT_CHARACTERS * 4).unwrap_or(&self.body);
        let text = String::from_utf8_lossy(bytes);
        let mut excerpt = String::new();
        for word in text.split(|character: char| character.is_whitespace() || character.is_control()) {
            if word.is_empty() {
                continue;
            }
            if !excerpt.is_empty() {
                excerpt.push(' ');
            }
            excerpt.push_str(word);
        }
        excerpt.chars().take(EXCERPT_CHARACTERS).collect()
    }

    /// `Retry-After` in seconds; its form with a date is not used by OpenStack's services.
    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    pub(crate) fn place(&self) -> String {
        format!("{} {}", self.method, shown(&self.url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &'static str) -> Response {
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            method: Method::GET,
            url: Url::parse("http://h/v1?secret=x").unwrap(),
        }
    }

    #[test]
    fn the_status_decides_what_is_to_be_done() {
        assert!(response(201, "").success().is_ok());
        for (status, cause) in [
            (300, "refused"),
            (400, "refused"),
            (401, "refused"),
            (404, "refused"),
            (409, "refused"),
            (429, "throttled"),
            (500, "unavailable"),
            (503, "unavailable"),
        ] {
            let error = response(status, "why").success().unwrap_err();
            assert_eq!(error.cause(), cause, "{status}");
            assert_eq!(error.status().unwrap(), status);
            let text = error.to_string();
            assert!(text.starts_with("GET http://h/v1: ") && text.ends_with(": why"), "{text}");
        }
    }

    #[test]
    fn the_server_may_say_how_long_to_wait() {
        let mut response = response(503, "");
        for (written, expected) in [
            ("7", Some(7)),
            (" 8 ", Some(8)),
            ("soon", None),
            ("-1", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            response.headers.insert(RETRY_AFTER, written.parse().unwrap());
            let found = response.error().unwrap().retry_after();
            assert_eq!(found, expected.map(Duration::from_secs), "{written}");
        }
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(response(400, " a\r\n\tb\u{0}c  ").excerpt(), "a b c");
        let long: &'static str = Box::leak("ü".repeat(5000).into_boxed_str());
        assert_eq!(response(400, long).excerpt().chars().count(), 500);
        assert_eq!(response(400, "").excerpt(), "");
    }
}
