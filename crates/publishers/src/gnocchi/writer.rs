//! [`Writer`]: brings measures and attributes to Gnocchi, and finds out what it refuses.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use model::{Map, Value};
use openstack::Response;
use tokio::time::Instant;

use super::batch::{Batch, body, compact};
use super::cache::Sent;
use super::client::{Client, Failure, JSON, Later, Rejection, path};
use super::metrics::GnocchiMetrics;
use super::progress::Progress;
use crate::witness::Witness;

/// Where measures of many resources go. Metrics that are not there are created.
const MEASURES: &str = "/v1/batch/resources/metrics/measures?create_metrics=True";
/// Requests about single resources that are under way at once.
const AT_ONCE: usize = 8;
/// How often a batch is sent again because resources were unknown that had just been created.
const ROUNDS: u8 = 3;

/// A part of a batch that is to be sent.
#[derive(Debug)]
struct Part {
    range: Range<usize>,
    /// How often resources of it were created.
    rounds: u8,
}

/// What a refusal of a part means.
#[derive(Debug)]
enum Diagnosis {
    /// These resources are to be created first.
    UnknownResources(Vec<Arc<str>>),
    /// Just this part is wrong.
    Guilty(Range<usize>),
    /// One of its measures is, nobody knows which.
    Unclear,
    /// Nothing is wrong with the part.
    Later(Later),
}

/// One publisher's way to Gnocchi.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) metrics: GnocchiMetrics,
    sent: Mutex<Sent>,
    /// Gnocchi has taken something: what it forbids from then on, it forbids for the sake of that resource.
    may_write: AtomicBool,
    pub(super) witness: Witness,
}

impl Writer {
    pub(super) fn new(client: Client, metrics: GnocchiMetrics) -> Self {
        Self {
            client,
            metrics,
            sent: Mutex::default(),
            may_write: AtomicBool::new(false),
            witness: Witness::nobody(),
        }
    }

    /// Lets `witness` look at the exchange.
    pub(super) fn set_witness(&mut self, witness: &Witness) {
        self.client.set_witness(witness.clone());
        self.witness = witness.clone();
    }

