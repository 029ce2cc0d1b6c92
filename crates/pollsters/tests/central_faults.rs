//! What real services do only on their worst days, and what becomes of the central pollsters then.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; and tests live in real time"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use nephoscope_http::{ServerTlsOptions, tls};
use nephoscope_pollsters::Cycle;
use observability::clock::Clock;
use openstack::TrafficLimits;
use testkit::{CloudFault, IDENTITY_SERVICE, RecordedCloud, Recording};
use tokio_rustls::TlsAcceptor;

#[allow(dead_code, reason = "only its certificates")]
#[path = "../../http/tests/real/support.rs"]
mod certificates;
#[allow(dead_code, reason = "the oracle uses the rest")]
#[path = "support/recorded.rs"]
mod recorded;

use certificates::Certificates;
use recorded::{Central, recording, settings};

/// Entries of a page.
const PAGE: usize = 2;
/// Images of the recording.
const IMAGES: usize = 3;
const IMAGE: &str = "image";

/// Limits under which a test does not wait for long.
const QUICK: TrafficLimits = TrafficLimits {
    requests: 8,
    failures: 3,
    pause: Duration::from_millis(200),
    pause_max: Duration::from_millis(200),
    back_off: Duration::from_millis(10),
    back_off_max: Duration::from_millis(20),
};

struct World {
    cloud: RecordedCloud,
    central: Central,
}

impl World {
    fn new() -> Self {
        Self::of(recording(), Duration::from_secs(30))
    }

    fn of(recording: Recording, timeout: Duration) -> Self {
        let cloud = RecordedCloud::start(recording, PAGE).unwrap();
        Self::at(cloud, timeout, QUICK)
    }

    fn at(cloud: RecordedCloud, timeout: Duration, limits: TrafficLimits) -> Self {
        let central = Central::with(&cloud, settings(), limits, |options| options.timeout = timeout);
        Self { cloud, central }
    }

    /// How many images were read, or why not.
    async fn images(&self) -> Result<usize, String> {
        let cycle = Cycle::of_task(Clock::machine(), 60);
        let (readings, ended) = self.central.poll(&cycle, "image.size").await;
        ended.map(|()| readings.len())
    }

    fn shows(&self, series: &str) -> bool {
        let text = self.central.metrics.prometheus_text();
        text.lines().any(|line| line.starts_with(&format!("nephoscope_openstack_{series} ")))
    }
}

