//! The caches against a real memcached and Redis, and their entries against dogpile.cache.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test, in real time")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use nephoscope_http::TlsOptions;
use nephoscope_openstack::{Cache, CacheOptions, MemcachedOptions, RedisOptions, RedisSentinels};
use observability::clock::Clock;
use testkit::{CacheServer, RedisUnderSentinels, until, venv_python};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A busy machine may take longer than the default.
const PATIENCE: Duration = Duration::from_secs(20);

fn patient_memcached() -> MemcachedOptions {
    MemcachedOptions { timeout: PATIENCE, ..MemcachedOptions::default() }
}

fn patient_redis() -> RedisOptions {
    RedisOptions { timeout: PATIENCE, ..RedisOptions::default() }
}

/// Values that a back end must carry as they are.
const VALUES: [&str; 5] = ["admin", "", "Düsseldorf \u{1F600}", "a\r\nEND\r\nb|c", " "];

/// What every back end does.
fn behaves(runtime: &tokio::runtime::Runtime, make: impl Fn(Clock) -> Cache) {
    let (clock, hand) = Clock::test(Timestamp::now());
    let (cache, other) = (make(clock.clone()), make(clock));
    runtime.block_on(async {
        assert_eq!(cache.get("nothing").await.unwrap(), None);
        for (number, value) in VALUES.into_iter().enumerate() {
            let key = format!("ключ {number}");
            cache.set(&key, value).await.unwrap();
            assert_eq!(cache.get(&key).await.unwrap().as_deref(), Some(value));
            // Agents share what is there.
            assert_eq!(other.get(&key).await.unwrap().as_deref(), Some(value));
        }
        let long = "x".repeat(60_000);
        cache.set("long", &long).await.unwrap();
        assert_eq!(cache.get("long").await.unwrap(), Some(long));
        cache.set("too long", &"x".repeat(100_000)).await.unwrap();
        assert_eq!(cache.get("too long").await.unwrap(), None);
        hand.advance(Duration::from_mins(10) + Duration::from_secs(1));
        assert_eq!(cache.get("ключ 0").await.unwrap(), None);
        cache.set("ключ 0", "new").await.unwrap();
        assert_eq!(cache.get("ключ 0").await.unwrap().as_deref(), Some("new"));
    });
}

/// A server that goes and comes again.
fn recovers(runtime: &tokio::runtime::Runtime, server: &CacheServer, make: impl Fn(Clock) -> Cache) {
    let (clock, hand) = Clock::test(Timestamp::now());
    let cache = make(clock);
    runtime.block_on(cache.set("k", "v")).unwrap();
    server.stop().unwrap();
    let error = runtime.block_on(cache.get("k")).unwrap_err();
    assert_eq!(error.cause(), "connection", "{error}");
    let error = runtime.block_on(cache.get("k")).unwrap_err();
    assert_eq!(error.cause(), "resting", "{error}");
    server.start_again().unwrap();
    hand.advance(Duration::from_mins(5));
    assert_eq!(runtime.block_on(cache.get("k")).unwrap(), None);
    runtime.block_on(cache.set("k", "w")).unwrap();
    // A restart that nobody noticed: the connection is made anew.
    server.stop().unwrap();
    server.start_again().unwrap();
    runtime.block_on(cache.set("k", "x")).unwrap();
    assert_eq!(runtime.block_on(cache.get("k")).unwrap().as_deref(), Some("x"));
}

#[test]
fn memcached_keeps_names() {
    let (one, two) = (CacheServer::memcached().unwrap(), CacheServer::memcached().unwrap());
    let runtime = runtime();
    let memcached = |servers: Vec<String>| {
        move |clock| {
            let options = MemcachedOptions { servers: servers.clone(), ..patient_memcached() };
            Cache::with_clock(CacheOptions::Memcached(options), clock).unwrap()
        }
    };
    behaves(&runtime, memcached(vec![one.address()]));
    behaves(&runtime, memcached(vec![one.address(), two.address()]));
    recovers(&runtime, &one, memcached(vec![one.address()]));
    // With a second server, a key finds another place while its own is down.
    let (clock, _hand) = Clock::test(Timestamp::now());
    let cache = memcached(vec![one.address(), two.address()])(clock);
    one.stop().unwrap();
    let carried = (0..20).filter(|number| {
        let key = number.to_string();
        let _ = runtime.block_on(cache.set(&key, "v"));
        runtime.block_on(cache.set(&key, "v")).is_ok() && runtime.block_on(cache.get(&key)).unwrap().is_some()
    });
    assert_eq!(carried.count(), 20);
}

