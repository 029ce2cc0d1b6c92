#![allow(clippy::disallowed_methods, reason = "tests may use plain tasks")]

use std::sync::atomic::{AtomicUsize, Ordering};

use model::{MeterKind, Subject};
use observability::metrics::Metrics;
use openstack::{AuthOptions, MemcachedOptions, ServiceFilter, Session, SessionOptions, Url};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A stand-in for Keystone that answers by the path's end, and counts.
struct Identity {
    url: Url,
    asked: Arc<AtomicUsize>,
}

impl Identity {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/v3", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut received = Vec::new();
                    while !received.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut received).await.unwrap() == 0 {
                            return;
                        }
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    let request = String::from_utf8(received).unwrap();
                    let path = request.split(' ').nth(1).unwrap();
                    let (status, body) = match path {
                        "/v3/users/u1" => ("200 OK", r#"{"user": {"id": "u1", "name": "alice"}}"#),
                        "/v3/projects/p1" => ("200 OK", r#"{"project": {"id": "p1", "name": "demo"}}"#),
                        "/v3/projects/down" => ("503 Service Unavailable", "{}"),
                        "/v3/projects/secret" => ("403 Forbidden", "{}"),
                        "/v3/projects/never" => return std::future::pending().await,
                        _ => ("404 Not Found", "{}"),
                    };
                    let length = body.len();
                    let head =
                        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                    stream.write_all((head + body).as_bytes()).await.unwrap();
                });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn resolver(url: &Url, cache: CacheOptions, clock: &Clock) -> NameResolver {
    resolver_with(url, Cache::new(cache).unwrap(), clock)
}

fn resolver_with(url: &Url, cache: Cache, clock: &Clock) -> NameResolver {
    let session =
        Session::new(SessionOptions::new(AuthOptions::None { endpoint: Some(url.clone()) })).unwrap();
    let identity = Service::new(session, ServiceFilter::new("identity"));
    NameResolver::new(identity, cache, clock.clone()).unwrap()
}

const TEN_MINUTES: CacheOptions = CacheOptions::InProcess { expiration: Duration::from_mins(10) };

fn sample(user: &str, project: &str) -> Arc<Sample> {
    Arc::new(Sample {
        name: "m".into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: 1.into(),
        subject: Subject {
            user_id: user.into(),
            project_id: project.into(),
            resource_metadata: Value::Null.into(),
            ..Subject::new("r")
        }
        .into(),
        timestamp: "2026-11-25T12:00:00".into(),
        source: "openstack".into(),
        id: "i".into(),
        monotonic_time: None,
    })
}

fn names(sample: &Sample) -> (Option<&str>, Option<&str>) {
    (sample.user_name.as_str(), sample.project_name.as_str())
}

fn metrics() -> NameMetrics {
    NameMetrics::register(&Metrics::new().component("notification"))
}

#[tokio::test]
async fn each_name_is_asked_for_once() {
    let identity = Identity::start().await;
    let (metrics, clock) = (metrics(), Clock::machine());
    let names_of = resolver(&identity.url, TEN_MINUTES, &clock);
    let mut samples = vec![
        sample("u1", "p1"),
        sample("u1", "p1"),
        sample("", "gone"),
        sample("u1", "p1"),
        sample("u1", "p1"),
    ];
    // The last one does not want it.
    names_of.fill(&mut samples, &[0, 1, 2, 3], &metrics).await;
    assert_eq!(names(&samples[0]), (Some("alice"), Some("demo")));
    assert_eq!(names(&samples[3]), (Some("alice"), Some("demo")));
    assert_eq!(names(&samples[2]), (None, None));
    assert_eq!(names(&samples[4]), (None, None));
    assert_eq!(identity.asked(), 3);
    names_of.fill(&mut samples, &[2, 4], &metrics).await;
    assert_eq!(names(&samples[4]), (Some("alice"), Some("demo")));
    assert_eq!(identity.asked(), 3);
    let count = |lookup| metrics.lookups.get(lookup);
    assert_eq!((count(NameLookup::Found), count(NameLookup::Unknown), count(NameLookup::Cached)), (2, 2, 2));
}

/// The same cache holds what Gnocchi was told of a resource, whose id may be a user's.
#[tokio::test]
async fn what_the_gnocchi_publisher_remembers_is_no_name() {
    let identity = Identity::start().await;
    let cache = Cache::new(TEN_MINUTES).unwrap();
    cache.set("u1", &"0a".repeat(64)).await.unwrap();
    let names_of = resolver_with(&identity.url, cache, &Clock::machine());
    let mut samples = vec![sample("u1", "p1")];
    names_of.fill(&mut samples, &[0], &metrics()).await;
    assert_eq!(names(&samples[0]), (Some("alice"), Some("demo")));
}

#[tokio::test]
async fn a_keystone_in_trouble_is_left_alone_for_a_while() {
    let identity = Identity::start().await;
    let (clock, hand) = Clock::test("2026-11-26T02:00:00Z".parse().unwrap());
    let metrics = metrics();
    let names_of = resolver(&identity.url, TEN_MINUTES, &clock);
    let mut samples = vec![sample("", "down"), sample("u1", "")];
    names_of.fill(&mut samples, &[0], &metrics).await;
    names_of.fill(&mut samples, &[1], &metrics).await;
    assert_eq!(names(&samples[1]), (None, None));
    assert_eq!(identity.asked(), 1);
    hand.advance(REST);
    names_of.fill(&mut samples, &[1], &metrics).await;
    assert_eq!(names(&samples[1]), (Some("alice"), None));
    let count = |lookup| metrics.lookups.get(lookup);
    assert_eq!((count(NameLookup::Failed), count(NameLookup::Resting), count(NameLookup::Found)), (1, 1, 1));
}

#[tokio::test]
async fn one_name_that_may_not_be_seen_does_not_stop_the_others() {
    let identity = Identity::start().await;
    let metrics = metrics();
    let names_of = resolver(&identity.url, TEN_MINUTES, &Clock::machine());
    let mut samples = vec![sample("", "secret"), sample("u1", "")];
    names_of.fill(&mut samples, &[0], &metrics).await;
    names_of.fill(&mut samples, &[1], &metrics).await;
    assert_eq!((names(&samples[0]), names(&samples[1])), ((None, None), (Some("alice"), None)));
    assert_eq!(metrics.lookups.get(NameLookup::Failed), 1);
}

#[tokio::test]
async fn a_batch_does_not_wait_longer_than_its_deadline() {
    let identity = Identity::start().await;
    let metrics = metrics();
    let mut names_of = resolver(&identity.url, TEN_MINUTES, &Clock::machine());
    names_of.deadline = Duration::from_millis(50);
    let mut samples = vec![sample("", "never")];
    names_of.fill(&mut samples, &[0], &metrics).await;
    assert_eq!(names(&samples[0]), (None, None));
    assert_eq!(metrics.lookups.get(NameLookup::Failed), 1);
}

#[tokio::test]
async fn a_cache_that_is_down_costs_nothing_but_the_asking() {
    let identity = Identity::start().await;
    let metrics = metrics();
    // Nobody listens on port 1.
    let down = MemcachedOptions { servers: vec!["127.0.0.1:1".into()], ..MemcachedOptions::default() };
    let names_of = resolver(&identity.url, CacheOptions::Memcached(down), &Clock::machine());
    let mut samples = vec![sample("u1", "p1")];
    names_of.fill(&mut samples, &[0], &metrics).await;
    assert_eq!(names(&samples[0]), (Some("alice"), Some("demo")));
    assert!(metrics.cache_failures.sum() > 0);
}
