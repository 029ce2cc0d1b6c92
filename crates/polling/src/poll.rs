//! One pollster's run in a cycle: its resources, its readings, its samples on their way.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use model::{Sample, SampleId, Timestamp, Value};
use observability::clock::Clock;
use observability::service_manager::Progress;
use pollsters::{Cycle, GivenReadings, PollError, Reading, Readings, Registry, Resource};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cycle::{Assigned, CycleReport, TaskParts};
use crate::discover::Discoveries;
use crate::exporter::Collecting;
use crate::metrics::Skipped;
use crate::partition::{Group, Share, What};

/// How long a pollster may go without a reading before it is given up: longer than any request that it makes may take,
/// so that only one that hangs is meant.
pub(crate) const STALL: Duration = Duration::from_mins(15);

/// One cycle at work.
pub(crate) struct Run<'t> {
    parts: &'t TaskParts,
    interval_seconds: u64,
    /// This agent's part of the work in this cycle.
    share: Arc<dyn Share>,
    /// What was its part in the last cycle, if only what has come to it since is polled.
    before: Option<Arc<dyn Share>>,
    discoveries: Discoveries<'t>,
    cycle: Cycle,
    /// What each pollster that several sources have, by its name, was given in this cycle.
    history: Mutex<HashMap<&'t str, HashSet<Resource>>>,
    report: Mutex<CycleReport>,
    progress: &'t Progress,
    stop: &'t CancellationToken,
}

/// What a pollster is given in a cycle.
struct Given {
    /// There is nothing else: no discovery has failed, and the cycle is of all that is this agent's.
    is_all: bool,
    resources: Result<Resources, Skipped>,
}

/// Resources that are to be read.
enum Resources {
    /// All that a discovery has found.
    Found(Arc<[Resource]>),
    /// Some of what was found or listed.
    Chosen(Vec<Resource>),
}

impl Resources {
    /// These, and then those of a discovery.
    fn and(self, found: Arc<[Resource]>) -> Self {
        match self {
            resources if found.is_empty() => resources,
            resources if resources.is_empty() => Self::Found(found),
            Self::Found(first) => Self::Chosen(first.iter().chain(&*found).cloned().collect()),
            Self::Chosen(mut chosen) => {
                chosen.extend(found.iter().cloned());
                Self::Chosen(chosen)
            }
        }
    }

    fn retain(&mut self, mut wanted: impl FnMut(&Resource) -> bool) {
        *self = Self::Chosen(self.iter().filter(|resource| wanted(resource)).cloned().collect());
    }
}

impl Deref for Resources {
    type Target = [Resource];

    fn deref(&self) -> &[Resource] {
        match self {
            Self::Found(resources) => resources,
            Self::Chosen(resources) => resources,
        }
    }
}

/// What became of a pollster's readings.
struct Taken {
    samples: usize,
    is_stalled: bool,
    /// For Prometheus.
    shown: Option<Collecting>,
}

impl<'t> Run<'t> {
    pub(crate) fn new(
        interval_seconds: u64,
        registry: &'t Registry,
        parts: &'t TaskParts,
        share: Arc<dyn Share>,
        before: Option<Arc<dyn Share>>,
        progress: &'t Progress,
        stop: &'t CancellationToken,
    ) -> Self {
        Self {
            parts,
            interval_seconds,
            discoveries: Discoveries::new(registry, parts, Arc::clone(&share), before.clone()),
            share,
            before,
            cycle: Cycle::of_task(parts.clock.clone(), interval_seconds),
            history: Mutex::default(),
            report: Mutex::default(),
            progress,
            stop,
        }
    }

