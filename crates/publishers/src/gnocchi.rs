//! `gnocchi://?option=value`: writes measures, resources and their attributes to Gnocchi.
//!
//! **Accepted** means that Gnocchi has answered 2xx: for a sample, to the measure and to the attributes of its resource;
//! for an event, to the change of the resource and of those associated with it.
//!
//! Samples go in batches that are bounded by number, smaller ones when the server is slow. Resources that Gnocchi does
//! not know are created, and the batch is sent again. When Gnocchi refuses a batch, it is split until it is known which
//! measures are at fault: only those are refused. Attributes are sent when they differ from what was sent last.
//!
//! What can be mended in Gnocchi or in front of it (no connection, a token that is not taken, 429, 5xx, half an answer, an
//! archive policy or a resource type that is not there) holds the records back, and nothing is lost. An attempt that fails
//! half-way goes on where it was. A record that Gnocchi alone fails at, while it takes others, is given up after a while
//! (`suspects`).
//!
//! Gnocchi is asked over a network, or, where its place is taken by a store in the same process, directly ([`Way`]). What
//! is asked, in which order, and what answers mean, is the same.
//!
//! The requests are those of Ceilometer's `publisher/gnocchi.py`; `docs/differences.md` says where it is done otherwise.

mod batch;
mod cache;
mod client;
mod embedded;
mod events;
mod metrics;
mod options;
mod progress;
mod shared;
mod suspects;
pub mod upgrade;
mod writer;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use definitions::ResourceDefinitions;
use model::{Event, Sample, Value, json};
use observability::clock::Clock;
use openstack::{Cache, Service};
use pipeline::{PublishError, Publisher, Publishing, Records, Refusals};
use tokio::sync::watch;

use batch::{Batch, Unfit};
pub use client::{Answer, Client};
use client::{Failure, Later, path};
pub use embedded::{Answering, Embedded, MetricMeasures, ResourceMeasures, Way};
pub use metrics::{GnocchiMetrics, Skipped};
pub use options::{DEFAULT_DEFINITIONS, FilterProject, GnocchiOptions};
use progress::Progress;
use shared::Shared;
use writer::Writer;

use crate::witness::Witness;

/// Measures in one request at most. One is about 200 bytes, so that a body stays far below what proxies let through.
const MEASURES: usize = 500;
/// How long measures wait for others. A request costs Gnocchi milliseconds of CPU, whatever it carries.
const LINGER: Duration = Duration::from_millis(50);
/// Names of unknown metrics that are remembered, so that each is logged once.
const UNKNOWN_NAMES: usize = 1_000;

/// Publishes to Gnocchi. Cheap to make: nothing is asked of any server before the first record.
#[derive(Debug)]
pub struct GnocchiPublisher {
    definitions: Arc<ResourceDefinitions>,
    /// Where changed definitions come from.
    newest: watch::Receiver<Arc<ResourceDefinitions>>,
    writer: Writer,
    filter: Filter,
    clock: Clock,
    /// How many of the archive policies are known to be there.
    policies: usize,
    /// Measures in one request, at present.
    measures: usize,
    unknown: HashSet<String>,
    progress: Option<Progress>,
    witness: Witness,
}

/// The project whose samples are left out.
#[derive(Debug)]
enum Filter {
    Off,
    /// To be looked up with this identity service.
    Unknown(FilterProject, Box<Service>),
    Project(String),
}

impl GnocchiPublisher {
    /// A publisher that writes to `gnocchi`. The project that the options want to leave out is looked up with `identity`;
    /// without one, as when Gnocchi is used without Keystone, nothing is left out. Definitions that come by `definitions` are
    /// used from the next attempt on.
    #[must_use]
    pub fn new(
        options: GnocchiOptions,
        mut definitions: watch::Receiver<Arc<ResourceDefinitions>>,
        gnocchi: impl Into<Way>,
        identity: Option<Service>,
        metrics: GnocchiMetrics,
        clock: Clock,
    ) -> Self {
        let filter = match (options.filter, identity) {
            (Some(project), Some(identity)) => Filter::Unknown(project, Box::new(identity)),
            (Some(project), None) => {
                tracing::info!(
                    project = project.project,
                    "without Keystone's credentials filter_project is not used"
                );
                Filter::Off
            }
            (None, _) => Filter::Off,
        };
        let client = Client::new(gnocchi, options.timeout);
        let current = Arc::clone(&definitions.borrow_and_update());
        Self {
            definitions: current,
            newest: definitions,
            writer: Writer::new(client, metrics, options.give_up_after),
            filter,
            clock,
            policies: 0,
            measures: MEASURES,
            unknown: HashSet::new(),
            progress: None,
            witness: Witness::nobody(),
        }
    }

