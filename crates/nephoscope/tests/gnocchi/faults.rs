//! Our agent while its Gnocchi is killed, cut off, stalled, refused and slow, at random moments: every measure arrives, in its
//! order, and memory stays bounded however long Gnocchi is away.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Gnocchi, Oracle, Producer, Proxy, Vhost, shared_rabbitmq, wait_until};

use crate::day::ready_gnocchi;
use crate::harness::{Agent, EXCHANGE, ROUTING_KEY};

const ROUNDS: usize = 6;
const AWAY_SECONDS: usize = 5;
/// Images of which every message has one: each has a metric.
const IMAGES: usize = 20;
/// Between two points of all images while faults strike, and while Gnocchi is away.
const PACE: Duration = Duration::from_millis(60);
const FAST: Duration = Duration::from_millis(30);
/// Each point is an aggregate of its own.
const POINT_SECONDS: i64 = 300;
/// 2026-07-01.
const FIRST_SECONDS: i64 = 1_782_864_000;
/// More than it takes to be without any bound.
const RESIDENT_BYTES_MAX: u64 = 100 << 20;
const LONG: Duration = Duration::from_mins(5);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// kill -9 of Gnocchi, and a new start.
    GnocchiDown,
    /// All connections are reset.
    Cut,
    /// Connections are open and carry nothing.
    Stall,
    /// Connections are refused.
    Refuse,
    /// Every packet is late, and few bytes pass.
    Slow,
    /// kill -9 of the agent, and a new start.
    AgentDown,
}

const FAULTS: [Fault; 6] =
    [Fault::GnocchiDown, Fault::Cut, Fault::Stall, Fault::Refuse, Fault::Slow, Fault::AgentDown];

/// An agent whose samples go to Gnocchi by way of the proxy.
fn agent(vhost: &Vhost<'_>, proxy: &Proxy) -> Agent {
    let agent = Agent::new(&vhost.transport_url())
        .durable()
        .with("service_credentials", "auth_type = gnocchi-basic")
        .with("service_credentials", "user = admin")
        .with("service_credentials", format!("endpoint = http://127.0.0.1:{}", proxy.port()))
        .with("nephoscope", "buffer_spill_seconds = 1");
    let text = "sources: [{name: s, meters: ['*'], sinks: [k]}]\nsinks: [{name: k, publishers: ['gnocchi://?timeout=3']}]\n";
    fs::write(agent.path("pipeline.yaml"), text).unwrap();
    agent
}

fn image(number: usize) -> String {
    format!("6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f{number:04x}")
}

/// The time of a point, in UTC.
fn time(point: usize) -> String {
    let seconds = FIRST_SECONDS + i64::try_from(point).unwrap() * POINT_SECONDS;
    model::Timestamp::from_microseconds(seconds * 1_000_000).unwrap().to_iso()
}

fn value(image: usize, point: usize) -> usize {
    image * 1_000_000 + point
}

/// The notification from which the measure of a point comes.
fn notification(id: &str, number: usize, point: usize) -> String {
    let payload = json!({
        "id": image(number), "name": "cirros", "size": value(number, point), "owner": "p", "disk_format": "raw",
        "container_format": "bare",
    });
    let message = json!({
        "message_id": id, "publisher_id": "image.host", "event_type": "image.upload", "priority": "INFO",
        "payload": payload, "timestamp": time(point).replace('T', " "),
    });
    json!({"oslo.version": "2.0", "oslo.message": message.to_string()}).to_string()
}

/// Publishes points of all images, one after the other, until it is told to stop.
struct Source<'s> {
    oracle: &'s Oracle,
    producer: &'s Producer,
    points: AtomicUsize,
    stop: AtomicBool,
}

impl<'s> Source<'s> {
    fn new(oracle: &'s Oracle, producer: &'s Producer) -> Self {
        Self { oracle, producer, points: AtomicUsize::new(0), stop: AtomicBool::new(false) }
    }

    fn run(&self, pace: Duration) {
        while !self.stop.load(Ordering::Relaxed) {
            let point = self.points.fetch_add(1, Ordering::Relaxed);
            for number in 0..IMAGES {
                let id = self.oracle.issue();
                let body = notification(&id.to_string(), number, point);
                self.producer.publish(id, EXCHANGE, ROUTING_KEY, &body).unwrap();
            }
            std::thread::sleep(pace);
        }
    }

    /// Waits until there were so many points: on a busy machine they come slowly.
    fn wait_for(&self, points: usize) {
        wait_until("points", LONG, || (self.points.load(Ordering::Relaxed) > points).then_some(())).unwrap();
    }
}

/// Ends a source, also when a test panics: or its thread would be waited for, for ever.
struct StopOnDrop<'flag>(&'flag AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What Gnocchi lacks of so many points: nothing, when all is well.
fn missing(gnocchi: &Gnocchi, points: usize) -> Vec<String> {
    let mut missing = Vec::new();
    for number in 0..IMAGES {
        let path = format!("/v1/resource/image/{}/metric/image.size/measures?refresh=true", image(number));
        let measures = gnocchi.get(&path).unwrap_or_default();
        let seen: Vec<(String, f64)> = measures
            .as_array()
            .into_iter()
            .flatten()
            .map(|measure| {
                let time: String = measure[0].as_str().unwrap().chars().take(19).collect();
                (time, measure[2].as_f64().unwrap())
            })
            .collect();
        let mut seen = seen.into_iter().peekable();
        for point in 0..points {
            let expected = (time(point), f64::from(u32::try_from(value(number, point)).unwrap()));
            if seen.next_if(|measure| *measure == expected).is_none() {
                missing.push(format!("{expected:?} of image {number} (there: {:?})", seen.peek()));
            }
        }
        missing.extend(seen.map(|measure| format!("{measure:?} of image {number} was never sent")));
    }
    missing
}

