//! What went wrong, told apart by what to do about it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;

/// Why a request gave no answer that can be used. No error holds a token, a password or a URL's query.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The options cannot work however often it is tried.
    #[error("{message}; {hint}")]
    Configuration {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// Nobody answered, or the answer was 429 or 5xx: try again later.
    #[error("{message}")]
    Unavailable {
        /// Who, and what happened.
        message: String,
        /// The answer's status, if there was an answer.
        status: Option<StatusCode>,
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The time was up before the answer was there: try again later.
    #[error("{message}")]
    Timeout {
        /// Who, and how long we waited.
        message: String,
    },
    /// Keystone gave no token for our credentials. It may be repaired over there: try again, but slowly.
    #[error("{message}")]
    Credentials {
        /// Who we tried to be, and Keystone's words.
        message: String,
    },
    /// The service refused the request, and will refuse it again: a status that is neither 2xx, 429 nor 5xx.
    #[error("{message}")]
    Refused {
        /// The status; 401 only if a new token did not help.
        status: StatusCode,
        /// Method, URL, status and the beginning of the body.
        message: String,
        /// The body.
        body: Bytes,
    },
    /// The catalogue has no such endpoint. It is read again after a minute.
    #[error("{message}")]
    NoEndpoint {
        /// What was looked for, and what there is.
        message: String,
    },
    /// Not sent: the service has failed repeatedly, and is left alone for a while.
    #[error("{message}")]
    LeftAlone {
        /// Which, for how long, and how it failed.
        message: String,
    },
    /// An answer that cannot be understood: no JSON, broken off, too long.
    #[error("{message}")]
    Protocol {
        /// Who, and what is wrong with it.
        message: String,
    },
}

/// What to do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Tell the operator: it will never work.
    Configuration,
    /// Try again later: nothing was accepted, and later it may be.
    Unavailable,
    /// Give this request up: it will be refused again.
    Refused,
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Configuration { .. } => ErrorKind::Configuration,
            Self::Unavailable { .. }
            | Self::Timeout { .. }
            | Self::Credentials { .. }
            | Self::NoEndpoint { .. }
            | Self::LeftAlone { .. }
            | Self::Protocol { .. } => ErrorKind::Unavailable,
            Self::Refused { .. } => ErrorKind::Refused,
        }
    }

    /// The label under which it is counted.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Configuration { .. } => "configuration",
            Self::Unavailable { status: Some(StatusCode::TOO_MANY_REQUESTS), .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout { .. } => "timeout",
            Self::Credentials { .. } => "credentials",
            Self::Refused { .. } => "refused",
            Self::NoEndpoint { .. } => "no_endpoint",
            Self::LeftAlone { .. } => "left_alone",
            Self::Protocol { .. } => "protocol",
        }
    }

    /// The status of the answer, if there was one that was understood.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Unavailable { status, .. } => *status,
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the server asked us to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// From a failure to send or to receive.
    pub(crate) fn transport(error: &reqwest::Error) -> Self {
        let message = nephoscope_http::explain(error);
        if error.is_timeout() {
            Self::Timeout { message }
        } else if error.is_builder() {
            Self::Configuration { message, hint: "correct the URL".into() }
        } else {
            Self::Unavailable { message, status: None, retry_after: None }
        }
    }

    pub(crate) fn configuration(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Configuration { message: message.into(), hint: hint.into() }
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::Protocol { message: message.into() }
    }
}

impl From<redis::AddressError> for Error {
    fn from(redis::AddressError { message, hint }: redis::AddressError) -> Self {
        Self::Configuration { message, hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        let unavailable = |status| Error::Unavailable { message: "m".into(), status, retry_after: None };
        for (error, kind, cause) in [
            (Error::configuration("m", "h"), ErrorKind::Configuration, "configuration"),
            (unavailable(None), ErrorKind::Unavailable, "unavailable"),
            (unavailable(Some(StatusCode::BAD_GATEWAY)), ErrorKind::Unavailable, "unavailable"),
            (unavailable(Some(StatusCode::TOO_MANY_REQUESTS)), ErrorKind::Unavailable, "throttled"),
            (Error::Timeout { message: "m".into() }, ErrorKind::Unavailable, "timeout"),
            (Error::Credentials { message: "m".into() }, ErrorKind::Unavailable, "credentials"),
            (Error::NoEndpoint { message: "m".into() }, ErrorKind::Unavailable, "no_endpoint"),
            (Error::LeftAlone { message: "m".into() }, ErrorKind::Unavailable, "left_alone"),
            (Error::protocol("m"), ErrorKind::Unavailable, "protocol"),
            (
                Error::Refused { status: StatusCode::CONFLICT, message: "m".into(), body: Bytes::new() },
                ErrorKind::Refused,
                "refused",
            ),
        ] {
            assert_eq!((error.kind(), error.cause()), (kind, cause), "{error:?}");
        }
    }
}