#[test]
fn redis_keeps_names() {
    let server = CacheServer::redis(Some("swordfish")).unwrap();
    let runtime = runtime();
    let options = |password: Option<&str>| RedisOptions {
        server: server.address(),
        database: 3,
        password: password.map(|password| password.to_owned().into()),
        ..patient_redis()
    };
    let redis = |clock| Cache::with_clock(CacheOptions::Redis(options(Some("swordfish"))), clock).unwrap();
    behaves(&runtime, redis);
    recovers(&runtime, &server, redis);
    for (password, words) in [(Some("wrong"), "WRONGPASS"), (None, "NOAUTH")] {
        let cache = Cache::new(CacheOptions::Redis(options(password))).unwrap();
        let error = runtime.block_on(cache.get("k")).unwrap_err();
        assert_eq!(error.cause(), "answer");
        let text = error.to_string();
        assert!(text.contains(words) && !text.contains("swordfish"), "{text}");
    }
}

/// TLS towards a server whose certificate is for 127.0.0.1 and which demands one of its clients.
fn over_tls(
    runtime: &tokio::runtime::Runtime,
    server: &CacheServer,
    options: impl Fn(TlsOptions) -> CacheOptions,
) {
    let files = server.certificates().unwrap();
    let right = TlsOptions {
        cafile: Some(files.ca.clone()),
        certfile: Some(files.client_certificate.clone()),
        keyfile: Some(files.client_key.clone()),
        ..TlsOptions::default()
    };
    let make = |clock| Cache::with_clock(options(right.clone()), clock).unwrap();
    behaves(runtime, make);
    recovers(runtime, server, make);
    let fails = |tls: TlsOptions| {
        let cache = Cache::new(options(tls)).unwrap();
        let error = runtime.block_on(cache.get("k")).unwrap_err();
        assert_eq!(error.cause(), "connection", "{error}");
        error.to_string()
    };
    let error = fails(TlsOptions { cafile: Some(files.stranger_ca.clone()), ..right.clone() });
    assert!(error.contains("certificate"), "{error}");
    // Without a certificate of its own a client is refused; how that shows depends on when the server says so.
    fails(TlsOptions { certfile: None, keyfile: None, ..right.clone() });
    let nowhere = TlsOptions { cafile: Some("/no/ca.pem".into()), ..right };
    let error = Cache::new(options(nowhere)).unwrap_err().to_string();
    assert!(error.contains("/no/ca.pem") && error.contains("tls_cafile"), "{error}");
}

#[test]
fn memcached_keeps_names_over_tls() {
    let server = CacheServer::memcached_tls().unwrap();
    over_tls(&runtime(), &server, |tls| {
        let servers = vec![server.address()];
        CacheOptions::Memcached(MemcachedOptions { servers, tls: Some(tls), ..patient_memcached() })
    });
}

#[test]
fn redis_keeps_names_over_tls() {
    let server = CacheServer::redis_tls().unwrap();
    over_tls(&runtime(), &server, |tls| {
        CacheOptions::Redis(RedisOptions { server: server.address(), tls: Some(tls), ..patient_redis() })
    });
}

/// The master dies, its replica takes over, and the old one comes back as a replica.
#[test]
fn the_master_that_sentinels_name_is_asked() {
    let servers = RedisUnderSentinels::start("swordfish").unwrap();
    let runtime = runtime();
    let options = |addresses: Vec<String>, service: &str| {
        CacheOptions::Redis(RedisOptions {
            sentinels: Some(RedisSentinels { addresses, service: service.to_owned() }),
            database: 3,
            password: Some("swordfish".to_owned().into()),
            ..patient_redis()
        })
    };
    let make = |clock| Cache::with_clock(options(servers.sentinels(), servers.name()), clock).unwrap();
    behaves(&runtime, make);

    let (clock, hand) = Clock::test(Timestamp::now());
    let cache = make(clock);
    runtime.block_on(cache.set("k", "before")).unwrap();
    let first = servers.master().unwrap();
    servers.kill_master().unwrap();
    until("another master", || servers.master().ok().filter(|port| *port != first)).unwrap();
    let set = |value: &str| runtime.block_on(cache.set("k", value));
    until("a value with the new master", || {
        hand.advance(Duration::from_secs(6));
        set("after").ok()
    })
    .unwrap();
    assert_eq!(runtime.block_on(cache.get("k")).unwrap().as_deref(), Some("after"));

    // Back again, and the master of the moment dies as well: the one that was named first is asked again.
    servers.resume().unwrap();
    let second = servers.master().unwrap();
    assert_ne!(second, first);
    // Not before it has what the other has, or the sentinels do not choose it.
    let replica = Cache::new(CacheOptions::Redis(RedisOptions {
        server: format!("127.0.0.1:{first}"),
        database: 3,
        password: Some("swordfish".to_owned().into()),
        ..patient_redis()
    }));
    let replica = replica.unwrap();
    until("a replica", || runtime.block_on(replica.get("k")).ok().flatten()).unwrap();
    // Somebody who is asked in vain to write to a replica asks for the master.
    let error = runtime.block_on(replica.set("k", "x")).unwrap_err().to_string();
    assert!(error.contains("READONLY"), "{error}");
    servers.kill_master().unwrap();
    until("the first as master", || servers.master().ok().filter(|port| *port == first)).unwrap();
    until("a value with the first master", || {
        hand.advance(Duration::from_secs(6));
        set("back").ok()
    })
    .unwrap();

    // A sentinel that hangs costs the time limit, and the next is asked.
    servers.silence(0).unwrap();
    let fresh = make(Clock::machine());
    assert_eq!(runtime.block_on(fresh.get("k")).unwrap().as_deref(), Some("back"));
    servers.speak(0).unwrap();
    let other = Cache::new(options(servers.sentinels(), "nobody")).unwrap();
    let error = runtime.block_on(other.get("k")).unwrap_err().to_string();
    assert!(error.contains("knows no service \"nobody\""), "{error}");
    let none = Cache::new(options(vec!["127.0.0.1:1".to_owned()], servers.name())).unwrap();
    assert_eq!(runtime.block_on(none.get("k")).unwrap_err().cause(), "connection");
    let error = Cache::new(options(Vec::new(), servers.name())).unwrap_err().to_string();
    assert!(error.contains("redis_sentinels"), "{error}");
}

