//! `/v1/influxdb`: InfluxDB's write protocol, version 1.

mod line;

use std::collections::BTreeMap;

use axum::http::{HeaderName, StatusCode};
use metric::{Rule, Target};

use super::Done;
use super::writers::{Written, ensure_type, write as write_all};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::room::Room;
use crate::{Api, BUILD};

/// The tag that names a resource, unless the request names another one.
const TAG: &str = "host";
/// The header that names another one.
const TAG_HEADER: &str = "x-gnocchi-influxdb-tag-resource-id";
/// The resource type of those who name none.
const DATABASE: &str = "influxdb";

/// What a tag, or a field takes at most until it is in the store; names are copied so many times at most.
const FIELD_BYTES: usize = 512;
const TEXT_COPIES: usize = 12;

pub(super) fn ping() -> Reply {
    let name = HeaderName::from_static("x-influxdb-version");
    Reply::empty(StatusCode::NO_CONTENT).with(name, format!("Gnocchi {BUILD}"))
}

/// The name in `CREATE DATABASE name`.
fn database(query: &str) -> Option<&str> {
    let mut words = query.trim().trim_end_matches(';').split_whitespace();
    let (create, kind, name) = (words.next()?, words.next()?, words.next()?);
    let is_whole = create.eq_ignore_ascii_case("create") && kind.eq_ignore_ascii_case("database");
    let name = name.trim_matches(['"', '\'']);
    (is_whole && words.next().is_none() && !name.is_empty()).then_some(name)
}

pub(super) async fn query(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let Some(text) = request.parameter("q") else { return Ok(Reply::empty(StatusCode::NO_CONTENT)) };
    let Some(name) = database(text) else {
        let facts = [("detail", "q".into()), ("reason", "Query not implemented".into())];
        return Err(Failure::because(StatusCode::NOT_IMPLEMENTED, "Not implemented error", facts));
    };
    caller.enforce(Rule::CreateResourceType, &Target::of_pairs(&[("name", name)]))?;
    ensure_type(api, caller, name, &[]).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Whether a text is a line of the protocol.
pub(super) fn is_line(text: &str) -> bool {
    line::parse(text).is_some()
}

fn refused(detail: &str, reason: String) -> Failure {
    let facts = [("detail", detail.into()), ("reason", reason.into())];
    Failure::because(StatusCode::BAD_REQUEST, "Value error", facts)
}

pub(super) async fn write(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let database = request.parameter("db").unwrap_or(DATABASE);
    let tag = request.headers.get(TAG_HEADER).and_then(|value| value.to_str().ok()).unwrap_or(TAG);
    let now = api.metrics.now().microseconds().saturating_mul(1_000);
    let text =
        std::str::from_utf8(&request.body).map_err(|_| refused("line", "not valid utf-8".to_owned()))?;
    let mut room = Room::of(api, request);
    let mut resources: BTreeMap<String, Written> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        // Tags and fields while the line is read, and its texts.
        room.take((line.matches(',').count() + 2) * FIELD_BYTES + line.len() * TEXT_COPIES);
        room.check(api)?;
        let point = line::parse(line)
            .ok_or_else(|| refused("line", format!("Unable to parse line {}", number + 1)))?;
        let mut tags = point.tags;
        let resource =
            tags.remove(tag).ok_or_else(|| refused("key", format!("Unable to find key `{tag}' in tags")))?;
        let tags: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let suffix = if tags.is_empty() { String::new() } else { format!("@{}", tags.join(",")) };
        let written = resources.entry(resource).or_default();
        for (field, value) in point.fields {
            room.take((point.measurement.len() + field.len() + suffix.len()) * TEXT_COPIES);
            room.check(api)?;
            let name = format!("{}.{field}{suffix}", point.measurement).replace('/', "_");
            written.metrics.entry(name).or_default().push((point.timestamp.unwrap_or(now), value));
        }
    }
    if resources.is_empty() {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    }
    api.metrics.index().resource_type(database).await?;
    let count = write_all(api, caller, database, resources).await?;
    Ok(Reply::accepted(StatusCode::NO_CONTENT, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases() {
        assert_eq!(database("create database a"), Some("a"));
        assert_eq!(database(" CREATE DATABASE \"a\" ;"), Some("a"));
        assert_eq!(database("select metrics plz"), None);
    }
}
