//! At a Redis.

use std::fmt::Write as _;
use std::time::Duration;

use observability::clock::Clock;
use redis::{Redis, RedisOptions};
use testkit::{CacheServer, RedisUnderSentinels};

use crate::harness::{GROUP, Member, PATIENCE, behaves, share, stands_an_outage, stands_nonsense};
use crate::python::members_in_both_languages_share;

fn client(server: &CacheServer) -> Redis {
    let options = RedisOptions {
        option: "server",
        tls_options: "none",
        server: server.address(),
        sentinels: None,
        database: 0,
        username: None,
        password: None,
        timeout: PATIENCE,
        rest: Duration::ZERO,
        tls: None,
        sentinel_tls: None,
        sentinel_username: None,
        sentinel_password: None,
        reply_bytes_max: 1000,
    };
    Redis::new(&options, &Clock::machine()).unwrap()
}

#[tokio::test]
async fn members_share_at_a_redis_with_a_password() {
    let redis = CacheServer::redis(Some("a:pass@word")).unwrap();
    behaves(&format!("redis://default:a:pass@word@{}?db=3&membership_timeout=1.5", redis.address())).await;
}

#[tokio::test]
async fn members_share_over_tls() {
    let redis = CacheServer::redis_tls().unwrap();
    let files = redis.certificates().unwrap();
    let url = format!(
        "redis://{}?ssl=true&ssl_ca_certs={}&ssl_certfile={}&ssl_keyfile={}",
        redis.address(),
        files.ca.display(),
        files.client_certificate.display(),
        files.client_key.display()
    );
    share(&[&Member::new(&url, "a"), &Member::new(&url, "b")]).await;
}

/// It comes back empty.
#[tokio::test]
async fn an_outage_of_redis_changes_nothing() {
    let redis = CacheServer::redis(None).unwrap();
    let url = format!("redis://{}?membership_timeout=3", redis.address());
    stands_an_outage(&url, || redis.stop().unwrap(), || redis.start_again().unwrap()).await;
}

/// Members that are none, and a key of another kind.
#[tokio::test]
async fn nonsense_in_redis_is_left_out_or_waited_for() {
    let redis = CacheServer::redis(None).unwrap();
    let url = format!("redis://{}?membership_timeout=1.5", redis.address());
    let client = client(&redis);
    let group = format!("_tooz_group:{GROUP}");
    for member in [&b"\xff\xfe"[..], b"dead", b""] {
        client.command(&[b"HSET", group.as_bytes(), member, b"\xc1nonsense"]).await.unwrap();
    }
    // It lives, and nobody can tell its name.
    client.command(&[b"SET", b"_tooz_beats:\xff\xfe", b"x"]).await.unwrap();
    stands_nonsense(
        &url,
        "answer",
        async || drop(client.command(&[b"SET", group.as_bytes(), b"no hash"]).await.unwrap()),
        async || drop(client.command(&[b"DEL", group.as_bytes()]).await.unwrap()),
    )
    .await;
}

/// The master dies, and the sentinels name another one: a replica, to which nothing may have been told yet.
#[tokio::test]
async fn members_follow_the_master_that_sentinels_name() {
    let watched = RedisUnderSentinels::start("secret").unwrap();
    let sentinels = watched.sentinels();
    let mut url =
        format!("redis://:secret@{}?sentinel={}&membership_timeout=3", sentinels[0], watched.name());
    for fallback in &sentinels[1..] {
        let _ = write!(url, "&sentinel_fallback={fallback}");
    }
    let (a, b) = (Member::new(&url, "a"), Member::new(&url, "b"));
    let before = share(&[&a, &b]).await.swap_remove(0);
    watched.kill_master().unwrap();
    assert_eq!(a.part().await, before);
    let waited = tokio::time::timeout(2 * PATIENCE, async {
        while ![&a, &b].iter().all(|member| member.has("nephoscope_coordination_up 1")) {
            // Once it is back, it believes the others to be there for a while only.
            if !a.has("nephoscope_coordination_up 1") {
                assert_eq!(a.part().await, before);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(waited.await.is_ok(), "no new master is found");
    share(&[&a, &b]).await;
}

/// Whoever starts while Redis is away waits for it for a while, and then does everything.
#[tokio::test]
async fn a_start_without_redis_waits_and_then_goes_on_alone() {
    let redis = CacheServer::redis(None).unwrap();
    let url = format!("redis://{}?membership_timeout=1", redis.address());
    redis.stop().unwrap();
    let started = std::time::Instant::now();
    let alone = Member::new(&url, "a");
    assert!(alone.membership.look().await.is_none());
    assert!(alone.membership.for_cycle().await.is_none());
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    // Nobody waits a second time.
    assert!(alone.membership.for_cycle().await.is_none());
    let url = format!("redis://{}", redis.address());
    let patient = Member::new(&url, "b");
    assert!(patient.membership.look().await.is_none());
    assert!(patient.health().contains("waiting to see the other agents"), "{}", patient.health());
    let (seen, ()) = tokio::join!(patient.membership.for_cycle(), async { redis.start_again().unwrap() });
    assert!(seen.is_some());
    share(&[&alone, &patient]).await;
}

#[tokio::test]
async fn members_in_both_languages_share_at_a_redis() {
    let redis = CacheServer::redis(None).unwrap();
    members_in_both_languages_share(&format!("redis://{}", redis.address())).await;
}
