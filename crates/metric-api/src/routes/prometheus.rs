//! `/v1/prometheus/write`: Prometheus' remote write.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use metric_index::{Attribute, AttributeValue, Kind};

use super::Done;
use super::writers::{Written, ensure_type, write as write_all};
use crate::Api;
use crate::failure::Failure;
use crate::remote_write::{self, RemoteWriteError, TimeSeries};
use crate::reply::Reply;
use crate::request::Request;
use crate::room::Room;
use crate::watch::Refused;

/// The resource type of scraped instances.
const TYPE: &str = "prometheus";
/// Its attributes.
const ATTRIBUTES: [&str; 2] = ["job", "instance"];
/// The most characters of one of them.
const LONGEST: u32 = 512;

/// The series of a body, and their part of what bodies may take: a small one can unpack to much.
fn unpacked(api: &Api, request: &Request) -> Result<(Vec<TimeSeries>, Room), Failure> {
    let invalid = |error: RemoteWriteError| Failure::invalid(error.to_string());
    let bytes = remote_write::unpacked_bytes(&request.body).map_err(invalid)?;
    let limit = api.settings.max_body_bytes;
    if bytes > limit {
        api.counted.refused.increment(Refused::BodyTooLarge);
        let text = format!("The body unpacks to more than {limit} bytes.");
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    // What it is unpacked to is needed no longer than until it is read.
    let mut unpacking = Room::of(api, request);
    unpacking.take(bytes);
    unpacking.check(api)?;
    let mut room = Room::of(api, request);
    let most = api.settings.max_request_measures;
    match remote_write::read(&request.body, most, &mut room) {
        Ok(series) => Ok((series, room)),
        Err(RemoteWriteError::TooMany) => {
            api.check_measures(most.saturating_add(1))?;
            Err(invalid(RemoteWriteError::TooMany))
        }
        Err(error) => {
            room.check(api)?;
            Err(invalid(error))
        }
    }
}

pub(super) async fn write(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let (series, _room) = unpacked(api, request)?;
    let mut resources: BTreeMap<String, Written> = BTreeMap::new();
    for one in series {
        let label =
            |name: &str| one.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let [job, instance] = ATTRIBUTES.map(|name| label(name).unwrap_or("none").to_owned());
        let metric =
            label("__name__").ok_or_else(|| Failure::invalid("a series without the label __name__"))?;
        if metric.contains('/') {
            return Err(Failure::invalid("'/' is not supported in metric name"));
        }
        let original_id = format!("{job}@{instance}").replace('/', "_");
        let written = resources.entry(original_id).or_insert_with(|| Written {
            attributes: ATTRIBUTES
                .map(str::to_owned)
                .into_iter()
                .zip([job, instance].map(AttributeValue::Text))
                .collect(),
            ..Written::default()
        });
        // Labels do not make metrics differ: of several series of a name the last one counts.
        let points: Vec<(i64, f64)> = one
            .samples
            .iter()
            .map(|(milliseconds, value)| (milliseconds.saturating_mul(1_000_000), *value))
            .collect();
        written.metrics.insert(metric.to_owned(), points);
    }
    let kind = Kind::String { min_length: 1, max_length: LONGEST };
    let attributes = ATTRIBUTES.iter().map(|name| Attribute::new(*name, kind, true));
    let attributes: Vec<Attribute> = attributes.collect::<Result<_, _>>()?;
    ensure_type(api, caller, TYPE, &attributes).await?;
    let count = write_all(api, caller, TYPE, resources).await?;
    Ok(Reply::accepted(StatusCode::ACCEPTED, count))
}
