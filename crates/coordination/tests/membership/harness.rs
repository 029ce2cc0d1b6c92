//! Members, and what they do at any back end.

use std::collections::BTreeSet;
use std::time::Duration;

use nephoscope_coordination::{BackendUrl, CoordinationMetrics, Membership, MembershipParts};
use observability::clock::Clock;
use observability::health::{HealthRegistry, Scope};
use observability::metrics::Metrics;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const GROUP: &str = "central-global";
/// Resources that are shared.
pub(crate) const COUNT: usize = 300;
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

fn key(number: usize) -> String {
    format!("<Volume: {number}>")
}

pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) membership: Membership,
    metrics: Metrics,
    health: HealthRegistry,
    beating: Option<(JoinHandle<()>, CancellationToken)>,
}

impl Member {
    pub(crate) fn new(url: &str, name: &str) -> Self {
        let metrics = Metrics::new();
        let membership = Membership::new(MembershipParts {
            url: BackendUrl::parse(url).unwrap(),
            member: name.to_owned(),
            clock: Clock::machine(),
            metrics: CoordinationMetrics::register(&metrics.component("coordination")),
        });
        let (membership, health) = (membership.unwrap(), HealthRegistry::new(Clock::machine()));
        membership.show_in(health.register("coordination", Scope::Ready));
        membership.set_groups(BTreeSet::from([GROUP.to_owned()]));
        let mut member = Self { name: name.to_owned(), membership, metrics, health, beating: None };
        member.resume();
        member
    }

    /// Shows that it is alive from now on.
    pub(crate) fn resume(&mut self) {
        let stop = CancellationToken::new();
        let running = self.membership.clone().run(stop.clone());
        let beating = tokio::spawn(async move {
            let Ok(()) = running.await;
        });
        self.beating = Some((beating, stop));
    }

    /// Says nothing any more, as one that is dead or suspended.
    pub(crate) fn suspend(&mut self) {
        self.beating.take().unwrap().0.abort();
    }

    pub(crate) async fn leave(mut self) {
        let (beating, stop) = self.beating.take().unwrap();
        stop.cancel();
        beating.await.unwrap();
    }