/// Waits until the agent has delivered everything, and looks at all of it.
fn assert_complete(agent: &mut Agent, vhost: &Vhost<'_>, gnocchi: &Gnocchi, points: usize) {
    agent.wait_ready();
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    // On disk or in memory.
    let waiting = ["nephoscope_pipeline_records_waiting", "nephoscope_pipeline_buffer_records"];
    let delivered = wait_until("everything delivered", LONG, || {
        waiting.iter().all(|name| agent.metric_sum(name) < 0.5).then_some(())
    });
    if let Err(late) = delivered {
        let (_, page) = agent.get("/readyz");
        panic!("{late}: {page}\n{}", agent.process().output());
    }
    let missing = missing(gnocchi, points);
    assert!(
        missing.is_empty(),
        "{} of {} measures: {:?}",
        missing.len(),
        points * IMAGES,
        &missing[..missing.len().min(5)]
    );
    assert_eq!(agent.letters(), Vec::<Value>::new());
}

fn milliseconds(range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(fastrand::u64(range))
}

/// One fault from its beginning to its end.
fn strike(fault: Fault, gnocchi: &Gnocchi, proxy: &Proxy, agent: &mut Agent) {
    let lasting = || std::thread::sleep(milliseconds(100..2_500));
    match fault {
        Fault::GnocchiDown => {
            gnocchi.kill().unwrap();
            std::thread::sleep(milliseconds(0..1_000));
            gnocchi.start_again().unwrap();
        }
        Fault::Cut => {
            proxy.cut().unwrap();
        }
        Fault::Stall => {
            proxy.stall();
            // Longer than the publisher waits, now and then.
            std::thread::sleep(milliseconds(500..5_000));
            proxy.resume();
        }
        Fault::Refuse => {
            proxy.refuse();
            proxy.cut().unwrap();
            lasting();
            proxy.accept().unwrap();
        }
        Fault::Slow => {
            proxy.delay(milliseconds(50..1_500));
            proxy.bandwidth(Some(fastrand::u64(2_000..50_000)));
            lasting();
            proxy.delay(Duration::ZERO);
            proxy.bandwidth(None);
        }
        Fault::AgentDown => {
            agent.kill();
            agent.start();
        }
    }
}

#[test]
fn every_measure_arrives_whatever_happens_to_gnocchi() {
    let rounds = crate::number("NEPHOSCOPE_GNOCCHI_ROUNDS", ROUNDS);
    let gnocchi = ready_gnocchi();
    let proxy = Proxy::to_port(gnocchi.port()).unwrap();
    let vhost = shared_rabbitmq().vhost("gnocchi-faults").unwrap();
    let mut agent = agent(&vhost, &proxy);
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let source = Source::new(&oracle, &producer);
    let mut counts = [0; FAULTS.len()];
    std::thread::scope(|scope| {
        scope.spawn(|| source.run(PACE));
        let _guard = StopOnDrop(&source.stop);
        let mut deck: Vec<Fault> = Vec::new();
        for _ in 0..rounds {
            if deck.is_empty() {
                deck = FAULTS.to_vec();
                fastrand::shuffle(&mut deck);
            }
            let fault = deck.pop().unwrap();
            counts[FAULTS.iter().position(|known| *known == fault).unwrap()] += 1;
            std::thread::sleep(milliseconds(0..500));
            strike(fault, &gnocchi, &proxy, &mut agent);
        }
        // Fewer would not mean anything.
        source.wait_for(rounds * 10);
    });
    producer.flush(LONG).unwrap();
    let points = source.points.load(Ordering::Relaxed);
    assert_complete(&mut agent, &vhost, &gnocchi, points);
    println!("{:?}: {} measures", FAULTS.iter().zip(counts).collect::<Vec<_>>(), points * IMAGES);
    assert!(agent.terminate().success());
}

#[test]
fn memory_is_bounded_while_gnocchi_is_away_and_everything_arrives_later() {
    let seconds = crate::number("NEPHOSCOPE_GNOCCHI_AWAY_SECONDS", AWAY_SECONDS) as u64;
    let gnocchi = ready_gnocchi();
    let proxy = Proxy::to_port(gnocchi.port()).unwrap();
    proxy.refuse();
    let vhost = shared_rabbitmq().vhost("gnocchi-away").unwrap();
    let mut agent = agent(&vhost, &proxy);
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let source = Source::new(&oracle, &producer);
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| source.run(FAST));
        let _guard = StopOnDrop(&source.stop);
        std::thread::sleep(Duration::from_secs(seconds));
        source.wait_for(20);
    });
    producer.flush(LONG).unwrap();
    // All of it is with the agent by then, in memory and on disk.
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    let away = agent.process().memory().unwrap();
    let took = began.elapsed();
    proxy.accept().unwrap();
    let points = source.points.load(Ordering::Relaxed);
    assert_complete(&mut agent, &vhost, &gnocchi, points);
    let drained = agent.process().memory().unwrap();
    println!("{} notifications in {took:?}; away: {away:?}, drained: {drained:?}", points * IMAGES);
    assert!(
        away.peak_bytes < RESIDENT_BYTES_MAX && drained.peak_bytes < RESIDENT_BYTES_MAX,
        "{away:?} {drained:?}"
    );
    assert!(agent.terminate().success());
}
