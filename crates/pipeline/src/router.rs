//! [`Router`]: brings records to the publishers of every pipeline that selects them.

use std::collections::HashMap;
use std::sync::Arc;

use model::pytext::float_of;
use model::{Sample, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfiguredPublisher, PipelineConfig};
use crate::metrics::{Drop, KindMetrics, PublisherMetrics, Waiting};
use crate::refused::{Origin, RecordLetters};
use crate::tap::{Destinations, Tap};
use crate::worker::{Queue, SinkState, Worker, queue};
use crate::{
    Batch, BufferNames, BufferOptions, BufferState, BuildError, DeliveryToken, Filter, PipelineMetrics,
    Publisher, PublisherUrl, Records, RecordsKind, RetryPolicy, WorkerLimits,
};

/// Makes publishers from URLs; the composition root knows which schemes exist.
pub trait PublisherFactory: Send + Sync {
    /// Makes the publisher for `url`. Called again after the publisher panicked, and with back-off while
    /// it is [`BuildError::Unavailable`].
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work.
    fn build(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<Box<dyn Publisher>, BuildError>;

    /// Checks `url` without touching anything outside: what `nephoscope check` calls.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work.
    fn check(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<(), BuildError>;

    /// Reads again what the publisher of `url` reads from files beside its URL. Publishers at work go on as before until
    /// the result is called.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for files that cannot be used.
    fn read_again(&self, _url: &PublisherUrl) -> Result<TakeChanges<'_>, BuildError> {
        Ok(Box::new(|| ()))
    }
}

/// Gives publishers what was read again; it cannot fail.
pub type TakeChanges<'f> = Box<dyn FnOnce() + Send + 'f>;

/// Reads again what the publishers of a configuration read from files; see [`PublisherFactory::read_again`].
///
/// # Errors
/// [`RouterError::Publisher`] for the first one whose files cannot be used.
pub fn read_again<'f>(
    config: &PipelineConfig,
    factory: &'f dyn PublisherFactory,
) -> Result<Vec<TakeChanges<'f>>, RouterError> {
    let mut seen: Vec<&PublisherUrl> = Vec::new();
    let mut changes = Vec::new();
    for pipeline in config.pipelines() {
        for ConfiguredPublisher { url, place } in pipeline.publishers {
            if !seen.contains(&url) {
                seen.push(url);
                let change = factory.read_again(url).map_err(|source| RouterError::Publisher {
                    place: place.clone(),
                    url: url.redacted(),
                    sink: pipeline.sink.to_owned(),
                    source,
                })?;
                changes.push(change);
            }
        }
    }
    Ok(changes)
}

/// Everything that is wrong with the publishers of a configuration, in the order of the file.
#[must_use]
pub fn check_publishers(
    config: &PipelineConfig,
    kind: RecordsKind,
    factory: &dyn PublisherFactory,
) -> Vec<RouterError> {
    let mut seen: Vec<&PublisherUrl> = Vec::new();
    let mut wrong = Vec::new();
    for pipeline in config.pipelines() {
        for ConfiguredPublisher { url, place } in pipeline.publishers {
            if seen.contains(&url) {
                continue;
            }
            seen.push(url);
            if let Err(source) = factory.check(url, kind) {
                let (url, sink) = (url.redacted(), pipeline.sink.to_owned());
                wrong.push(RouterError::Publisher { place: place.clone(), url, sink, source });
            }
        }
    }
    wrong
}

/// Why the pipelines cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// A publisher's URL can never work.
    #[error("{place}: publisher {url} of sink {sink:?}: {source}")]
    Publisher {
        /// Where it is written, as `path:line:column`.
        place: String,
        /// The URL, without secrets.
        url: String,
        /// The sink that names it.
        sink: String,
        /// What is wrong.
        source: BuildError,
    },
}

