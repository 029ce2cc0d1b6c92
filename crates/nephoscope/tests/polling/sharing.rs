//! Agents that share what they poll: they are killed, suspended, started, and lose the place where they meet. What each of them
//! polled is judged at the end from the first second to the last (`timeline.rs`).
//!
//! Redis has the whole story, etcd and PostgreSQL its beginning. `NEPHOSCOPE_SHARING_ROUNDS` is how often the whole story
//! is told at every place, a directory among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use model::Timestamp;
use rustix::process::Signal;
use tempfile::TempDir;
use testkit::{CacheServer, Etcd, PostgreSql, wait_until};

use crate::glance::FakeGlance;
use crate::harness::{Agent, PROGRAM, read_records};
use crate::timeline::{End, Poll, Timeline, now};

const IMAGES: usize = 300;
const LONG: Duration = Duration::from_secs(90);
/// Seconds from one cycle to the next, and without being seen until a member is dead.
const PACE: Pace = Pace { interval: 1, timeout: 3 };
/// An interval in which it can be known who is dead.
const LONG_INTERVAL: Pace = Pace { interval: 4, timeout: 2 };
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
struct Pace {
    interval: u32,
    timeout: u32,
}

/// Where the agents meet.
enum Place {
    Redis(CacheServer),
    Etcd(Etcd),
    PostgreSql(PostgreSql),
    Directory(TempDir),
}

impl Place {
    fn url(&self) -> String {
        match self {
            Self::Redis(redis) => format!("redis://{}", redis.address()),
            Self::Etcd(etcd) => format!("etcd3+http://{}", etcd.address()),
            Self::PostgreSql(postgresql) => postgresql.url(),
            Self::Directory(directory) => format!("file://{}", directory.path().display()),
        }
    }

    /// Its end, as cruel as it can be.
    fn stop(&self) {
        match self {
            Self::Redis(redis) => redis.stop().unwrap(),
            Self::Etcd(etcd) => etcd.kill().unwrap(),
            Self::PostgreSql(postgresql) => postgresql.kill().unwrap(),
            Self::Directory(directory) => {
                let (place, aside) = (directory.path().join("nephoscope"), directory.path().join("aside"));
                fs::create_dir(&aside).unwrap();
                // A member that beats in between makes the directory anew.
                let mut number = 0..;
                wait_until("no directory", LONG, || {
                    let aside = aside.join(number.next().unwrap_or(0).to_string());
                    fs::rename(&place, aside).ok()?;
                    fs::write(&place, "no directory").ok()
                })
                .unwrap();
            }
        }
    }

    /// Redis and the directory come back empty, the others with what they had.
    fn start_again(&self) {
        match self {
            Self::Redis(redis) => redis.start_again().unwrap(),
            Self::Etcd(etcd) => etcd.start_again().unwrap(),
            Self::PostgreSql(postgresql) => postgresql.start_again().unwrap(),
            Self::Directory(directory) => {
                fs::remove_file(directory.path().join("nephoscope")).unwrap();
                fs::remove_dir_all(directory.path().join("aside")).unwrap();
            }
        }
    }
}

/// How often the whole story is told everywhere, if it is.
fn rounds() -> Option<usize> {
    let text = std::env::var("NEPHOSCOPE_SHARING_ROUNDS").ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("NEPHOSCOPE_SHARING_ROUNDS={text} is no number")))
}

/// An agent that polls what is its own, and writes it to a file.
fn agent(glance: &FakeGlance, place: &Place, pace: Pace) -> Agent {
    let Pace { interval, timeout } = pace;
    let mut agent = glance
        .agent("")
        .without("transport_url")
        .command(PROGRAM, &["run"])
        .with("DEFAULT", "polling_namespaces = central")
        .with("polling", "partitioning_group_prefix = test")
        .with("coordination", format!("backend_url = {}?membership_timeout={timeout}", place.url()));
    fs::write(
        agent.path("polling.yaml"),
        format!("sources: [{{name: images, interval: {interval}, meters: [image.size]}}]\n"),
    )
    .unwrap();
    agent.start();
    agent
}

/// What an agent's metrics say.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    own: f64,
    members: f64,
    cycles: f64,
    up: f64,
}

