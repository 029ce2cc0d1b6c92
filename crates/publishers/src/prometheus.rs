//! `prometheus://host:9091/metrics/job/JOB[/LABEL/VALUE…]`: pushes samples to a Prometheus Pushgateway. Samples only.
//!
//! **Accepted** means that the Pushgateway answered 2xx; [`crate::post`] says what other answers mean. The Pushgateway
//! keeps the newest value of each series, so of several samples of one series the last is what it has.
//!
//! Requests and text are Ceilometer's (`publisher/prometheus.py`): with grouping labels behind the job in the path one
//! request takes everything, else there is one for each resource, with `resource_id` as grouping label. The parameters are
//! those of the `http` publisher, and `ssl`. Where Ceilometer's text is one that the Pushgateway refuses as a whole, it is
//! mended (see [`text`]).
//!
//! A push replaces everything that the metrics in it had in their group, so that a metric is never divided (see [`push`]).

mod push;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use model::{Sample, pytext};
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};

use crate::post::{HttpSettings, Place, PostOptions, Poster};
use crate::url_options::{UrlOptions, percent_encode};
use crate::witness::Witness;
use crate::{placed_samples, samples_only};

/// Ceilometer's own; the Pushgateway does not mind.
const CONTENT_TYPE: &str = "plain/text";
/// Most requests at the same time: a Pushgateway serialises its groups.
const PARALLEL: usize = 8;

/// Pushes samples.
#[derive(Debug)]
pub struct PrometheusPublisher {
    poster: Poster,
    /// Whether the path has grouping labels, so that the resource need not be one.
    has_grouping: bool,
    parallel: usize,
}

impl PrometheusPublisher {
    /// The publisher for `url`.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work, for events, and for certificates that cannot be read.
    pub fn new(
        url: &PublisherUrl,
        kind: RecordsKind,
        settings: &HttpSettings,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        samples_only(url, kind)?;
        let options = PostOptions::from_url(url, UrlOptions::from_url(url))?;
        let has_grouping = has_grouping(url.path());
        let parallel = settings.max_parallel_requests.clamp(1, PARALLEL);
        Ok(Self { poster: Poster::new(options, CONTENT_TYPE, settings, witness)?, has_grouping, parallel })
    }

    async fn publish_all(&self, groups: &[Records]) -> Result<Refusals, PublishError> {
        let (places, samples) = placed_samples(groups);
        if self.has_grouping || samples.is_empty() {
            return self.push(None, &places, &samples).await;
        }
        // Each resource is a group of its own at the Pushgateway: their order does not matter.
        let mut waiting = by_resource(&places, &samples).into_iter();
        let mut running = FuturesUnordered::new();
        let mut refusals = Refusals::default();
        loop {
            let free = self.parallel.saturating_sub(running.len());
            for of_resource in waiting.by_ref().take(free) {
                running.push(self.push_resource(of_resource));
            }
            let Some(pushed) = running.next().await else { return Ok(refusals) };
            refusals.append(pushed?);
        }
    }

    async fn push_resource(&self, of_resource: OfResource<'_>) -> Result<Refusals, PublishError> {
        let OfResource { id, places, samples } = of_resource;
        self.push(Some(sub_path(&id)), &places, &samples).await
    }

    async fn push(
        &self,
        sub_path: Option<String>,
        places: &[Place],
        samples: &[&Sample],
    ) -> Result<Refusals, PublishError> {
        let mut refusals = Refusals::default();
        push::push(&self.poster, sub_path.as_deref(), places, samples, &mut refusals).await?;
        Ok(refusals)
    }
}

impl Publisher for PrometheusPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }
}

/// Whether a path names a job and something behind it.
fn has_grouping(path: &str) -> bool {
    path.starts_with("/metrics/job/") && path.split('/').filter(|part| !part.is_empty()).count() > 3
}

/// The samples of one resource.
struct OfResource<'s> {
    id: String,
    places: Vec<Place>,
    samples: Vec<&'s Sample>,
}

/// The samples of each resource, in the order in which resources come.
fn by_resource<'s>(places: &[Place], samples: &[&'s Sample]) -> Vec<OfResource<'s>> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut resources: Vec<OfResource<'s>> = Vec::new();
    for (place, sample) in places.iter().zip(samples) {
        let id = pytext::to_str(&sample.resource_id);
        let number = *numbers.entry(id.clone()).or_insert_with(|| {
            resources.push(OfResource { id, places: Vec::new(), samples: Vec::new() });
            resources.len() - 1
        });
        if let Some(resource) = resources.get_mut(number) {
            resource.places.push(*place);
            resource.samples.push(sample);
        }
    }
    resources
}

/// The grouping label of a resource. What the Pushgateway cannot read from a path (a slash, even as `%2F`, and what stands
/// for a directory) goes as its base64 form.
fn sub_path(resource: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    if resource.contains('/') || matches!(resource, "." | "..") {
        return format!("/resource_id@base64/{}", URL_SAFE_NO_PAD.encode(resource));
    }
    let mut path = String::from("/resource_id/");
    percent_encode(resource, "", &mut path);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouping_is_what_stands_behind_the_job() {
        for (path, expected) in [
            ("/metrics/job/os", false),
            ("/metrics/job/os/", false),
            ("/metrics/job/os/instance/x", true),
            ("/metrics/job/os/instance", true),
            ("/prefix/metrics/job/os/instance/x", false),
            ("", false),
        ] {
            assert_eq!(has_grouping(path), expected, "{path}");
        }
    }

    #[test]
    fn resources_become_grouping_labels() {
        for (resource, path) in [
            ("r 1", "/resource_id/r%201"),
            ("é:~", "/resource_id/%C3%A9%3A~"),
            ("r/1", "/resource_id@base64/ci8x"),
            ("", "/resource_id/"),
            ("..", "/resource_id@base64/Li4"),
        ] {
            assert_eq!(sub_path(resource), path, "{resource}");
        }
    }
}
