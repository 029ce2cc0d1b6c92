//! One file a publisher; each says what *accepted* means for it.
//!
//! Publishers that speak HTTP share [`HttpSettings`] and the way in which requests are made and answers are read. Those for
//! Prometheus share [`series`].

mod address;
pub mod exporter;
pub mod file;
pub mod gnocchi;
pub mod http;
pub mod in_memory;
mod inexpressible;
mod msgpack;
pub mod notifier;
pub mod opentelemetry;
pub mod otlp;
mod post;
pub mod prometheus;
mod protobuf;
pub mod remote_write;
pub mod series;
pub mod tcp;
pub mod udp;
mod url_options;
mod witness;
pub mod zaqar;

use model::Sample;
use pipeline::{BuildError, PublisherUrl, Records, RecordsKind};

pub use post::HttpSettings;
pub use witness::Witness;

use post::Place;

/// Refuses a pipeline of events for a publisher that has no form for them.
fn samples_only(url: &PublisherUrl, kind: RecordsKind) -> Result<(), BuildError> {
    match kind {
        RecordsKind::Samples => Ok(()),
        RecordsKind::Events => Err(url_options::configuration(
            format!("the publisher {} takes samples only", url.scheme()),
            "events can go to gnocchi, notifier, http, https, file, zaqar or test",
        )),
    }
}

/// All samples of some groups, each with its place. Events are not there: their pipelines were refused.
fn placed_samples(groups: &[Records]) -> (Vec<Place>, Vec<&Sample>) {
    let (mut places, mut all) = (Vec::new(), Vec::new());
    for (group, records) in groups.iter().enumerate() {
        if let Records::Samples(samples) = records {
            for (record, sample) in samples.iter().enumerate() {
                places.push(Place { group, record });
                all.push(&**sample);
            }
        }
    }
    (places, all)
}

#[cfg(test)]
mod fixtures {

    use model::{Map, MeterKind, Sample, Subject, Value};

    /// The sample of Ceilometer's examples with another meter, resource and volume.
    pub(crate) fn sample(name: &str, resource: &str, volume: Value) -> Sample {
        Sample {
            name: name.into(),
            kind: MeterKind::Cumulative,
            unit: "B".into(),
            volume,
            subject: Subject {
                user_id: "u".into(),
                project_id: "p".into(),
                resource_metadata: [("k", "v")].into_iter().collect::<Map>().into(),
                ..Subject::new(resource)
            }
            .into(),
            timestamp: "2026-07-21T13:56:12.123456".into(),
            source: "openstack".into(),
            id: "ID1".into(),
            monotonic_time: None,
        }
    }
}