impl Seen {
    fn of(agent: &mut Agent) -> Self {
        let (_, page) = agent.get("/metrics");
        let sum = |series: &str| -> f64 {
            let values = page.lines().filter_map(|line| line.strip_prefix(series));
            values.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        Self {
            own: sum("nephoscope_polling_own_resources{kind=\"discovery\",name=\"images\"}"),
            members: sum("nephoscope_coordination_members{group=\"nephoscope-1-central-test-global\"}"),
            cycles: sum("nephoscope_polling_cycles_total"),
            up: sum("nephoscope_coordination_up"),
        }
    }
}

/// Agents that share, and everything that happened to them.
struct Story {
    glance: FakeGlance,
    place: Place,
    pace: Pace,
    agents: Vec<Agent>,
    /// Numbers of those that are at work.
    working: Vec<usize>,
    timeline: Timeline,
}

impl Story {
    fn new(place: Place, pace: Pace) -> Self {
        // etcd looks twice a second whose lease has run out.
        let late = if matches!(place, Place::Etcd(_)) { 1.0 } else { 0.0 };
        let timeline = Timeline::new(pace.interval.into(), f64::from(pace.timeout) + late);
        let glance = FakeGlance::in_pages(IMAGES, IMAGES);
        Self { glance, place, pace, agents: Vec::new(), working: Vec::new(), timeline }
    }

    fn starts(&mut self) -> usize {
        let number = self.agents.len();
        self.timeline.begins(number, now());
        self.agents.push(agent(&self.glance, &self.place, self.pace));
        self.working.push(number);
        number
    }

    fn ends(&mut self, number: usize, how: End, what: impl FnOnce(&mut Agent)) {
        self.working.retain(|working| *working != number);
        what(&mut self.agents[number]);
        // One that did not come to say so is noticed as if it had died.
        let is_silent =
            self.agents[number].process().output().contains("the others will notice by themselves");
        self.timeline.ends(number, now(), if is_silent { End::Silent } else { how });
    }

    fn goes_on(&mut self, number: usize) {
        self.timeline.begins(number, now());
        self.agents[number].process().signal(Signal::CONT).unwrap();
        self.working.push(number);
    }

    fn seen(&mut self) -> Vec<Seen> {
        self.working.iter().map(|number| Seen::of(&mut self.agents[*number])).collect()
    }

    /// Waits until it holds for what those at work say. To look is work, too.
    fn wait(&mut self, what: &str, mut holds: impl FnMut(&[Seen]) -> bool) {
        let mut last = Vec::new();
        let mut looked = Instant::now();
        let waited = wait_until(what, LONG, || {
            if !last.is_empty() && looked.elapsed() < LOOK_EVERY {
                return None;
            }
            (last, looked) = (self.seen(), Instant::now());
            holds(&last).then_some(())
        });
        if let Err(late) = waited {
            panic!("{late}: {last:?}\n{}", self.agents[self.working[0]].process().output());
        }
    }

    /// Waits for so many cycles of each.
    fn pass(&mut self, more: f64) {
        let before = self.seen();
        self.wait("cycles", |seen| {
            seen.iter().zip(&before).all(|(seen, before)| seen.cycles >= before.cycles + more)
        });
    }

    /// Waits until those at work have everything among them.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn settles(&mut self, what: &str) {
        let count = self.working.len() as f64;
        self.wait(what, |seen| {
            let all: f64 = seen.iter().map(|seen| seen.own).sum();
            seen.iter().all(|seen| (seen.members - count).abs() < 0.5 && seen.own > 0.5)
                && (all - IMAGES as f64).abs() < 0.5
        });
        // What was begun before is finished.
        self.pass(1.0);
        self.timeline.settled(now());
    }

    /// The place goes, and comes back: at no time is anything polled by two, or by nobody.
    fn loses_the_place(&mut self) {
        self.place.stop();
        for number in &self.working {
            let agent = &mut self.agents[*number];
            wait_until("the outage is seen", LONG, || {
                let (status, page) = agent.get("/readyz");
                (status == 200 && page.contains("the work is shared as it was")).then_some(())
            })
            .unwrap();
        }
        self.pass(2.0);
        self.place.start_again();
        self.wait("the back end is seen again", |seen| seen.iter().all(|seen| seen.up > 0.5));
        self.pass(2.0);
    }

    /// Judges everything that was polled, the time since all have settled included.
    fn judge(mut self, what: &str) {
        let end = now();
        self.timeline.settled(end);
        // What was polled by then is written.
        self.pass(1.0);
        let polls: Vec<Vec<Poll>> = self.agents.iter().map(|agent| polls(&agent.samples())).collect();
        let report = self.timeline.judge(&polls, end);
        report.assert_good(what);
        println!("{what}: {report}");
    }
}

