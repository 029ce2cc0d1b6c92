//! Agents that share what they poll: they are killed, suspended, started, and lose the place where they meet.
//!
//! Redis has the whole story, etcd and PostgreSQL its beginning. `NEPHOSCOPE_SHARING_ROUNDS` is how often the whole story
//! is told at every place, a directory among them.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::{CacheServer, Etcd, PostgreSql, wait_until};

use crate::glance::FakeGlance;
use crate::harness::{Agent, PROGRAM, read_records};

const IMAGES: usize = 300;
const LONG: Duration = Duration::from_secs(90);
/// Members that are not seen for so many seconds are dead.
const TIMEOUT: u32 = 5;

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
                // An agent that shows just now that it is alive makes the directory anew.
                for number in 0.. {
                    fs::rename(&place, aside.join(number.to_string())).unwrap();
                    if fs::write(&place, "no directory").is_ok() {
                        break;
                    }
                }
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

/// An agent that polls every second what is its own, and writes it to a file.
fn agent(glance: &FakeGlance, place: &Place) -> Agent {
    let mut agent = glance
        .agent("")
        .without("transport_url")
        .command(PROGRAM, &["run"])
        .with("DEFAULT", "polling_namespaces = central")
        .with("polling", "partitioning_group_prefix = test")
        .with("coordination", format!("backend_url = {}?membership_timeout={TIMEOUT}", place.url()));
    agent.start();
    agent
}

fn own(agent: &mut Agent) -> f64 {
    agent.metric("nephoscope_polling_own_resources{kind=\"discovery\",name=\"images\"}").unwrap_or(0.0)
}

fn members(agent: &mut Agent) -> f64 {
    agent.metric("nephoscope_coordination_members{group=\"nephoscope-1-central-test-global\"}").unwrap_or(0.0)
}

fn cycles(agent: &mut Agent) -> f64 {
    agent.metric_sum("nephoscope_polling_cycles_total")
}

/// What has been polled since the marks, by whom: numbers of agents.
fn polled(agents: &[&mut Agent], marks: &[usize]) -> BTreeMap<String, Vec<usize>> {
    let mut by_image = BTreeMap::<String, Vec<usize>>::new();
    for (number, (agent, mark)) in agents.iter().zip(marks).enumerate() {
        for sample in &read_records(&agent.samples())[*mark..] {
            let pollers = by_image.entry(sample["resource_id"].as_str().unwrap().to_owned()).or_default();
            if !pollers.contains(&number) {
                pollers.push(number);
            }
        }
    }
    by_image
}

/// Where the files of these end, with everything in them that was polled before.
fn marks(agents: &mut [&mut Agent]) -> Vec<usize> {
    let mut marks = Vec::new();
    for agent in agents {
        agent.wait_written();
        marks.push(read_records(&agent.samples()).len());
    }
    marks
}

/// Waits for some cycles of each.
fn pass(agents: &mut [&mut Agent], more: f64) {
    for agent in agents {
        let before = cycles(agent);
        wait_until("cycles", LONG, || (cycles(agent) >= before + more).then_some(())).unwrap();
    }
}

/// Panics unless every image was polled since the marks, each by one of them.
fn assert_shared(agents: &mut [&mut Agent], marks: &[usize], what: &str) {
    for agent in &mut *agents {
        agent.wait_written();
    }
    let polled = polled(agents, marks);
    assert_eq!(polled.len(), IMAGES, "{what}");
    let twice: Vec<_> = polled.iter().filter(|(_, pollers)| pollers.len() > 1).collect();
    assert!(twice.is_empty(), "{what}: {} are polled twice, such as {:?}", twice.len(), twice[0]);
}

/// Waits until these have everything among them, and watches them for some cycles.
#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn share(agents: &mut [&mut Agent], what: &str) {
    let count = agents.len() as f64;
    let shared = wait_until(what, LONG, || {
        let all_see_all = agents.iter_mut().all(|agent| (members(agent) - count).abs() < 0.5);
        let all_own: f64 = agents.iter_mut().map(|agent| own(agent)).sum();
        (all_see_all && (all_own - IMAGES as f64).abs() < 0.5).then_some(())
    });
    if let Err(late) = shared {
        let parts: Vec<_> = agents.iter_mut().map(|agent| (members(agent), own(agent))).collect();
        panic!("{late}: {parts:?}\n{}", agents[0].process().output());
    }
    // What was begun before is finished, and written.
    pass(agents, 1.0);
    let marks = marks(agents);
    pass(agents, 2.0);
    assert_shared(agents, &marks, what);
}

