//! What Keystone gives: a token, how long it is good, and the catalogue.

use std::time::Duration;

use jiff::Timestamp;
use observability::clock::MonotonicTime;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use crate::catalog::Catalog;
use crate::{Error, Response};

/// A token is renewed this long before its end (keystoneauth's `MIN_TOKEN_LIFE_SECONDS`), so that what is sent with it is
/// still answered; but never more than a quarter of its life, lest a short one be renewed with every request.
const RENEW_BEFORE_END: Duration = Duration::from_mins(2);
/// How long a token is taken to be good if Keystone does not tell, or tells nonsense.
const UNKNOWN_LIFE: Duration = Duration::from_mins(5);

/// A token with what belongs to it.
#[derive(Clone)]
pub(crate) struct Access {
    /// `X-Auth-Token`, marked as secret.
    pub(crate) token: HeaderValue,
    pub(crate) user_id: Option<String>,
    pub(crate) project_id: Option<String>,
    pub(crate) catalog: std::sync::Arc<Catalog>,
    /// When it was asked for.
    pub(crate) made_at: MonotonicTime,
    /// From then on a new one is asked for.
    pub(crate) renew_at: MonotonicTime,
    /// From then on it is no good.
    pub(crate) ends_at: MonotonicTime,
}

#[derive(Deserialize)]
struct Body {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    issued_at: Option<String>,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    user: Option<Reference>,
    #[serde(default)]
    project: Option<Reference>,
    #[serde(default)]
    catalog: Catalog,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

impl Access {
    /// Reads Keystone's answer to a request that was sent at `asked_at`.
    pub(crate) fn read(response: &Response, asked_at: MonotonicTime, now: Timestamp) -> Result<Self, Error> {
        let place = response.place();
        let mut token = response
            .headers
            .get("x-subject-token")
            .filter(|token| !token.is_empty())
            .cloned()
            .ok_or_else(|| Error::protocol(format!("{place}: the answer has no token")))?;
        token.set_sensitive(true);
        // The text of a token must not get into a message, so the library's words about it do not.
        let body: Body = serde_json::from_slice(&response.body)
            .map_err(|error| Error::protocol(format!("{place}: the answer is no token: {error}")))?;
        let Token { issued_at, expires_at, user, project, catalog } = body.token;
        let life = life(issued_at.as_deref(), expires_at.as_deref(), now);
        let ends_at = asked_at.plus(life);
        let renew_at = asked_at.plus(life.saturating_sub(RENEW_BEFORE_END.min(life / 4)));
        Ok(Self {
            token,
            user_id: user.map(|user| user.id),
            project_id: project.map(|project| project.id),
            catalog: std::sync::Arc::new(catalog),
            made_at: asked_at,
            renew_at,
            ends_at,
        })
    }
}

/// How long a new token is good. Both times are Keystone's, so that its clock and ours need not agree; ours is asked only
/// if Keystone does not say when the token was made.
fn life(issued_at: Option<&str>, expires_at: Option<&str>, now: Timestamp) -> Duration {
    let time = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
    let Some(end) = time(expires_at) else { return UNKNOWN_LIFE };
    let life = end.duration_since(time(issued_at).unwrap_or(now));
    Duration::try_from(life).unwrap_or(UNKNOWN_LIFE)
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Access")
            .field("user_id", &self.user_id)
            .field("project_id", &self.project_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use reqwest::{Method, StatusCode, Url};

    use super::*;

    #[test]
    fn a_tokens_life_is_told_by_keystones_own_clock() {
        let now: Timestamp = "2026-11-26T02:00:00Z".parse().unwrap();
        for (issued, expires, seconds) in [
            (Some("2026-11-26T02:00:00.000000Z"), Some("2026-11-26T03:00:00.000000Z"), 3600),
            // Keystone's clock is an hour behind.
            (Some("2026-11-26T01:00:00.000000Z"), Some("2026-11-26T02:00:00.000000Z"), 3600),
            (None, Some("2026-11-26T02:10:00Z"), 600),
            (None, None, 300),
            (Some("x"), Some("y"), 300),
            (Some("2026-11-26T03:00:00Z"), Some("2026-11-26T02:00:00Z"), 300),
        ] {
            assert_eq!(life(issued, expires, now), Duration::from_secs(seconds), "{issued:?} {expires:?}");
        }
    }

    fn answer(token: Option<&str>, body: &str) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert("x-subject-token", token.parse().unwrap());
        }
        Response {
            status: StatusCode::CREATED,
            headers,
            body: body.to_owned().into(),
            method: Method::POST,
            url: Url::parse("http://k/v3/auth/tokens").unwrap(),
        }
    }

    #[test]
    fn a_token_is_renewed_two_minutes_before_its_end_or_earlier_if_it_is_short() {
        let clock = observability::clock::Clock::machine();
        let at = clock.monotonic();
        for (expires, renewed_after, good_for) in [("03:00:00", 3480, 3600), ("02:01:00", 45, 60)] {
            let body = format!(
                r#"{{"token": {{"issued_at": "2026-11-26T02:00:00Z", "expires_at": "2026-11-26T{expires}Z",
                    "user": {{"id": "u"}}, "project": {{"id": "p"}}}}}}"#
            );
            let access = Access::read(&answer(Some("secret-token"), &body), at, clock.now()).unwrap();
            assert_eq!(access.renew_at.since(at), Duration::from_secs(renewed_after));
            assert_eq!(access.ends_at.since(at), Duration::from_secs(good_for));
            assert_eq!((access.user_id.as_deref(), access.project_id.as_deref()), (Some("u"), Some("p")));
            assert!(!format!("{access:?} {:?}", access.token).contains("secret-token"));
        }
    }

    #[test]
    fn what_is_no_token_is_told() {
        let clock = observability::clock::Clock::machine();
        for (token, body) in [
            (None, r#"{"token": {}}"#),
            (Some(""), r#"{"token": {}}"#),
            (Some("t"), "{}"),
            (Some("t"), "<html>"),
        ] {
            let read = Access::read(&answer(token, body), clock.monotonic(), clock.now());
            assert_eq!(read.unwrap_err().cause(), "protocol", "{body}");
        }
        assert!(Access::read(&answer(Some("t"), r#"{"token": {}}"#), clock.monotonic(), clock.now()).is_ok());
    }
}
