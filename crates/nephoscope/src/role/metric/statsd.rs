//! The statsd listener: datagrams in, measures into the store at each flush.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use metric::{MAX_STATSD_METRICS, Metrics as Store, Statsd, StatsdFault, StatsdMeasure, StatsdResource};
use observability::causes;
use observability::clock::Clock;
use observability::metrics::{CauseCounter, Component, Counter, Metrics};
use observability::supervisor::Supervisor;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// The largest datagram that there is.
const DATAGRAM_BYTES: usize = 65_536;
/// Datagrams that are still taken when it is told to stop: those that have come already.
const LAST_DATAGRAMS: usize = 65_536;
/// A pause after the system failed to hand over a datagram, so that the loop does not spin.
const PAUSE: Duration = Duration::from_millis(200);
/// Measures that wait for a store which takes none now; further ones are dropped.
const MAX_WAITING: usize = 2 * MAX_STATSD_METRICS;

/// What an operator chooses.
#[derive(Debug, Clone)]
pub(crate) struct StatsdSettings {
    pub(super) address: SocketAddr,
    pub(super) resource: StatsdResource,
    pub(super) flush_delay: Duration,
}

causes! {
    /// Why a measure was dropped.
    enum Dropped {
        /// Its metric could not be made.
        NoMetric => "no_metric",
        /// The store has taken none for too long.
        Waiting => "waiting",
    }
}

#[derive(Debug, Clone)]
struct Counters {
    datagrams: Counter,
    measures: Counter,
    faults: CauseCounter<StatsdFault>,
    dropped: CauseCounter<Dropped>,
}

impl Counters {
    fn register(component: &Component) -> Self {
        Self {
            datagrams: component.counter("datagrams", "Datagrams that came"),
            measures: component.counter("measures", "Measures that the store has taken"),
            faults: component
                .counter_by_cause("faults", "Lines, or datagrams that are no text, that were dropped"),
            dropped: component.counter_by_cause("measures_dropped", "Measures that were dropped"),
        }
    }
}

struct Listener {
    socket: UdpSocket,
    settings: StatsdSettings,
    store: Store,
    clock: Clock,
    counters: Counters,
    collected: Mutex<Statsd>,
}

/// Listens until it is told to stop; what has come until then is flushed.
pub(super) async fn start(
    settings: &StatsdSettings,
    metrics: &Metrics,
    supervisor: &Supervisor,
    store: &Store,
) -> anyhow::Result<()> {
    let address = settings.address;
    let socket = UdpSocket::bind(address).await;
    let socket = socket.with_context(|| format!("cannot listen on {address}; see [statsd] host and port"))?;
    let own = socket.local_addr().context("cannot tell the address of the statsd listener")?;
    tracing::info!(address = %own, resource = %settings.resource.id, "statsd listens");
    let listener = Listener {
        socket,
        settings: settings.clone(),
        store: store.clone(),
        clock: supervisor.clock().clone(),
        counters: Counters::register(&metrics.component("statsd")),
        collected: Mutex::default(),
    };
    let stop = supervisor.token().clone();
    supervisor.spawn_once("statsd", async move {
        let mut waiting = Vec::new();
        tokio::join!(listener.receive(&stop), listener.flush_now_and_then(&stop, &mut waiting));
        listener.flush(&mut waiting).await;
        if waiting.is_empty() { Ok(()) } else { Err(format!("{} measures were not taken", waiting.len())) }
    });
    Ok(())
}

impl Listener {
    async fn receive(&self, stop: &CancellationToken) {
        let mut datagram = vec![0; DATAGRAM_BYTES];
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => break,
                received = self.socket.recv_from(&mut datagram) => received,
            };
            match received {
                Ok((length, _)) => self.take(datagram.get(..length).unwrap_or_default()),
                Err(error) => {
                    tracing::warn!(%error, "cannot receive a datagram");
                    self.clock.sleep(PAUSE).await;
                }
            }
        }
        for _ in 0..LAST_DATAGRAMS {
            let Ok((length, _)) = self.socket.try_recv_from(&mut datagram) else { break };
            self.take(datagram.get(..length).unwrap_or_default());
        }
    }

    fn take(&self, datagram: &[u8]) {
        self.counters.datagrams.inc();
        let now = self.clock.now().as_microsecond().saturating_mul(1_000);
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        collected.take(datagram, now, |fault, line| {
            self.counters.faults.increment(fault);
            tracing::debug!(%fault, line, "a line of statsd was dropped");
        });
    }

    async fn flush_now_and_then(&self, stop: &CancellationToken, waiting: &mut Vec<StatsdMeasure>) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(self.settings.flush_delay) => {}
            }
            self.flush(waiting).await;
        }
    }

    /// Hands what has come to the store, after what it did not take before.
    async fn flush(&self, waiting: &mut Vec<StatsdMeasure>) {
        waiting.append(&mut self.collected.lock().unwrap_or_else(PoisonError::into_inner).flush());
        if waiting.is_empty() {
            return;
        }
        match self.store.add_statsd(&self.settings.resource, waiting).await {
            Ok(refused) => {
                for (name, refusal) in &refused {
                    self.counters.dropped.increment(Dropped::NoMetric);
                    tracing::warn!(name, %refusal, "statsd: a metric cannot be made, its measure is dropped");
                }
                let taken = waiting.len() - refused.len();
                self.counters.measures.inc_by(u64::try_from(taken).unwrap_or_default());
                waiting.clear();
            }
            Err(refusal) => {
                tracing::warn!(%refusal, measures = waiting.len(), "statsd: measures wait for the store");
                let excess = waiting.len().saturating_sub(MAX_WAITING);
                waiting.drain(..excess);
                self.counters.dropped.add(Dropped::Waiting, u64::try_from(excess).unwrap_or_default());
            }
        }
    }
}
