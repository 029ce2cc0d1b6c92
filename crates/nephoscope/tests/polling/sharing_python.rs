//! Ceilometer's own polling agent shares with two of ours, by its names for groups and resources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use model::{Timestamp, Value};
use testkit::{CacheServer, RecordedCloud, Recording, Vhost, shared_rabbitmq, wait_until};

use crate::both::Upstream;
use crate::bus::take;
use crate::central::credentials;
use crate::harness::{Agent, PROGRAM, read_records};
use crate::timeline::{End, Poll, Timeline, now};

const LONG: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Of each sort.
const COUNT: usize = 60;
/// Objects and dictionaries of openstacksdk.
const METERS: [&str; 2] = ["image.size", "ip.floating"];
const INTERVAL: f64 = 1.0;
/// Members that are not seen for so many seconds are dead. Python's never comes back once it was taken for dead, as it may be on a busy machine.
const TIMEOUT: u32 = 8;
const OURS: [usize; 2] = [0, 1];
const THEIRS: usize = 2;

fn polling_yaml() -> String {
    format!("sources: [{{name: shared, interval: {INTERVAL}, meters: [{}]}}]\n", METERS.join(", "))
}

fn cloud() -> RecordedCloud {
    let answers =
        Recording::read(testkit::repository().join("crates/pollsters/tests/central/answers")).unwrap();
    let answers = answers.with_copies("images", COUNT).with_copies("floatingips", COUNT);
    RecordedCloud::start(answers, 1000).unwrap()
}

/// Runs by meter and time.
#[derive(Default)]
struct Runs(BTreeMap<(String, String), BTreeSet<String>>);

impl Runs {
    fn add(&mut self, meter: &str, time: &str, resource: &str) {
        let run = self.0.entry((meter.to_owned(), time.to_owned())).or_default();
        assert!(run.insert(resource.to_owned()), "{meter} of {resource} twice at {time}");
    }

    fn of(&self, meter: &str) -> Vec<Poll> {
        let runs = self.0.iter().filter(|((own, _), _)| own == meter);
        #[expect(clippy::cast_precision_loss, reason = "microseconds are exact for centuries")]
        let seconds = |time: &str| Timestamp::parse(time).unwrap().microseconds() as f64 / 1e6;
        runs.map(|((_, time), resources)| Poll { at: seconds(time), resources: resources.clone() }).collect()
    }

    /// How many resources the newest run of each meter has.
    fn newest(&self) -> usize {
        METERS.iter().filter_map(|meter| Some(self.of(meter).last()?.resources.len())).sum()
    }
}

/// All three, and what Ceilometer's has sent.
struct Three<'bus> {
    ours: Vec<Agent>,
    theirs: Upstream,
    vhost: &'bus Vhost<'bus>,
    sent: Runs,
    timeline: Timeline,
}

impl Three<'_> {
    fn drain(&mut self) {
        for sample in take(self.vhost, "theirs.sample").iter().flatten() {
            let text = |key: &str| sample.get(key).and_then(Value::as_str).unwrap();
            self.sent.add(text("counter_name"), text("timestamp"), text("resource_id"));
        }
    }

    /// Waits until `members` see each other, and have everything among them.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn settle(&mut self, members: usize, what: &str) {
        let mut looked: Option<Instant> = None;
        let mut last = String::new();
        let waited = wait_until(what, LONG, || {
            if looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
                return None;
            }
            looked = Some(Instant::now());
            self.drain();
            let mut all = if members > OURS.len() { self.sent.newest() as f64 } else { 0.0 };
            let mut has_all = members == OURS.len() || all > 0.5;
            for agent in &mut self.ours {
                let own = agent.metric_sum("nephoscope_polling_own_resources");
                let seen = agent.metric("nephoscope_coordination_members{group=\"central-global\"}");
                has_all &= own > 0.5 && seen.is_some_and(|seen| (seen - members as f64).abs() < 0.5);
                all += own;
                last = format!("{last} {own}/{seen:?}");
            }
            let has_all = has_all && (all - (METERS.len() * COUNT) as f64).abs() < 0.5;
            if !has_all {
                last.clear();
            }
            has_all.then_some(())
        });
        if let Err(late) = waited {
            panic!("{late}: {last}\n{}\n{}", self.ours[0].process().output(), self.theirs.log_tail());
        }
        self.timeline.settled(now());
    }

    /// Waits for some cycles of ours.
    fn pass(&mut self, more: f64) {
        for agent in &mut self.ours {
            let before = agent.metric_sum("nephoscope_polling_cycles_total");
            let done =
                || (agent.metric_sum("nephoscope_polling_cycles_total") >= before + more).then_some(());
            wait_until("cycles", LONG, done).unwrap();
        }
    }

    fn judge(&mut self) {
        let end = now();
        self.timeline.settled(end);
        self.drain();
        for meter in METERS {
            let mut polls: Vec<Vec<Poll>> = Vec::new();
            for agent in &self.ours {
                let mut runs = Runs::default();
                for sample in read_records(&agent.samples()) {
                    let text = |key: &str| sample[key].as_str().unwrap().to_owned();
                    runs.add(&text("name"), &text("timestamp"), &text("resource_id"));
                }
                polls.push(runs.of(meter));
            }
            polls.push(self.sent.of(meter));
            let report = self.timeline.judge(&polls, end);
            report.assert_good(meter);
            println!("{meter}: {report}");
        }
    }
}

#[test]
fn ceilometers_own_agent_shares_with_two_of_ours() {
    let vhost = shared_rabbitmq().vhost("sharing-python").unwrap();
    let redis = CacheServer::redis(None).unwrap();
    let cloud = cloud();
    let url = format!("backend_url = redis://{}?membership_timeout={TIMEOUT}", redis.address());
    let mut timeline = Timeline::new(INTERVAL, f64::from(TIMEOUT));

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("polling.yaml"), polling_yaml()).unwrap();
    let mut settings = credentials(&cloud);
    settings.extend([
        ("DEFAULT", format!("transport_url = {}", vhost.transport_url())),
        ("oslo_messaging_notifications", "topics = theirs".to_owned()),
        ("coordination", url.clone()),
    ]);
    // It needs seconds to start.
    timeline.begins(THEIRS, now());
    let theirs =
        Upstream::start(directory, "ceilometer-polling", &["--polling-namespaces", "central"], &settings);
    let ours = OURS.map(|number| {
        let mut agent = Agent::new("")
            .without("transport_url")
            .command(PROGRAM, &["run"])
            .with("DEFAULT", "polling_namespaces = central")
            .with("nephoscope", "coordination_with_python = true")
            .with("coordination", url.clone());
        for (group, setting) in credentials(&cloud) {
            agent = agent.with(group, setting);
        }
        fs::write(agent.path("polling.yaml"), polling_yaml()).unwrap();
        timeline.begins(number, now());
        agent.start();
        agent
    });
    let mut three = Three { ours: ours.into(), theirs, vhost: &vhost, sent: Runs::default(), timeline };
    three.settle(3, "all share");
    // Nothing is polled twice while nobody comes or goes.
    three.pass(3.0);
    three.timeline.settled(now());

    three.theirs.kill();
    three.timeline.ends(THEIRS, now(), End::Silent);
    three.settle(2, "ours share what Ceilometer's had");
    three.pass(1.0);
    three.judge();
}