/// Three agents share, and one of them is killed.
fn beginning(place: &Place) {
    let glance = FakeGlance::in_pages(IMAGES, IMAGES);
    let [mut a, mut b, mut c] = [(); 3].map(|()| agent(&glance, place));
    share(&mut [&mut a, &mut b, &mut c], "three agents");
    c.kill();
    share(&mut [&mut a, &mut b], "two after one was killed");
}

fn whole_story(place: &Place) {
    let glance = FakeGlance::in_pages(IMAGES, IMAGES);
    let [mut a, mut b, mut c] = [(); 3].map(|()| agent(&glance, place));
    share(&mut [&mut a, &mut b, &mut c], "three agents");

    c.kill();
    share(&mut [&mut a, &mut b], "two after one was killed");

    let mut d = agent(&glance, place);
    share(&mut [&mut a, &mut b, &mut d], "three after one came");

    b.process().signal(Signal::STOP).unwrap();
    share(&mut [&mut a, &mut d], "two while one is suspended");
    b.process().signal(Signal::CONT).unwrap();
    share(&mut [&mut a, &mut b, &mut d], "three when it is back");

    // The place goes, and comes back: at no time is anything polled by two.
    let mut three = [&mut a, &mut b, &mut d];
    let marks = marks(&mut three);
    place.stop();
    for agent in &mut three {
        wait_until("the outage is seen", LONG, || {
            let (status, page) = agent.get("/readyz");
            (status == 200 && page.contains("the work is shared as it was")).then_some(())
        })
        .unwrap();
    }
    pass(&mut three, 2.0);
    place.start_again();
    for agent in &mut three {
        let up = || (agent.metric("nephoscope_coordination_up")? > 0.5).then_some(());
        wait_until("the back end is seen again", LONG, up).unwrap();
    }
    pass(&mut three, 3.0);
    assert_shared(&mut three, &marks, "three through an outage");
    share(&mut three, "three after an outage");

    // One that is told to stop is not waited for.
    assert!(d.terminate().success(), "{}", d.process().output());
    share(&mut [&mut a, &mut b], "two after one has left");
}

#[test]
fn agents_share_at_a_redis_whoever_comes_and_goes() {
    for _ in 0..rounds().unwrap_or(1) {
        whole_story(&Place::Redis(CacheServer::redis(None).unwrap()));
    }
}

#[test]
fn agents_share_at_other_places() {
    let etcd = || Place::Etcd(Etcd::start().unwrap());
    let postgresql = || Place::PostgreSql(PostgreSql::start().unwrap());
    match rounds() {
        None => std::thread::scope(|at_once| {
            at_once.spawn(|| beginning(&etcd()));
            at_once.spawn(|| beginning(&postgresql()));
        }),
        Some(rounds) => {
            for _ in 0..rounds {
                whole_story(&etcd());
                whole_story(&postgresql());
                whole_story(&Place::Directory(tempfile::tempdir().unwrap()));
            }
        }
    }
}

/// An agent that cannot reach Redis says so, is not ready, and does everything after a while.
#[test]
fn an_agent_that_starts_without_redis_goes_on_alone() {
    let place = Place::Redis(CacheServer::redis(None).unwrap());
    place.stop();
    let glance = FakeGlance::in_pages(IMAGES, IMAGES);
    let mut alone = agent(&glance, &place);
    wait_until("everything polled", LONG, || (own(&mut alone) > 299.5).then_some(())).unwrap();
    // It is said when Redis is looked for the next time.
    let said = wait_until("a page that says so", LONG, || {
        let (status, page) = alone.get("/readyz");
        (status == 200 && page.contains("were never seen")).then_some(())
    });
    said.unwrap_or_else(|late| panic!("{late}: {:?}", alone.get("/readyz")));
    place.start_again();
    let mut other = agent(&glance, &place);
    share(&mut [&mut alone, &mut other], "two when Redis is there");
    // A reload keeps what is shared.
    fs::write(
        alone.path("polling.yaml"),
        "sources: [{name: images, interval: 1, meters: [image.size], group_id_coordination_expression: \"'x\"}]\n",
    )
    .unwrap();
    alone.process().hang_up().unwrap();
    alone.process().line("the text in quotes has no end").unwrap();
    share(&mut [&mut alone, &mut other], "two after a reload that is refused");
}
