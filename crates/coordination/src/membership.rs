//! [`Membership`]: this agent among the others.

#[cfg(test)]
mod simulation;
mod takeover;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use observability::clock::{Clock, MonotonicTime};
use observability::health::Check;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, BackendError, Found, Question, beat_interval};
use crate::metrics::CoordinationMetrics;
use crate::ring::HashRing;
use crate::rings::Rings;
use crate::url::{BackendUrl, UrlError};

/// The first pause after a failure; each further one is twice as long, up to the interval of beats.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long leaving may take.
const LEAVING: Duration = Duration::from_secs(1);
/// Members that a line of the log names.
const SHOWN: usize = 10;

/// What a membership is made of.
#[derive(Debug)]
pub struct MembershipParts {
    /// Where members meet.
    pub url: BackendUrl,
    /// This agent's name among them, of which there is no second: a UUID.
    pub member: String,
    /// The time.
    pub clock: Clock,
    /// The counters.
    pub metrics: CoordinationMetrics,
}

/// This agent as a member of its groups. Cheap to clone; clones are the same member.
#[derive(Clone)]
pub struct Membership(Arc<Shared>);

struct Shared {
    backend: Backend,
    shown: String,
    member: String,
    membership_timeout: Duration,
    clock: Clock,
    started: MonotonicTime,
    metrics: CoordinationMetrics,
    check: OnceLock<Check>,
    groups: Mutex<Groups>,
    /// Looks that have begun.
    begun: AtomicU64,
    looking: tokio::sync::Mutex<Looking>,
    /// Whether the back end did not answer when it was asked last.
    is_down: AtomicBool,
    /// `None` until the back end has answered once.
    rings: watch::Sender<Option<Arc<Rings>>>,
}

#[derive(Default)]
struct Groups {
    wanted: BTreeSet<String>,
    /// Groups that this agent was a member of, and is to leave.
    left: BTreeSet<String>,
}

/// What one look leaves to the next.
#[derive(Default)]
struct Looking {
    /// Since when the back end does not answer.
    down_since: Option<MonotonicTime>,
    /// Until then, members that are missing may not have had the time to come back.
    lenient_until: Option<MonotonicTime>,
    /// When the back end answered last.
    answered: Option<MonotonicTime>,
}

impl Membership {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// What is wrong with the URL's address, or the files that it names.
    pub fn new(parts: MembershipParts) -> Result<Self, UrlError> {
        let backend = Backend::new(&parts.url, &parts.clock)?;
        Ok(Self::at(backend, parts))
    }

    fn at(backend: Backend, parts: MembershipParts) -> Self {
        let MembershipParts { url, member, clock, metrics } = parts;
        Self(Arc::new(Shared {
            backend,
            shown: url.to_string(),
            member,
            membership_timeout: url.membership_timeout(),
            started: clock.monotonic(),
            clock,
            metrics,
            check: OnceLock::new(),
            groups: Mutex::default(),
            begun: AtomicU64::new(0),
            looking: tokio::sync::Mutex::default(),
            is_down: AtomicBool::new(false),
            rings: watch::Sender::new(None),
        }))
    }

    /// Shows there whether the back end answers. Where it is shown first, it stays.
    pub fn show_in(&self, check: Check) {
        let _ = self.0.check.set(check);
    }

    /// Is a member of these groups and no others, from the next look on.
    pub fn set_groups(&self, wanted: BTreeSet<String>) {
        let mut groups = self.0.groups();
        let left: Vec<String> = groups.wanted.difference(&wanted).cloned().collect();
        groups.left.extend(left);
        groups.left.retain(|group| !wanted.contains(group));
        groups.wanted = wanted;
    }

    /// Looks who is there, and returns what is known then: what was known before, if the back end does not answer. Whoever
    /// asks while another look is about to begin shares it.
    ///
    /// `None`: the back end has never answered.
    pub async fn look(&self) -> Option<Arc<Rings>> {
        self.0.look().await;
        self.known()
    }

    /// What was seen last.
    #[must_use]
    pub fn known(&self) -> Option<Arc<Rings>> {
        self.0.rings.borrow().clone()
    }

