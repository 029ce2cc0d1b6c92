//! The cache of `[cache]`, which agents share: what one has told Gnocchi the others need not tell.

use std::sync::Arc;
use std::time::Duration;

use model::Sample;
use openstack::{Cache, CacheOptions, MemcachedOptions, RedisOptions};
use pipeline::Records;
use testkit::CacheServer;

use crate::fake::Fake;
use crate::support::{House, event, plain};

/// Far more than an answer takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cache that looks at its server again at once when that was away.
fn memcached(server: &CacheServer) -> Cache {
    let options = MemcachedOptions {
        servers: vec![server.address()],
        dead_retry: Duration::ZERO,
        timeout: PATIENCE,
        ..MemcachedOptions::default()
    };
    Cache::new(CacheOptions::Memcached(options)).unwrap()
}

fn redis(server: &CacheServer) -> Cache {
    let options = RedisOptions { server: server.address(), timeout: PATIENCE, ..RedisOptions::default() };
    Cache::new(CacheOptions::Redis(options)).unwrap()
}

fn on(host: &str, minute: u32) -> Vec<Arc<Sample>> {
    vec![Arc::new(plain("cpu", "vm", minute, &format!(r#"{{"instance_host": "{host}"}}"#)))]
}

/// How many changes of resources the server has seen since the last call.
fn changes(fake: &Fake) -> usize {
    fake.lines().iter().filter(|line| line.starts_with("PATCH ")).count()
}

async fn agents_share(cache: impl Fn() -> Cache) {
    let fake = Fake::start();
    fake.has("instance", "vm");
    let agent = || House::sharing(&fake.url(), cache());
    let (mut one, mut other) = (agent(), agent());
    assert_eq!(one.samples(on("a", 1)).await, []);
    assert_eq!(changes(&fake), 1);
    // The other one need not say it again, nor one that has just been started.
    assert_eq!(other.samples(on("a", 2)).await, []);
    assert_eq!(agent().samples(on("a", 3)).await, []);
    assert_eq!(changes(&fake), 0);
    // There and back, each by another agent: the first one has not heard of it, and must not trust its memory.
    assert_eq!(other.samples(on("b", 4)).await, []);
    assert_eq!(one.samples(on("a", 5)).await, []);
    assert_eq!(changes(&fake), 2);
    // Other attributes of the same resource, again and again, are no news to who has said them.
    let without = || vec![Arc::new(plain("memory", "vm", 6, "{}"))];
    assert_eq!(one.samples(without()).await, []);
    changes(&fake);
    for _ in 0..3 {
        assert_eq!(one.samples(without()).await, []);
        assert_eq!(one.samples(on("a", 7)).await, []);
    }
    assert_eq!(changes(&fake), 0);
    // A resource that one has created is known to the other.
    let new = |minute| vec![Arc::new(plain("cpu", "new", minute, r#"{"instance_host": "c"}"#))];
    assert_eq!(one.samples(new(1)).await, []);
    assert_eq!(other.samples(new(2)).await, []);
    assert_eq!(changes(&fake), 0);
    // What an event says is said by the publisher of events, which shares as well.
    let transfer = || event("volume.transfer.accept.end", &[("resource_id", "vol"), ("project_id", "new")]);
    fake.has("volume", "vol");
    assert_eq!(one.events(vec![transfer()]).await, []);
    assert_eq!(other.events(vec![transfer()]).await, []);
    assert_eq!(changes(&fake), 1);
}

#[tokio::test]
async fn agents_share_memcached() {
    let server = CacheServer::memcached().unwrap();
    agents_share(|| memcached(&server)).await;
}

#[tokio::test]
async fn agents_share_redis() {
    let server = CacheServer::redis(None).unwrap();
    agents_share(|| redis(&server)).await;
}

/// The cache goes and comes: more is said than need be, nothing is lost and nothing stays wrong.
#[tokio::test]
async fn without_the_cache_everything_is_said_again() {
    let server = CacheServer::memcached().unwrap();
    let fake = Fake::start();
    fake.has("instance", "vm");
    let (mut one, mut other) =
        (House::sharing(&fake.url(), memcached(&server)), House::sharing(&fake.url(), memcached(&server)));
    assert_eq!(one.samples(on("a", 1)).await, []);
    server.stop().unwrap();
    changes(&fake);
    assert_eq!(one.samples(on("a", 2)).await, []);
    assert_eq!(other.samples(on("b", 3)).await, []);
    assert_eq!(one.samples(on("a", 4)).await, []);
    assert_eq!(changes(&fake), 3);
    assert!(one.metric("cache_failures_total{cause=\"get\"}") >= 2);
    server.start_again().unwrap();
    assert_eq!(one.samples(on("a", 5)).await, []);
    assert_eq!(other.samples(on("a", 6)).await, []);
    assert_eq!(changes(&fake), 1);
    assert_eq!(one.metric("measures_total") + other.metric("measures_total"), 6);
}

/// A request that fails leaves nothing in the cache that another agent would believe.
#[tokio::test]
async fn what_was_not_accepted_is_not_shared() {
    let server = CacheServer::redis(None).unwrap();
    let fake = Fake::start();
    fake.has("instance", "vm");
    let (mut one, mut other) =
        (House::sharing(&fake.url(), redis(&server)), House::sharing(&fake.url(), redis(&server)));
    assert_eq!(one.samples(on("a", 1)).await, []);
    fake.judge(|request| {
        request.line.starts_with("PATCH ").then(|| crate::fake::Answer::Json(503, serde_json::json!({})))
    });
    let group: Arc<[Records]> = Arc::new([Records::Samples(on("b", 2))]);
    one.offer(&group).await.unwrap_err();
    fake.behave();
    changes(&fake);
    // Nobody knows what the failed request has done.
    assert_eq!(other.samples(on("a", 3)).await, []);
    assert_eq!(changes(&fake), 1);
}
