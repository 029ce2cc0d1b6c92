//! One cycle: which pollster is given what, and what becomes of its samples.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{Sample, Value};
use nephoscope_polling::{Beginning, Group, Output, Partition, Sending, Share, What};
use tokio::sync::Semaphore;

use crate::world::{Running, Script, World, eventually};

fn on(discovery: &'static str) -> Script {
    Script { discovery: Some(discovery), ..Script::default() }
}

fn source(keys: &str) -> String {
    format!("sources: [{{name: s, interval: 60, meters: ['*']{keys}}}]")
}

fn given(running: &Running) -> Vec<String> {
    running.runs().into_iter().map(|(name, ids)| format!("{name}: {}", ids.join(" "))).collect()
}

#[tokio::test]
async fn a_pollster_is_given_what_its_source_says_or_else_what_its_own_discovery_finds() {
    for (keys, expected) in [
        ("", &["own: d1 d2"][..]),
        (", resources: [r1]", &["own: r1", "none: r1"]),
        (", discovery: [other]", &["own: o1", "none: o1"]),
        (", resources: [r1], discovery: ['other:p', other]", &["own: r1 o1 p", "none: r1 o1 p"]),
        // Nothing comes of what the source says: the pollster's own is asked all the same.
        (", discovery: [nothing]", &["own: d1 d2"]),
        (", discovery: [unheard]", &["own: d1 d2"]),
        // What is listed twice is polled once.
        (", resources: [r1, r1], discovery: [other, 'other:o1']", &["own: r1 o1", "none: r1 o1"]),
    ] {
        let world = World::new().pollster("own", on("default")).pollster("none", Script::default());
        let world = world.finds("default", &["d1", "d2"]).finds("other", &["o1"]).finds("nothing", &[]);
        let running = world.tasks(&source(keys));
        running.cycle().await;
        assert_eq!(given(&running), expected, "{keys}");
    }
}

#[tokio::test]
async fn a_resource_is_polled_once_in_a_cycle_for_all_sources_of_an_interval() {
    let world = World::new().pollster("a", on("d")).pollster("b", on("d")).finds("d", &["1", "2"]);
    let running = world.tasks(
        "sources:\n- {name: s, interval: 60, meters: [a], resources: ['1']}\n- {name: t, interval: 60, meters: ['*']}\n\
         - {name: u, interval: 60, meters: [a]}\n- {name: v, interval: 30, meters: [a]}\n",
    );
    for _ in 0..2 {
        running.cycle().await;
        assert_eq!(given(&running), ["a: 1", "a: 2", "b: 1 2", "a: 1 2"]);
    }
    assert!(running.counts("polls_skipped_total{cause=\"polled_already\"}", "2"));
    // Once a cycle for each of the two intervals.
    assert_eq!(running.state.discovered.lock().unwrap()["d"], 4);
}

#[tokio::test]
async fn a_discovery_that_fails_does_so_once_a_cycle_and_is_tried_in_the_next() {
    for failure in ["scripted", "panic"] {
        let world = World::new().pollster("a", on("d")).pollster("b", on("d")).pollster("c", on("e"));
        let world = world.discovery("d", Err(failure.to_owned())).finds("e", &["1"]);
        let running = world.tasks(&source(""));
        for cycle in 1..3 {
            let report = running.tasks[0].run(&running.progress, &running.stop).await;
            assert_eq!((report.polls, report.samples, report.failures.len()), (1, 1, 1), "{report:?}");
            assert!(report.failures[0].contains("discovery d: "), "{report:?}");
            assert_eq!(running.batches(), [["c:1"]]);
            assert_eq!(running.state.discovered.lock().unwrap()["d"], cycle);
        }
        let cause = if failure == "panic" { "panic" } else { "protocol" };
        assert!(running.counts(&format!("discovery_errors_total{{discovery=\"d\",cause=\"{cause}\"}}"), "2"));
        assert!(running.counts("polls_skipped_total{cause=\"discovery_failed\"}", "4"));
        assert!(running.counts("discovered_resources{discovery=\"e\"}", "1"));
    }
}

#[tokio::test]
async fn what_a_pollster_can_never_read_is_not_given_to_it_again() {
    let broken = Script { permanent: vec!["2".into()], ..on("d") };
    let world = World::new().pollster("a", broken).pollster("b", on("d")).finds("d", &["1", "2"]);
    let running = world.tasks(
        "sources:\n- {name: s, interval: 60, meters: ['*']}\n- {name: t, interval: 30, meters: [a], resources: ['2']}\n",
    );
    running.cycle().await;
    assert_eq!(given(&running), ["a: 1 2", "b: 1 2", "a: 2"]);
    // The first source goes on without it, the second has nothing left; others are not concerned.
    running.cycle().await;
    assert_eq!(given(&running), ["a: 1", "b: 1 2"]);
    assert!(running.counts("polls_skipped_total{cause=\"given_up\"}", "1"));
    assert!(running.counts("given_up_resources{pollster=\"a\"}", "2"));
    assert!(running.counts("poll_errors_total{pollster=\"a\",cause=\"permanent\"}", "3"));
}