/// The pipelines of one kind, ready to take records.
#[derive(Debug)]
pub struct Router {
    kind: RecordsKind,
    routes: Vec<Route>,
    publishers: Vec<Attached>,
    /// Publishers of former configurations that had something left to deliver.
    retired: Vec<Attached>,
    metrics: PipelineMetrics,
    of_kind: KindMetrics,
    /// A route with publishers selects everything.
    routes_everything: bool,
    /// Samples that carry no number go on, too.
    carries_any_volume: bool,
    tap: Option<Tap>,
}

#[derive(Debug)]
struct Route {
    filter: Filter,
    /// Indices into the router's publishers.
    publishers: Vec<usize>,
}

/// A publisher with its queue; the worker behind it ends when the last copy is gone.
#[derive(Debug, Clone)]
struct Attached {
    url: PublisherUrl,
    /// The URL without secrets.
    name: Arc<str>,
    queue: Queue,
    metrics: Arc<PublisherMetrics>,
}

/// The workers of a [`Router`], to be run by the caller's supervisor.
#[derive(Debug)]
pub struct Workers {
    kind: RecordsKind,
    workers: Vec<(PublisherUrl, Worker, watch::Receiver<SinkState>)>,
}

impl Workers {
    /// Lets each queue go on in a directory of its own when memory does not suffice. Returns how each buffer fares, by
    /// the worker's name.
    pub fn with_buffers(
        &mut self,
        options: &Arc<BufferOptions>,
        names: &mut BufferNames,
    ) -> Vec<(String, watch::Receiver<BufferState>)> {
        let kind = self.kind;
        let buffered = self.workers.iter_mut().map(|(url, worker, _)| {
            let directory = options.directory.join(names.assign(url, kind));
            (worker.name.clone(), worker.with_buffer(options, directory, kind))
        });
        buffered.collect()
    }

    /// Keeps what publishers' peers refuse for good in `letters`. Without it, such records are dropped and counted.
    pub fn with_dead_letters(&mut self, letters: &RecordLetters) {
        for (_, worker, _) in &mut self.workers {
            worker.with_dead_letters(letters);
        }
    }

    /// How each publisher that comes with a worker fares, by name.
    pub fn states(&self) -> impl Iterator<Item = (&str, watch::Receiver<SinkState>)> {
        self.workers.iter().map(|(_, worker, state)| (worker.name.as_str(), state.clone()))
    }

    /// The workers with their names, each a future that ends when its queue is closed and empty, or when
    /// `cancelled`.
    pub fn into_tasks(
        self,
        cancelled: &CancellationToken,
    ) -> impl Iterator<Item = (String, impl Future<Output = ()> + Send + 'static)> {
        self.workers.into_iter().map(|(_, worker, _)| (worker.name.clone(), worker.run(cancelled.clone())))
    }
}

impl Router {
    /// Sets up every pipeline of `config`. Publishers with the same URL text are one publisher, as in
    /// Ceilometer. A publisher that is unavailable now is tried again by its worker.
    ///
    /// # Errors
    /// [`RouterError::Publisher`] for a URL that can never work.
    pub fn new(
        config: &PipelineConfig,
        kind: RecordsKind,
        factory: &Arc<dyn PublisherFactory>,
        limits: WorkerLimits,
        retry: RetryPolicy,
        metrics: &PipelineMetrics,
    ) -> Result<(Self, Workers), RouterError> {
        Self::build(config, kind, factory, limits, retry, metrics, Vec::new())
    }

    /// The router of a changed configuration. A publisher whose URL stays keeps its queue and its worker, so that
    /// nothing which waits there is lost, overtaken or written by two. One that is no longer named delivers what it
    /// has. The workers are those of new publishers.
    ///
    /// # Errors
    /// [`RouterError::Publisher`] for a URL that can never work; `self` goes on as before.
    pub fn renew(
        &self,
        config: &PipelineConfig,
        factory: &Arc<dyn PublisherFactory>,
        limits: WorkerLimits,
        retry: RetryPolicy,
    ) -> Result<(Self, Workers), RouterError> {
        let known = self.publishers.iter().chain(&self.retired).cloned().collect();
        let (router, workers) = Self::build(config, self.kind, factory, limits, retry, &self.metrics, known)?;
        let (tap, carries_any_volume) = (self.tap.clone(), self.carries_any_volume);
        Ok((Self { carries_any_volume, tap, ..router }, workers))
    }

