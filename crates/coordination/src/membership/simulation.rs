//! Members that come, leave, die, are suspended and return, in a time that is moved by hand: what each of them has in each
//! cycle, to the tick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use observability::clock::{Clock, TestClock};
use observability::metrics::Metrics;

use super::{Membership, MembershipParts};
use crate::backend::Backend;
use crate::backend::memory::MemoryBackend;
use crate::metrics::CoordinationMetrics;
use crate::rings::Rings;
use crate::url::BackendUrl;

const GROUP: &str = "central-global";
const KEYS: usize = 30;
const TICK: Duration = Duration::from_millis(100);
/// From one cycle to the next.
const INTERVAL: u32 = 100;
/// From one change of members to the next: so long that each is alone.
const CHANGE: u32 = 700;
const CHANGES: u32 = 8;

/// An agent at work. Times are in ticks.
struct Agent {
    membership: Membership,
    number: usize,
    next_cycle: u32,
    next_beat: u32,
    /// What was its own when it polled last.
    last: Option<Arc<Rings>>,
    is_suspended: bool,
}

/// What changes the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Joins,
    Leaves,
    Dies,
    IsSuspended,
    Returns,
}

struct Simulation {
    place: MemoryBackend,
    timeout: u32,
    clock: Clock,
    hand: TestClock,
    random: fastrand::Rng,
    now: u32,
    agents: Vec<Agent>,
    started: usize,
    /// When each key was polled, and by whom.
    polls: BTreeMap<usize, Vec<(u32, usize)>>,
    changes: Vec<(u32, Change)>,
    takeovers: u32,
}

impl Simulation {
    fn new(seed: u64, timeout: u32) -> Self {
        let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
        let place = MemoryBackend::new(TICK * timeout, clock.clone());
        let mut simulation = Self {
            place,
            timeout,
            clock,
            hand,
            random: fastrand::Rng::with_seed(seed),
            now: 0,
            agents: Vec::new(),
            started: 0,
            polls: BTreeMap::new(),
            changes: Vec::new(),
            takeovers: 0,
        };
        for _ in 0..simulation.random.usize(2..4) {
            simulation.start();
        }
        simulation
    }

    fn start(&mut self) {
        let number = self.started;
        self.started += 1;
        let parts = MembershipParts {
            url: BackendUrl::parse(&format!(
                "file:///x?membership_timeout={}",
                f64::from(self.timeout) / 10.0
            ))
            .unwrap(),
            member: format!("member-{number}"),
            clock: self.clock.clone(),
            metrics: CoordinationMetrics::register(&Metrics::new().component("coordination")),
        };
        let membership = Membership::at(Backend::Memory(self.place.clone()), parts);
        membership.set_groups(BTreeSet::from([GROUP.to_owned()]));
        // At the start, each in a phase of its own.
        let begin = self.now + if self.now == 0 { self.random.u32(..INTERVAL) } else { 0 };
        self.agents.push(Agent {
            membership,
            number,
            next_cycle: begin,
            next_beat: begin,
            last: None,
            is_suspended: false,
        });
    }

    /// Everything that is due, in an order that nobody knows.
    async fn tick(&mut self) {
        self.random.shuffle(&mut self.agents);
        for agent in self.agents.iter_mut().filter(|agent| !agent.is_suspended) {
            let has_looked = agent.next_beat <= self.now;
            if has_looked {
                agent.membership.0.look().await;
                agent.next_beat = self.now + self.timeout / 3;
            }
            let (rings, before) = if agent.next_cycle <= self.now {
                agent.next_cycle = self.now + INTERVAL;
                (agent.membership.for_cycle().await, None)
            } else {
                // What is known changes by looks alone.
                let Some(before) = agent.last.clone().filter(|_| has_looked) else { continue };
                let due = self.clock.monotonic().plus(TICK * (agent.next_cycle - self.now));
                let takeover = agent.membership.takeover(&before, due, TICK * INTERVAL);
                let Some(rings) = takeover.now_or_never() else { continue };
                self.takeovers += 1;
                (Some(rings), Some(before))
            };
            let rings = rings.unwrap();
            let had = |key: &str| before.as_ref().is_some_and(|before| before.owns(GROUP, key));
            for key in 0..KEYS {
                let name = format!("key-{key}");
                if rings.owns(GROUP, &name) && !had(&name) {
                    self.polls.entry(key).or_default().push((self.now, agent.number));
                }
            }
            agent.last = Some(rings);
        }
        self.now += 1;
        self.hand.advance(TICK);
    }

