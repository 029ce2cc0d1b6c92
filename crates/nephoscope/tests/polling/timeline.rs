//! What agents that share resources have polled, and when: judged as a whole, not by its end.
//!
//! All times are seconds. How long an agent takes from one poll to the next is seen and not assumed: on a machine that is busy
//! everything takes longer, and the bounds with it. With *D* for the longest such time around, and *I* for the interval:
//!
//! - **Gaps.** Whoever loses a resource had polled it *D* before it is missed, and whoever gets it polls it *D* after it could
//!   know of that. A cycle that has just asked who is there when something changes misses it, and is as old as a cycle is
//!   late, *D* − *I*. Together that is 2 *D*, which is two intervals, of which one is skipped, and what the machine takes. Who
//!   is dead is known after the timeout and a beat, a third of it. What it had is polled then, if it was not before; so that it is
//!   only where the timeout is long that this takes more than 2 *D*.
//! - **Doubles.** A change of members gives a resource one new owner. When that one has polled it, the former owner may be in
//!   a cycle that began before, and in no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::time::SystemTime;

/// A part of the interval, for what passes in an agent between asking who is there and reading.
const SLACK: f64 = 0.1;
/// Timeouts after which a member is known to be dead: its own, and a beat.
const TO_KNOW: f64 = 4.0 / 3.0;
/// Violations that are shown.
const SHOWN: usize = 8;

/// A run of a pollster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Poll {
    pub(crate) at: f64,
    pub(crate) resources: BTreeSet<String>,
}

/// How an agent's time at work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It has told the others.
    Left,
    /// It was killed or suspended.
    Silent,
}

/// A time in which an agent was at work.
#[derive(Debug, Clone, Copy)]
struct Life {
    agent: usize,
    from: f64,
    to: Option<(f64, End)>,
}

/// Who was at work when.
#[derive(Debug)]
pub(crate) struct Timeline {
    interval: f64,
    /// A member that is not seen for so long is dead, and is known to be.
    timeout: f64,
    lives: Vec<Life>,
    /// When what was new had been taken in by everybody, and how many changes of members there were until then.
    phases: Vec<(f64, usize)>,
    changes: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    polls: usize,
    /// The longest gap without and with a death in it, and what was allowed.
    gaps: [(f64, f64); 2],
    doubles: usize,
    violations: Vec<String>,
}

pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

impl Timeline {
    pub(crate) fn new(interval: f64, timeout: f64) -> Self {
        Self { interval, timeout, lives: Vec::new(), phases: Vec::new(), changes: 0 }
    }

    /// An agent is started, or goes on.
    pub(crate) fn begins(&mut self, agent: usize, at: f64) {
        self.lives.push(Life { agent, from: at, to: None });
        self.changes += 1;
    }

    pub(crate) fn ends(&mut self, agent: usize, at: f64, how: End) {
        let life = self.lives.iter_mut().rfind(|life| life.agent == agent).unwrap();
        life.to = Some((at, how));
        self.changes += 1;
    }

    /// Everybody has taken in what was new.
    pub(crate) fn settled(&mut self, at: f64) {
        self.phases.push((at, std::mem::take(&mut self.changes)));
    }

    /// The times from one poll to the next, of each agent: from when it began until it ended, or until `end`.
    fn spans(&self, polls: &[Vec<Poll>], end: f64) -> Vec<(f64, f64)> {
        let mut spans = Vec::new();
        for life in &self.lives {
            let until = life.to.map_or(end, |(at, _)| at);
            let own = polls[life.agent].iter().map(|poll| poll.at);
            let mut before = life.from;
            for at in own.filter(|at| (life.from..=until).contains(at)).chain([until]) {
                spans.push((before, at));
                before = at;
            }
        }
        spans
    }

