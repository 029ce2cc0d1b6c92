//! Our agent while its Gnocchi is killed, cut off, stalled, refused and slow, at random moments: every measure arrives, in its
//! order, and memory stays bounded however long Gnocchi is away.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Gnocchi, Oracle, Producer, Proxy, Vhost, shared_rabbitmq, wait_until};

use crate::day::ready_gnocchi;
use crate::harness::Agent;
use crate::points::{IMAGES, LONG, Source, StopOnDrop, image, missing_of};

const ROUNDS: usize = 6;
const AWAY_SECONDS: usize = 5;
/// Between two points of all images while faults strike, and while Gnocchi is away.
const PACE: Duration = Duration::from_millis(60);
const FAST: Duration = Duration::from_millis(30);
/// More than it takes to be without any bound.
const RESIDENT_BYTES_MAX: u64 = 100 << 20;

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

/// What Gnocchi lacks of so many points: nothing, when all is well.
fn missing(gnocchi: &Gnocchi, points: usize) -> Vec<String> {
    let measures = |number| {
        let path = format!("/v1/resource/image/{}/metric/image.size/measures?refresh=true", image(number));
        gnocchi.get(&path).unwrap_or_default()
    };
    (0..IMAGES).flat_map(|number| missing_of(number, points, &measures(number))).collect()
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