    /// What it does in a cycle that begins now.
    pub(crate) async fn part(&self) -> Vec<usize> {
        let rings = tokio::time::timeout(PATIENCE, async {
            loop {
                // On a machine that is busy, a server that has just started may be late.
                match self.membership.look().await {
                    Some(rings) => break rings,
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let rings = rings.await.unwrap_or_else(|_| panic!("{}", self.health()));
        (0..COUNT).filter(|number| rings.owns(GROUP, &key(*number))).collect()
    }

    /// Waits until a look has made a line of the metrics: one that is late on a busy machine is none.
    async fn sees(&self, line: &str) {
        let seen = tokio::time::timeout(PATIENCE, async {
            while !self.has(line) {
                self.part().await;
            }
        });
        assert!(seen.await.is_ok(), "no {line} in\n{}", self.metrics.prometheus_text());
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        self.metrics.prometheus_text().lines().any(|found| found == line)
    }

    /// How often the back end gave no answer, for this cause.
    pub(crate) fn failures(&self, cause: &str) -> u64 {
        let name = format!("nephoscope_coordination_failures_total{{cause=\"{cause}\"}} ");
        let text = self.metrics.prometheus_text();
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn health(&self) -> String {
        self.health.ready().body.to_string()
    }
}

/// Waits until these share everything, with nothing missing and nothing twice; returns what each has then. (A look after it
/// may see fewer, should the machine be too busy for one of them to show that it is alive.)
pub(crate) async fn share(members: &[&Member]) -> Vec<Vec<usize>> {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let mut parts = Vec::new();
            for member in members {
                parts.push((member.name.clone(), member.part().await));
            }
            if are_disjoint_and_complete(&parts) {
                return parts.into_iter().map(|(_, part)| part).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not shared within {PATIENCE:?}"))
}

/// Whether each has some, and all have everything once.
pub(crate) fn are_disjoint_and_complete(parts: &[(String, Vec<usize>)]) -> bool {
    let mut all: Vec<usize> = parts.iter().flat_map(|(_, part)| part.clone()).collect();
    all.sort_unstable();
    parts.iter().all(|(_, part)| !part.is_empty()) && all == (0..COUNT).collect::<Vec<_>>()
}

/// What every back end does.
pub(crate) async fn behaves(url: &str) {
    let (a, b) = (Member::new(url, "member-a"), Member::new(url, "member-b"));
    let mut c = Member::new(url, "member-c");
    let before = share(&[&a, &b, &c]).await.swap_remove(0);
    a.sees("nephoscope_coordination_members{group=\"central-global\"} 3").await;
    assert!(a.has("nephoscope_coordination_up 1"));

    // One that leaves is not waited for; the others keep what they had.
    b.leave().await;
    let after = a.part().await;
    assert!(before.iter().all(|number| after.contains(number)));
    share(&[&a, &c]).await;

    // One dies, and another comes.
    c.suspend();
    share(&[&a]).await;
    let d = Member::new(url, "member-d");
    share(&[&a, &d]).await;

    // The dead one was suspended, and returns: from its first cycle on it does its part and no more.
    let part = c.part().await;
    assert!(!part.is_empty() && part.len() < COUNT, "{}", part.len());
    c.resume();
    share(&[&a, &c, &d]).await;

    // Groups come and go.
    let more = BTreeSet::from([GROUP.to_owned(), "another".to_owned()]);
    a.membership.set_groups(more);
    a.sees("nephoscope_coordination_members{group=\"another\"} 1").await;
    assert!(a.metrics.prometheus_text().contains("group=\"central-global\""));
    a.membership.set_groups(BTreeSet::from(["another".to_owned()]));
    let left = tokio::time::timeout(PATIENCE, async {
        while a.metrics.prometheus_text().contains("group=\"central-global\"") {
            a.part().await;
        }
    });
    assert!(left.await.is_ok(), "{}", a.metrics.prometheus_text());
    share(&[&c, &d]).await;
}

/// The back end is stopped, and comes back with or without its contents: nobody has more to do meanwhile, nor when the
/// others have not yet come back.
pub(crate) async fn stands_an_outage(url: &str, stop: impl Fn(), start: impl Fn()) {
    let members = [Member::new(url, "a"), Member::new(url, "b"), Member::new(url, "c")];
    let before = share(&members.iter().collect::<Vec<_>>()).await;
    stop();
    for (member, before) in members.iter().zip(&before) {
        assert_eq!(&member.part().await, before);
        assert!(member.has("nephoscope_coordination_up 0"));
        assert!(member.failures("connection") > 0, "{}", member.health());
        // A cycle does not wait for it.
        assert!(member.membership.for_cycle().await.is_some());
        assert!(member.health().contains("the work is shared as it was"), "{}", member.health());
    }
    start();
    let waited = tokio::time::timeout(PATIENCE, async {
        while !members.iter().all(|member| member.has("nephoscope_coordination_up 1")) {
            for (member, before) in members.iter().zip(&before) {
                assert_eq!(&member.part().await, before, "{}", member.name);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "the back end is not seen again: {}", members[0].health());
    share(&members.iter().collect::<Vec<_>>()).await;

    // One that dies while it is away is missed once the others had time to return.
    let [a, b, mut c] = members;
    stop();
    c.suspend();
    a.part().await;
    start();
    share(&[&a, &b]).await;
    assert!(!a.health().contains("as it was"), "{}", a.health());
}

/// The back end is spoilt, by what `spoil` does, and mended by `mend`: what was known holds on, the cause is counted, and
/// everything goes on by itself.
pub(crate) async fn stands_nonsense(url: &str, cause: &str, spoil: impl AsyncFn(), mend: impl AsyncFn()) {
    let (a, b) = (Member::new(url, "a"), Member::new(url, "b"));
    let before = share(&[&a, &b]).await.swap_remove(0);
    spoil().await;
    assert_eq!(a.part().await, before);
    assert!(a.failures(cause) > 0, "{}", a.health());
    mend().await;
    share(&[&a, &b]).await;
    assert!(a.has("nephoscope_coordination_up 1"));
}
