//! Named checks of the components, and the loopback HTTP server that shows them.
//!
//! A component registers a [`Check`] and keeps its state current; nothing is probed when somebody asks. A check says
//! what it speaks about: [`Scope::Alive`] for what only a restart of the process can mend, [`Scope::Ready`] for
//! everything else (a broker that is away makes a role not ready; restarting it would not help).

mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::{Clock, MonotonicTime};

pub use crate::http_server::ServerLimits;
pub use server::{HealthServer, HealthServerError};

/// A reason is cut at this many bytes (at a character's boundary), because it may quote what a peer sent.
const MAX_REASON_BYTES: usize = 1_024;

/// How a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Registered, and not yet heard of: not ready, but alive.
    Starting,
    /// As it should be.
    Ok,
    /// Working with less than it should have; nothing is lost.
    Degraded,
    /// Not working.
    Failed,
}

impl State {
    /// The word shown in `/healthz` and `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// What a failed check means for the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `/healthz` fails too: only a restart can help.
    Alive,
    /// Only `/readyz` fails.
    Ready,
}

/// All checks of a role. Cheap to clone; clones share the checks.
#[derive(Debug, Clone)]
pub struct HealthRegistry(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    checks: BTreeMap<u64, Entry>,
    next: u64,
    stopping: bool,
}

#[derive(Debug)]
struct Entry {
    name: String,
    scope: Scope,
    state: State,
    reason: String,
    since: Timestamp,
    since_monotonic: MonotonicTime,
}

/// One component's check. Dropping it removes the check.
pub struct Check {
    registry: HealthRegistry,
    id: u64,
}

/// What the checks say together.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Whether the answer is 200 and not 503.
    pub passed: bool,
    /// The whole answer.
    pub body: Value,
}

impl HealthRegistry {
    /// A registry without checks.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared { clock, inner: Mutex::default() }))
    }

    /// Adds a check, which is [`State::Starting`] until it is first set.
    pub fn register(&self, name: impl Into<String>, scope: Scope) -> Check {
        let since = self.0.clock.now();
        let since_monotonic = self.0.clock.monotonic();
        let reason = String::new();
        let entry =
            Entry { name: name.into(), scope, state: State::Starting, reason, since, since_monotonic };
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        inner.checks.insert(id, entry);
        Check { registry: self.clone(), id }
    }

    /// From now on the role is not ready, whatever its checks say: it drains. It stays alive.
    pub fn set_stopping(&self) {
        self.lock().stopping = true;
    }

    /// Is a restart needed? Fails when a check of [`Scope::Alive`] has failed.
    pub fn alive(&self) -> Report {
        self.report(false, |entry| entry.scope == Scope::Alive && entry.state == State::Failed)
    }

    /// Does the role do its work? Fails while any check is starting or failed, and while it drains.
    pub fn ready(&self) -> Report {
        self.report(true, |entry| matches!(entry.state, State::Starting | State::Failed))
    }

    fn report(&self, stopping_fails: bool, fails: impl Fn(&Entry) -> bool) -> Report {
        let now = self.0.clock.monotonic();
        let inner = self.lock();
        let mut passed = !(stopping_fails && inner.stopping);
        let mut worst = "ok";
        let mut checks = Vec::with_capacity(inner.checks.len());
        for entry in inner.checks.values() {
            passed &= !fails(entry);
            if entry.state != State::Ok {
                worst = "degraded";
            }
            checks.push(entry.to_json(now));
        }
        let status = if passed { worst } else { "failed" };
        Report { passed, body: json!({ "status": status, "stopping": inner.stopping, "checks": checks }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn to_json(&self, now: MonotonicTime) -> Value {
        json!({
            "name": self.name,
            "state": self.state.as_str(),
            "reason": self.reason,
            "since": self.since.to_string(),
            "for_seconds": now.since(self.since_monotonic).as_secs(),
        })
    }
}

impl Check {
    /// All is well.
    pub fn ok(&self) {
        self.set(State::Ok, "");
    }

    /// Working with less than it should have.
    pub fn degraded(&self, reason: impl fmt::Display) {
        self.set(State::Degraded, &reason.to_string());
    }

    /// Not working.
    pub fn failed(&self, reason: impl fmt::Display) {
        self.set(State::Failed, &reason.to_string());
    }

    /// The present state.
    pub fn state(&self) -> State {
        self.registry.lock().checks.get(&self.id).map_or(State::Starting, |entry| entry.state)
    }

    /// How long the present state has lasted.
    pub fn lasted(&self) -> Duration {
        let now = self.registry.0.clock.monotonic();
        self.registry
            .lock()
            .checks
            .get(&self.id)
            .map_or(Duration::ZERO, |entry| now.since(entry.since_monotonic))
    }

    fn set(&self, state: State, reason: &str) {
        let since = self.registry.0.clock.now();
        let since_monotonic = self.registry.0.clock.monotonic();
        let mut inner = self.registry.lock();
        let Some(entry) = inner.checks.get_mut(&self.id) else { return };
        // `since` tells when the state changed; a new reason within the same state does not restart it.
        if entry.state != state {
            entry.state = state;
            entry.since = since;
            entry.since_monotonic = since_monotonic;
        }
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)];
        if entry.reason != reason {
            reason.clone_into(&mut entry.reason);
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.registry.lock();
        let entry = inner.checks.get(&self.id);
        formatter
            .debug_struct("Check")
            .field("name", &entry.map(|entry| entry.name.as_str()))
            .field("state", &entry.map(|entry| entry.state))
            .finish()
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.registry.lock().checks.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (HealthRegistry, crate::clock::TestClock) {
        let (clock, hand) = Clock::test("2026-11-24T12:00:00Z".parse().unwrap());
        (HealthRegistry::new(clock), hand)
    }

    #[test]
    fn readiness_and_life_differ() {
        let (registry, _hand) = registry();
        let broker = registry.register("broker", Scope::Ready);
        let loops = registry.register("main loop", Scope::Alive);
        assert!(registry.alive().passed && !registry.ready().passed, "starting: alive, not ready");
        loops.ok();
        broker.degraded("one of two hosts is away");
        assert!(registry.ready().passed);
        assert_eq!(registry.ready().body["status"], "degraded");
        broker.failed("connection refused by 127.0.0.1:5672");
        assert!(registry.alive().passed && !registry.ready().passed);
        loops.failed("no progress for 30 s");
        assert!(!registry.alive().passed);
        drop(loops);
        broker.ok();
        assert!(registry.alive().passed && registry.ready().passed);
        registry.set_stopping();
        assert!(registry.alive().passed && !registry.ready().passed);
        drop(broker);
        assert!(!registry.ready().passed, "a drained role is not ready either");
    }

    #[test]
    fn a_state_keeps_its_beginning_while_reasons_change() {
        let (registry, hand) = registry();
        let check = registry.register("sink", Scope::Ready);
        check.failed("first");
        hand.advance(Duration::from_secs(30));
        check.failed("x".repeat(5_000));
        let body = registry.ready().body;
        let shown = &body["checks"][0];
        assert_eq!(shown["since"], "2026-11-24T12:00:00Z");
        assert_eq!(shown["for_seconds"], 30);
        assert_eq!(shown["reason"].as_str().unwrap().len(), MAX_REASON_BYTES);
        assert_eq!(check.lasted(), Duration::from_secs(30));
        check.ok();
        assert_eq!((check.state(), check.lasted()), (State::Ok, Duration::ZERO));
        assert_eq!(registry.ready().body["checks"][0]["reason"], "");
    }
}
