//! [`Writer`]: brings measures and attributes to Gnocchi, and finds out what it refuses.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use model::{Map, Value};
use tokio::time::Instant;

use super::batch::{Batch, compact};
use super::cache::Sent;
use super::client::{Answer, Client, Failure, JSON, Later, Rejection, path};
use super::metrics::GnocchiMetrics;
use super::progress::Progress;
use super::shared::{self, Shared};
use super::suspects::{Guilty, Search, Witness, waiting};
use crate::witness::Witness as Observer;

/// Where measures of many resources go. Metrics that are not there are created.
pub(super) const MEASURES: &str = "/v1/batch/resources/metrics/measures?create_metrics=True";
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
    /// How long what it fails at is tried while it takes other records.
    pub(super) give_up_after: Duration,
    sent: Mutex<Sent>,
    /// What other agents have told it.
    shared: Option<Shared>,
    pub(super) witness: Mutex<Option<Witness>>,
    pub(super) guilty: Mutex<Guilty>,
    /// Gnocchi has taken something: what it forbids from then on, it forbids for the sake of that resource.
    may_write: AtomicBool,
    pub(super) observer: Observer,
}

/// What became of a resource that was to be created.
#[derive(Debug)]
pub(super) enum Created {
    /// It is there from now on.
    Now,
    /// It was there.
    Before,
    /// Gnocchi says why not.
    Refused(Rejection),
}

/// Resources that could not be created.
#[derive(Debug, Default)]
struct Uncreated {
    /// For good: cause and reason.
    refused: HashMap<Arc<str>, (&'static str, String)>,
    /// Gnocchi failed: the subject and what it said.
    aside: HashMap<Arc<str>, (String, String)>,
}

impl Writer {
    pub(super) fn new(client: Client, metrics: GnocchiMetrics, give_up_after: Duration) -> Self {
        Self {
            client,
            metrics,
            give_up_after,
            sent: Mutex::default(),
            shared: None,
            witness: Mutex::default(),
            guilty: Mutex::default(),
            may_write: AtomicBool::new(false),
            observer: Observer::nobody(),
        }
    }

    /// Looks in `shared` for what other agents have told Gnocchi.
    pub(super) fn share(&mut self, shared: Option<Shared>) {
        self.shared = shared;
    }

    /// Lets `observer` look at the exchange.
    pub(super) fn set_observer(&mut self, observer: &Observer) {
        self.client.set_witness(observer.clone());
        self.observer = observer.clone();
    }