#[tokio::test]
async fn what_was_read_before_an_error_or_a_panic_is_sent_and_others_go_on() {
    let fails = Script { fails_after: Some(3), ..on("d") };
    let panics = Script { panics_after: Some(1), ..on("d") };
    let mut world =
        World::new().pollster("fails", fails).pollster("panics", panics).pollster("works", on("d"));
    world.options.batch_size = 2;
    let running = world.finds("d", &["1", "2", "3", "4"]).tasks(&source(""));
    let report = running.tasks[0].run(&running.progress, &running.stop).await;
    let expected: [&[&str]; 5] = [
        &["fails:1", "fails:2"],
        &["fails:3"],
        &["panics:1"],
        &["works:1", "works:2"],
        &["works:3", "works:4"],
    ];
    assert_eq!(running.batches(), expected);
    assert_eq!((report.polls, report.samples), (3, 8));
    assert_eq!(report.failures, ["fails: scripted", "panics: the pollster panicked: scripted panic"]);
    assert!(running.counts("poll_errors_total{pollster=\"panics\",cause=\"panic\"}", "1"));
    assert!(running.counts("samples_total{pollster=\"fails\"}", "3"));
}

#[tokio::test]
async fn samples_of_a_run_have_its_time_and_ids_of_their_own() {
    let world = World::new().pollster("a", Script { samples: 2, ..on("d") }).finds("d", &["1", "2"]);
    let running = world.tasks(&source(""));
    running.tasks[0].run(&running.progress, &running.stop).await;
    let samples = running.collected.take().concat();
    assert_eq!(samples.len(), 4);
    for sample in &samples {
        assert_eq!(sample.timestamp, Value::from("2026-11-26T05:00:00.123456"));
        assert_eq!((&sample.source, &sample.unit), (&"test".into(), &"u".into()));
        assert_eq!((&*sample.resource_metadata, sample.monotonic_time), (&model::Map::new().into(), None));
    }
    let ids: std::collections::HashSet<_> = samples.iter().map(|sample| &sample.id).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(running.heartbeats.text(), "a 2026-11-26T05:00:00.123456");
    // No fraction where there is none, as Python's isoformat has it.
    running.hand.set_wall("2026-11-26T06:00:00Z".parse().unwrap());
    running.cycle().await;
    assert_eq!(running.heartbeats.text(), "a 2026-11-26T06:00:00");
}

#[tokio::test]
async fn as_many_pollsters_run_at_the_same_time_as_the_option_says() {
    for (threads, most) in [(1, 1), (2, 2), (0, 5), (50, 5)] {
        let mut world = World::new().finds("d", &["1"]);
        for name in ["a", "b", "c", "d", "e"] {
            world = world.pollster(name, on("d"));
        }
        world.options.threads = threads;
        let running = world.tasks(&source(""));
        assert_eq!(running.cycle().await.len(), 5);
        assert_eq!(running.state.most_running.load(Ordering::SeqCst), most, "{threads}");
        assert_eq!(running.state.discovered.lock().unwrap()["d"], 1);
    }
}

#[tokio::test]
async fn a_pollster_that_hangs_is_given_up_and_the_others_of_its_source_run() {
    let world = World::new().pollster("hangs", Script { hangs: true, ..on("d") }).pollster("works", on("d"));
    let running = world.finds("d", &["1"]).tasks(&source(""));
    let task = running.tasks[0].run(&running.progress, &running.stop);
    let moving = async {
        eventually("a wait", || running.hand.sleepers() > 0).await;
        running.hand.advance(Duration::from_mins(14));
        tokio::task::yield_now().await;
        assert!(running.batches().is_empty());
        running.hand.advance(Duration::from_mins(1));
    };
    let (report, ()) = tokio::join!(task, moving);
    assert_eq!(report.failures, ["hangs: nothing was read for 900 s"]);
    assert_eq!(running.batches(), [["works:1"]]);
    assert!(running.counts("poll_errors_total{pollster=\"hangs\",cause=\"stalled\"}", "1"));
}

#[tokio::test]
async fn once_told_to_stop_no_further_pollster_is_begun() {
    let world = World::new().pollster("a", on("d")).finds("d", &["1"]);
    world.stop.cancel();
    let running = world.tasks(&source(""));
    assert!(running.cycle().await.is_empty());
    assert!(running.counts("polls_skipped_total{cause=\"stopping\"}", "1"));
}

#[derive(Debug)]
struct Half;

impl Partition for Half {
    fn begin(&self) -> Beginning<'_> {
        Box::pin(std::future::ready(Arc::new(Half) as Arc<dyn Share>))
    }
}

