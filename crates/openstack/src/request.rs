//! One request: address, auth headers, deadline, second try.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use nephoscope_http::{BodyError, read_body};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;

use crate::url_path::shown;
use crate::{Error, Response, ServiceFilter, Session};

/// Bound of an answer's body, where the request does not say otherwise.
pub const DEFAULT_BODY_LIMIT_BYTES: usize = 16 << 20;
/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 10;

/// A request in the making. Nothing is sent before [`send`](Self::send).
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    session: Session,
    method: Method,
    target: Target,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    body: Bytes,
    deadline: Option<Duration>,
    at_most: Option<Duration>,
    patience: Duration,
    /// The lane, if the target does not say it.
    service: Option<String>,
    body_limit: usize,
    is_authenticated: bool,
    /// The first thing that was wrong with what was put in.
    fault: Option<Error>,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Below the endpoint of a service.
    Endpoint { filter: ServiceFilter, path: String },
    /// Below version 3 of the identity service.
    IdentityV3 { filter: ServiceFilter, path: String },
    /// To an address.
    Url(Url),
}

impl RequestBuilder {
    pub(crate) fn new(session: Session, method: Method, target: Target) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            session,
            method,
            target,
            headers,
            query: Vec::new(),
            body: Bytes::new(),
            deadline: None,
            at_most: None,
            patience: Duration::ZERO,
            service: None,
            body_limit: DEFAULT_BODY_LIMIT_BYTES,
            is_authenticated: true,
            fault: None,
        }
    }

    /// Sets a header. What is no header comes back from [`send`](Self::send) as [`Error::Configuration`].
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            self.headers.insert(name, value);
        } else {
            let fault = Error::configuration(
                format!("the header {name:?} cannot be sent"),
                "use visible ASCII characters",
            );
            self.fault.get_or_insert(fault);
        }
        self
    }

    /// Adds a parameter to the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body, as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body("application/json", body.into()),
            Err(error) => {
                let fault = Error::configuration(
                    format!("the body cannot be written as JSON: {error}"),
                    "correct the value",
                );
                self.fault.get_or_insert(fault);
                self
            }
        }
    }

    /// Sets the body.
    pub fn body(mut self, content_type: &str, body: Bytes) -> Self {
        self.body = body;
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// Time for everything: authentication, waiting for somebody else's, the request, its repetition, the body.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Time for everything, if the session allows more.
    pub const fn at_most(mut self, deadline: Duration) -> Self {
        self.at_most = Some(deadline);
        self
    }

    /// How long the request may wait and be repeated, beside the time that it takes itself, where the service answers 429 or
    /// 503. Only in a session with [`Traffic`](crate::Traffic).
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The service whose lane the request goes by, where its target does not say that.
    pub fn service(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// The most bytes that the answer's body may have.
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sends no auth headers.
    pub const fn unauthenticated(mut self) -> Self {
        self.is_authenticated = false;
        self
    }

    /// Sends the request. If the answer is 401, the token is forgotten and the request sent once more with a new one.
    /// Every answer is `Ok`, whatever its status; see [`Response::success`].
    ///
    /// # Errors
    /// Everything but [`Error::Refused`].
    pub async fn send(mut self) -> Result<Response, Error> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let Some(traffic) = self.session.traffic() else { return self.attempt().await };
        if self.is_authenticated {
            // Keystone's trouble is not the service's.
            self.in_time(self.session.prepare()).await?;
        }
        let service = self.lane();
        traffic.run(&service, self.patience, Response::error, || self.attempt()).await
    }

    async fn attempt(&self) -> Result<Response, Error> {
        self.in_time(self.run()).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let limit = self.deadline.unwrap_or_else(|| self.session.timeout());
        let limit = self.at_most.map_or(limit, |most| most.min(limit));
        let Ok(done) = tokio::time::timeout(limit, Box::pin(work)).await else {
            let (what, seconds) = (self.shown(), limit.as_secs_f64());
            return Err(Error::Timeout { message: format!("{what}: no answer within {seconds} s") });
        };
        done
    }

    /// The lane that the request goes by.
    fn lane(&self) -> String {
        match (&self.service, &self.target) {
            (Some(service), _) => service.clone(),
            (None, Target::Endpoint { filter, .. } | Target::IdentityV3 { filter, .. }) => {
                filter.service_type.clone()
            }
            (None, Target::Url(url)) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}{port}", url.host_str().unwrap_or_default())
            }
        }
    }

    async fn run(&self) -> Result<Response, Error> {
        let session = &self.session;
        let mut is_second = false;
        loop {
            let mut headers = self.headers.clone();
            let access = if self.is_authenticated { session.authorise(&mut headers).await? } else { None };
            let mut url = session.address(&self.target).await?;
            if !self.query.is_empty() {
                url.query_pairs_mut().extend_pairs(&self.query);
            }
            let outgoing = Outgoing {
                method: self.method.clone(),
                url,
                headers,
                body: self.body.clone(),
                body_limit: self.body_limit,
            };
            let response = exchange(session.client()?, &outgoing).await?;
            match access {
                Some(access) if response.status == StatusCode::UNAUTHORIZED && !is_second => {
                    tracing::debug!(request = response.place(), "401: once more with a new token");
                    session.forget(&access);
                    is_second = true;
                }
                _ => return Ok(response),
            }
        }
    }

    /// For messages.
    fn shown(&self) -> String {
        let place = match &self.target {
            Target::Endpoint { filter, path } | Target::IdentityV3 { filter, path } => {
                let path = path.split('?').next().unwrap_or_default();
                format!("{} {path}", filter.service_type)
            }
            Target::Url(url) => shown(url),
        };
        format!("{} {place}", self.method)
    }
}

