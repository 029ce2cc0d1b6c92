//! kill -9 at random moments: nothing that the broker confirmed to the sender may be lost.
//!
//! `NEPHOSCOPE_KILL_ROUNDS` sets the number of rounds (20).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

#[path = "agent/harness.rs"]
mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::{Agent, EXCHANGE, ROUTING_KEY, assert_complete};
use testkit::{Oracle, Producer, shared_rabbitmq, wait_until};

const ROUNDS: usize = 20;
/// Rounds that are added when no kill has hit between sync and acknowledgement yet.
const MORE_ROUNDS: usize = 100;
/// Between two bursts of the sender, so that the stream goes on for the whole test without growing a backlog.
const BURST: usize = 50;

#[test]
fn no_kill_loses_a_notification() {
    let rounds = match std::env::var("NEPHOSCOPE_KILL_ROUNDS") {
        Ok(text) => text.parse().expect("NEPHOSCOPE_KILL_ROUNDS is not a number"),
        Err(_) => ROUNDS,
    };
    let vhost = shared_rabbitmq().vhost("kill").unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    // The first start declares the queues, without which the sender's messages have nowhere to go.
    agent.start();
    agent.wait_ready();

    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let stop = AtomicBool::new(false);
    let mut done = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..BURST {
                    producer.notify(EXCHANGE, ROUTING_KEY).unwrap();
                }
                producer.flush(Duration::from_mins(1)).unwrap();
            }
        });
        // From here on a panic must end the sender, or the scope would wait for it for ever.
        let guard = StopOnDrop(&stop);
        while done < rounds || (done < rounds + MORE_ROUNDS && !agent.has_duplicates(&oracle)) {
            done += 1;
            let work = Duration::from_millis(fastrand::u64(0..400));
            std::thread::sleep(work);
            agent.kill();
            agent.start();
            if done % 4 == 0 {
                // Not every round: some kills shall hit a start.
                agent.wait_ready();
            }
        }
        drop(guard);
    });
    producer.flush(Duration::from_mins(1)).unwrap();
    agent.wait_ready();
    wait_until("an empty queue", Duration::from_mins(2), || (vhost.total_depth().ok()? == 0).then_some(()))
        .unwrap();
    let status = agent.terminate();
    assert!(status.success(), "{status}");

    let events = assert_complete(&oracle, &agent.events(), &agent.samples());
    println!("{done} kills: {events}");
    assert!(oracle.confirmed() > done * 10, "too little traffic to mean anything: {}", oracle.confirmed());
    assert!(events.duplicates() > 0, "no kill made the broker deliver anything again: {events}");
}

struct StopOnDrop<'flag>(&'flag AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
