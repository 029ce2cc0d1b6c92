use super::*;
use crate::clock::TestClock;
use crate::health::HealthRegistry;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);

/// A service manager's socket in a private directory.
struct Peer {
    _directory: tempfile::TempDir,
    socket: UnixDatagram,
    settings: NotifySettings,
}

impl Peer {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let settings = NotifySettings { socket: Some(path.into()), watchdog: None };
        Self { _directory: directory, socket, settings }
    }

    fn receive(&self) -> String {
        receive(&self.socket)
    }

    fn has_message(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let found = self.socket.recv(&mut [0; 256]).is_ok();
        self.socket.set_nonblocking(false).unwrap();
        found
    }
}

fn receive(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn test_clock() -> (Clock, TestClock) {
    Clock::test("2026-11-24T12:00:00Z".parse().unwrap())
}

#[test]
fn every_message_arrives_as_the_protocol_wants_it() {
    let peer = Peer::new();
    let manager = ServiceManager::connect(&peer.settings).unwrap();
    assert!(manager.is_present());
    let (clock, _hand) = test_clock();
    manager.status("starting");
    manager.ready("consuming 3 queues\nWATCHDOG=trigger");
    manager.reloading(&clock);
    manager.extend_timeout(Duration::from_millis(1_500));
    manager.stopping("draining");
    assert_eq!(peer.receive(), "STATUS=starting");
    assert_eq!(peer.receive(), "READY=1\nSTATUS=consuming 3 queues WATCHDOG=trigger");
    assert_eq!(peer.receive(), "RELOADING=1\nMONOTONIC_USEC=3600000000");
    assert_eq!(peer.receive(), "EXTEND_TIMEOUT_USEC=1500000");
    assert_eq!(peer.receive(), "STOPPING=1\nSTATUS=draining");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_takes_long_gets_more_time() {
    let peer = Peer::new();
    let manager = ServiceManager::connect(&peer.settings).unwrap();
    let (clock, hand) = test_clock();
    let (done, work) = tokio::sync::oneshot::channel();
    let own = clock.clone();
    let held = tokio::spawn(async move { manager.hold_while(&own, "opening", work).await });
    for _ in 0..3 {
        while hand.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!peer.has_message());
        hand.advance(Duration::from_secs(20));
        assert_eq!(peer.receive(), "STATUS=opening");
        assert_eq!(peer.receive(), "EXTEND_TIMEOUT_USEC=90000000");
    }
    done.send(7).unwrap();
    assert_eq!(held.await.unwrap(), Ok(7));
}

#[test]
fn abstract_sockets_work() {
    let name = format!("nephoscope-test-{}-{}", std::process::id(), fastrand::u64(..));
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let settings = NotifySettings { socket: Some(format!("@{name}").into()), watchdog: None };
    ServiceManager::connect(&settings).unwrap().status("over an abstract socket");
    assert_eq!(receive(&socket), "STATUS=over an abstract socket");
}

#[test]
fn without_a_manager_or_with_a_dead_one_nothing_happens() {
    let absent = ServiceManager::connect(&NotifySettings::default()).unwrap();
    assert!(!absent.is_present());
    absent.ready("nobody hears it");
    let peer = Peer::new();
    let manager = ServiceManager::connect(&peer.settings).unwrap();
    drop(peer);
    manager.ready("nobody hears it any more");
    for name in ["relative/path", "vsock:2:1234"] {
        let settings = NotifySettings { socket: Some(name.into()), watchdog: None };
        let message = ServiceManager::connect(&settings).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    let settings = NotifySettings { socket: Some("/".repeat(500).into()), watchdog: None };
    assert!(matches!(ServiceManager::connect(&settings), Err(ServiceManagerError::Socket { .. })));
}

#[test]
fn a_full_socket_holds_nobody_up() {
    let peer = Peer::new();
    let manager = ServiceManager::connect(&peer.settings).unwrap();
    let clock = Clock::machine();
    let start = clock.monotonic();
    // Nobody reads: the kernel's queue holds a few messages, and then each send gives up.
    peer.socket.set_nonblocking(true).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    let path = peer.settings.socket.clone().unwrap();
    while sender.send_to(b"fill", &path).is_ok() {}
    manager.status("does not fit");
    let took = clock.elapsed(start);
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn the_environments_values_are_read_with_care() {
    let socket = OsStr::new("/run/notify");
    let read = |usec, pid| NotifySettings::from_values(Some(socket), usec, pid, 42).watchdog;
    assert_eq!(read(Some("3000000"), Some("42")), Some(Duration::from_secs(3)));
    assert_eq!(read(Some("3000000"), None), Some(Duration::from_secs(3)));
    for (usec, pid) in [
        (Some("3000000"), Some("43")),
        (Some("3000000"), Some("x")),
        (Some("0"), None),
        (Some("-1"), None),
        (Some("99999999999999999999999"), None),
        (None, None),
    ] {
        assert_eq!(read(usec, pid), None, "{usec:?} {pid:?}");
    }
    assert_eq!(NotifySettings::from_values(Some(OsStr::new("")), None, None, 1), NotifySettings::default());
}

#[tokio::test]
async fn the_watchdog_starves_when_a_loop_stops() {
    let peer = Peer::new();
    let manager = ServiceManager::connect(&peer.settings).unwrap();
    let (clock, hand) = test_clock();
    let registry = ProgressRegistry::new(clock.clone());
    let health = HealthRegistry::new(clock);
    let good = registry.register("evaluator", Duration::from_secs(10));
    let stuck = registry.register("listener", Duration::from_secs(10));
    let stop = CancellationToken::new();
    let interval = Some(Duration::from_secs(6));
    let feeding =
        tokio::spawn(registry.clone().feed_watchdog(manager, interval, health.clone(), stop.clone()));
    // Every round: wait until the feeder sleeps, then move time by a third of systemd's interval.
    let round = async || {
        let asleep = tokio::time::timeout(PATIENCE, async {
            while hand.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
        });
        asleep.await.expect("the feeder goes to sleep");
    };
    let step = async || {
        let before = hand.sleepers();
        assert_eq!(before, 1);
        good.tick();
        hand.advance(Duration::from_secs(2));
        let woken = tokio::time::timeout(PATIENCE, async {
            // The current-thread runtime lets the feeder run to its next sleep before we are polled again.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
        woken.await.expect("the feeder runs");
        round().await;
    };
    round().await;
    assert_eq!(peer.receive(), "WATCHDOG=1");
    for _ in 0..5 {
        step().await;
        assert_eq!(peer.receive(), "WATCHDOG=1");
    }
    assert!(health.alive().passed);
    // Twelve seconds without a tick of one loop: no more food, and the role is not alive.
    step().await;
    assert!(!peer.has_message());
    assert_eq!(registry.late(), [("listener".to_owned(), Duration::from_secs(12))]);
    assert!(!health.alive().passed);
    assert!(health.alive().body.to_string().contains("listener (silent for 12 s)"));
    // It comes around again, or rests, or is gone: food again.
    stuck.tick();
    step().await;
    assert_eq!(peer.receive(), "WATCHDOG=1");
    assert!(health.alive().passed);
    stuck.rest();
    for _ in 0..10 {
        step().await;
        assert_eq!(peer.receive(), "WATCHDOG=1");
    }
    drop(stuck);
    step().await;
    assert_eq!(peer.receive(), "WATCHDOG=1");
    stop.cancel();
    tokio::time::timeout(PATIENCE, feeding).await.unwrap().unwrap();
}