    /// Lets samples through that carry no number, for publishers whose receivers decide about them: another agent's
    /// pipeline, behind the message bus.
    #[must_use]
    pub fn with_any_volume(self) -> Self {
        Self { carries_any_volume: true, ..self }
    }

    /// Shows every record at `tap` as it comes in; a renewed router does so too.
    #[must_use]
    pub fn with_tap(self, tap: &Tap) -> Self {
        Self { tap: Some(tap.clone()), ..self }
    }

    fn build(
        config: &PipelineConfig,
        kind: RecordsKind,
        factory: &Arc<dyn PublisherFactory>,
        limits: WorkerLimits,
        retry: RetryPolicy,
        metrics: &PipelineMetrics,
        mut known: Vec<Attached>,
    ) -> Result<(Self, Workers), RouterError> {
        if let Some(wrong) = check_publishers(config, kind, &**factory).into_iter().next() {
            return Err(wrong);
        }
        let mut places: HashMap<PublisherUrl, usize> = HashMap::new();
        let mut attached: Vec<Attached> = Vec::new();
        let mut routes = Vec::new();
        let mut workers = Vec::new();
        for pipeline in config.pipelines() {
            let mut publishers = Vec::new();
            for ConfiguredPublisher { url, .. } in pipeline.publishers {
                if let Some(&place) = places.get(url) {
                    publishers.push(place);
                    continue;
                }
                places.insert(url.clone(), attached.len());
                publishers.push(attached.len());
                if let Some(place) = known.iter().position(|known| known.url == *url) {
                    attached.push(known.swap_remove(place));
                    continue;
                }
                let name = format!("{kind}:{}", url.redacted());
                let (build_url, build_factory) = (url.clone(), Arc::clone(factory));
                let metrics = metrics.of_publisher(&url.redacted(), kind);
                let (queue, worker) = queue(
                    name,
                    Origin::new(url, kind),
                    Box::new(move || build_factory.build(&build_url, kind)),
                    limits,
                    retry,
                    Arc::clone(&metrics),
                );
                workers.push((url.clone(), worker, queue.state.clone()));
                let name = url.redacted().into();
                attached.push(Attached { url: url.clone(), name, queue, metrics });
            }
            routes.push(Route { filter: pipeline.filter.clone(), publishers });
        }
        known.retain(|former| !former.queue.is_idle());
        let routes_everything =
            routes.iter().any(|route: &Route| route.filter.is_everything() && !route.publishers.is_empty());
        let router = Self {
            kind,
            routes,
            publishers: attached,
            retired: known,
            metrics: metrics.clone(),
            of_kind: metrics.of_kind(kind),
            routes_everything,
            carries_any_volume: false,
            tap: None,
        };
        Ok((router, Workers { kind, workers }))
    }

    /// Which kind of records this router takes.
    #[must_use]
    pub const fn kind(&self) -> RecordsKind {
        self.kind
    }

    /// Brings `records` to every publisher whose pipeline selects them, waiting for room in its queue.
    ///
    /// `token` is accepted when all of them have accepted their part, which is at once when nothing is
    /// selected. Records of the other kind are a programming error and are reported as not delivered.
    pub async fn dispatch(&self, records: Records, token: DeliveryToken) {
        if records.kind() != self.kind {
            tracing::error!(expected = %self.kind, "records of the other kind came to a pipeline");
            return;
        }
        self.of_kind.entered.inc_by(records.len() as u64);
        let records = if self.carries_any_volume { records } else { self.without_invalid(records) };
        if let Some(tap) = &self.tap {
            tap.show(&records, |name| self.destinations(name));
        }
        for (queue, batch) in self.parts(records, &token) {
            queue.send(batch).await;
        }
        token.accept();
    }