    /// Judges the polls of each agent, in order of time. What should have been polled after `end` is not asked for.
    pub(crate) fn judge(&self, polls: &[Vec<Poll>], end: f64) -> Report {
        let spans = self.spans(polls, end);
        let mut by_resource = BTreeMap::<&str, Vec<(f64, usize)>>::new();
        for (agent, polls) in polls.iter().enumerate() {
            for poll in polls {
                for resource in &poll.resources {
                    by_resource.entry(resource).or_default().push((poll.at, agent));
                }
            }
        }
        let first = polls.iter().flatten().map(|poll| poll.at).fold(f64::INFINITY, f64::min);
        let mut report = Report { polls: polls.iter().map(Vec::len).sum(), ..Report::default() };
        for (resource, mut all) in by_resource {
            all.sort_by(|one, other| one.0.total_cmp(&other.0));
            self.judge_gaps(resource, &all, (first, end), &spans, &mut report);
            self.judge_doubles(resource, &all, &spans, &mut report);
        }
        report
    }

    fn judge_gaps(
        &self,
        resource: &str,
        polls: &[(f64, usize)],
        (first, end): (f64, f64),
        spans: &[(f64, f64)],
        report: &mut Report,
    ) {
        let times = || polls.iter().map(|(at, _)| *at);
        for (from, to) in [first].into_iter().chain(times()).zip(times().chain([end])) {
            let around = spans.iter().filter(|span| span.0 < to && span.1 > from);
            let longest = around.map(|(from, to)| to - from).fold(self.interval, f64::max);
            let silences = self.lives.iter().filter(|life| {
                life.to.is_some_and(|(at, how)| how == End::Silent && at > from - longest && at < to)
            });
            let silences = silences.count();
            let held_up = longest - self.interval;
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let detection = TO_KNOW * self.timeout * silences as f64 + held_up;
            let allowed = longest + longest.max(detection) + held_up + SLACK * self.interval;
            let gap = to - from;
            if gap > allowed {
                report.violations.push(format!(
                    "{resource} is not polled for {gap:.2} s, and {allowed:.2} s are allowed, up to {:.2}",
                    to - first
                ));
            }
            let known = &mut report.gaps[usize::from(silences > 0)];
            if gap > known.0 {
                *known = (gap, allowed);
            }
        }
    }

    fn judge_doubles(
        &self,
        resource: &str,
        polls: &[(f64, usize)],
        spans: &[(f64, f64)],
        report: &mut Report,
    ) {
        let mut from = 0.0;
        for (to, changes) in &self.phases {
            let own: Vec<_> = polls.iter().filter(|(at, _)| (from..*to).contains(at)).collect();
            if let Some((_, owner)) = own.last() {
                let behind_first = own.iter().skip_while(|(_, agent)| agent != owner);
                let doubles = behind_first.filter(|(_, agent)| agent != owner).count();
                report.doubles += doubles;
                // One that was held up for nearly the timeout may have been taken for dead, and come back.
                let stalls = spans
                    .iter()
                    .filter(|span| span.1 - span.0 > 0.75 * self.timeout && span.0 < *to && span.1 > from);
                let changes = changes + 2 * stalls.count();
                let pollers: BTreeSet<usize> = own.iter().map(|(_, agent)| *agent).collect();
                if doubles > changes || pollers.len() > changes + 1 {
                    let mut text =
                        format!("{resource} is polled twice {doubles} times where {changes} members change:");
                    for (at, agent) in own {
                        let _ = write!(text, " {agent} at {:.2}", at - polls[0].0);
                    }
                    report.violations.push(text);
                }
            }
            from = *to;
        }
    }
}

impl Report {
    /// # Panics
    /// When something is wrong.
    pub(crate) fn assert_good(&self, what: &str) {
        let Self { violations, .. } = self;
        let shown = violations.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
        assert!(violations.is_empty(), "{what}: {} violations\n{shown}\n{self}", violations.len());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(gap, allowed), (gap_of_death, allowed_of_death)] = self.gaps;
        write!(
            f,
            "{} polls; longest gap {gap:.2} s of {allowed:.2}, where somebody died {gap_of_death:.2} s of \
             {allowed_of_death:.2}; {} polled twice at changes",
            self.polls, self.doubles
        )
    }
}

