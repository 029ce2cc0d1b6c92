//! Samples of one group at the Pushgateway, in as many requests as they need.
//!
//! A push replaces all series that its metrics have in the group. So the samples of a metric are in one request, and when a
//! request is refused it is divided between metrics. Only where a metric alone is refused its samples are told apart, and
//! then those that can be taken are pushed once more, together.

use std::collections::HashMap;
use std::ops::Range;

use model::Sample;
use pipeline::{PublishError, Refusal, Refusals};

use super::text::{self, metric_name};
use crate::post::{Answer, Place, Post, REQUEST_BYTES, REQUEST_RECORDS, Shipment, deliver, requests};

/// About what one line takes, in bytes.
const LINE_BYTES: usize = 256;

/// Samples by metric.
struct Metrics<'p, 's> {
    places: &'p [Place],
    samples: &'p [&'s Sample],
    /// For each metric the numbers of its samples.
    numbers: Vec<Vec<usize>>,
}

impl<'s> Metrics<'_, 's> {
    /// The samples of some metrics, in the order in which they came.
    fn samples(&self, metrics: &Range<usize>) -> Vec<&'s Sample> {
        let mut numbers: Vec<usize> = self.of(metrics).flatten().copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| self.samples.get(number)).copied().collect()
    }

    fn of(&self, metrics: &Range<usize>) -> impl Iterator<Item = &Vec<usize>> {
        self.numbers.get(metrics.clone()).unwrap_or_default().iter()
    }

    /// The metrics of each request: as many as fit, and one alone that does not.
    fn requests(&self) -> Vec<Range<usize>> {
        let (mut ranges, mut start, mut held) = (Vec::new(), 0, 0);
        let most = REQUEST_RECORDS.min(REQUEST_BYTES / LINE_BYTES);
        for (metric, numbers) in self.numbers.iter().enumerate() {
            if metric > start && held + numbers.len() > most {
                ranges.push(start..metric);
                (start, held) = (metric, 0);
            }
            held += numbers.len();
        }
        if start < self.numbers.len() {
            ranges.push(start..self.numbers.len());
        }
        ranges
    }
}

/// Pushes samples; what the Pushgateway refuses goes to `refusals`.
pub(super) async fn push(
    poster: &impl Post,
    sub_path: Option<&str>,
    places: &[Place],
    samples: &[&Sample],
    refusals: &mut Refusals,
) -> Result<(), PublishError> {
    let mut numbers: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (number, sample) in samples.iter().enumerate() {
        let metric = *known.entry(metric_name(&sample.name)).or_insert_with(|| {
            numbers.push(Vec::new());
            numbers.len() - 1
        });
        if let Some(of_metric) = numbers.get_mut(metric) {
            of_metric.push(number);
        }
    }
    let metrics = Metrics { places, samples, numbers };
    let mut parts = metrics.requests();
    parts.reverse();
    while let Some(part) = parts.pop() {
        match poster.post(sub_path, text::exposition(&metrics.samples(&part))).await? {
            Answer::Accepted | Answer::Partly(_) => {}
            Answer::Less(error) => return Err(error),
            Answer::Refused { .. } if part.len() > 1 => {
                let middle = part.start + part.len() / 2;
                parts.push(middle..part.end);
                parts.push(part.start..middle);
            }
            Answer::Refused { cause, reason } => {
                for numbers in metrics.of(&part) {
                    tell_apart(poster, sub_path, &metrics, numbers, cause, &reason, refusals).await?;
                }
            }
        }
    }
    Ok(())
}

/// Finds out which samples of one metric are refused, and pushes the others together.
async fn tell_apart(
    poster: &impl Post,
    sub_path: Option<&str>,
    metrics: &Metrics<'_, '_>,
    numbers: &[usize],
    cause: &'static str,
    reason: &str,
    refusals: &mut Refusals,
) -> Result<(), PublishError> {
    let refuse = |place: &Place, cause, reason: &str| Refusal {
        group: place.group,
        record: place.record,
        cause,
        reason: reason.to_owned(),
    };
    let places: Vec<Place> =
        numbers.iter().filter_map(|number| metrics.places.get(*number)).copied().collect();
    if let [place] = places.as_slice() {
        refusals.push(refuse(place, cause, reason));
        return Ok(());
    }
    let samples: Vec<&Sample> =
        numbers.iter().filter_map(|number| metrics.samples.get(*number)).copied().collect();
    let mut found = Refusals::default();
    // It was refused as a whole: each half by itself.
    for half in requests(&vec![1; places.len()], places.len().div_ceil(2), usize::MAX) {
        let samples = samples.get(half.clone()).unwrap_or_default();
        let body = |part: Range<usize>| text::exposition(samples.get(part).unwrap_or_default());
        let places = places.get(half).unwrap_or_default();
        let shipment = Shipment { sub_path: sub_path.map(str::to_owned), places, body: &body };
        deliver(poster, &shipment, &mut found).await?;
    }
    let is_good = |place: &Place| !found.iter().any(|refusal| Place::of(refusal) == *place);
    let good: Vec<(&Place, &Sample)> =
        places.iter().zip(samples.iter().copied()).filter(|(place, _)| is_good(place)).collect();
    if !good.is_empty() {
        // Each of these replaced the ones before.
        let all: Vec<&Sample> = good.iter().map(|(_, sample)| *sample).collect();
        match poster.post(sub_path, text::exposition(&all)).await? {
            Answer::Accepted | Answer::Partly(_) => {}
            Answer::Less(error) => return Err(error),
            Answer::Refused { cause, reason } => {
                for (place, _) in good {
                    found.push(refuse(place, cause, &reason));
                }
            }
        }
    }
    refusals.append(found);
    Ok(())
}
