//! `If-Match` and its relatives.

use axum::http::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};
use axum::http::{Method, StatusCode};
use metric_index::Resource;

use crate::failure::Failure;

/// What the conditions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The request is to be done.
    Go,
    /// The client has it already.
    NotModified,
}

/// Looks at the conditions of a request for a resource.
pub(crate) fn check(method: &Method, headers: &HeaderMap, resource: &Resource) -> Result<Verdict, Failure> {
    let failed = || Failure::new(StatusCode::PRECONDITION_FAILED, "");
    let etag = resource.etag();
    let modified = resource.revision_start.microseconds().div_euclid(1_000_000);
    if let Some(tags) = text(headers, &IF_MATCH) {
        if !names(tags, &etag) {
            return Err(failed());
        }
    } else if date(headers, &IF_UNMODIFIED_SINCE).is_some_and(|since| since < modified) {
        return Err(failed());
    }
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if let Some(tags) = text(headers, &IF_NONE_MATCH) {
        if names(tags, &etag) {
            return if is_read { Ok(Verdict::NotModified) } else { Err(failed()) };
        }
    } else if is_read && date(headers, &IF_MODIFIED_SINCE).is_some_and(|since| since >= modified) {
        return Ok(Verdict::NotModified);
    }
    Ok(Verdict::Go)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a list of tags has this one. A weak tag is no match.
fn names(tags: &str, etag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_matches('"') == etag)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    let read = jiff::fmt::rfc2822::parse(text(headers, name)?).ok()?;
    Some(read.timestamp().as_second())
}