    /// Looks in `cache`, which other agents write to as well, for what Gnocchi was told of resources, and writes there what
    /// it is told.
    #[must_use]
    pub fn with_cache(mut self, cache: Option<Cache>) -> Self {
        self.writer.share(cache.map(Shared::new));
        self
    }

    /// Takes changed definitions.
    fn refresh(&mut self) {
        if self.newest.has_changed().unwrap_or(false) {
            self.definitions = Arc::clone(&self.newest.borrow_and_update());
            self.policies = 0;
            self.unknown.clear();
        }
    }

    /// Lets `witness` look at the exchange with Gnocchi.
    #[must_use]
    pub fn with_witness(mut self, witness: Witness) -> Self {
        self.writer.set_observer(&witness);
        Self { witness, ..self }
    }

    async fn publish_all(&mut self, groups: Arc<[Records]>) -> Result<Refusals, PublishError> {
        self.refresh();
        let progress = self.progress.take().filter(|progress| progress.is_of(&groups));
        let ended_at = || {
            let now = self.clock.now().as_microsecond();
            model::Timestamp::from_microseconds(now).map(model::Timestamp::to_iso).unwrap_or_default()
        };
        let mut progress = progress.unwrap_or_else(|| Progress::new(Arc::clone(&groups), ended_at()));
        progress.faults.begin();
        match self.attempt(&groups, &mut progress).await {
            Ok(()) => Ok(progress.into_refusals()),
            Err(later) => {
                if later.is_timeout() {
                    self.measures = (self.measures / 2).max(1);
                }
                progress.faults.attempts += u32::from(later.is_server_error);
                self.progress = Some(progress);
                Err(later.into())
            }
        }
    }

    async fn attempt(&mut self, groups: &Arc<[Records]>, progress: &mut Progress) -> Result<(), Later> {
        let mut samples = Vec::new();
        let mut events = Vec::new();
        let mut place = 0;
        for records in groups.iter() {
            match records {
                Records::Samples(group) => {
                    samples
                        .extend(group.iter().enumerate().map(|(record, sample)| (place + record, &**sample)));
                }
                Records::Events(group) => {
                    events.extend(group.iter().enumerate().map(|(record, event)| (place + record, &**event)));
                }
            }
            place += records.len();
        }
        if !samples.is_empty() {
            self.ensure_policies().await?;
            self.look_up_filter().await?;
            self.samples(&samples, progress).await?;
        }
        self.events(&events, progress).await
    }

    async fn samples(&mut self, samples: &[(usize, &Sample)], progress: &mut Progress) -> Result<(), Later> {
        let definitions = Arc::clone(&self.definitions);
        loop {
            let open = samples.partition_point(|(place, _)| *place < progress.next);
            let rest = samples.get(open..).unwrap_or_default();
            let chunk = rest.get(..self.measures).unwrap_or(rest);
            let Some((last, _)) = chunk.last() else { return Ok(()) };
            let batch = self.batch(&definitions, chunk, progress);
            if let Err(later) = self.writer.post(&batch, progress).await {
                if later.cause == "no_archive_policy" {
                    // Perhaps Gnocchi was emptied: ours are created again.
                    self.policies = 0;
                }
                return Err(later);
            }
            self.writer.update_all(&batch, progress).await?;
            progress.advance(last + 1);
            if chunk.len() == self.measures {
                self.measures = (self.measures + self.measures / 8 + 1).min(MEASURES);
            }
        }
    }