/// A made-up timeline: agents with their polls, each of some of the resources `a` to `d`.
#[derive(Default)]
struct MadeUp(Vec<Vec<Poll>>);

impl MadeUp {
    /// Agent 0 has `a` and `b` from 10.0 on, every second until the end.
    fn new() -> Self {
        Self::default().with(0, "ab", 10.0, 10)
    }

    /// So many more polls of an agent, a second apart.
    fn with(mut self, agent: usize, resources: &str, from: f64, count: u32) -> Self {
        self.0.resize(self.0.len().max(agent + 1), Vec::new());
        let resources: BTreeSet<String> = resources.chars().map(String::from).collect();
        let times = (0..count).map(|place| from + f64::from(place));
        self.0[agent].extend(times.map(|at| Poll { at, resources: resources.clone() }));
        self.0[agent].sort_by(|one, other| one.at.total_cmp(&other.at));
        self
    }

    /// What is wrong with it until 20.0, where both agents are there from the start; what becomes of the second.
    fn violations(&self, what: Option<(f64, End)>) -> Vec<String> {
        let mut timeline = Timeline::new(1.0, 3.0);
        timeline.begins(0, 9.9);
        timeline.begins(1, 9.9);
        timeline.settled(11.9);
        if let Some((at, how)) = what {
            timeline.ends(1, at, how);
        }
        timeline.settled(20.0);
        timeline.judge(&self.0, 20.0).violations
    }
}

#[test]
fn without_changes_each_resource_has_one_owner() {
    let good = || MadeUp::new().with(1, "cd", 10.4, 10);
    assert!(good().violations(None).is_empty());
    // At the start one of them may be alone for a moment; later it may not.
    assert!(good().with(1, "a", 10.4, 1).violations(None).is_empty());
    let found = good().with(1, "a", 15.4, 1).violations(None);
    assert!(found.len() == 1 && found[0].starts_with("a is polled twice 1 times"), "{found:?}");
    // What nobody polls any more, and what is left out for two intervals.
    let found = MadeUp::new().with(1, "cd", 10.4, 5).with(1, "c", 15.4, 5).violations(None);
    assert!(found.len() == 1 && found[0].starts_with("d is not polled for 5.60 s"), "{found:?}");
    let found = MadeUp::new().with(1, "cd", 10.4, 4).with(1, "c", 14.4, 2).with(1, "cd", 16.4, 4);
    let found = found.violations(None);
    assert!(found.len() == 1 && found[0].starts_with("d is not polled for 3.00 s"), "{found:?}");
}

#[test]
fn a_share_moves_within_an_interval_or_after_the_timeout() {
    // The last poll of the second is at 13.4.
    let story = |taken: f64, count| MadeUp::new().with(1, "cd", 10.4, 4).with(0, "cd", taken, count);
    for (how, taken, count, is_good) in [
        (End::Left, 15.1, 5, true),
        (End::Left, 16.1, 4, false),
        (End::Silent, 17.1, 3, true),
        (End::Silent, 18.1, 2, true),
        (End::Silent, 19.1, 1, false),
    ] {
        let found = story(taken, count).violations(Some((14.3, how)));
        assert_eq!(found.is_empty(), is_good, "{how:?} {taken}: {found:?}");
    }
    // Before the former owner's last poll, and once more.
    let early = || story(13.1, 7);
    assert!(early().violations(Some((14.6, End::Left))).is_empty());
    let found = early().with(1, "d", 14.4, 1).violations(Some((14.6, End::Left)));
    assert!(found.len() == 1 && found[0].starts_with("d is polled twice 2 times"), "{found:?}");
}

#[test]
fn on_a_machine_that_is_busy_the_bounds_are_wider() {
    let mut slow = MadeUp::default().with(0, "ab", 10.0, 4).with(1, "cd", 10.3, 4);
    for poll in slow.0.iter_mut().flatten() {
        poll.at = 10.0 + 3.0 * (poll.at - 10.0);
    }
    assert!(slow.violations(None).is_empty());
}
