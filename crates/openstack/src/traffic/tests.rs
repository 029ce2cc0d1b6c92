use std::sync::atomic::{AtomicUsize, Ordering};

use observability::clock::TestClock;
use observability::metrics::Metrics;
use reqwest::StatusCode;

use super::*;

struct World {
    traffic: Traffic,
    hand: TestClock,
    metrics: Metrics,
    sent: AtomicUsize,
}

impl World {
    fn new() -> Self {
        let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
        let metrics = Metrics::new();
        let counters = TrafficMetrics::register(&metrics.component("openstack"));
        let traffic = Traffic::new(TrafficLimits::default(), clock, counters);
        Self { traffic, hand, metrics, sent: AtomicUsize::new(0) }
    }

    /// One request with that result; the result's cause.
    async fn ask(&self, service: &str, result: Result<(), Error>) -> &'static str {
        self.ask_patiently(service, Duration::ZERO, move || result.clone()).await
    }

    async fn ask_patiently(
        &self,
        service: &str,
        patience: Duration,
        result: impl Fn() -> Result<(), Error>,
    ) -> &'static str {
        let send = || {
            self.sent.fetch_add(1, Ordering::Relaxed);
            std::future::ready(result())
        };
        let found = self.traffic.run(service, patience, |()| None, send).await;
        found.map_or_else(|error| error.cause(), |()| "ok")
    }

    fn sent(&self) -> usize {
        self.sent.swap(0, Ordering::Relaxed)
    }

    fn shows(&self, line: &str) {
        let text = self.metrics.prometheus_text();
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
}

fn status(status: u16, retry_after: Option<u64>) -> Error {
    let retry_after = retry_after.map(Duration::from_secs);
    let status = Some(StatusCode::from_u16(status).unwrap());
    Error::Unavailable { message: "m".into(), status, retry_after }
}

fn timeout() -> Error {
    Error::Timeout { message: "m".into() }
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_and_tried_again() {
    let world = World::new();
    for _ in 0..2 {
        assert_eq!(world.ask("volume", Err(status(500, None))).await, "unavailable");
    }
    // An answer between them, and they are not in a row.
    assert_eq!(world.ask("volume", Ok(())).await, "ok");
    for _ in 0..3 {
        assert_eq!(world.ask("volume", Err(status(500, None))).await, "unavailable");
    }
    assert_eq!(world.sent(), 6);
    assert_eq!(world.ask("volume", Ok(())).await, "left_alone");
    assert_eq!(world.ask("network", Ok(())).await, "ok");
    assert_eq!(world.sent(), 1);
    world.shows("nephoscope_openstack_circuits_open{service=\"volume\"} 1");
    world.shows("nephoscope_openstack_circuits_opened_total{service=\"volume\",cause=\"unavailable\"} 1");
    world.shows("nephoscope_openstack_requests_total{service=\"volume\",outcome=\"left_alone\"} 1");
    // One is let through; it fails.
    world.hand.advance(Duration::from_secs(30));
    assert_eq!(world.ask("volume", Err(status(502, None))).await, "unavailable");
    assert_eq!(world.ask("volume", Ok(())).await, "left_alone");
    assert_eq!(world.sent(), 1);
    world.hand.advance(Duration::from_secs(30));
    for _ in 0..2 {
        assert_eq!(world.ask("volume", Ok(())).await, "ok");
    }
    world.shows("nephoscope_openstack_circuits_open{service=\"volume\"} 0");
}

#[tokio::test]
async fn one_that_does_not_answer_is_left_alone_at_once_and_refusals_are_answers() {
    let world = World::new();
    for _ in 0..9 {
        let refused =
            Error::Refused { status: StatusCode::FORBIDDEN, message: "m".into(), body: crate::Bytes::new() };
        assert_eq!(world.ask("dns", Err(refused)).await, "refused");
    }
    assert_eq!(world.ask("dns", Err(timeout())).await, "timeout");
    assert_eq!(world.ask("dns", Ok(())).await, "left_alone");
    // Given up by whoever waits: the same.
    let never = world.traffic.run("image", Duration::ZERO, |()| None, std::future::pending);
    assert!(tokio::time::timeout(Duration::from_millis(1), never).await.is_err());
    assert_eq!(world.ask("image", Ok(())).await, "left_alone");
    // Keystone's trouble is not the service's.
    for _ in 0..9 {
        let credentials = Error::Credentials { message: "m".into() };
        assert_eq!(world.ask("share", Err(credentials)).await, "credentials");
    }
    assert_eq!(world.ask("share", Ok(())).await, "ok");
}

#[tokio::test]
async fn the_others_wait_for_the_one_that_tries() {
    let world = World::new();
    assert_eq!(world.ask("volume", Err(timeout())).await, "timeout");
    world.hand.advance(Duration::from_secs(30));
    world.sent();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let mut wait = Some(wait);
    let first = world.traffic.run(
        "volume",
        Duration::ZERO,
        |()| None,
        || {
            let wait = wait.take();
            async move {
                if let Some(wait) = wait {
                    let _ = wait.await;
                }
                Ok(())
            }
        },
    );
    let others = async {
        let (one, other) = tokio::join!(world.ask("volume", Ok(())), world.ask("volume", Ok(())));
        [one, other]
    };
    let release = async {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.sent(), 0);
        let _ = go.send(());
    };
    let (first, others, ()) = tokio::join!(first, others, release);
    assert!(first.is_ok());
    assert_eq!(others, ["ok", "ok"]);
}

#[tokio::test]
async fn patience_is_as_long_as_the_service_asks_for_and_no_longer_than_the_cycle() {
    let world = World::new();
    let answers = Mutex::new(vec![Ok(()), Err(status(503, None)), Err(status(429, Some(7)))]);
    let next = || answers.lock().unwrap().pop().unwrap();
    let asking = world.ask_patiently("volume", Duration::from_mins(1), next);
    let mut asking = std::pin::pin!(asking);
    let mut waited = 0;
    let found = loop {
        tokio::select! {
            biased;
            found = &mut asking => break found,
            () = tokio::task::yield_now() => {}
        }
        if world.hand.sleepers() > 0 {
            world.hand.advance(Duration::from_secs(1));
            waited += 1;
        }
    };
    assert_eq!((found, world.sent()), ("ok", 3));
    assert!(waited >= 9, "{waited}");
    world.shows("nephoscope_openstack_requests_repeated_total{service=\"volume\"} 2");
    // It asks for more than there is.
    let throttled = || Err(status(429, Some(61)));
    assert_eq!(world.ask_patiently("volume", Duration::from_mins(1), throttled).await, "throttled");
    assert_eq!(world.sent(), 1);
    // Without patience there is one try.
    assert_eq!(world.ask("volume", Err(status(503, Some(1)))).await, "unavailable");
    assert_eq!(world.sent(), 1);
}

#[tokio::test]
async fn so_many_are_under_way_at_a_time() {
    let world = World::new();
    let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ask = || {
        world.traffic.run(
            "volume",
            Duration::ZERO,
            |()| None,
            || async {
                let now = under_way.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
                tokio::task::yield_now().await;
                under_way.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            },
        )
    };
    let mut all: Vec<_> = (0..30).map(|_| Box::pin(ask())).collect();
    while let Some(mut one) = all.pop() {
        let others = std::future::poll_fn(|context| {
            all.retain_mut(|other| other.as_mut().poll(context).is_pending());
            one.as_mut().poll(context)
        });
        assert!(others.await.is_ok());
    }
    assert_eq!(most.load(Ordering::Relaxed), TrafficLimits::default().requests);
}