    /// What holds for a cycle that begins now: as [`look`](Self::look), but a back end that is known to be away is not waited
    /// for. As long as it has never answered, it is waited for, up to the time that a member is alive without being seen,
    /// counted from the agent's start.
    pub async fn for_cycle(&self) -> Option<Arc<Rings>> {
        let Shared { started, membership_timeout, clock, rings, is_down, .. } = &*self.0;
        let known = self.known();
        if known.is_some() && is_down.load(Ordering::SeqCst) {
            return known;
        }
        let seen = self.look().await;
        if seen.is_some() {
            return seen;
        }
        let mut rings = rings.subscribe();
        tokio::select! {
            biased;
            seen = rings.wait_for(Option::is_some) => seen.ok().and_then(|rings| rings.clone()),
            () = clock.sleep_until(started.plus(*membership_timeout)) => None,
        }
    }

    /// Shows that this agent is alive, again and again, until `stop`; then leaves.
    ///
    /// # Errors
    /// Never.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        let interval = beat_interval(self.0.membership_timeout);
        let mut pause = FIRST_PAUSE.min(interval);
        loop {
            let looking = self.0.look();
            let is_up = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                is_up = looking => is_up,
            };
            let wait = if is_up {
                pause = FIRST_PAUSE.min(interval);
                interval
            } else {
                let wait = pause;
                pause = (2 * pause).min(interval);
                wait
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.0.clock.sleep(wait) => {}
            }
        }
        self.leave().await;
        Ok(())
    }

    /// Leaves every group, so that the others need not find out.
    pub async fn leave(&self) {
        let leaving = async {
            let mut looking = self.0.looking.lock().await;
            // A look that comes after it joins nothing again.
            let groups: BTreeSet<String> = {
                let mut groups = self.0.groups();
                let Groups { wanted, left } = std::mem::take(&mut *groups);
                wanted.into_iter().chain(left).collect()
            };
            if looking.down_since.take().is_some() {
                return Ok(());
            }
            self.0.backend.leave(&self.0.member, &groups, true).await
        };
        match tokio::time::timeout(LEAVING, leaving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!("the others will notice by themselves that this agent is gone: {error}");
            }
            Err(_) => {
                tracing::warn!("the others will notice by themselves that this agent is gone: no answer");
            }
        }
    }
}

