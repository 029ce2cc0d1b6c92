//! Faults of every kind at random moments, alone and together: nothing that the broker confirmed to the sender may be
//! lost, nothing invented, and messages flow again soon after the last fault.
//!
//! `NEPHOSCOPE_FAULT_ROUNDS` sets the number of faults (20).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

#[path = "agent/harness.rs"]
mod harness;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::{Agent, EXCHANGE, ROUTING_KEY, assert_complete, read_lines};
use testkit::{Oracle, Producer, RabbitMq, wait_until};

const ROUNDS: usize = 20;
/// Rounds of killing that are added when nothing came twice yet.
const MORE_ROUNDS: usize = 100;
/// Between two bursts of the sender, so that the stream goes on for the whole test without growing a backlog.
const BURST: usize = 50;
/// Time between bursts. An agent that is built without optimisation keeps up with it on a busy machine, between faults: over
/// hundreds of them a backlog would grow behind which no fresh message comes in time.
const PACE: Duration = Duration::from_millis(200);
/// A fresh message must have come through so long after the last fault.
const RECOVERY: Duration = Duration::from_secs(40);
const LONG: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// kill -9 of the agent.
    Kill,
    /// The directory of the files is away.
    SinkDown,
    /// One of the files is on a full disk.
    DiskFull,
    /// The broker is killed, and started again.
    BrokerDown,
    /// The wall clock jumps by an hour.
    ClockJump,
    /// SIGHUP.
    Reload,
}

const FAULTS: [Fault; 6] =
    [Fault::Kill, Fault::SinkDown, Fault::DiskFull, Fault::BrokerDown, Fault::ClockJump, Fault::Reload];

/// What faults work on.
struct World {
    broker: RabbitMq,
    agent: Agent,
    /// What libfaketime reads the clock's offset from.
    offset: PathBuf,
    counts: [usize; FAULTS.len()],
}

fn milliseconds(range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(fastrand::u64(range))
}

/// The library through which a process sees another time than the machine has.
fn fake_time() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let library =
        folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    library.expect("no libfaketime: run scripts/provision test")
}

impl World {
    fn new() -> Self {
        let broker = RabbitMq::start().unwrap();
        let agent =
            Agent::new(&broker.transport_url()).durable().with("nephoscope", "buffer_spill_seconds = 1");
        let offset = agent.path("clock-offset");
        fs::write(&offset, "+0").unwrap();
        let agent = agent
            .env("LD_PRELOAD", fake_time())
            .env("FAKETIME_TIMESTAMP_FILE", &offset)
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Self { broker, agent, offset, counts: [0; FAULTS.len()] }
    }

    fn kill(&mut self) {
        self.agent.kill();
        self.agent.start();
    }

