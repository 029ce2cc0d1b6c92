use std::sync::atomic::{AtomicUsize, Ordering};

use model::{Map, Value};
use observability::clock::TestClock;
use observability::metrics::Metrics;

use super::*;
use crate::compute::hypervisor::Definition;
use crate::compute::{ComputeSettings, Looking};

/// A Nova that counts what it is asked.
#[derive(Debug, Default)]
struct Asked {
    servers: AtomicUsize,
    flavors: AtomicUsize,
    answer: Mutex<Reply>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reply {
    #[default]
    Known,
    Unknown,
    Fails,
    Hangs,
}

impl Asked {
    async fn reply<T>(&self, known: T) -> Result<Option<T>, openstack::Error> {
        let reply = *lock(&self.answer);
        match reply {
            Reply::Known => Ok(Some(known)),
            Reply::Unknown => Ok(None),
            Reply::Fails => Err(failure()),
            Reply::Hangs => std::future::pending().await,
        }
    }
}

impl NovaLookup for Asked {
    fn flavor_id<'a>(&'a self, name: &'a str) -> Looking<'a, String> {
        self.flavors.fetch_add(1, Ordering::Relaxed);
        Box::pin(self.reply(format!("id of {name}")))
    }

    fn server<'a>(&'a self, id: &'a str) -> Looking<'a, ServerExtra> {
        self.servers.fetch_add(1, Ordering::Relaxed);
        let metadata: Map = [("metering.of", id)].into_iter().collect();
        Box::pin(self.reply(ServerExtra { flavor_id: None, metadata }))
    }
}

/// Some error of a request.
fn failure() -> openstack::Error {
    openstack::Session::new(openstack::SessionOptions::new(openstack::AuthOptions::Password(
        openstack::PasswordOptions::default(),
    )))
    .expect_err("a session without an address cannot be made")
}

fn instance(uuid: &str, flavor_id: &str) -> Definition {
    let xml = format!(
        "<domain><metadata><n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1'><n:name>n</n:name>
         <n:flavor name='m1' {flavor_id}/><n:owner><n:user uuid='u'/><n:project uuid='p'/></n:owner></n:instance></metadata>
         <os><type arch='a'>hvm</type></os></domain>"
    );
    Definition::read(&xml, uuid, "n", "h")
}

fn world(fetch_extra_metadata: bool, expiry: u64) -> (Arc<Asked>, Extras, TestClock) {
    let (clock, hand) = Clock::test("2026-11-26T12:00:00Z".parse().unwrap());
    let settings = ComputeSettings {
        fetch_extra_metadata,
        resource_cache_expiry: Duration::from_secs(expiry),
        ..ComputeSettings::new("h")
    };
    let metrics = ComputeMetrics::register(&Metrics::new().component("compute"));
    let tools = Tools::new(Err("none".into()), clock, settings, metrics);
    let asked = Arc::new(Asked::default());
    let extras = Extras::with(Some(Arc::<Asked>::clone(&asked)), &tools);
    (asked, extras, hand)
}

fn counts(asked: &Asked) -> (usize, usize) {
    (asked.servers.load(Ordering::Relaxed), asked.flavors.load(Ordering::Relaxed))
}

#[tokio::test]
async fn nova_is_asked_for_flavors_without_an_id_alone() {
    let (asked, extras, _) = world(false, 3600);
    let definitions = [instance("1", "id='fid'"), instance("2", ""), instance("3", "")];
    let all = || definitions.iter().map(|definition| definition.instance.as_ref().unwrap());
    for _ in 0..3 {
        extras.refresh(all()).await;
    }
    // Once for the flavor that two of them have.
    assert_eq!(counts(&asked), (0, 1));
    let ids: Vec<_> = all().map(|one| extras.of(one).flavor_id.unwrap().to_string()).collect();
    assert_eq!(ids, ["fid", "id of m1", "id of m1"]);
    assert!(all().all(|one| extras.of(one).server.is_none()));
    extras.refresh(std::iter::empty()).await;
    assert!(lock(&extras.flavors).is_empty(), "what nobody needs is forgotten");
}

#[tokio::test]
async fn answers_are_believed_for_a_while_and_failures_change_nothing() {
    let (asked, extras, hand) = world(true, 3600);
    let definitions = [instance("1", "id='fid'")];
    let all = || definitions.iter().map(|definition| definition.instance.as_ref().unwrap());
    let one = definitions[0].instance.as_ref().unwrap();
    let metadata = || extras.of(one).server.map(|server| server.metadata.get("metering.of").cloned());
    extras.refresh(all()).await;
    assert_eq!(metadata(), Some(Some(Value::from("1"))));
    hand.advance(Duration::from_secs(3599));
    extras.refresh(all()).await;
    assert_eq!(counts(&asked), (1, 0));

    *lock(&asked.answer) = Reply::Fails;
    hand.advance(Duration::from_secs(1));
    for (pause, servers) in [(0, 2), (29, 2), (1, 3)] {
        hand.advance(Duration::from_secs(pause));
        extras.refresh(all()).await;
        assert_eq!(counts(&asked).0, servers);
        assert_eq!(metadata(), Some(Some(Value::from("1"))), "what was known is kept");
    }

    *lock(&asked.answer) = Reply::Unknown;
    hand.advance(FAILURE_AGAIN);
    for (pause, servers) in [(0, 4), (59, 4), (1, 5)] {
        hand.advance(Duration::from_secs(pause));
        extras.refresh(all()).await;
        assert_eq!((counts(&asked).0, metadata()), (servers, None));
    }
}

#[tokio::test]
async fn with_no_expiry_every_cycle_asks() {
    let (asked, extras, _) = world(true, 0);
    let definitions = [instance("1", "")];
    for _ in 0..3 {
        extras.refresh(definitions.iter().map(|definition| definition.instance.as_ref().unwrap())).await;
    }
    assert_eq!(counts(&asked), (3, 3));
}

#[tokio::test]
async fn a_nova_that_hangs_is_left_alone() {
    let (asked, extras, hand) = world(true, 3600);
    *lock(&asked.answer) = Reply::Hangs;
    let definitions = [instance("1", "")];
    let all = || definitions.iter().map(|definition| definition.instance.as_ref().unwrap());
    let time = async {
        while counts(&asked) == (0, 0) {
            tokio::task::yield_now().await;
        }
        hand.advance(DEADLINE);
    };
    tokio::join!(extras.refresh(all()), time);
    // Servers took all the time that there was; both are asked for again after a while.
    assert_eq!(extras.of(definitions[0].instance.as_ref().unwrap()), Extra::default());
    extras.refresh(all()).await;
    let before = counts(&asked);
    *lock(&asked.answer) = Reply::Known;
    hand.advance(FAILURE_AGAIN);
    extras.refresh(all()).await;
    assert!(counts(&asked) > before);
    assert!(extras.of(definitions[0].instance.as_ref().unwrap()).server.is_some());
}