impl Share for Half {
    fn is_mine(&self, group: Group<'_>, what: What<'_>) -> bool {
        match (group, what) {
            (Group::Discovery("global") | Group::Resources(_), What::Resource(resource)) => {
                ["1", "3"].contains(&resource.id())
            }
            (Group::Pollsters("s"), What::Pollster(name)) => name != "others",
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_another_agents_is_left_to_it() {
    let mut world = World::new().pollster("a", on("d")).finds("d", &["1", "2"]);
    world.partition = Some(Arc::new(Half));
    let running = world.tasks(&source(", resources: ['3', '4'], discovery: [d]"));
    running.cycle().await;
    assert_eq!(given(&running), ["a: 3 1"]);
    assert!(running.counts("own_resources{kind=\"source\",name=\"s\"}", "1"));
    assert!(running.counts("own_resources{kind=\"discovery\",name=\"d\"}", "1"));
}

/// In Ceilometer, an agent whose part of a source's resources is empty polls what the pollster's own discovery finds.
#[tokio::test]
async fn whose_part_is_empty_polls_nothing_instead() {
    let mut world = World::new().pollster("a", on("own")).finds("own", &["1"]).finds("d", &["4"]);
    world.partition = Some(Arc::new(Half));
    let running = world.tasks(&source(", resources: ['2']"));
    running.cycle().await;
    assert!(given(&running).is_empty());
    assert!(running.counts("polls_skipped_total{cause=\"other_agent\"}", "1"));
    let mut world = World::new().pollster("a", on("own")).finds("own", &["1"]).finds("d", &["4"]);
    world.partition = Some(Arc::new(Half));
    let running = world.tasks(&source(", discovery: [d]"));
    running.cycle().await;
    assert!(given(&running).is_empty());
}

#[tokio::test]
async fn a_pollster_that_is_another_agents_is_not_run() {
    let mut world = World::new().pollster("a", on("d")).pollster("others", on("d")).finds("d", &["1"]);
    world.partition = Some(Arc::new(Half));
    let running = world.tasks(&source(""));
    running.cycle().await;
    assert_eq!(given(&running), ["a: 1"]);
    assert!(running.counts("polls_skipped_total{cause=\"other_agent\"}", "1"));
}

/// Takes nothing until it is let.
#[derive(Debug)]
struct Slow {
    room: Semaphore,
    taken: std::sync::Mutex<usize>,
}

impl Output for Slow {
    fn send(&self, samples: Vec<Arc<Sample>>) -> Sending<'_> {
        Box::pin(async move {
            self.room.acquire().await.unwrap().forget();
            *self.taken.lock().unwrap() += samples.len();
        })
    }
}

#[tokio::test]
async fn an_output_that_does_not_take_holds_the_pollster_up_and_nothing_is_lost() {
    let slow = Arc::new(Slow { room: Semaphore::new(0), taken: std::sync::Mutex::default() });
    let mut world = World::new().pollster("a", Script { samples: 500, ..on("d") }).finds("d", &["1"]);
    world.options.batch_size = 10;
    world.output = Some(Arc::<Slow>::clone(&slow));
    let running = world.tasks(&source(""));
    let task = running.tasks[0].run(&running.progress, &running.stop);
    let letting = async {
        eventually("a batch that waits", || running.counts("samples_total{pollster=\"a\"}", "10")).await;
        // However long it takes: that is not the pollster's fault.
        running.hand.advance(Duration::from_hours(1));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        // What is in hand stays within its bounds: a batch and no more.
        assert!(running.counts("samples_total{pollster=\"a\"}", "10"));
        slow.room.add_permits(1000);
    };
    let (report, ()) = tokio::join!(task, letting);
    assert_eq!((report.samples, report.failures.len()), (500, 0), "{report:?}");
    assert_eq!(*slow.taken.lock().unwrap(), 500);
}

#[tokio::test]
async fn a_service_that_hangs_holds_up_its_own_pollsters_alone() {
    let of =
        |service, hangs| Script { discovery: Some("d"), service: Some(service), hangs, ..Script::default() };
    let world = World::new()
        .finds("d", &["1"])
        .pollster("a", of("network", true))
        .pollster("b", of("network", false));
    let world =
        world.pollster("c", of("volume", false)).pollster("d", of("volume", false)).pollster("e", on("d"));
    let running = Arc::new(world.tasks(
        "sources:\n- {name: s, interval: 60, meters: [a, b, c]}\n- {name: t, interval: 60, meters: [d, e]}\n",
    ));
    let cycle = tokio::spawn({
        let running = Arc::clone(&running);
        async move { running.tasks[0].run(&running.progress, &running.stop).await }
    });
    // Those of another service come to their second source meanwhile.
    let mut samples = Vec::new();
    let sent = std::cell::RefCell::new(&mut samples);
    eventually("samples of the others", || {
        sent.borrow_mut().extend(running.batches());
        sent.borrow().len() == 3
    })
    .await;
    samples.sort();
    assert_eq!(samples, [["c:1"], ["d:1"], ["e:1"]]);
    running.hand.advance(Duration::from_mins(15));
    let report = cycle.await.unwrap();
    assert_eq!((report.polls, report.failures.len()), (5, 1), "{report:?}");
    assert_eq!(running.batches(), [["b:1"]]);
}