    pub(crate) fn into_report(self) -> CycleReport {
        self.report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> MutexGuard<'_, CycleReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of something that failed.
    fn failed(&self, text: String) {
        let mut report = self.report();
        if !report.failures.contains(&text) {
            report.failures.push(text);
        }
    }

    /// Polls what the source `source` gives this pollster.
    pub(crate) async fn poll(&self, source: &str, assigned: &'t Assigned) {
        self.progress.tick();
        let name = assigned.assignment.pollster.name.as_str();
        let given = if self.stop.is_cancelled() {
            Given { is_all: false, resources: Err(Skipped::Stopping) }
        } else {
            self.given(source, assigned).await
        };
        match given.resources {
            Ok(resources) => self.read(source, assigned, &resources, given.is_all).await,
            // Nothing has come to it.
            Err(_) if self.before.is_some() => {}
            Err(why) => {
                self.parts.metrics.skipped.increment(why);
                tracing::debug!(pollster = name, source, %why, "not polled in this cycle");
                if why != Skipped::Stopping {
                    self.show(self.showing(source, name), given.is_all);
                }
            }
        }
    }

    /// A run's part of what Prometheus is shown.
    fn showing(&self, source: &str, name: &str) -> Option<Collecting> {
        let exporter = self.parts.exporter.as_ref()?;
        Some(exporter.begin(name, source, self.interval_seconds))
    }

    fn show(&self, shown: Option<Collecting>, is_whole: bool) {
        if let Some(shown) = shown {
            shown.end(is_whole, self.parts.clock.monotonic());
        }
    }

    /// The resources that are to be read: those of the source, else those of the pollster's own discovery, each once in a
    /// cycle, without those that can never be read.
    async fn given(&self, source: &str, assigned: &'t Assigned) -> Given {
        let assignment = &assigned.assignment;
        let name = assignment.pollster.name.as_str();
        // What its resources have to be new to it; not where the pollster itself is.
        let had_pollster =
            |before: &&Arc<dyn Share>| before.is_mine(Group::Pollsters(source), What::Pollster(name));
        let before = self.before.as_ref().filter(had_pollster);
        let group = Group::Resources(&assignment.resources_group);
        let is_own = |resource: &&Resource| {
            let resource = What::Resource(resource);
            self.share.is_mine(group, resource)
                && before.is_none_or(|before| !before.is_mine(group, resource))
        };
        let own = assignment.resources.iter().filter(is_own).cloned();
        let mut candidates = Resources::Chosen(own.collect());
        if !assignment.resources.is_empty() && self.before.is_none() {
            let own = i64::try_from(candidates.len()).unwrap_or(i64::MAX);
            self.parts.metrics.own.with(["source", source]).set(own);
        }
        // What all agents together have decides whether the pollster's own discovery is asked, not this one's part.
        let mut has_some = !assignment.resources.is_empty();
        let mut has_failed = false;
        // What is listed under `resources` may be there twice; what one discovery finds is not.
        let mut has_one_origin = candidates.is_empty();
        let default = assignment.pollster.discovery.as_ref();
        for (url, is_default) in assignment
            .discovery
            .iter()
            .map(|url| (url, false))
            .chain(default.into_iter().map(|url| (url, true)))
        {
            if is_default && has_some {
                break;
            }
            match self.discoveries.find(url, &self.cycle).await {
                Ok(found) => {
                    has_some |= found.all > 0;
                    let own = if before.is_some() { found.gained } else { found.own };
                    has_one_origin &= candidates.is_empty() || own.is_empty();
                    candidates = candidates.and(own);
                }
                Err(failure) => {
                    has_failed = true;
                    self.failed(failure.0);
                }
            }
        }
        let given = |resources| Given { is_all: !has_failed && self.before.is_none(), resources };
        if candidates.is_empty() {
            return given(Err(match (has_failed, has_some) {
                (true, _) => Skipped::DiscoveryFailed,
                (false, true) => Skipped::OtherAgent,
                (false, false) => Skipped::NoResources,
            }));
        }
        // Most pollsters are in one source and have one discovery: thousands of look-ups are spared.
        if assigned.is_shared || !has_one_origin {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = history.entry(name).or_default();
            candidates.retain(|resource| seen.insert(resource.clone()));
        }
        if candidates.is_empty() {
            return given(Err(Skipped::PolledAlready));
        }
        let given_up = assigned.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        if !given_up.is_empty() {
            candidates.retain(|resource| !given_up.contains(resource));
        }
        if candidates.is_empty() {
            return given(Err(Skipped::GivenUp));
        }
        // Last, as in Ceilometer: what another agent polls counts as polled here, too.
        let is_mine = self.share.is_mine(Group::Pollsters(source), What::Pollster(name));
        given(if is_mine { Ok(candidates) } else { Err(Skipped::OtherAgent) })
    }

    async fn read(&self, source: &str, assigned: &Assigned, resources: &[Resource], is_all: bool) {
        let TaskParts { metrics, clock, heartbeats, .. } = self.parts;
        let loaded = &assigned.assignment.pollster;
        let name = loaded.name.as_str();
        tracing::debug!(pollster = name, source, resources = resources.len(), "polling");
        let started = clock.monotonic();
        let timestamp = now(clock);
        heartbeats.beat(name, &timestamp);
        metrics.polls.with([name]).inc();
        let (readings, receiver) = Readings::channel();
        let (cycle, pollster) = (&self.cycle, &loaded.pollster);
        let mut polling = Box::pin(async move {
            let polling = AssertUnwindSafe(async { pollster.poll(cycle, resources, &readings).await });
            let polled = polling.catch_unwind().await;
            // Its end of the channel goes with it.
            drop(readings);
            polled.unwrap_or_else(|panic| Err(PollError::Panic { message: panic_text(&*panic).to_owned() }))
        });
        let mut taking = pin!(self.take(name, &timestamp, receiver, self.showing(source, name)));
        // Both go on together: a pollster's requests do not wait for the pipelines, nor the other way round.
        let (polled, taken) = tokio::select! {
            biased;
            polled = &mut polling => (polled, taking.await),
            taken = &mut taking => {
                let polled = if taken.is_stalled {
                    Err(PollError::Stalled { seconds: STALL.as_secs() })
                } else {
                    polling.await
                };
                (polled, taken)
            }
        };
        let seconds = clock.elapsed(started).as_secs_f64();
        metrics.poll_duration.with([name]).observe(seconds);
        {
            let mut report = self.report();
            report.polls += 1;
            report.samples += taken.samples;
        }
        tracing::debug!(pollster = name, source, samples = taken.samples, seconds, "polled");
        self.show(taken.shown, is_all && polled.is_ok());
        if let Err(error) = polled {
            self.ended_early(source, assigned, error);
        }
    }

    fn ended_early(&self, source: &str, assigned: &Assigned, error: PollError) {
        let name = assigned.assignment.pollster.name.as_str();
        let (metrics, cause) = (&self.parts.metrics, error.cause());
        metrics.poll_errors.with([name, cause]).inc();
        self.failed(format!("{name}: {error}"));
        let PollError::Permanent { resources, reason } = error else {
            tracing::warn!(
                pollster = name,
                source,
                cause,
                "a pollster ended early, and will be run again in the next cycle: {error}"
            );
            return;
        };
        let shown: Vec<String> = resources.iter().take(10).map(ToString::to_string).collect();
        tracing::error!(
            pollster = name,
            source,
            resources = shown.join(", "),
            count = resources.len(),
            "these resources are not polled by this pollster any more: {reason}"
        );
        let mut given_up = assigned.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let before = given_up.len();
        given_up.extend(resources);
        let more = i64::try_from(given_up.len() - before).unwrap_or(0);
        metrics.given_up.with([name]).inc_by(more);
    }

    /// Makes samples of readings and sends them, batch by batch, until the pollster ends.
    async fn take(
        &self,
        name: &str,
        timestamp: &str,
        mut readings: GivenReadings,
        shown: Option<Collecting>,
    ) -> Taken {
        let TaskParts { options, metrics, clock, .. } = self.parts;
        let size = options.batch_size.max(1);
        let counter = metrics.samples.with([name]);
        let mut maker = SampleMaker::new(timestamp, &options.sample_source);
        let mut taken = Taken { samples: 0, is_stalled: false, shown };
        let mut batch = Vec::new();
        loop {
            let given = tokio::select! {
                biased;
                given = readings.recv_together() => given,
                () = clock.sleep(STALL) => {
                    taken.is_stalled = true;
                    break;
                }
            };
            let Some(given) = given else { break };
            self.progress.tick();
            let mut left = given.len();
            for reading in given {
                if batch.len() >= size {
                    let room = Vec::with_capacity(left.min(size));
                    let full = std::mem::replace(&mut batch, room);
                    counter.inc_by(full.len() as u64);
                    taken.samples += full.len();
                    self.send(full, &mut taken.shown).await;
                }
                batch.push(Arc::new(maker.sample(reading)));
                left -= 1;
            }
        }
        if !batch.is_empty() {
            counter.inc_by(batch.len() as u64);
            taken.samples += batch.len();
            self.send(batch, &mut taken.shown).await;
        }
        taken
    }

    async fn send(&self, mut samples: Vec<Arc<Sample>>, shown: &mut Option<Collecting>) {
        if let Some(names) = &self.parts.names {
            let places: Vec<usize> = (0..samples.len()).collect();
            names.fill(&mut samples, &places, &self.parts.metrics.names).await;
        }
        if let Some(shown) = shown {
            shown.add(&samples);
        }
        let mut sending = self.parts.output.send(samples);
        if (&mut sending).now_or_never().is_none() {
            // The pipelines may hold it up for as long as a publisher is away.
            self.progress.rest();
            sending.await;
            self.progress.tick();
        }
    }
}

/// The time of a poll, as Ceilometer writes it: UTC without a zone.
fn now(clock: &Clock) -> String {
    let now = Timestamp::from_microseconds(clock.now().as_microsecond());
    // Only a clock beyond the year 9999 has none.
    now.map(Timestamp::to_iso).unwrap_or_default()
}

/// Makes the samples of one run.
struct SampleMaker {
    timestamp: Value,
    source: Value,
    ids: SampleIds,
}

impl SampleMaker {
    fn new(timestamp: &str, source: &str) -> Self {
        Self { timestamp: timestamp.into(), source: source.into(), ids: SampleIds::new() }
    }

