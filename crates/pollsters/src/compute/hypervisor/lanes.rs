//! [`Lanes`]: the connections to libvirt, of which some may wait for a domain that hangs.
//!
//! One connection serves as long as every call is answered, and has the events. A call that is not answered in time keeps
//! its connection occupied, and the next call goes over another one; when calls are answered late, what is too many is
//! closed. So there are as many connections as calls are stuck, and one more.

use std::sync::Arc;
use std::time::Duration;

use libvirt::{
    Client, Closed, ConnectOptions, Connection, Error, Event, EventKind, Lifecycle, Uri, What, procedure,
};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::tls::Tls;
use crate::compute::ComputeMetrics;

/// The events that tell of changed definitions.
const EVENTS: [EventKind; 4] =
    [EventKind::Lifecycle, EventKind::DeviceAdded, EventKind::DeviceRemoved, EventKind::MetadataChange];
/// Waits between attempts to connect.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// The connections.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Gives the first connection, with events.
    with_events: Client,
    /// The same for daemons that tell no events.
    without_events: Client,
    /// Whether the daemon refused to tell events when it was asked last.
    is_mute: bool,
    /// How further connections are made.
    options: ConnectOptions,
    first: Option<First>,
    others: Vec<Connection>,
    /// Calls that may be stuck at the same time.
    stuck_max: usize,
    metrics: ComputeMetrics,
}

/// The first connection.
#[derive(Debug)]
struct First {
    connection: Connection,
    events: Option<broadcast::Receiver<Event>>,
}

/// What the events since the last look tell of definitions.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// These domains have changed, or may have.
    Changed(Vec<Uuid>),
    /// Any domain may have changed: events were lost.
    Everything,
    /// There are no events on this connection.
    Nothing,
}

/// A connection for the next call.
#[derive(Debug)]
pub(super) struct Lane {
    /// The connection.
    pub(super) connection: Connection,
    /// Whether so few calls are stuck that one may ask domains' processes.
    pub(super) may_ask: bool,
}

impl Lanes {
    pub(super) fn new(uri: &Uri, connect: ConnectOptions, stuck_max: usize, metrics: ComputeMetrics) -> Self {
        let tls = connect.tls.clone().unwrap_or_else(|| Arc::new(Tls::of(uri)));
        let options = ConnectOptions { events: Vec::new(), tls: Some(tls), ..connect };
        let with = ConnectOptions { events: EVENTS.to_vec(), ..options.clone() };
        let client = |options| Client::new(uri.clone(), options).with_waits(FIRST_WAIT, LAST_WAIT);
        Self {
            with_events: client(with),
            without_events: client(options.clone()),
            is_mute: false,
            options,
            first: None,
            others: Vec::new(),
            stuck_max: stuck_max.max(1),
            metrics,
        }
    }

    /// Makes sure of the first connection. Returns whether it is new.
    pub(super) async fn open(&mut self) -> Result<bool, Error> {
        if self.first.as_ref().is_some_and(|first| first.connection.closed().is_none()) {
            return Ok(false);
        }
        self.first = None;
        let connection = match self.with_events.connection().await {
            Ok(connection) => {
                self.is_mute = false;
                connection
            }
            Err(error) if is_about_events(&error) => {
                if !std::mem::replace(&mut self.is_mute, true) {
                    tracing::warn!(
                        "libvirt tells no events, and definitions are read again instead: {error}"
                    );
                }
                self.without_events.connection().await?
            }
            Err(error) => return Err(error),
        };
        // Whoever listens before the first list of domains misses nothing.
        let events = (!self.is_mute).then(|| connection.events());
        self.first = Some(First { connection, events });
        self.metrics.connections_made.inc();
        Ok(true)
    }

    /// Waits for the first connection, over several attempts.
    pub(super) async fn wait(&mut self, limit: Duration) -> Result<(), Error> {
        let client = if self.is_mute { &self.without_events } else { &self.with_events };
        client.wait_for_connection(limit).await.map(drop)
    }

