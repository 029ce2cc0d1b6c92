//! Refusals on their way to the client: a page, JSON or text, as it asked.

use std::fmt::Write;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use metric::{Kind, Refusal};
use model::{Map, Value};

use crate::accept::Representation;

/// A request that was not done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    /// A text, a map, or null where nothing is said.
    pub(crate) description: Value,
    /// The methods that the path has, where the request's is not one of them.
    pub(crate) allow: Option<String>,
    /// Where to authenticate, where the request needs that of Keystone.
    pub(crate) www_authenticate: Option<String>,
}

/// When a client may try again what cannot be done now.
const RETRY_AFTER_SECONDS: &str = "1";

/// What keystonemiddleware says to whoever has no good token, whatever they accept.
const NO_TOKEN: &str = "{\"error\": {\"code\": 401, \"title\": \"Unauthorized\", \"message\": \"The request you have made requires \
                        authentication.\"}}";

impl Failure {
    pub(crate) fn new(status: StatusCode, description: impl Into<Value>) -> Self {
        Self { status, description: description.into(), allow: None, www_authenticate: None }
    }

    /// What was asked makes no sense.
    pub(crate) fn invalid(description: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, description)
    }

    /// There is no such thing.
    pub(crate) fn unknown(description: impl Into<Value>) -> Self {
        Self::new(StatusCode::NOT_FOUND, description)
    }

    /// A map that begins with the cause.
    pub(crate) fn because<const N: usize>(
        status: StatusCode,
        cause: &str,
        facts: [(&str, Value); N],
    ) -> Self {
        let mut description = Map::new();
        description.insert("cause", cause);
        for (key, value) in facts {
            description.insert(key, value);
        }
        Self::new(status, description)
    }

    /// A parameter that cannot be what it is.
    pub(crate) fn argument(name: &str, reason: impl Into<Value>) -> Self {
        let facts = [("detail", name.into()), ("reason", reason.into())];
        Self::because(StatusCode::BAD_REQUEST, "Argument value error", facts)
    }

    /// The response.
    pub(crate) fn response(&self, representation: Representation) -> Response<Body> {
        let (media_type, body) = match representation {
            _ if self.www_authenticate.is_some() => ("application/json", NO_TOKEN.to_owned()),
            Representation::Json => ("application/json", self.json()),
            Representation::Html => ("text/html; charset=UTF-8", self.html()),
            Representation::Text => ("text/plain; charset=UTF-8", self.text()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(allow) = self.allow.as_ref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            response.headers_mut().insert(ALLOW, allow);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        let authenticate = self.www_authenticate.as_ref().and_then(|value| HeaderValue::from_str(value).ok());
        if let Some(value) = authenticate {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response
    }

    fn json(&self) -> String {
        let mut shown = Map::new();
        shown.insert("code", i64::from(self.status.as_u16()));
        shown.insert("title", self.title());
        shown.insert("description", self.description.clone());
        model::json::to_string(&shown.into())
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// Texts as they are, and maps as Python prints them.
    fn detail(&self) -> String {
        match &self.description {
            Value::Null => String::new(),
            other => model::pytext::to_str(other),
        }
    }

    fn text(&self) -> String {
        let (code, title, explanation) = (self.status.as_u16(), self.title(), explanation(self.status));
        format!("{code} {title}\n\n{explanation}\n\n {}  ", self.detail())
    }

    fn html(&self) -> String {
        let (code, title, explanation) = (self.status.as_u16(), self.title(), explanation(self.status));
        let mut detail = String::new();
        for character in self.detail().chars() {
            match character {
                '&' => detail.push_str("&amp;"),
                '<' => detail.push_str("&lt;"),
                '>' => detail.push_str("&gt;"),
                '"' => detail.push_str("&quot;"),
                '\'' => detail.push_str("&#x27;"),
                ascii if ascii.is_ascii() => detail.push(ascii),
                other => {
                    let _ = write!(detail, "&#{};", u32::from(other));
                }
            }
        }
        format!(
            "<html>\n <head>\n  <title>{code} {title}</title>\n </head>\n <body>\n  <h1>{code} {title}</h1>\n  \
             {explanation}<br /><br />\n{detail}\n\n\n </body>\n</html>"
        )
    }
}

/// What a status means.
fn explanation(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => {
            "The server could not comply with the request since it is either malformed or otherwise incorrect."
        }
        StatusCode::UNAUTHORIZED => "The request does not say who asks, or not so that it can be believed.",
        StatusCode::FORBIDDEN => "Access was denied to this resource.",
        StatusCode::NOT_FOUND => "The resource could not be found.",
        StatusCode::METHOD_NOT_ALLOWED => "The method is not allowed for this resource.",
        StatusCode::NOT_ACCEPTABLE => "The resource cannot be shown in a form that the client accepts.",
        StatusCode::CONFLICT => "There was a conflict when trying to complete your request.",
        StatusCode::PRECONDITION_FAILED => "The resource is not in the state that the request asks for.",
        StatusCode::REQUEST_TIMEOUT => "The request did not come whole within the time that it may take.",
        StatusCode::PAYLOAD_TOO_LARGE => "The request is larger than the server takes.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body's media type is not supported here.",
        StatusCode::SERVICE_UNAVAILABLE => "The server cannot do this now; it may be tried again.",
        _ => "",
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::Unknown => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, refusal.description)
    }
}

impl From<metric_index::Error> for Failure {
    fn from(error: metric_index::Error) -> Self {
        Refusal::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_representation() {
        let reason = "extra keys not allowed @ data['✔']";
        let facts = [("reason", reason.into()), ("detail", Value::List(vec!["✔".into()]))];
        let failure = Failure::because(StatusCode::BAD_REQUEST, "Invalid input", facts);
        assert_eq!(
            failure.json(),
            r#"{"code": 400, "title": "Bad Request", "description": {"cause": "Invalid input", "reason": "extra keys not allowed @ data['\u2714']", "detail": ["\u2714"]}}"#
        );
        assert!(failure.text().starts_with("400 Bad Request\n\nThe server could not comply"));
        assert!(failure.text().ends_with(
            "\n\n {'cause': 'Invalid input', 'reason': \"extra keys not allowed @ data['✔']\", 'detail': ['✔']}  "
        ));
        assert!(failure.html().contains("data[&#x27;&#10004;&#x27;]&quot;"));
    }
}