#[tokio::test]
async fn patience_where_a_service_asks_for_it() {
    for status in [429, 503] {
        let world = World::new();
        world.cloud.fault(IMAGE, CloudFault::Status(status, None), 2);
        assert_eq!(world.images().await, Ok(IMAGES), "{status}");
        assert!(world.shows("requests_repeated_total{service=\"image\"}"));
        // As it says itself.
        world.cloud.fault(IMAGE, CloudFault::Status(status, Some(1)), 1);
        let started = Instant::now();
        assert_eq!(world.images().await, Ok(IMAGES), "{status}");
        assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
        // For longer than the cycle: it is told, and not waited for.
        world.cloud.fault(IMAGE, CloudFault::Status(status, Some(61)), 1);
        let started = Instant::now();
        let error = world.images().await.unwrap_err();
        assert!(error.contains(&status.to_string()), "{error}");
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn every_fault_is_told_and_the_next_cycle_is_whole() {
    for (fault, words) in [
        (CloudFault::Status(500, None), "500 Internal Server Error"),
        (CloudFault::Garbage, "image"),
        (CloudFault::NoJson, "the answer is no JSON object"),
        (CloudFault::HalfBody, "image"),
        (CloudFault::Cut, "image"),
        (CloudFault::Status(403, None), "403 Forbidden"),
    ] {
        let world = World::new();
        // Also in the middle of the pages.
        for good in [0, 1] {
            assert_eq!(world.images().await, Ok(IMAGES));
            drop(world.cloud.requests());
            world.cloud.fault(IMAGE, CloudFault::Delay(Duration::ZERO), good);
            world.cloud.fault(IMAGE, fault.clone(), 1);
            let error = world.images().await.unwrap_err();
            assert!(error.contains(words), "{fault:?}: {error}");
            assert_eq!(world.images().await, Ok(IMAGES), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_service_that_never_answers_costs_one_wait_and_then_nothing() {
    // Long enough that what comes next comes meanwhile, also on a busy machine.
    let pause = Duration::from_secs(3);
    let limits = TrafficLimits { pause, pause_max: pause, ..QUICK };
    let cloud = RecordedCloud::start(recording(), PAGE).unwrap();
    let world = World::at(cloud, Duration::from_secs(2), limits);
    assert_eq!(world.images().await, Ok(IMAGES));
    world.cloud.fault(IMAGE, CloudFault::Silence, usize::MAX);
    let error = world.images().await.unwrap_err();
    assert!(error.contains("no answer within 2 s"), "{error}");
    drop(world.cloud.requests());
    let error = world.images().await.unwrap_err();
    assert!(error.contains("image: left alone for"), "{error}");
    assert_eq!(world.cloud.requests(), []);
    assert!(world.shows("circuits_open{service=\"image\"}"));
    assert!(world.shows("circuits_opened_total{service=\"image\",cause=\"timeout\"}"));
    world.cloud.heal();
    tokio::time::sleep(pause).await;
    assert_eq!(world.images().await, Ok(IMAGES));
}

#[tokio::test]
async fn keystone_may_be_down_at_the_start_and_tokens_may_be_revoked() {
    let world = World::new();
    world.cloud.fault(IDENTITY_SERVICE, CloudFault::Cut, usize::MAX);
    for _ in 0..5 {
        assert!(world.images().await.is_err());
    }
    // It was left alone as well, and no service is blamed for it.
    assert!(world.shows("circuits_opened_total{service=\"identity\",cause=\"unavailable\"}"));
    assert!(!world.shows("circuits_open{service=\"image\"}"));
    world.cloud.heal();
    tokio::time::sleep(QUICK.pause).await;
    assert_eq!(world.images().await, Ok(IMAGES));
    world.cloud.revoke_tokens();
    drop(world.cloud.requests());
    assert_eq!(world.images().await, Ok(IMAGES));
    // One is refused, one gives a token, and the pages.
    let requests = world.cloud.requests();
    assert_eq!(requests.len(), 2 + IMAGES.div_ceil(PAGE), "{requests:?}");
}

#[tokio::test]
async fn a_catalogue_without_the_service_is_no_failure_and_the_service_may_come() {
    let world = World::of(recording().without(&[IMAGE]), Duration::from_secs(30));
    assert_eq!(world.images().await, Ok(0));
    world.cloud.serve(recording(), PAGE);
    // The catalogue comes with a token.
    world.cloud.revoke_tokens();
    let cycle = Cycle::of_task(Clock::machine(), 60);
    assert!(!world.central.discover(&cycle, "tenant", None).await.unwrap().is_empty());
    assert_eq!(world.images().await, Ok(IMAGES));
}

/// The service behind TLS, whose certificate has expired, and one whose has not.
#[tokio::test]
async fn an_expired_certificate_is_named() {
    let certificates = Certificates::shared();
    for (certificate, is_good) in [("expired", false), ("server", true)] {
        let options = ServerTlsOptions {
            certfile: certificates.path(&format!("{certificate}.pem")),
            keyfile: Some(certificates.path(&format!("{certificate}.key"))),
            client_cafile: None,
            min_version: None,
        };
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_tls(&options).unwrap()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cloud =
            RecordedCloud::start(recording().elsewhere(IMAGE, &format!("https://{address}")), PAGE).unwrap();
        let behind = cloud.url().replace("http://", "");
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut server = tokio::net::TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        let central = Central::with(&cloud, settings(), QUICK, |options| {
            options.tls.cafile = Some(certificates.path("ca.pem"));
        });
        let cycle = Cycle::of_task(Clock::machine(), 60);
        let (readings, ended) = central.poll(&cycle, "image.size").await;
        if is_good {
            assert_eq!((readings.len(), ended), (IMAGES, Ok(())));
        } else {
            let error = ended.unwrap_err();
            assert!(error.to_lowercase().contains("expired"), "{error}");
        }
        serving.abort();
    }
}

/// 300 a page, and not one request more than there are pages.
#[tokio::test]
async fn a_cycle_costs_as_many_requests_as_there_are_pages() {
    let cloud = RecordedCloud::start(recording().with_copies("images", 1000), 300).unwrap();
    let central = Central::with(&cloud, settings(), QUICK, |_| ());
    for cycle in 0..2 {
        let (readings, ended) = central.poll(&Cycle::of_task(Clock::machine(), 60), "image.size").await;
        assert_eq!((readings.len(), ended), (1000, Ok(())));
        let requests = cloud.requests();
        let images = requests.iter().filter(|(service, _)| service == IMAGE).count();
        assert_eq!(images, 4, "{requests:?}");
        // Keystone is asked for its version, and for a token, once.
        assert_eq!(requests.len() - images, if cycle == 0 { 2 } else { 0 }, "{requests:?}");
    }
    // They are counted by service, and a token is one of Keystone's.
    let text = central.metrics.prometheus_text();
    for line in ["service=\"image\",outcome=\"ok\"} 8", "service=\"identity\",outcome=\"ok\"} 1"] {
        let line = format!("nephoscope_openstack_requests_total{{{line}");
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
}
