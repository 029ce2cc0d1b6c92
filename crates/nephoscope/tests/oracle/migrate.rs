//! What `docs/migrate.md` says of Ceilometer's agent and ours on one broker: side by side, changed over, and back.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use testkit::{Oracle, Producer, Vhost, shared_rabbitmq, until, wait_until};

use crate::both::{Upstream, Written, pipeline};
use crate::compare::{Side, multisets, samples};
use crate::harness::{Agent, EXCHANGE, ROUTING_KEY, judge_events, judge_samples, read_lines};

const LONG: Duration = Duration::from_mins(2);
/// The queue of our own while both run side by side.
const POOL: &str = "nephoscope";
/// The queue that the agents share.
const SHARED: &str = "notifications.info";
/// Notifications of each step.
const EACH: usize = 100;

/// Ceilometer's agent on the usual queues, as it comes: it waits for nothing and takes what it gets.
fn ceilometer(vhost: &Vhost<'_>) -> Upstream {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("out")).unwrap();
    for (name, kind, output) in
        [("pipeline.yaml", "meters", "out/samples"), ("event_pipeline.yaml", "events", "out/events")]
    {
        fs::write(
            directory.path().join(name),
            pipeline(kind, &format!("file://{}?json", directory.path().join(output).display())),
        )
        .unwrap();
    }
    let settings = [
        ("DEFAULT", format!("transport_url = {}", vhost.transport_url())),
        ("oslo_messaging_rabbit", "amqp_durable_queues = true".to_owned()),
    ];
    Upstream::start(directory, "ceilometer-agent-notification", &[], &settings)
}

fn consumers(vhost: &Vhost<'_>, queue: &str, count: u64) {
    wait_until(&format!("{count} consumers of {queue}"), LONG, || {
        let queue = vhost.queue(queue).ok()??;
        (queue.consumers == count).then_some(())
    })
    .unwrap();
}

fn send(vhost: &Vhost<'_>, oracle: &Arc<Oracle>) {
    let producer = Producer::start(&vhost.amqp_url(), oracle).unwrap();
    for _ in 0..EACH {
        producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
    }
    producer.flush(LONG).unwrap();
}

/// What several agents wrote, one after the other.
fn together(files: &[PathBuf]) -> tempfile::NamedTempFile {
    let mut text = String::new();
    for line in files.iter().flat_map(|file| read_lines(file)) {
        let _ = writeln!(text, "{line}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

/// Waits until the agents have written everything that was sent, between them; returns how many events came twice.
fn nothing_is_lost(oracle: &Oracle, agents: &[PathBuf]) -> u64 {
    let of = |name: &str| together(&agents.iter().map(|out| out.join(name)).collect::<Vec<_>>());
    wait_until("everything, from one or the other", LONG, || {
        let complete = judge_events(oracle, of("events").path()).is_good()
            && judge_samples(oracle, of("samples").path()).is_good();
        complete.then_some(())
    })
    .unwrap_or_else(|late| panic!("{late}: {}", judge_events(oracle, of("events").path())));
    judge_events(oracle, of("events").path()).duplicates()
}

fn written(out: &Path) -> Written {
    Written { samples: read_lines(&out.join("samples")), events: read_lines(&out.join("events")) }
}

/// A copy of what an agent wrote after so many events and samples.
fn written_after(out: &Path, events: usize, samples: usize) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (name, before) in [("events", events), ("samples", samples)] {
        let lines = read_lines(&out.join(name)).split_off(before);
        let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
        fs::write(copy.path().join(name), text).unwrap();
    }
    copy
}

#[test]
fn an_operator_compares_changes_over_and_goes_back() {
    let vhost = shared_rabbitmq().vhost("migrate").unwrap();
    let mut theirs = ceilometer(&vhost);
    consumers(&vhost, SHARED, 1);

    // Side by side: each has a copy of everything.
    let mut ours = Agent::new(&vhost.transport_url())
        .durable()
        .with("nephoscope", format!("notification_pool = {POOL}"));
    ours.start();
    ours.wait_ready();
    consumers(&vhost, POOL, 1);
    consumers(&vhost, SHARED, 1);
    let compared = Arc::new(Oracle::new());
    send(&vhost, &compared);
    let (their_out, our_out) = (theirs.directory.path().join("out"), ours.path("out"));
    for out in [&their_out, &our_out] {
        assert_eq!(nothing_is_lost(&compared, std::slice::from_ref(out)), 0);
    }
    let (theirs_wrote, ours_wrote) = (written(&their_out), written(&our_out));
    let given = HashSet::new();
    let same =
        multisets(&samples(&theirs_wrote, Side::Upstream, &given), &samples(&ours_wrote, Side::Ours, &given));
    assert_eq!((same.only_upstream.len(), same.only_ours.len()), (0, 0), "{:?}", same.only_ours.first());
    let same = multisets(&theirs_wrote.events, &ours_wrote.events);
    assert_eq!((same.common, same.only_upstream.len(), same.only_ours.len()), (EACH, 0, 0));

    // Over: ours on the shared queues, a while with both, then ours alone.
    assert!(ours.terminate().success());
    vhost.delete_queue(POOL).unwrap();
    let mut ours = Agent::new(&vhost.transport_url()).durable();
    let our_out = ours.path("out");
    ours.start();
    ours.wait_ready();
    consumers(&vhost, SHARED, 2);
    let shared = Arc::new(Oracle::new());
    let before = read_lines(&their_out.join("events")).len();
    send(&vhost, &shared);
    until("their share", || (read_lines(&their_out.join("events")).len() > before).then_some(())).unwrap();
    send(&vhost, &shared);
    // In the middle of it.
    theirs.terminate();
    consumers(&vhost, SHARED, 1);
    send(&vhost, &shared);
    // What they wrote before is of another oracle.
    let new_of_theirs = written_after(&their_out, before, theirs_wrote.samples.len());
    let twice = nothing_is_lost(&shared, &[new_of_theirs.path().to_owned(), our_out.clone()]);
    println!("changed over: {} sent, {twice} written by both", 3 * EACH);

    // And back: theirs first, then ours is stopped.
    let before = written(&our_out);
    let theirs = ceilometer(&vhost);
    consumers(&vhost, SHARED, 2);
    let back = Arc::new(Oracle::new());
    send(&vhost, &back);
    assert!(ours.terminate().success());
    send(&vhost, &back);
    let new_of_ours = written_after(&our_out, before.events.len(), before.samples.len());
    let twice = nothing_is_lost(&back, &[theirs.directory.path().join("out"), new_of_ours.path().to_owned()]);
    assert_eq!(twice, 0, "what ours had in hand was finished or given back");
}