    /// Sends the measures that are open, and notes what became of each.
    ///
    /// # Errors
    /// [`Later`]: some may be open still.
    pub(super) async fn post(&self, batch: &Batch<'_>, progress: &mut Progress) -> Result<(), Later> {
        let mut search = self.begin_search(progress);
        let mut parts = open(batch, 0..batch.entries.len(), progress, 0);
        while let Some(Part { range, rounds }) = parts.pop() {
            let Some(entries) = batch.entries.get(range.clone()).filter(|entries| !entries.is_empty()) else {
                continue;
            };
            let rejection = match self.client.add_measures(entries).await {
                Ok(()) => {
                    search.passed();
                    self.may_write.store(true, Ordering::Relaxed);
                    self.remember_measure(entries);
                    self.metrics.measures.inc_by(entries.len() as u64);
                    for entry in entries {
                        progress.accept(entry.place);
                    }
                    continue;
                }
                Err(Failure::Later(later)) => {
                    let said = self.go_on(&mut search, later).await?;
                    if let [entry] = entries {
                        let subject = format!("measures of {} of {}", entry.metric, entry.resource);
                        progress.faults.put_aside(entry.place, subject, said);
                    } else {
                        self.metrics.splits.inc();
                        parts.extend(halves(range, rounds));
                    }
                    continue;
                }
                Err(Failure::Refused(rejection)) => rejection,
            };
            search.passed();
            match diagnose(&rejection, batch, &range) {
                Diagnosis::Later(later) => return Err(later),
                Diagnosis::UnknownResources(ids) => {
                    let uncreated = if rounds < ROUNDS {
                        self.create_all(batch, &ids, &mut search).await?
                    } else {
                        let reason = format!("it was created and is not there: {}", rejection.words());
                        let refused = ids.into_iter().map(|id| (id, ("unknown_resource", reason.clone())));
                        Uncreated { refused: refused.collect(), ..Uncreated::default() }
                    };
                    for entry in entries {
                        if let Some((cause, reason)) = uncreated.refused.get(&entry.resource) {
                            progress.refuse(entry.place, cause, reason.as_str());
                        } else if let Some((subject, said)) = uncreated.aside.get(&entry.resource) {
                            progress.faults.put_aside(entry.place, subject.clone(), said.clone());
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
                    parts.extend(halves(range, rounds));
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
        self.settle(progress).await
    }

    /// Tells Gnocchi the attributes of the batch's resources, where it does not know them. What it refuses of them is
    /// logged, and so are those that it fails at for good: the measures are there.
    pub(super) async fn update_all(&self, batch: &Batch<'_>, progress: &mut Progress) -> Result<(), Later> {
        let mut is_there: HashMap<&str, bool> = HashMap::new();
        for entry in &batch.entries {
            *is_there.entry(&entry.resource).or_default() |= !progress.is_refused(entry.place);
        }
        let there = batch.resources.iter().filter(|(id, _)| is_there.get(&***id) == Some(&true));
        let mut search = self.begin_search(progress);
        if !search.is_on {
            let updates = there.map(|(id, resource)| self.update(resource.kind, id, &resource.attributes));
            return at_once(updates.collect()).await.map(drop);
        }
        let mut failed = HashMap::new();
        for (id, resource) in there {
            match self.update(resource.kind, id, &resource.attributes).await {
                Ok(_) => search.passed(),
                Err(later) => {
                    let said = self.go_on(&mut search, later).await?;
                    failed.insert(format!("attributes of {} {id}", resource.kind), (id, resource, said));
                }
            }
        }
        let given_up = self.judge(progress, failed.keys().cloned().collect::<HashSet<_>>()).await;
        for subject in &given_up {
            if let Some((id, resource, _)) = failed.remove(subject) {
                self.metrics.updates_refused.inc();
                // Not sent again before they change.
                self.tell(resource.kind, id, &resource.attributes);
            }
        }
        let count = failed.len();
        let first = failed.into_iter().next();
        first.map_or(Ok(()), |(subject, (.., said))| Err(waiting(count, &subject, &said)))
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
        if id.is_empty() || attributes.is_empty() || self.is_known(kind, id, attributes).await {
            return Ok(None);
        }
        // Whatever becomes of the request, nobody shall believe that Gnocchi still has what was said before.
        self.say(kind, id, "").await;
        let rejection = match self.patch(kind, id, attributes).await? {
            Some(rejection) if rejection.status == 400 && attributes.len() > 1 => {
                self.patch_each(kind, id, attributes).await?
            }
            other => other,
        };
        match &rejection {
            None => {
                self.metrics.updated.inc();
                self.remember_resource(id);
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
        match (&rejection, &self.shared) {
            (None, Some(_)) => self.say(kind, id, &shared::hash(attributes)).await,
            (Some(_), Some(_)) => self.sent().heard(&key(kind, id), ""),
            (_, None) => {}
        }
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
        let refused = refused(self.client.patch(&path, JSON, compact(attributes.clone())).await)?;
        match refused {
            // Nothing in attributes can clash with what is there: somebody else was writing.
            Some(rejection) if rejection.status == 409 => {
                Err(Later::new("unexpected_answer", format!("{path}: {}", rejection.words())))
            }
            other => Ok(other),
        }
    }

    /// Creates a resource.
    pub(super) async fn create(
        &self,
        kind: &str,
        id: &str,
        body: Vec<u8>,
        attributes: &Map,
    ) -> Result<Created, Later> {
        match refused(self.client.post(&path(&["resource", kind]), body).await)? {
            None => {
                self.metrics.created.inc();
                self.may_write.store(true, Ordering::Relaxed);
                self.remember_resource(id);
                self.tell(kind, id, attributes);
                if self.shared.is_some() {
                    self.say(kind, id, &shared::hash(attributes)).await;
                }
                Ok(Created::Now)
            }
            Some(rejection) if rejection.status == 409 => Ok(Created::Before),
            Some(rejection) if rejection.is_missing("Resource type") => Err(Later::new(
                "no_resource_type",
                format!(
                    "Gnocchi has no resource type {kind}: create it, for those of OpenStack with `nephoscope upgrade`; \
                     records wait until it is there"
                ),
            )),
            Some(rejection) => Ok(Created::Refused(rejection)),
        }
    }

    /// Creates resources; returns those that are not there, and why.
    async fn create_all(
        &self,
        batch: &Batch<'_>,
        ids: &[Arc<str>],
        search: &mut Search,
    ) -> Result<Uncreated, Later> {
        let known = ids.iter().filter_map(|id| Some((id, batch.resources.get(id)?)));
        let creating = known.map(|(id, resource)| async move {
            let created = self.create(resource.kind, id, resource.body(id), &resource.attributes).await;
            (Arc::clone(id), resource.kind, created)
        });
        let mut uncreated = Uncreated::default();
        let created = if search.is_on {
            let mut all = Vec::new();
            for creating in creating {
                match creating.await {
                    (id, kind, Ok(created)) => {
                        search.passed();
                        all.push((id, kind, created));
                    }
                    (id, kind, Err(later)) => {
                        let said = self.go_on(search, later).await?;
                        uncreated
                            .aside
                            .insert(Arc::clone(&id), (format!("the resource {id} of type {kind}"), said));
                    }
                }
            }
            all
        } else {
            let creating = creating.map(|creating| async move {
                let (id, kind, created) = creating.await;
                Ok::<_, Later>((id, kind, created?))
            });
            at_once(creating.collect()).await?
        };
        for (id, kind, created) in created {
            if let Created::Refused(rejection) = created {
                let cause = match self.cause_of(&rejection)? {
                    "bad_request" => "bad_resource",
                    cause => cause,
                };
                let reason =
                    format!("the resource {id} of type {kind} cannot be created: {}", rejection.words());
                uncreated.refused.insert(id, (cause, reason));
            }
        }
        Ok(uncreated)
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
            413 => Ok("too_large"),
            _ => Ok("bad_request"),
        }
    }

    /// Whether Gnocchi knows these attributes of a resource, as far as we and the agents that share our cache know.
    async fn is_known(&self, kind: &str, id: &str, attributes: &Map) -> bool {
        let key = key(kind, id);
        let is_news = self.sent().is_news(&key, attributes, Instant::now());
        let Some(shared) = &self.shared else { return !is_news };
        // What cannot be seen may have changed.
        let Some(said) = shared.said(id, &self.metrics).await else { return false };
        if said == shared::hash(attributes) {
            self.tell(kind, id, attributes);
            self.sent().heard(&key, &said);
            return true;
        }
        // Another set of attributes, but of our own saying.
        !is_news && self.sent().has_heard(&key, &said)
    }

    /// Tells other agents what Gnocchi has been told, as a hash; an empty one is none.
    async fn say(&self, kind: &str, id: &str, hash: &str) {
        if let Some(shared) = &self.shared {
            shared.say(id, hash, &self.metrics).await;
            self.sent().heard(&key(kind, id), hash);
        }
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
fn refused(answer: Result<Answer, Failure>) -> Result<Option<Rejection>, Later> {
    match answer {
        Ok(_) => Ok(None),
        Err(Failure::Refused(rejection)) => Ok(Some(rejection)),
        Err(Failure::Later(later)) => Err(later),
    }
}

/// The two halves of a part, the first one last.
fn halves(range: Range<usize>, rounds: u8) -> [Part; 2] {
    let middle = range.start + range.len() / 2;
    [middle..range.end, range.start..middle].map(|range| Part { range, rounds })
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
