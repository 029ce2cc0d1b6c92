//! Keeps one listener connected: failover, back-off, watching the connection, stopping.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::Event;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::worker::{self, Session};
use crate::backoff::jitter;
use crate::batch::Batch;
use crate::budget::Meter;
use crate::connection::{self, Link};
use crate::options::FailoverStrategy;
use crate::state::{Phase, chain};
use crate::topology::{Exchanges, QueueSpec, cause};
use crate::url::Endpoint;

/// How often the connection is looked at even if no event comes.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// A connection that held this long was a good one: the next attempt comes without back-off.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// Runs until told to stop, or until nobody takes batches any more.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut endpoints: Vec<Endpoint>,
    queues: Vec<QueueSpec>,
    output: mpsc::Sender<Batch>,
) {
    fastrand::shuffle(&mut endpoints);
    let connected = shared.metrics.connected.with([&shared.name]);
    connected.set(0);
    let mut next = 0;
    let mut rounds = 0;
    while shared.stopping().is_none() && !output.is_closed() {
        let Some(link) = connect_round(&shared, &endpoints, &mut next).await else {
            if shared.stopping().is_some() {
                break;
            }
            rounds += 1;
            let wait = jitter(shared.profile.options.retry_interval(rounds)) + reconnect_delay(&shared);
            tracing::warn!(
                listener = shared.name,
                seconds = wait.as_secs_f32(),
                "no broker answers: trying again"
            );
            pause(&shared, wait).await;
            continue;
        };
        connected.set(1);
        let began = Instant::now();
        serve(&shared, link, &queues, &output).await;
        connected.set(0);
        if shared.stopping().is_some() || output.is_closed() {
            break;
        }
        shared.enter(Phase::Connecting);
        if began.elapsed() >= GOOD_CONNECTION {
            rounds = 0;
        } else {
            rounds += 1;
        }
        let mut wait = reconnect_delay(&shared);
        if rounds > 0 {
            wait += jitter(shared.profile.options.retry_interval(rounds));
        }
        pause(&shared, wait).await;
    }
    shared.enter(Phase::Stopped);
}

fn reconnect_delay(shared: &Shared) -> Duration {
    let options = &shared.profile.options;
    let splay = options.kombu_reconnect_splay * fastrand::f64();
    jitter(Duration::try_from_secs_f64(options.kombu_reconnect_delay).unwrap_or_default())
        + Duration::try_from_secs_f64(splay).unwrap_or_default()
}

/// Waits, or until told to stop.
async fn pause(shared: &Shared, wait: Duration) {
    let mut stop = shared.stop.clone();
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        // An error means that the listener was dropped: also a reason to go on.
        _ = stop.wait_for(Option::is_some) => {}
    }
}

/// Tries each host once.
async fn connect_round(
    shared: &Arc<Shared>,
    endpoints: &[Endpoint],
    next: &mut usize,
) -> Option<(Link, Arc<Meter>)> {
    let mut stop = shared.stop.clone();
    for _ in endpoints {
        if shared.profile.options.kombu_failover_strategy == FailoverStrategy::Shuffle {
            *next = fastrand::usize(..endpoints.len());
        }
        let endpoint = endpoints.get(*next % endpoints.len())?;
        *next = (*next + 1) % endpoints.len();
        shared.update(|state| state.endpoint = Some(endpoint.to_string()));
        let meter = Meter::new(Arc::clone(&shared.budget));
        let attempt = tokio::select! {
            attempt = connection::connect(endpoint, &shared.profile, Some(Arc::clone(&meter))) => attempt,
            _ = stop.wait_for(Option::is_some) => return None,
        };
        let error = match attempt {
            Ok(link) => {
                tracing::info!(
                    listener = shared.name, %endpoint, vhost = shared.profile.vhost, tls = shared.profile.options.ssl,
                    "connected"
                );
                shared.metrics.connections.with([&shared.name]).inc();
                shared.update(|state| state.connections += 1);
                shared.enter(Phase::Connected);
                // The next attempt, should this connection fail, goes to another host.
                return Some((link, meter));
            }
            Err(error) => error,
        };
        let failures = &shared.metrics.connect_failures;
        failures.with([&shared.name, error.cause()]).inc();
        let text = chain(&error);
        tracing::warn!(listener = shared.name, error = text, "cannot connect");
        shared.update(|state| state.last_error = Some(text));
    }
    None
}

/// Serves one connection until it ends.
async fn serve(
    shared: &Arc<Shared>,
    (link, meter): (Link, Arc<Meter>),
    queues: &[QueueSpec],
    output: &mpsc::Sender<Batch>,
) {
    let mut events = Box::pin(link.connection.events_listener());
    let session =
        Arc::new(Session { shared: Arc::clone(shared), link, meter, exchanges: Exchanges::default() });
    let mut workers = JoinSet::new();
    for queue in queues {
        workers.spawn(worker::run(Arc::clone(&session), queue.clone(), output.clone()));
    }
    let mut stop = shared.stop.clone();
    let mut stopping = false;
    let mut watch_at = Instant::now() + WATCH_INTERVAL;
    let reason = loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::ConnectionBlocked(reason)) => blocked(shared, Some(reason)),
                Some(Event::ConnectionUnblocked) => blocked(shared, None),
                Some(Event::Error(error)) => {
                    tracing::debug!(listener = shared.name, %error, "connection error");
                    // Channel errors are reported here too; those are the workers' business.
                    if !session.link.connection.status().connected() {
                        break Some((cause(&error), chain(&error)));
                    }
                }
                Some(_) => {}
                None => break Some(("connection_gone", "the connection has ended".to_owned())),
            },
            ended = workers.join_next() => match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    // A panic is a bug of ours; a new connection is the way to start its queue over.
                    tracing::error!(listener = shared.name, %error, "queue worker failed");
                    break Some(("worker", error.to_string()));
                }
                None if session.link.connection.status().connected() => break None,
                None => break Some(("connection_gone", "the connection has ended".to_owned())),
            },
            () = sleep_until(watch_at) => {
                watch_at = Instant::now() + WATCH_INTERVAL;
                worker::report(shared);
                session.meter.trickle();
                if !session.link.connection.status().connected() {
                    break Some(("connection_gone", "the connection has ended".to_owned()));
                }
            }
            () = output.closed(), if !stopping => {
                tracing::info!(listener = shared.name, "nobody takes batches any more");
                break None;
            }
            _ = stop.wait_for(Option::is_some), if !stopping => {
                stopping = true;
                shared.enter(Phase::Stopping);
            }
        }
    };
    if let Some((cause, error)) = reason {
        let counter = shared.metrics.disconnects.with([&shared.name, cause]);
        counter.inc();
        tracing::warn!(listener = shared.name, cause, error, "connection lost");
        shared.update(|state| state.last_error = Some(error));
    }
    // Their ledgers close as they end, so that nothing resolved later is acknowledged anywhere.
    workers.shutdown().await;
    worker::report(shared);
    shared.update(|state| {
        state.consumers = 0;
        state.blocked = None;
    });
    drop(events);
    match Arc::try_unwrap(session) {
        Ok(session) => session.link.close().await,
        Err(session) => drop(session),
    }
}

fn blocked(shared: &Shared, reason: Option<String>) {
    if let Some(reason) = &reason {
        shared.metrics.blocked.with([&shared.name]).inc();
        tracing::warn!(listener = shared.name, reason, "the broker blocks the connection");
    } else {
        tracing::info!(listener = shared.name, "the broker has unblocked the connection");
    }
    shared.update(|state| state.blocked = reason);
}
