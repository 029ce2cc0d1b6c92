//! Pages of other origins (CORS), as oslo.middleware lets them.

use axum::body::Body;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY};
use axum::http::{Method, Response, StatusCode};

const ALLOW_ORIGIN: HeaderName = HeaderName::from_static("access-control-allow-origin");
const ALLOW_METHODS: HeaderName = HeaderName::from_static("access-control-allow-methods");
const ALLOW_HEADERS: HeaderName = HeaderName::from_static("access-control-allow-headers");
const ALLOW_CREDENTIALS: HeaderName = HeaderName::from_static("access-control-allow-credentials");
const MAX_AGE: HeaderName = HeaderName::from_static("access-control-max-age");
const METHODS: [&str; 8] = ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "PATCH"];
/// Headers that a page may send beside the simple ones.
const HEADERS: [&str; 12] = [
    "authorization",
    "x-auth-token",
    "x-subject-token",
    "x-user-id",
    "x-domain-id",
    "x-project-id",
    "x-roles",
    "accept",
    "accept-language",
    "content-type",
    "cache-control",
    "content-language",
];

/// The answer to a request about what a page may do; it says nothing to a foreign origin.
pub(crate) fn preflight(headers: &HeaderMap, origins: &[String]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::OK;
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(method) = of("access-control-request-method").filter(|method| METHODS.contains(method)) else {
        return response;
    };
    let asked = of("access-control-request-headers").unwrap_or_default();
    let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if asked.iter().any(|name| !HEADERS.contains(&name.to_ascii_lowercase().as_str())) {
        return response;
    }
    let (method, asked) = (HeaderValue::from_str(method), HeaderValue::from_str(&asked.join(",")));
    if !allow(headers, origins, response.headers_mut()) {
        return response;
    }
    let out = response.headers_mut();
    out.insert(MAX_AGE, HeaderValue::from_static("3600"));
    if let Ok(method) = method {
        out.insert(ALLOW_METHODS, method);
    }
    if let Ok(asked) = asked
        && !asked.is_empty()
    {
        out.insert(ALLOW_HEADERS, asked);
    }
    response
}

/// Lets a page of an allowed origin read the answer; says whether it is one.
pub(crate) fn allow(headers: &HeaderMap, origins: &[String], out: &mut HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let known =
        origin.to_str().is_ok_and(|origin| origins.iter().any(|known| known == origin || known == "*"));
    if known {
        out.insert(ALLOW_ORIGIN, origin.clone());
        out.insert(ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        out.insert(VARY, HeaderValue::from_static("Origin"));
    }
    known
}

/// Whether a request only asks what may be done.
pub(crate) fn is_preflight(method: &Method) -> bool {
    *method == Method::OPTIONS
}