impl Shared {
    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the back end answered.
    async fn look(&self) -> bool {
        let begun = self.begun.load(Ordering::SeqCst);
        let mut looking = self.looking.lock().await;
        // One that began after we had asked has seen what we want to see.
        if self.begun.load(Ordering::SeqCst) > begun {
            return looking.down_since.is_none();
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        let (groups, left) = {
            let groups = self.groups();
            (groups.wanted.clone(), groups.left.clone())
        };
        let now = self.clock.monotonic();
        match self.ask(&looking, groups, &left, now).await {
            Ok(found) => {
                self.groups().left.retain(|group| !left.contains(group));
                self.take(&mut looking, found, now);
                true
            }
            Err(error) => {
                self.failed(&mut looking, &error, now);
                false
            }
        }
    }

    async fn ask(
        &self,
        looking: &Looking,
        groups: BTreeSet<String>,
        left: &BTreeSet<String>,
        now: MonotonicTime,
    ) -> Result<BTreeMap<String, Found>, BackendError> {
        self.metrics.looks.inc();
        if !left.is_empty() {
            self.backend.leave(&self.member, left, false).await?;
        }
        if groups.is_empty() {
            return Ok(BTreeMap::new());
        }
        // After an outage all look dead, and Python's agents never come back once they are removed.
        let prunes = looking.down_since.is_none() && !looking.is_lenient(now);
        self.backend.look(Question { member: self.member.clone(), groups, prunes }).await
    }

    fn take(&self, looking: &mut Looking, found: BTreeMap<String, Found>, now: MonotonicTime) {
        let old = self.rings.borrow().clone();
        let was_lost = |(group, found): (&String, &Found)| {
            found.is_new && old.as_ref().is_some_and(|old| old.group(group).is_some())
        };
        let down_since = looking.down_since.take();
        if (down_since.is_some() && old.is_some()) || found.iter().any(was_lost) {
            looking.lenient_until = Some(now.plus(self.membership_timeout));
        }
        let is_lenient = looking.is_lenient(now);
        let seen_until = looking.answered.replace(now).unwrap_or(now);
        let mut losses = old.as_ref().map(|old| old.losses.clone()).unwrap_or_default();
        let mut groups = HashMap::new();
        for (group, Found { mut members, .. }) in found {
            let former = old.as_ref().and_then(|old| old.groups.get(&group));
            if let Some(former) = former.filter(|_| is_lenient) {
                for (member, weight) in former.members() {
                    members.entry(member.clone()).or_insert(*weight);
                }
            }
            self.metrics.members.with([&group]).set(i64::try_from(members.len()).unwrap_or(i64::MAX));
            let ring = match former {
                Some(former) if *former.members() == members => Arc::clone(former),
                _ => {
                    let is_gone = |member: &String| !members.contains_key(member);
                    if former.is_some_and(|former| former.members().keys().any(is_gone)) {
                        losses.add(seen_until);
                    }
                    self.tell(&group, former.map(|former| &**former), &members);
                    Arc::new(HashRing::new(members))
                }
            };
            groups.insert(group, ring);
        }
        for group in old.iter().flat_map(|old| old.groups.keys()).filter(|group| !groups.contains_key(*group))
        {
            self.metrics.members.remove([group]);
        }
        self.metrics.up.set(1);
        self.is_down.store(false, Ordering::SeqCst);
        if let Some(check) = self.check.get() {
            check.ok();
        }
        if let Some(since) = down_since {
            let seconds = now.since(since).as_secs();
            tracing::warn!(backend = self.shown, seconds, "agents that share the work are seen again");
        }
        self.rings.send_replace(Some(Arc::new(Rings { member: self.member.clone(), groups, losses })));
    }

    fn tell(&self, group: &str, former: Option<&HashRing>, members: &BTreeMap<String, u32>) {
        let empty = BTreeMap::new();
        let before = former.map_or(&empty, HashRing::members);
        let only = |these: &BTreeMap<String, u32>, those: &BTreeMap<String, u32>| {
            these.keys().filter(|member| !those.contains_key(*member)).cloned().collect::<Vec<_>>()
        };
        let (come, gone) = (only(members, before), only(before, members));
        self.metrics.changes.inc_by(u64::try_from(come.len() + gone.len()).unwrap_or(0));
        let names = |list: &[String]| list.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(" ");
        tracing::info!(
            group,
            members = members.len(),
            come = names(&come),
            gone = names(&gone),
            "agents that share the work"
        );
    }

    fn failed(&self, looking: &mut Looking, error: &BackendError, now: MonotonicTime) {
        self.metrics.up.set(0);
        self.is_down.store(true, Ordering::SeqCst);
        if let Some(cause) = error.failed() {
            self.metrics.failures.increment(cause);
        }
        let is_known = self.rings.borrow().is_some();
        let meanwhile = if is_known {
            "the work is shared as it was"
        } else {
            "nothing that is shared is polled for a while, and then everything"
        };
        if looking.down_since.is_none() {
            looking.down_since = Some(now);
            tracing::error!(
                backend = self.shown,
                "agents that share the work cannot be seen, {meanwhile}; trying again and again: {error}"
            );
        }
        let Some(check) = self.check.get() else { return };
        // What made it fail says more than that it is left alone for a moment.
        if error.failed().is_none() {
            return;
        }
        let is_awaited = now.since(self.started) < self.membership_timeout;
        match (is_known, is_awaited) {
            (true, _) => check.degraded(format_args!("the work is shared as it was: {error}")),
            (false, true) => check.failed(format_args!("waiting to see the other agents: {error}")),
            (false, false) => check.degraded(format_args!(
                "the other agents were never seen, so that everything is polled: {error}"
            )),
        }
    }
}

impl Looking {
    fn is_lenient(&self, now: MonotonicTime) -> bool {
        self.lenient_until.is_some_and(|until| now < until)
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("backend", &self.0.shown)
            .field("member", &self.0.member)
            .finish_non_exhaustive()
    }
}