#[test]
fn a_server_that_says_nothing_costs_the_time_limit_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = RedisOptions {
        server: listener.local_addr().unwrap().to_string(),
        timeout: Duration::from_millis(50),
        ..RedisOptions::default()
    };
    let cache = Cache::new(CacheOptions::Redis(options)).unwrap();
    let runtime = runtime();
    assert_eq!(runtime.block_on(cache.get("k")).unwrap_err().cause(), "timeout");
    assert_eq!(runtime.block_on(cache.get("k")).unwrap_err().cause(), "resting");
}

/// Reads what we have written to a server, and writes what we shall read, in the ways of dogpile.cache and its clients.
const DOGPILE: &str = r#"
import pickle, socket, sys
from dogpile.cache import make_region
from dogpile.cache.api import CachedValue, DefaultSerialization
from oslo_cache.core import _sha1_mangle_key

kind, port, key, theirs, expected = sys.argv[1:]
stream = socket.create_connection(("127.0.0.1", int(port)), 10).makefile("rwb")
mangled = _sha1_mangle_key(key)
# A region in memory, whose ways of writing values are those of every back end.
region = make_region().configure("dogpile.cache.memory")
region.serializer, region.deserializer = pickle.dumps, pickle.loads

def send(data):
    stream.write(data)
    stream.flush()

if kind == "memcached":
    send(f"get {mangled}\r\n".encode())
    head = stream.readline().split()
    assert head[0] == b"VALUE" and head[2] == b"1", head
    value = pickle.loads(stream.read(int(head[3]) + 2)[:-2])
    assert stream.readline() == b"END\r\n"
    assert isinstance(value, CachedValue), value
    for number, protocol in enumerate((0, 2, pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL)):
        data = pickle.dumps(CachedValue(theirs, region._gen_metadata()), protocol)
        name = _sha1_mangle_key(f"their {number}")
        send(f"set {name} 1 600 {len(data)}\r\n".encode() + data + b"\r\n")
        assert stream.readline() == b"STORED\r\n"
else:
    send(f"GET {mangled}\r\n".encode())
    length = int(stream.readline()[1:])
    value = region._parse_serialized_from_backend(stream.read(length + 2)[:-2])
    for number in range(4):
        data = region._serialized_cached_value(region._value(theirs))
        name = _sha1_mangle_key(f"their {number}").encode()
        send(b"*3\r\n$3\r\nSET\r\n$40\r\n%b\r\n$%d\r\n%b\r\n" % (name, len(data), data))
        assert stream.readline() == b"+OK\r\n"

assert value.payload == expected, value
assert not region._is_cache_miss(value, key), value
"#;

#[test]
fn python_reads_what_we_cache_and_we_read_what_python_caches() {
    let memcached = CacheServer::memcached().unwrap();
    let redis = CacheServer::redis(None).unwrap();
    let runtime = runtime();
    let of_memcached = MemcachedOptions { servers: vec![memcached.address()], ..patient_memcached() };
    let of_redis = RedisOptions { server: redis.address(), ..patient_redis() };
    for (kind, server, options) in [
        ("memcached", &memcached, CacheOptions::Memcached(of_memcached)),
        ("redis", &redis, CacheOptions::Redis(of_redis)),
    ] {
        let cache = Cache::new(options).unwrap();
        let (key, ours, theirs) = ("3f0f0c2e-ключ", "our näme", "their name");
        runtime.block_on(cache.set(key, ours)).unwrap();
        let address = server.address();
        let port = address.rsplit(':').next().unwrap();
        let mut python = Command::new(venv_python().unwrap())
            .args(["-", kind, port, key, theirs, ours])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(DOGPILE.as_bytes()).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        for number in 0..4 {
            let read = until("their value", || runtime.block_on(cache.get(&format!("their {number}"))).ok())
                .unwrap();
            assert_eq!(read.as_deref(), Some(theirs), "{kind} {number}");
        }
    }
}