    /// The events since the last look.
    pub(super) fn told(&mut self) -> Told {
        let Some(events) = self.first.as_mut().and_then(|first| first.events.as_mut()) else {
            return Told::Nothing;
        };
        let mut changed = Vec::new();
        loop {
            match events.try_recv() {
                Ok(event) => {
                    self.metrics.events.inc();
                    if changes_definition(&event) {
                        changed.push(event.domain.uuid);
                    }
                }
                Err(broadcast::error::TryRecvError::Lagged(lost)) => {
                    self.metrics.events.inc_by(lost);
                    tracing::info!(
                        lost,
                        "more events of libvirt than are kept: all definitions are read again"
                    );
                    // Those that are left are of no use beside it.
                    *events = events.resubscribe();
                    return Told::Everything;
                }
                Err(_) => return Told::Changed(changed),
            }
        }
    }

    /// The first connection, if it is open.
    pub(super) fn first(&self) -> Result<Connection, Error> {
        let first = self.first.as_ref().map(|first| &first.connection);
        match first.map(|connection| (connection, connection.closed())) {
            Some((connection, None)) => Ok(connection.clone()),
            Some((_, Some(closed))) => Err(Error::Closed(closed)),
            None => Err(Error::Closed(Closed::ByUs)),
        }
    }

    /// A connection on which nothing is stuck; if every one that may be has a call that is, the first one all the same,
    /// for calls that ask no domain's process.
    pub(super) async fn idle(&mut self) -> Result<Lane, Error> {
        let first = self.first()?;
        self.others.retain(|connection| connection.closed().is_none());
        let may_ask = self.stuck() < self.stuck_max;
        let mut open = std::iter::once(&first).chain(&self.others);
        if let Some(connection) = open.find(|connection| !is_stuck(connection)).cloned() {
            return Ok(Lane { connection, may_ask });
        }
        if !may_ask {
            return Ok(Lane { connection: first, may_ask });
        }
        let connection = Connection::open(self.with_events.uri(), &self.options).await?;
        self.metrics.connections_made.inc();
        self.others.push(connection.clone());
        Ok(Lane { connection, may_ask })
    }

    /// Calls that are stuck.
    pub(super) fn stuck(&self) -> usize {
        let first = self.first.iter().map(|first| &first.connection);
        first.chain(&self.others).filter(|connection| is_stuck(connection)).count()
    }

    /// Calls that were given up and that the daemon has not answered, over all connections.
    pub(super) fn unanswered(&self) -> usize {
        let first = self.first.iter().map(|first| &first.connection);
        let open = first.chain(&self.others).filter(|connection| connection.closed().is_none());
        open.map(|connection| connection.statistics().given_up).sum()
    }

    /// Closes what is not needed: of the connections on which nothing is stuck, all but one.
    pub(super) async fn tidy(&mut self) {
        self.others.retain(|connection| connection.closed().is_none());
        let mut is_served = self.first.as_ref().is_some_and(|first| !is_stuck(&first.connection));
        let mut kept = Vec::with_capacity(self.others.len());
        for connection in std::mem::take(&mut self.others) {
            if is_stuck(&connection) {
                kept.push(connection);
            } else if is_served {
                connection.close().await;
            } else {
                is_served = true;
                kept.push(connection);
            }
        }
        self.others = kept;
    }

    /// Says on the gauges how things stand.
    pub(super) fn show(&self) {
        let open =
            self.first.iter().filter(|first| first.connection.closed().is_none()).count() + self.others.len();
        self.metrics.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
        self.metrics.stuck_calls.set(i64::try_from(self.stuck()).unwrap_or(i64::MAX));
    }
}

/// Whether the daemon still works on a call that was given up.
fn is_stuck(connection: &Connection) -> bool {
    connection.closed().is_none() && connection.statistics().given_up > 0
}

/// Whether the daemon refuses to tell events, now or when it was asked a moment ago.
fn is_about_events(error: &Error) -> bool {
    match error {
        Error::Remote { call, .. } => {
            *call == procedure::name(procedure::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY)
        }
        Error::Waiting { last, .. } => is_about_events(last),
        _ => false,
    }
}

fn changes_definition(event: &Event) -> bool {
    match event.what {
        What::Lifecycle { change, .. } => !matches!(
            change,
            Lifecycle::Suspended | Lifecycle::Resumed | Lifecycle::PmSuspended | Lifecycle::Crashed
        ),
        What::DeviceRemoved { .. } | What::DeviceAdded { .. } | What::MetadataChange { .. } => true,
    }
}