    async fn pass(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.tick().await;
        }
    }

    async fn change(&mut self) {
        let suspended = self.agents.iter().position(|agent| agent.is_suspended);
        let change = match suspended {
            Some(place) => {
                let agent = &mut self.agents[place];
                (agent.is_suspended, agent.next_cycle, agent.next_beat) = (false, self.now, self.now);
                Change::Returns
            }
            None if self.agents.len() < 2 || self.random.bool() => {
                self.start();
                Change::Joins
            }
            None => {
                let place = self.random.usize(..self.agents.len());
                match self.random.u8(..3) {
                    0 => {
                        self.agents.swap_remove(place).membership.leave().await;
                        Change::Leaves
                    }
                    1 => {
                        drop(self.agents.swap_remove(place));
                        Change::Dies
                    }
                    _ => {
                        self.agents[place].is_suspended = true;
                        Change::IsSuspended
                    }
                }
            }
        };
        self.changes.push((self.now, change));
    }

    /// Panics unless each key is polled as often as it should be, by whom it should. Returns the longest time between two polls.
    fn judge(&self, seed: u64) -> u32 {
        let mut longest = 0;
        // Of the last look that found a dead member, it may have been dead for the timeout.
        let detection = self.timeout + self.timeout / 3;
        for (key, polls) in &self.polls {
            let times: Vec<u32> = polls.iter().map(|(at, _)| *at).chain([self.now]).collect();
            for (from, to) in [0].iter().chain(&times).zip(&times) {
                let within = self.changes.iter().find(|(at, _)| at >= from && at < to);
                let allowed = match within {
                    None => INTERVAL,
                    Some((_, Change::Joins | Change::Leaves | Change::Returns)) => 2 * INTERVAL,
                    Some((_, Change::Dies | Change::IsSuspended)) => INTERVAL + detection.max(INTERVAL),
                };
                longest = longest.max(to - from);
                assert!(
                    to - from <= allowed,
                    "seed {seed}: key {key} from {from} to {to}: {:?}",
                    self.changes
                );
            }
            // What is made up for is polled once more than at every interval, and not again soon.
            let settled: Vec<u32> = polls.iter().map(|(at, _)| *at).filter(|at| *at >= INTERVAL).collect();
            for (first, third) in settled.iter().zip(settled.iter().skip(2)) {
                assert!(
                    third - first + detection + 1 >= INTERVAL,
                    "seed {seed}: key {key} three times from {first} to {third}: {:?}",
                    self.changes
                );
            }
            // From one change to the next it has one owner, and then perhaps another one.
            let marks = self.changes.iter().map(|(at, _)| *at).chain([self.now]);
            let mut from = INTERVAL;
            for to in marks {
                let mut owners: Vec<usize> =
                    polls.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, agent)| *agent).collect();
                owners.dedup();
                assert!(owners.len() <= 2, "seed {seed}: key {key} from {from} to {to}: {owners:?}");
                from = to;
            }
        }
        assert_eq!(self.polls.len(), KEYS);
        longest
    }
}

/// Whoever comes and goes: nothing is skipped for longer than an interval, unless it takes longer to know that a member is dead;
/// nothing has two owners for longer than a cycle.
#[tokio::test]
async fn shares_move_within_an_interval() {
    for timeout in [INTERVAL / 10, INTERVAL / 2, 3 * INTERVAL / 4, INTERVAL, 3 * INTERVAL] {
        let (mut longest, mut takeovers) = (0, 0);
        for seed in 0..12 {
            let mut simulation = Simulation::new(seed, timeout);
            simulation.pass(CHANGE).await;
            for _ in 0..CHANGES {
                let wait = simulation.random.u32(..INTERVAL);
                simulation.pass(wait).await;
                simulation.change().await;
                simulation.pass(CHANGE).await;
            }
            longest = longest.max(simulation.judge(seed));
            takeovers += simulation.takeovers;
        }
        // Deaths were among them, at bad moments.
        assert!(longest > timeout.max(INTERVAL), "{longest} ticks");
        // Where beats are as rare as cycles, a cycle is the first to know.
        assert_eq!(takeovers > 0, timeout / 3 < INTERVAL, "{takeovers} times");
    }
}

/// While nobody can be asked, and when all can be again, each key keeps its owner, and is polled in each cycle.
#[tokio::test]
async fn nothing_moves_through_an_outage() {
    for seed in 0..12 {
        let mut simulation = Simulation::new(seed, INTERVAL);
        simulation.pass(CHANGE).await;
        simulation.place.set_down(true);
        simulation.pass(CHANGE).await;
        simulation.place.set_down(false);
        simulation.pass(CHANGE).await;
        simulation.judge(seed);
        for polls in simulation.polls.values() {
            let owners: BTreeSet<usize> =
                polls.iter().filter(|(at, _)| *at >= INTERVAL).map(|(_, agent)| *agent).collect();
            assert_eq!(owners.len(), 1, "seed {seed}");
        }
    }
}