/// The runs whose samples are in a file, in order.
fn polls(samples: &Path) -> Vec<Poll> {
    let mut runs = BTreeMap::<String, BTreeSet<String>>::new();
    for sample in read_records(samples) {
        let text = |key: &str| sample[key].as_str().unwrap().to_owned();
        assert!(runs.entry(text("timestamp")).or_default().insert(text("resource_id")), "{sample}");
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds are exact for centuries")]
    let seconds = |time: &str| Timestamp::parse(time).unwrap().microseconds() as f64 / 1e6;
    runs.into_iter().map(|(time, resources)| Poll { at: seconds(&time), resources }).collect()
}

/// Three agents share, and one of them is killed.
fn beginning(place: Place, what: &str) {
    let mut story = Story::new(place, PACE);
    let [_, _, c] = [(); 3].map(|()| story.starts());
    story.settles("three agents");
    story.ends(c, End::Silent, Agent::kill);
    story.settles("two after one was killed");
    story.judge(what);
}

fn whole_story(place: Place, what: &str) {
    let mut story = Story::new(place, PACE);
    let [_, b, c] = [(); 3].map(|()| story.starts());
    story.settles("three agents");

    story.ends(c, End::Silent, Agent::kill);
    story.settles("two after one was killed");

    let d = story.starts();
    story.settles("three after one came");

    story.ends(b, End::Silent, |agent| agent.process().signal(Signal::STOP).unwrap());
    story.settles("two while one is suspended");
    story.goes_on(b);
    story.settles("three when it is back");

    story.loses_the_place();
    story.settles("three after an outage");

    // One that is told to stop is not waited for.
    story.ends(d, End::Left, |agent| assert!(agent.terminate().success(), "{}", agent.process().output()));
    story.settles("two after one has left");
    story.judge(what);
}

#[test]
fn agents_share_at_a_redis_whoever_comes_and_goes() {
    for _ in 0..rounds().unwrap_or(1) {
        whole_story(Place::Redis(CacheServer::redis(None).unwrap()), "Redis");
    }
}

#[test]
fn agents_share_at_other_places() {
    let etcd = || Place::Etcd(Etcd::start().unwrap());
    let postgresql = || Place::PostgreSql(PostgreSql::start().unwrap());
    match rounds() {
        None => std::thread::scope(|at_once| {
            at_once.spawn(|| beginning(etcd(), "etcd"));
            at_once.spawn(|| beginning(postgresql(), "PostgreSQL"));
        }),
        Some(rounds) => {
            for _ in 0..rounds {
                whole_story(etcd(), "etcd");
                whole_story(postgresql(), "PostgreSQL");
                whole_story(Place::Directory(tempfile::tempdir().unwrap()), "a directory");
            }
        }
    }
}

/// An agent dies just before the other polls, which does not know yet, and would come to the dead one's part nearly an interval
/// after it does.
#[test]
fn what_a_dead_agent_had_does_not_wait_for_a_cycle_that_is_far_away() {
    let mut story = Story::new(Place::Redis(CacheServer::redis(None).unwrap()), LONG_INTERVAL);
    let [stays, dies] = [(); 2].map(|()| story.starts());
    story.settles("two agents");
    let samples = story.agents[stays].samples();
    let last = polls(&samples).last().unwrap().at;
    let interval = f64::from(LONG_INTERVAL.interval);
    let moment = last + interval * ((now() + 1.0 - last) / interval).ceil() - 0.6;
    wait_until("the worst moment", LONG, || (now() >= moment).then_some(())).unwrap();
    story.ends(dies, End::Silent, Agent::kill);
    let agent = &mut story.agents[stays];
    let takeovers = || agent.metric("nephoscope_polling_takeovers_total{interval=\"4\"}").map(drop);
    wait_until("what the dead one had", LONG, takeovers).unwrap();
    story.settles("one after the other was killed");
    story.judge("a death before a cycle");
}

/// An agent that cannot reach Redis says so, is not ready, and does everything after a while. A reload keeps what is shared.
#[test]
fn an_agent_that_starts_without_redis_goes_on_alone() {
    let mut story = Story::new(Place::Redis(CacheServer::redis(None).unwrap()), PACE);
    story.place.stop();
    let alone = story.starts();
    story.wait("everything polled", |seen| seen[0].own > 299.5);
    let agent = &mut story.agents[alone];
    let tells = || {
        let (status, page) = agent.get("/readyz");
        (status == 200 && page.contains("were never seen")).then_some(())
    };
    wait_until("it says that it is alone", LONG, tells).unwrap();
    story.place.start_again();
    story.starts();
    story.settles("two when Redis is there");
    let agent = &mut story.agents[alone];
    fs::write(
        agent.path("polling.yaml"),
        "sources: [{name: images, interval: 1, meters: [image.size], group_id_coordination_expression: \"'x\"}]\n",
    )
    .unwrap();
    agent.process().hang_up().unwrap();
    agent.process().line("the text in quotes has no end").unwrap();
    story.settles("two after a reload that is refused");
    story.judge("a start without Redis");
}
