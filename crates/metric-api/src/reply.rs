//! Answers to requests that were done.

use axum::body::Body;
use axum::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED, LINK, LOCATION,
};
use axum::http::{Response, StatusCode};
use metric_index::Resource;
use model::Value;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Option<(&'static str, String)>,
    /// Items of the body, or measures that were accepted.
    rows: usize,
    /// Measures that were accepted.
    measures: usize,
}

impl Reply {
    /// JSON, as Python writes it.
    pub(crate) fn json(body: impl Into<Value>) -> Self {
        let body = body.into();
        let rows = items(&body);
        let body = model::json::to_string(&body);
        Self { body: Some(("application/json", body)), rows, ..Self::empty(StatusCode::OK) }
    }

    /// JSON that is written already, with so many items.
    pub(crate) fn written(body: String, items: usize) -> Self {
        Self { body: Some(("application/json", body)), rows: items.max(1), ..Self::empty(StatusCode::OK) }
    }

    /// No body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: None, rows: 0, measures: 0 }
    }

    /// Any other body.
    pub(crate) fn text(media_type: &'static str, body: impl Into<String>) -> Self {
        Self { body: Some((media_type, body.into())), ..Self::empty(StatusCode::OK) }
    }

    /// No body: so many measures were accepted.
    pub(crate) fn accepted(status: StatusCode, measures: usize) -> Self {
        Self { rows: measures, measures, ..Self::empty(status) }
    }

    /// Items of the body, or measures that were accepted.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Measures that were accepted.
    pub(crate) fn measures(&self) -> usize {
        self.measures
    }

    /// Something was made, and stands there now.
    #[must_use]
    pub(crate) fn created(mut self, location: String) -> Self {
        self.status = StatusCode::CREATED;
        self.with(LOCATION, location)
    }

    /// One header more.
    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Where the next page is.
    #[must_use]
    pub(crate) fn linked(self, link: Option<String>) -> Self {
        match link {
            Some(link) => self.with(LINK, link),
            None => self,
        }
    }

    /// Which revision of a resource it shows.
    #[must_use]
    pub(crate) fn tagged(self, resource: &Resource) -> Self {
        let seconds = resource.revision_start.microseconds().div_euclid(1_000_000);
        let modified = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        let modified = modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        self.with(ETAG, format!("\"{}\"", resource.etag())).with(LAST_MODIFIED, modified)
    }

    /// The response.
    pub(crate) fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.body.is_none() && self.status == StatusCode::ACCEPTED {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        if let Some((media_type, body)) = self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            *response.body_mut() = Body::from(body);
        }
        response
    }
}

/// Items of lists that are not in other lists; a map without lists is one item.
fn items(value: &Value) -> usize {
    fn lists(value: &Value) -> usize {
        match value {
            Value::List(list) => list.len(),
            Value::Map(map) => map.iter().map(|(_, value)| lists(value)).sum(),
            _ => 0,
        }
    }
    lists(value).max(1)
}