    fn sample(&mut self, reading: Reading) -> Sample {
        reading.into_sample(self.timestamp.clone(), self.source.clone(), self.ids.next())
    }
}

/// The ids of one run's samples: UUIDs of version 4 that count up from a random one, so that the system is asked for chance
/// once and not thousands of times.
struct SampleIds(u128);

impl SampleIds {
    fn new() -> Self {
        Self(Uuid::new_v4().as_u128())
    }

    fn next(&mut self) -> SampleId {
        // In the lowest 62 bits, beside version and variant.
        const COUNTED: u128 = (1 << 62) - 1;
        self.0 = self.0 & !COUNTED | self.0.wrapping_add(1) & COUNTED;
        Uuid::from_u128(self.0).into()
    }
}

/// The text of a panic, as far as it has one.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_4_and_differ_also_where_the_counter_is_full() {
        for start in [Uuid::new_v4().as_u128(), Uuid::max().as_u128() & !(0xf << 76) & !(0x4 << 60) | 4 << 76]
        {
            let mut ids = SampleIds(start);
            let [one, other] = [ids.next(), ids.next()].map(|id| id.to_string().parse::<Uuid>().unwrap());
            for id in [one, other] {
                assert_eq!((id.get_version_num(), id.get_variant()), (4, uuid::Variant::RFC4122), "{id}");
            }
            assert_ne!(one, other);
        }
    }
}