impl fmt::Debug for RequestBuilder {
    /// Query, headers and body may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RequestBuilder").field(&self.shown()).finish()
    }
}

/// Everything that goes over the wire.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) body_limit: usize,
}

/// Sends, follows redirects, and reads the body.
///
/// A redirect keeps method and body, as keystoneauth does and browsers do not. One to another host is not followed: the
/// token would go there.
pub(crate) async fn exchange(client: &reqwest::Client, outgoing: &Outgoing) -> Result<Response, Error> {
    let mut url = outgoing.url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let request = client
            .request(outgoing.method.clone(), url.clone())
            .headers(outgoing.headers.clone())
            .body(outgoing.body.clone());
        let answer = request.send().await.map_err(|error| Error::transport(&error))?;
        let status = answer.status();
        if let Some(next) = redirect(status, answer.headers(), &url)? {
            url = next;
            continue;
        }
        let headers = answer.headers().clone();
        let method = outgoing.method.clone();
        let body =
            read_body(answer, outgoing.body_limit).await.map_err(|error| broken(&method, &url, error))?;
        return Ok(Response { status, headers, body, method, url });
    }
    Err(Error::protocol(format!(
        "{} {}: more than {MAX_REDIRECTS} redirects",
        outgoing.method,
        shown(&outgoing.url)
    )))
}

fn broken(method: &Method, url: &Url, error: BodyError) -> Error {
    let place = format!("{method} {}", shown(url));
    match error {
        BodyError::TooLong { .. } => Error::protocol(format!("{place}: {error}")),
        BodyError::Transport(why) => Error::Unavailable {
            message: format!("{place}: the answer broke off: {why}"),
            status: None,
            retry_after: None,
        },
    }
}

fn redirect(status: StatusCode, headers: &HeaderMap, from: &Url) -> Result<Option<Url>, Error> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 305 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION).and_then(|location| location.to_str().ok()) else {
        return Ok(None);
    };
    let next = from
        .join(location)
        .map_err(|error| Error::protocol(format!("{}: redirects to no address: {error}", shown(from))))?;
    let is_same_host = next.host_str() == from.host_str();
    let is_downgrade = from.scheme() == "https" && next.scheme() != "https";
    if is_same_host && !is_downgrade && matches!(next.scheme(), "http" | "https") {
        return Ok(Some(next));
    }
    Err(Error::protocol(format!(
        "{} redirects to {}, where the token is not sent; correct the address in the catalogue or the options",
        shown(from),
        shown(&next)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_host_and_do_not_leave_tls() {
        let follow = |from: &str, location: &str, status: u16| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().unwrap());
            let next = redirect(StatusCode::from_u16(status).unwrap(), &headers, &Url::parse(from).unwrap());
            next.map(|next| next.map(String::from)).map_err(|error| error.cause())
        };
        let to = |url: &str| Ok(Some(url.to_owned()));
        assert_eq!(follow("http://h:1/a", "/b/", 301), to("http://h:1/b/"));
        assert_eq!(follow("http://h:1/a", "https://h/a", 308), to("https://h/a"));
        assert_eq!(follow("http://h:1/a", "/b", 300), Ok(None));
        assert_eq!(follow("http://h:1/a", "/b", 200), Ok(None));
        assert_eq!(follow("http://h:1/a", "http://other/a", 302), Err("protocol"));
        assert_eq!(follow("https://h/a", "http://h/a", 302), Err("protocol"));
        assert_eq!(follow("http://h/a", "ftp://h/a", 302), Err("protocol"));
    }
}