    /// What Gnocchi gets of some samples. The rest is refused or left out.
    fn batch<'s>(
        &mut self,
        definitions: &'s ResourceDefinitions,
        samples: &[(usize, &'s Sample)],
        progress: &mut Progress,
    ) -> Batch<'s> {
        let filter = match &self.filter {
            Filter::Project(project) => Some(project.as_str()),
            Filter::Off | Filter::Unknown(..) => None,
        };
        let skipped = &self.writer.metrics.skipped;
        let mut batch = Batch::default();
        for &(place, sample) in samples {
            // What Gnocchi has already still says what its resource is like.
            match batch.add(definitions, filter, sample, place) {
                Ok(()) => {}
                Err(_) if !progress.is_open(place) => {}
                Err(Unfit::Filtered) => {
                    skipped.increment(Skipped::FilteredProject);
                    self.witness.tell_left_out(|| {
                        format!("  filter_project leaves out the project of {}", sample.name)
                    });
                    progress.accept(place);
                }
                Err(Unfit::UnknownMetric) => {
                    skipped.increment(Skipped::UnknownMetric);
                    self.witness.tell_left_out(|| {
                        format!(
                            "  no resource type has the metric {}: Gnocchi gets nothing of it",
                            sample.name
                        )
                    });
                    progress.accept(place);
                    if self.unknown.len() < UNKNOWN_NAMES && self.unknown.insert(sample.name.to_string()) {
                        tracing::warn!(
                            metric = %sample.name,
                            "no resource type has this metric, Gnocchi gets nothing of it; see resources_definition_file"
                        );
                    }
                }
                Err(Unfit::Refused { cause, reason }) => progress.refuse(place, cause, reason),
            }
        }
        batch.sort();
        batch
    }

    async fn events(&mut self, events: &[(usize, &Event)], progress: &mut Progress) -> Result<(), Later> {
        let definitions = Arc::clone(&self.definitions);
        self.writer.events(&definitions, events, progress).await
    }

    /// Creates the archive policies of the definitions, once.
    async fn ensure_policies(&mut self) -> Result<(), Later> {
        let definitions = Arc::clone(&self.definitions);
        for policy in definitions.archive_policies().iter().skip(self.policies) {
            self.ensure_policy(policy).await?;
            self.policies += 1;
        }
        Ok(())
    }

    async fn ensure_policy(&self, policy: &Value) -> Result<(), Later> {
        let mut body = Vec::new();
        json::write_compact(policy, &mut body);
        let rejection = match self.writer.client.post("/v1/archive_policy/", body).await {
            Ok(_) => return Ok(()),
            Err(Failure::Later(later)) => return Err(later),
            Err(Failure::Refused(rejection)) => rejection,
        };
        let name = policy.get("name").and_then(Value::as_str).unwrap_or_default();
        match rejection.status {
            409 => Ok(()),
            // These credentials may not create it; that matters only when it is not there.
            403 => match self.writer.client.get(&path(&["archive_policy", name])).await {
                Ok(_) => Ok(()),
                Err(Failure::Later(later)) => Err(later),
                Err(Failure::Refused(_)) => Err(Later::new(
                    "archive_policy",
                    format!(
                        "the archive policy {name} is not there, and may not be created: {}",
                        rejection.words()
                    ),
                )),
            },
            _ => Err(Later::new(
                "archive_policy",
                format!("the archive policy {name} cannot be created: {}", rejection.words()),
            )),
        }
    }

    /// Looks up the project to leave out, once.
    async fn look_up_filter(&mut self) -> Result<(), Later> {
        let Filter::Unknown(FilterProject { project, domain }, identity) = &self.filter else {
            return Ok(());
        };
        let found = identity.session.project_id_by_name(&identity.filter, domain, project).await;
        let found = found.map_err(|error| {
            Later::new(
                error.cause(),
                format!("the project {project} of filter_project cannot be looked up: {error}"),
            )
        })?;
        self.filter = if let Some(id) = found {
            tracing::debug!(project, id, "samples of this project are left out");
            Filter::Project(id)
        } else {
            tracing::warn!(project, domain, "there is no such project: filter_project is not used");
            Filter::Off
        };
        Ok(())
    }
}

impl Publisher for GnocchiPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> Publishing<'_> {
        Box::pin(self.publish_all(groups))
    }

    fn linger(&self) -> Option<Duration> {
        Some(LINGER)
    }
}