    /// One fault from its beginning to its end.
    fn strike(&mut self, fault: Fault) {
        self.counts[FAULTS.iter().position(|known| *known == fault).unwrap()] += 1;
        // Some faults meet a process that is killed, or has just been started.
        let kills_within = fault != Fault::Kill && fastrand::u8(0..3) == 0;
        let lasting = |world: &mut Self, range: std::ops::Range<u64>| {
            std::thread::sleep(milliseconds(range.clone()));
            if kills_within {
                world.kill();
                std::thread::sleep(milliseconds(range));
            }
        };
        match fault {
            Fault::Kill => self.kill(),
            Fault::Reload => {
                lasting(self, 0..100);
                // A process that does not take the signal yet would end by it.
                self.agent.process().line("health=http://").unwrap();
                self.agent.process().hang_up().unwrap();
            }
            Fault::SinkDown => {
                let (out, away) = (self.agent.path("out"), self.agent.path("away"));
                fs::rename(&out, &away).unwrap();
                lasting(self, 100..1500);
                fs::rename(&away, &out).unwrap();
            }
            Fault::DiskFull => {
                let file = if fastrand::bool() { self.agent.events() } else { self.agent.samples() };
                let (kept, full) = (with_suffix(&file, "kept"), with_suffix(&file, "full"));
                // By renaming, so that there is no moment without a file in which the agent would make one.
                fs::hard_link(&file, &kept).unwrap();
                symlink("/dev/full", &full).unwrap();
                fs::rename(&full, &file).unwrap();
                lasting(self, 100..1500);
                fs::rename(&kept, &file).unwrap();
            }
            Fault::BrokerDown => {
                self.broker.kill().unwrap();
                lasting(self, 0..500);
                self.broker.start_again().unwrap();
            }
            Fault::ClockJump => {
                let offset = if fastrand::bool() { "+3600" } else { "-3600" };
                fs::write(&self.offset, offset).unwrap();
                lasting(self, 500..2000);
                fs::write(&self.offset, "+0").unwrap();
            }
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    path.with_extension(suffix)
}

#[test]
fn no_mixture_of_faults_loses_a_notification() {
    let rounds: usize = match std::env::var("NEPHOSCOPE_FAULT_ROUNDS") {
        Ok(text) => text.parse().expect("NEPHOSCOPE_FAULT_ROUNDS is not a number"),
        Err(_) => ROUNDS,
    };
    let mut world = World::new();
    // The first start declares the queues, without which the sender's messages have nowhere to go.
    world.agent.start();
    world.agent.wait_ready();

    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&world.broker.amqp_url(), &oracle).unwrap();
    producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
    for file in [world.agent.events(), world.agent.samples()] {
        wait_until("the first record", LONG, || (!read_lines(&file).is_empty()).then_some(())).unwrap();
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..BURST {
                    producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
                }
                producer.flush(LONG).unwrap();
                std::thread::sleep(PACE);
            }
        });
        // From here on a panic must end the sender, or the scope would wait for it for ever.
        let guard = StopOnDrop(&stop);
        let mut deck: Vec<Fault> = Vec::new();
        for _ in 0..rounds {
            if deck.is_empty() {
                deck = FAULTS.to_vec();
                fastrand::shuffle(&mut deck);
            }
            std::thread::sleep(milliseconds(0..300));
            world.strike(deck.pop().unwrap());
        }
        let mut more = 0;
        while !world.agent.has_duplicates(&oracle) && more < MORE_ROUNDS {
            more += 1;
            std::thread::sleep(milliseconds(0..400));
            world.strike(Fault::Kill);
        }
        drop(guard);
    });
    // Everything is in order again, as from here on.
    let probe = producer.notify(EXCHANGE, ROUTING_KEY).unwrap().to_string();
    let file = world.agent.events();
    let fresh = wait_until("a fresh message after the last fault", RECOVERY, || {
        read_lines(&file).iter().any(|line| line.contains(&probe)).then_some(())
    });
    if let Err(late) = fresh {
        let (_, metrics) = world.agent.get("/metrics");
        let figures = |line: &&str| !line.starts_with('#') && !line.ends_with(" 0");
        let metrics: Vec<&str> = metrics.lines().filter(figures).collect();
        let sent = oracle.confirmed();
        panic!(
            "{late}; {sent} sent, {} events written\n{}\n{}",
            read_lines(&file).len(),
            metrics.join("\n"),
            world.agent.process().output()
        );
    }
    producer.flush(LONG).unwrap();
    wait_until("everything delivered", LONG, || {
        let events = harness::judge_events(&oracle, &world.agent.events());
        let samples = harness::judge_samples(&oracle, &world.agent.samples());
        (events.is_good() && samples.is_good()).then_some(())
    })
    .ok();
    let status = world.agent.terminate();
    assert!(status.success(), "{status}");
    let events = assert_complete(&oracle, &world.agent.events(), &world.agent.samples());
    println!("{:?}: {events}", FAULTS.iter().zip(world.counts).collect::<Vec<_>>());
    assert!(oracle.confirmed() > rounds * 10, "too little traffic to mean anything: {}", oracle.confirmed());
    assert!(events.duplicates() > 0, "no fault made the broker deliver anything again: {events}");
    assert!(rounds < FAULTS.len() || world.counts.iter().all(|count| *count > 0), "{:?}", world.counts);
}

struct StopOnDrop<'flag>(&'flag AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