    /// What goes to whom. All of it is counted as waiting from here on, whoever has room first.
    fn parts(&self, mut records: Records, token: &DeliveryToken) -> Vec<(&Queue, Batch)> {
        let mut parts = Vec::new();
        let mut routed = vec![self.routes_everything; records.len()];
        // Whoever comes last is given the records themselves, and not copies.
        let mut routes = self.routes.iter().filter(|route| !route.publishers.is_empty()).peekable();
        while let Some(route) = routes.next() {
            let mut selected = if routes.peek().is_none() && route.filter.is_everything() {
                records.take()
            } else {
                select(&route.filter, &records, &mut routed)
            };
            if selected.is_empty() {
                continue;
            }
            let of_route = route.publishers.iter().filter_map(|&place| self.publishers.get(place));
            let mut publishers = of_route.peekable();
            while let Some(publisher) = publishers.next() {
                let token = token.share_for(Waiting::new(&publisher.metrics, selected.len()));
                let records = if publishers.peek().is_some() { selected.clone() } else { selected.take() };
                parts.push((&publisher.queue, Batch { records, token }));
            }
        }
        let unrouted = routed.iter().filter(|routed| !**routed).count();
        self.of_kind.unrouted.inc_by(unrouted as u64);
        parts
    }

    /// The publishers that records of that name go to, each once.
    fn destinations(&self, name: &str) -> Destinations {
        let mut names: Vec<Arc<str>> = Vec::new();
        for route in self.routes.iter().filter(|route| route.filter.matches(name)) {
            for publisher in route.publishers.iter().filter_map(|&place| self.publishers.get(place)) {
                if !names.contains(&publisher.name) {
                    names.push(Arc::clone(&publisher.name));
                }
            }
        }
        names.into()
    }

    /// Drops samples that carry no number, as Ceilometer's sample pipeline does, and counts them.
    fn without_invalid(&self, records: Records) -> Records {
        let Records::Samples(mut samples) = records else { return records };
        samples.retain(|sample| {
            let Some(cause) = volume_problem(sample) else { return true };
            self.metrics.dropped.increment(cause);
            tracing::debug!(meter = %sample.name, resource = ?sample.resource_id, %cause, "sample dropped");
            false
        });
        Records::Samples(samples)
    }
}

/// Why a sample's volume cannot be carried: numbers and truth values can, and text that Python's
/// `float()` reads (which stays text). Upstream requeues a list or map for ever; here it is dropped.
#[must_use]
pub fn volume_problem(sample: &Sample) -> Option<Drop> {
    match &sample.volume {
        Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_) => None,
        Value::Null => Some(Drop::NullVolume),
        text @ Value::Str(_) if float_of(text).is_ok() => None,
        Value::Str(_) | Value::List(_) | Value::Map(_) => Some(Drop::VolumeNotANumber),
    }
}

/// What `filter` selects; marks it in `routed`, which has a place for each record.
fn select(filter: &Filter, records: &Records, routed: &mut [bool]) -> Records {
    if filter.is_everything() {
        return records.clone();
    }
    let mut is_selected = |place: usize, name: &str| {
        let is_selected = filter.matches(name);
        if is_selected && let Some(routed) = routed.get_mut(place) {
            *routed = true;
        }
        is_selected
    };
    match records {
        Records::Samples(samples) => {
            let samples = samples.iter().enumerate();
            let selected = samples.filter(|(place, sample)| is_selected(*place, &sample.name));
            Records::Samples(selected.map(|(_, sample)| Arc::clone(sample)).collect())
        }
        Records::Events(events) => {
            let events = events.iter().enumerate();
            let selected = events.filter(|(place, event)| is_selected(*place, &event.event_type));
            Records::Events(selected.map(|(_, event)| Arc::clone(event)).collect())
        }
    }
}
