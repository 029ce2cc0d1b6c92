//! `/v1/prometheus/write`: Prometheus' remote write.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use metric_index::{Attribute, AttributeValue, Kind};

use super::Done;
use super::writers::{Written, ensure_type, write as write_all};
use crate::Api;
use crate::failure::Failure;
use crate::remote_write;
use crate::reply::Reply;
use crate::request::Request;

/// The resource type of scraped instances.
const TYPE: &str = "prometheus";
/// Its attributes.
const ATTRIBUTES: [&str; 2] = ["job", "instance"];
/// The most characters of one of them.
const LONGEST: u32 = 512;

pub(super) async fn write(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let series = remote_write::read(&request.body).map_err(|error| Failure::invalid(error.to_string()))?;
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
