//! Members that come, leave, die, are suspended and return, in a time that is moved by hand: what each of them has in each
//! cycle, to the tick.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use observability::clock::{Clock, TestClock};
use observability::metrics::Metrics;

use super::{Membership, MembershipParts};
use crate::backend::Backend;
use crate::backend::memory::MemoryBackend;
use crate::metrics::CoordinationMetrics;
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
            is_suspended: false,
        });
    }

    /// Everything that is due, in an order that nobody knows.
    async fn tick(&mut self) {
        self.random.shuffle(&mut self.agents);
        for agent in self.agents.iter_mut().filter(|agent| !agent.is_suspended) {
            if agent.next_beat <= self.now {
                agent.membership.0.look().await;
                agent.next_beat = self.now + self.timeout / 3;
            }
            if agent.next_cycle <= self.now {
                let rings = agent.membership.for_cycle().await.unwrap();
                for key in (0..KEYS).filter(|key| rings.owns(GROUP, &format!("key-{key}"))) {
                    self.polls.entry(key).or_default().push((self.now, agent.number));
                }
                agent.next_cycle = self.now + INTERVAL;
            }
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

    /// Panics unless each key is polled as often as it should be, by whom it should.
    fn judge(&self, seed: u64) -> u32 {
        let mut longest = 0;
        for (key, polls) in &self.polls {
            let times: Vec<u32> = polls.iter().map(|(at, _)| *at).chain([self.now]).collect();
            for (from, to) in [0].iter().chain(&times).zip(&times) {
                let within = self.changes.iter().find(|(at, _)| at >= from && at < to);
                let allowed = match within {
                    None => INTERVAL,
                    Some((_, Change::Joins | Change::Leaves | Change::Returns)) => 2 * INTERVAL,
                    Some((_, Change::Dies | Change::IsSuspended)) => 2 * INTERVAL + self.timeout,
                };
                longest = longest.max(to - from);
                assert!(
                    to - from <= allowed,
                    "seed {seed}: key {key} from {from} to {to}: {:?}",
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

/// Whoever comes and goes: nothing is skipped for longer than an interval, and what a dead member had for no longer than that
/// and the time until it is known to be dead; nothing has two owners for longer than a cycle.
#[tokio::test]
async fn shares_move_within_an_interval() {
    for timeout in [INTERVAL / 2, INTERVAL, 3 * INTERVAL] {
        let mut longest = 0;
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
        }
        // Deaths were among them, at bad moments.
        assert!(longest > timeout, "{longest} ticks");
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