    /// Sends the measures that are open, and notes what became of each.
    ///
    /// # Errors
    /// [`Later`]: some may be open still.
    pub(super) async fn post(&self, batch: &Batch<'_>, progress: &mut Progress) -> Result<(), Later> {
        let mut parts = open(batch, 0..batch.entries.len(), progress, 0);
        while let Some(Part { range, rounds }) = parts.pop() {
            let Some(entries) = batch.entries.get(range.clone()).filter(|entries| !entries.is_empty()) else {
                continue;
            };
            let rejection = match self.client.post(MEASURES, body(entries)).await {
                Ok(_) => {
                    self.may_write.store(true, Ordering::Relaxed);
                    self.metrics.measures.inc_by(entries.len() as u64);
                    for entry in entries {
                        progress.accept(entry.place);
                    }
                    continue;
                }
                Err(Failure::Later(later)) => return Err(later),
                Err(Failure::Refused(rejection)) => rejection,
            };
            match diagnose(&rejection, batch, &range) {
                Diagnosis::Later(later) => return Err(later),
                Diagnosis::UnknownResources(ids) => {
                    let refused = if rounds < ROUNDS {
                        self.create_all(batch, &ids).await?
                    } else {
                        let reason = format!("it was created and is not there: {}", rejection.words());
                        ids.into_iter().map(|id| (id, ("unknown_resource", reason.clone()))).collect()
                    };
                    for entry in entries {
                        if let Some((cause, reason)) = refused.get(&entry.resource) {
                            progress.refuse(entry.place, cause, reason.as_str());
                        }
                    }
                    parts.append(&mut open(batch, range, progress, rounds + 1));
                }
                Diagnosis::Guilty(guilty) if guilty != range && !guilty.is_empty() => {
                    self.metrics.splits.inc();
                    let rest = [guilty.end..range.end, guilty.clone(), range.start..guilty.start];
                    parts.extend(rest.map(|range| Part { range, rounds }));
                }
                Diagnosis::Guilty(_) | Diagnosis::Unclear if entries.len() > 1 => {
                    self.metrics.splits.inc();
                    let middle = range.start + entries.len() / 2;
                    parts
                        .extend([middle..range.end, range.start..middle].map(|range| Part { range, rounds }));
                }
                Diagnosis::Guilty(_) | Diagnosis::Unclear => {
                    let cause = self.cause_of(&rejection)?;
                    for entry in entries {
                        let (resource, metric) = (&entry.resource, entry.metric);
                        let reason = format!("measure of {metric} of {resource}: {}", rejection.words());
                        progress.refuse(entry.place, cause, reason);
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells Gnocchi the attributes of the batch's resources, where it does not know them. What it refuses of them is
    /// logged: the measures are there.
    pub(super) async fn update_all(&self, batch: &Batch<'_>, progress: &Progress) -> Result<(), Later> {
        let mut is_there: HashMap<&str, bool> = HashMap::new();
        for entry in &batch.entries {
            *is_there.entry(&entry.resource).or_default() |= !progress.is_refused(entry.place);
        }
        let mut updates = Vec::new();
        for (id, resource) in &batch.resources {
            if is_there.get(&**id) == Some(&true) {
                updates.push(self.update(resource.kind, id, &resource.attributes));
            }
        }
        at_once(updates).await.map(drop)
    }

    /// Tells Gnocchi attributes of a resource, unless it knows them. `Some` is what it says against them, now or when they
    /// were sent last.
    pub(super) async fn update(
        &self,
        kind: &str,
        id: &str,
        attributes: &Map,
    ) -> Result<Option<Rejection>, Later> {
        // An empty id would be the path of all resources.
        if id.is_empty() || attributes.is_empty() || !self.is_news(kind, id, attributes) {
            return Ok(None);
        }
        let rejection = match self.patch(kind, id, attributes).await? {
            Some(rejection) if rejection.status == 400 && attributes.len() > 1 => {
                self.patch_each(kind, id, attributes).await?
            }
            other => other,
        };
        match &rejection {
            None => {
                self.metrics.updated.inc();
            }
            Some(rejection) => {
                self.metrics.updates_refused.inc();
                tracing::warn!(
                    resource_type = kind,
                    resource = id,
                    status = rejection.status,
                    "Gnocchi refuses attributes of a resource: {}",
                    rejection.words()
                );
            }
        }
        // What was refused is not sent again before it changes.
        self.tell(kind, id, attributes);
        Ok(rejection)
    }

    /// One bad attribute must not cost the others.
    async fn patch_each(&self, kind: &str, id: &str, attributes: &Map) -> Result<Option<Rejection>, Later> {
        let mut worst = None;
        for (name, value) in attributes.iter() {
            let one: Map = [(name, value.clone())].into_iter().collect();
            if let Some(rejection) = self.patch(kind, id, &one).await? {
                worst.get_or_insert(rejection);
            }
        }
        Ok(worst)
    }

    /// Changes a resource, whatever Gnocchi knows.
    pub(super) async fn patch(
        &self,
        kind: &str,
        id: &str,
        attributes: &Map,
    ) -> Result<Option<Rejection>, Later> {
        let path = path(&["resource", kind, id]);
        refused(self.client.patch(&path, JSON, compact(attributes.clone())).await)
    }

    /// Creates a resource. `Some` is why not; that it is there already is no reason.
    pub(super) async fn create(
        &self,
        kind: &str,
        id: &str,
        body: Vec<u8>,
        attributes: &Map,
    ) -> Result<Option<Rejection>, Later> {
        match refused(self.client.post(&path(&["resource", kind]), body).await)? {
            None => {
                self.metrics.created.inc();
                self.may_write.store(true, Ordering::Relaxed);
                self.tell(kind, id, attributes);
                Ok(None)
            }
            Some(rejection) if rejection.status == 409 => Ok(None),
            Some(rejection) if rejection.is_missing("Resource type") => Err(Later::new(
                "no_resource_type",
                format!(
                    "Gnocchi has no resource type {kind}: create it, for those of OpenStack with `nephoscope upgrade`; \
                     records wait until it is there"
                ),
            )),
            other => Ok(other),
        }
    }

    /// Creates resources; returns those that Gnocchi refuses, and why.
    async fn create_all(
        &self,
        batch: &Batch<'_>,
        ids: &[Arc<str>],
    ) -> Result<HashMap<Arc<str>, (&'static str, String)>, Later> {
        let mut creating = Vec::new();
        for id in ids {
            if let Some(resource) = batch.resources.get(id) {
                creating.push(async move {
                    let body = resource.body(id);
                    let created = self.create(resource.kind, id, body, &resource.attributes).await?;
                    Ok::<_, Later>((Arc::clone(id), resource.kind, created))
                });
            }
        }
        let mut refused = HashMap::new();
        for (id, kind, rejection) in at_once(creating).await? {
            if let Some(rejection) = rejection {
                let cause = match self.cause_of(&rejection)? {
                    "bad_request" => "bad_resource",
                    cause => cause,
                };
                let reason =
                    format!("the resource {id} of type {kind} cannot be created: {}", rejection.words());
                refused.insert(id, (cause, reason));
            }
        }
        Ok(refused)
    }

    /// The name under which a refusal for good is counted.
    ///
    /// # Errors
    /// [`Later`] when it is rather the credentials that are at fault.
    pub(super) fn cause_of(&self, rejection: &Rejection) -> Result<&'static str, Later> {
        match rejection.status {
            403 if !self.may_write.load(Ordering::Relaxed) => Err(Later::new(
                "forbidden",
                format!(
                    "Gnocchi forbids everything so far: {}; give these credentials its rights",
                    rejection.words()
                ),
            )),
            403 => Ok("forbidden"),
            404 => Ok("not_found"),
            409 => Ok("conflict"),
            413 => Ok("too_large"),
            _ => Ok("bad_request"),
        }
    }

    fn is_news(&self, kind: &str, id: &str, attributes: &Map) -> bool {
        self.sent().is_news(&key(kind, id), attributes, Instant::now())
    }

    fn tell(&self, kind: &str, id: &str, attributes: &Map) {
        self.sent().tell(&key(kind, id), attributes, Instant::now());
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        // It only ever says too little after a panic.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(kind: &str, id: &str) -> String {
    format!("{kind}/{id}")
}

/// What Gnocchi says against a request, if anything.
fn refused(answer: Result<Response, Failure>) -> Result<Option<Rejection>, Later> {
    match answer {
        Ok(_) => Ok(None),
        Err(Failure::Refused(rejection)) => Ok(Some(rejection)),
        Err(Failure::Later(later)) => Err(later),
    }
}

/// The parts of a range that are open, the first one last.
fn open(batch: &Batch<'_>, range: Range<usize>, progress: &Progress, rounds: u8) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for place in range {
        let is_open = batch.entries.get(place).is_some_and(|entry| progress.is_open(entry.place));
        match parts.last_mut() {
            _ if !is_open => {}
            Some(part) if part.range.end == place => part.range.end += 1,
            _ => parts.push(Part { range: place..place + 1, rounds }),
        }
    }
    parts.reverse();
    parts
}

fn diagnose(rejection: &Rejection, batch: &Batch<'_>, range: &Range<usize>) -> Diagnosis {
    if rejection.status == 404 || rejection.status == 409 {
        // A batch creates what is not there, and takes what is.
        let message = format!("an unexpected answer to measures: {}", rejection.words());
        return Diagnosis::Later(Later::new("unexpected_answer", message));
    }
    if rejection.is_missing("Archive policy") {
        let message =
            format!("{}: create the archive policy; records wait until it is there", rejection.words());
        return Diagnosis::Later(Later::new("no_archive_policy", message));
    }
    let detail = rejection.detail().and_then(Value::as_list).unwrap_or_default();
    if rejection.cause() == Some("Unknown resources") {
        let ids = detail.iter().filter_map(|unknown| unknown.get("original_resource_id")?.as_str());
        let known = ids.filter_map(|id| batch.resources.get_key_value(id).map(|(id, _)| Arc::clone(id)));
        let known: Vec<Arc<str>> = known.filter(|id| !batch.part(range, id, None).is_empty()).collect();
        return if known.is_empty() { Diagnosis::Unclear } else { Diagnosis::UnknownResources(known) };
    }
    // The path to what is wrong: resource and metric.
    match detail.first().and_then(Value::as_str) {
        Some(resource) => {
            Diagnosis::Guilty(batch.part(range, resource, detail.get(1).and_then(Value::as_str)))
        }
        None => Diagnosis::Unclear,
    }
}

/// Awaits futures, a few at a time, until all are done or one fails.
pub(super) async fn at_once<T, F: Future<Output = Result<T, Later>>>(
    futures: Vec<F>,
) -> Result<Vec<T>, Later> {
    let mut done = Vec::with_capacity(futures.len());
    let mut waiting = futures.into_iter();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < AT_ONCE {
            let Some(future) = waiting.next() else { break };
            running.push(future);
        }
        match running.next().await {
            Some(result) => done.push(result?),
            None => return Ok(done),
        }
    }
}
