use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::clock::TestClock;
use crate::metrics::Metrics;

const PATIENCE: Duration = Duration::from_mins(1);

fn supervisor() -> (Supervisor, TestClock) {
    let (clock, hand) = Clock::test("2026-11-24T12:00:00Z".parse().unwrap());
    let metrics = SupervisorMetrics::register(&Metrics::new().component("supervisor"));
    (Supervisor::new(clock, metrics), hand)
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "not within {PATIENCE:?}: {what}");
}

#[tokio::test]
async fn errors_and_panics_are_counted_and_the_task_is_started_again() {
    let (supervisor, hand) = supervisor();
    let attempts = Arc::new(AtomicU32::new(0));
    supervisor.spawn("flaky", Policy::restart(), {
        let attempts = Arc::clone(&attempts);
        move |token| {
            let attempt = attempts.fetch_add(1, Ordering::SeqCst);
            async move {
                match attempt {
                    0 => Err("first".to_owned()),
                    1 => panic!("second"),
                    _ => {
                        token.cancelled().await;
                        Ok(())
                    }
                }
            }
        }
    });
    for attempt in 1..=2 {
        until("the task waits to be started again", || hand.sleepers() == 1).await;
        assert_eq!(attempts.load(Ordering::SeqCst), attempt, "no attempt before the pause is over");
        hand.advance(Duration::from_secs(2));
        until("the next attempt", || attempts.load(Ordering::SeqCst) == attempt + 1).await;
    }
    let metrics = &supervisor.shared.metrics;
    assert_eq!((metrics.failures.get(Failure::Error), metrics.failures.get(Failure::Panic)), (1, 1));
    assert_eq!(metrics.restarts.with(["flaky"]).get(), 2);
    assert_eq!(metrics.running.get(), 1);
    assert!(supervisor.drain(PATIENCE).await.is_clean());
    assert_eq!(metrics.running.get(), 0);
}

#[tokio::test]
async fn a_task_that_has_done_its_work_is_not_started_again() {
    let (supervisor, _hand) = supervisor();
    let attempts = Arc::new(AtomicU32::new(0));
    supervisor.spawn("short", Policy::restart(), {
        let attempts = Arc::clone(&attempts);
        move |_| {
            attempts.fetch_add(1, Ordering::SeqCst);
            async { Ok::<(), Infallible>(()) }
        }
    });
    until("its end", || supervisor.running().is_empty()).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_first_fatal_failure_is_reported() {
    let (supervisor, _hand) = supervisor();
    supervisor.spawn("listener", Policy::Fatal, |_| async { Err("no such vhost") });
    let failure = tokio::time::timeout(PATIENCE, supervisor.fatal()).await.unwrap();
    assert_eq!(failure.to_string(), "task listener failed: no such vhost");
    supervisor.spawn("other", Policy::Fatal, |_| async { Err("consequence") });
    until("its end", || supervisor.running().is_empty()).await;
    assert_eq!(tokio::time::timeout(PATIENCE, supervisor.fatal()).await.unwrap().task, "listener");
}

#[tokio::test]
async fn a_drain_names_those_who_did_not_end_and_aborts_them() {
    let (supervisor, _hand) = supervisor();
    supervisor.spawn("polite", Policy::restart(), |token| async move {
        token.cancelled().await;
        Ok::<(), Infallible>(())
    });
    let alive = Arc::new(());
    for name in ["stubborn b", "stubborn a"] {
        let alive = Arc::clone(&alive);
        supervisor.spawn_once(name, async move {
            std::future::pending::<()>().await;
            drop(alive);
            Ok::<(), Infallible>(())
        });
    }
    until("their start", || supervisor.running().len() == 3).await;
    let drained = supervisor.drain(Duration::from_secs(2)).await;
    assert_eq!(drained.aborted, ["stubborn a", "stubborn b"]);
    until("what they held is dropped", || Arc::strong_count(&alive) == 1).await;
    assert!(supervisor.running().is_empty());
    assert_eq!(supervisor.shared.metrics.failures.get(Failure::Undrained), 2);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_pause() {
    let (supervisor, hand) = supervisor();
    supervisor.spawn("failing", Policy::restart(), |_| async { Err("always") });
    until("the task waits to be started again", || hand.sleepers() == 1).await;
    assert!(supervisor.drain(PATIENCE).await.is_clean());
}

#[tokio::test]
async fn a_childs_tasks_stop_alone_and_with_the_parents() {
    let (supervisor, _hand) = supervisor();
    let wait = |token: CancellationToken| async move {
        token.cancelled().await;
        Ok::<(), Infallible>(())
    };
    let child = supervisor.child();
    supervisor.spawn("parent's", Policy::restart(), wait);
    child.spawn("child's", Policy::restart(), wait);
    child.token().cancel();
    until("the child's end", || supervisor.running() == ["parent's"]).await;
    supervisor.child().spawn("second child's", Policy::restart(), wait);
    assert!(supervisor.drain(PATIENCE).await.is_clean());
}

#[tokio::test]
async fn a_one_shot_failure_is_counted() {
    let (supervisor, _hand) = supervisor();
    supervisor.spawn_once("one", async { Err("lost") });
    supervisor
        .spawn_once("two", async { if true { panic!("{}", "formatted") } else { Ok::<(), Infallible>(()) } });
    until("their ends", || supervisor.running().is_empty()).await;
    assert_eq!(supervisor.shared.metrics.failures.sum(), 2);
}
