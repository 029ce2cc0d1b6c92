//! Events: resources that are created, changed and ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use definitions::ResourceDefinitions;
use definitions::resources::{Operation, ResourceEffect};
use model::{Event, Map, Value, json};

use super::batch::compact;
use super::client::{Failure, Later, Rejection, path, read};
use super::metrics::Skipped;
use super::progress::Progress;
use super::suspects::Search;
use super::writer::{Created, Writer, at_once};

/// Pages of associated resources that are looked at. Gnocchi gives 1 000 resources a page unless told otherwise.
const PAGES: usize = 100;
/// What every resource type has, so that it can be passed on to associated resources of other types.
const COMMON: [&str; 2] = ["user_id", "project_id"];

/// What became of an event.
type Fate = Option<(&'static str, String)>;

impl Writer {
    /// Does what the events say, in order for each resource. Events that are done with are left out.
    ///
    /// # Errors
    /// [`Later`]: some may be open still.
    pub(super) async fn events(
        &self,
        definitions: &ResourceDefinitions,
        events: &[(usize, &Event)],
        progress: &mut Progress,
    ) -> Result<(), Later> {
        let mut by_resource: BTreeMap<String, Vec<(usize, ResourceEffect<'_>)>> = BTreeMap::new();
        for (place, event) in events {
            if !progress.is_open(*place) {
                continue;
            }
            match definitions.event(event) {
                Ok(effect) => {
                    by_resource.entry(effect.resource_id.clone()).or_default().push((*place, effect));
                }
                Err(definitions::Unmapped::EventType { event_type }) => {
                    tracing::debug!(%event_type, "no resource type has events of this type");
                    self.metrics.skipped.increment(Skipped::UnknownEvent);
                    self.observer.tell_left_out(|| {
                        format!("  no resource type has events of the type {event_type}: Gnocchi gets nothing of it")
                    });
                    progress.accept(*place);
                }
                Err(other) => progress.refuse(*place, other.label(), other.to_string()),
            }
        }
        let ended_at = progress.ended_at.clone();
        let mut search = self.begin_search(progress);
        if search.is_on {
            let all = by_resource.into_values().collect();
            return self.one_by_one(all, &ended_at, &mut search, progress).await;
        }
        let stop = AtomicBool::new(false);
        let mut resources = Vec::new();
        for effects in by_resource.into_values() {
            resources.push(self.of_one_resource(effects, &ended_at, &stop));
        }
        let mut failure = None;
        for (fates, failed) in at_once(resources).await? {
            for (place, fate) in fates {
                match fate {
                    None => progress.accept(place),
                    Some((cause, reason)) => progress.refuse(place, cause, reason),
                }
            }
            failure = failure.or(failed);
        }
        failure.map_or(Ok(()), Err)
    }

    /// One resource after the other, past those that Gnocchi fails at.
    async fn one_by_one(
        &self,
        mut all: Vec<Vec<(usize, ResourceEffect<'_>)>>,
        ended_at: &str,
        search: &mut Search,
        progress: &mut Progress,
    ) -> Result<(), Later> {
        loop {
            for effects in &all {
                for (place, effect) in effects {
                    if !progress.is_open(*place) {
                        continue;
                    }
                    match self.apply(effect, ended_at).await {
                        Ok(fate) => {
                            search.passed();
                            match fate {
                                None => progress.accept(*place),
                                Some((cause, reason)) => progress.refuse(*place, cause, reason),
                            }
                        }
                        Err(later) => {
                            let said = self.go_on(search, later).await?;
                            let (operation, kind) = (effect.operation.as_str(), effect.resource_type);
                            let subject = format!("the {operation} of {} of type {kind}", effect.resource_id);
                            progress.faults.put_aside(*place, subject, said);
                            // Those behind it wait for what becomes of it.
                            break;
                        }
                    }
                }
            }
            self.settle(progress).await?;
            all.retain(|effects| effects.iter().any(|(place, _)| progress.is_open(*place)));
            if all.is_empty() {
                return Ok(());
            }
        }
    }

    /// Until one of them has to wait: those behind it wait as well, and so do other resources, by `stop`.
    async fn of_one_resource(
        &self,
        effects: Vec<(usize, ResourceEffect<'_>)>,
        ended_at: &str,
        stop: &AtomicBool,
    ) -> Result<(Vec<(usize, Fate)>, Option<Later>), Later> {
        let mut fates = Vec::with_capacity(effects.len());
        for (place, effect) in effects {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match self.apply(&effect, ended_at).await {
                Ok(fate) => fates.push((place, fate)),
                Err(later) => {
                    stop.store(true, Ordering::Relaxed);
                    return Ok((fates, Some(later)));
                }
            }
        }
        Ok((fates, None))
    }

    async fn apply(&self, effect: &ResourceEffect<'_>, ended_at: &str) -> Result<Fate, Later> {
        let (kind, id) = (effect.resource_type, effect.resource_id.as_str());
        let attributes = effect.to_attributes();
        let refused = match effect.operation {
            Operation::Create => {
                let mut body = Map::with_capacity(attributes.len() + 1);
                body.insert("id", id);
                for (name, value) in attributes.iter() {
                    body.insert(name, value.clone());
                }
                match self.create(kind, id, compact(body), &attributes).await? {
                    Created::Now => None,
                    Created::Before => not_unknown(self.complete(kind, id, &attributes).await?),
                    Created::Refused(rejection) => Some(rejection),
                }
            }
            Operation::Delete => {
                let end: Map = [("ended_at", ended_at)].into_iter().collect();
                let mut refused = not_unknown(self.patch(kind, id, &end).await?);
                for (kind, id) in self.associated(effect).await? {
                    let other = not_unknown(self.patch(&kind, &id, &end).await?);
                    refused = refused.or(other);
                }
                refused
            }
            Operation::Update => {
                let mut refused = not_unknown(self.update(kind, id, &attributes).await?);
                let common: Map = attributes
                    .iter()
                    .filter(|(name, _)| COMMON.contains(name))
                    .map(|(name, value)| (name, value.clone()))
                    .collect();
                if !common.is_empty() {
                    for (kind, id) in self.associated(effect).await? {
                        let other = not_unknown(self.update(&kind, &id, &common).await?);
                        refused = refused.or(other);
                    }
                }
                refused
            }
        };
        let Some(rejection) = refused else { return Ok(None) };
        let (operation, words) = (effect.operation.as_str(), rejection.words());
        let cause = self.cause_of(&rejection)?;
        Ok(Some((cause, format!("the {operation} of the resource {id} of type {kind}: {words}"))))
    }

    /// Samples may have created a resource before its event: it gets what it lacks, as if the event had come first.
    async fn complete(&self, kind: &str, id: &str, attributes: &Map) -> Result<Option<Rejection>, Later> {
        let found = match self.client.get(&path(&["resource", kind, id])).await {
            Ok(found) => found,
            // Of another type.
            Err(Failure::Refused(_)) => return Ok(None),
            Err(Failure::Later(later)) => return Err(later),
        };
        let lacks = |name: &str| found.get(name).is_some_and(|value| *value == Value::Null);
        let missing: Map = attributes
            .iter()
            .filter(|(name, _)| lacks(name))
            .map(|(name, value)| (name, value.clone()))
            .collect();
        if missing.is_empty() { Ok(None) } else { self.patch(kind, id, &missing).await }
    }

    /// Types and ids of the resources that change together with an event's.
    async fn associated(&self, effect: &ResourceEffect<'_>) -> Result<Vec<(String, String)>, Later> {
        let mut found = Vec::new();
        for associated in &effect.associated {
            let Some(query) = &associated.query else {
                tracing::warn!(
                    resource_type = %associated.resource_type, resource = effect.resource_id,
                    "the search for associated resources is no JSON with this id; none is changed"
                );
                continue;
            };
            found.append(&mut self.search(associated.resource_type, query).await?);
        }
        Ok(found)
    }

    /// All pages of a search; none when Gnocchi refuses it, which no repetition mends.
    async fn search(&self, kind: &str, query: &Value) -> Result<Vec<(String, String)>, Later> {
        let mut body = Vec::new();
        json::write_compact(query, &mut body);
        let start = path(&["search", "resource", kind]);
        let mut page = start.clone();
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let answer = match self.client.post(&page, body.clone()).await {
                Ok(answer) => answer,
                Err(Failure::Later(later)) => return Err(later),
                Err(Failure::Refused(rejection)) => {
                    tracing::warn!(
                        resource_type = kind,
                        "Gnocchi refuses the search for associated resources, none is changed: {}",
                        rejection.words()
                    );
                    return Ok(found);
                }
            };
            let resources = match read(&answer) {
                Ok(resources) => resources,
                Err(Failure::Later(later)) => return Err(later),
                Err(Failure::Refused(_)) => return Ok(found),
            };
            let resources = resources.as_list().unwrap_or_default();
            for resource in resources {
                let text = |name: &str| resource.get(name).and_then(Value::as_str);
                if let Some(id) = text("id") {
                    found.push((text("type").unwrap_or(kind).to_owned(), id.to_owned()));
                }
            }
            match found.last() {
                Some((_, last)) if answer.has_more && !resources.is_empty() => {
                    page = format!("{start}?marker={last}");
                }
                _ => return Ok(found),
            }
        }
        Ok(found)
    }
}

/// A resource that is not there need not be changed.
fn not_unknown(rejection: Option<Rejection>) -> Option<Rejection> {
    rejection.filter(|rejection| rejection.status != 404)
}
