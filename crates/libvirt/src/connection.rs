//! One connection: many calls at once, each with a deadline, answers in any order.

mod shared;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::shared::Shared;
pub use self::shared::Statistics;
use crate::auth;
use crate::error::{Closed, Error, RemoteError};
use crate::event::{self, Event};
use crate::frame::{HEADER_BYTES, Header, KEEP_ALIVE_PROGRAM, Kind, REMOTE_PROGRAM, Status, VERSION};
use crate::options::ConnectOptions;
use crate::procedure;
use crate::socket;
use crate::uri::Uri;
use crate::xdr::{Reader, Writer, XdrError};

/// Flag of `ConnectOpen`: nothing may be changed.
const OPEN_READ_ONLY: u32 = 1;
/// How long the daemon is given for an orderly good-bye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// What a daemon can do: keep-alive.
pub const FEATURE_KEEP_ALIVE: i32 = 10;
/// What a daemon can do: events whose registrations have numbers.
pub const FEATURE_EVENT_CALLBACK: i32 = 14;

/// An open connection to a daemon. Clones share it; with the last clone it is closed.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: Arc<Inner>,
    timeout: Duration,
}

#[derive(Debug)]
struct Inner {
    id: u64,
    shared: Arc<Shared>,
    /// Ends with its owner.
    _worker: JoinSet<()>,
}

impl Connection {
    /// Connects, authenticates, opens the driver, and registers for the events that the options name.
    ///
    /// Must be called within a tokio runtime with its I/O and timers enabled; the connection's work is done there.
    pub async fn open(uri: &Uri, options: &ConnectOptions) -> Result<Self, Error> {
        let late = |_| Error::Timeout { call: "opening a connection", after: options.connect_timeout };
        // On the heap, because it is much larger than the calls that follow.
        timeout(options.connect_timeout, Box::pin(Self::try_open(uri, options))).await.map_err(late)?
    }

    async fn try_open(uri: &Uri, options: &ConnectOptions) -> Result<Self, Error> {
        let stream = socket::connect(uri, options).await?;
        let is_private = stream.is_private;
        let (shared, outgoing) = Shared::new(options.in_flight_max.max(1));
        let shared = Arc::new(shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(worker::run(Arc::clone(&shared), stream, outgoing, options.keep_alive));
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let connection =
            Self { inner: Arc::new(Inner { id, shared, _worker: tasks }), timeout: options.connect_timeout };
        auth::authenticate(&connection, options.credentials.as_ref(), is_private).await?;
        let mut open = Writer::new();
        let flags = if options.read_only { OPEN_READ_ONLY } else { 0 };
        open.optional_text(Some(&uri.name)).u32(flags);
        connection.call(procedure::CONNECT_OPEN, open).await?.finish()?;
        if options.keep_alive.is_some() && connection.supports_feature(FEATURE_KEEP_ALIVE).await? {
            connection.inner.shared.switch_keep_alive_on();
        }
        for kind in &options.events {
            event::register(&connection, *kind).await?;
        }
        tracing::debug!(id, name = uri.name, "opened a connection to libvirt");
        Ok(connection.with_timeout(options.call_timeout))
    }

    /// The same connection with another deadline for each call.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), timeout }
    }

    /// A number that no other connection of this process has. When a [`Client`](crate::Client) gives out another one
    /// than before, events may have been missed in between.
    pub fn id(&self) -> u64 {
        self.inner.id
    }

    /// The events that come from now on. Whoever is slow loses the oldest, and is told how many.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.shared.subscribe()
    }

    /// Why it has ended, if it has.
    pub fn closed(&self) -> Option<Closed> {
        self.inner.shared.closed()
    }

    /// Waits until it has ended.
    pub async fn until_closed(&self) -> Closed {
        self.inner.shared.until_closed().await
    }

    /// What it has done so far.
    pub fn statistics(&self) -> Statistics {
        self.inner.shared.statistics()
    }

    /// Says good-bye and ends it, for all clones. Calls under way fail.
    pub async fn close(&self) {
        if self.closed().is_none() {
            // Whether the daemon answers makes no difference.
            let _ = self.with_timeout(CLOSE_TIMEOUT).call(procedure::CONNECT_CLOSE, Writer::new()).await;
        }
        self.abandon();
    }

    /// Ends it without a good-bye, for all clones. Calls under way fail.
    pub fn abandon(&self) {
        self.inner.shared.close(Closed::ByUs);
    }

    /// Calls a procedure of the remote protocol with its arguments in XDR.
    ///
    /// The answer comes within the deadline, or the call fails and its answer, should it still come, is dropped.
    pub async fn call(&self, procedure: i32, arguments: Writer) -> Result<Answer, Error> {
        let call = procedure::name(procedure);
        let packet = timeout(self.timeout, self.exchange(procedure, arguments)).await.map_err(|_| {
            self.inner.shared.count_timeout();
            Error::Timeout { call, after: self.timeout }
        })??;
        let answer = Answer { call, packet };
        let mut reader = answer.whole();
        let header = Header::read(&mut reader).map_err(|source| Error::Answer { call, source })?;
        if header.status == Status::Ok {
            return Ok(answer);
        }
        self.inner.shared.count_error();
        let error = RemoteError::read(&mut reader).map_err(|source| Error::Answer { call, source })?;
        Err(Error::Remote { call, error: Box::new(error) })
    }

    async fn exchange(&self, procedure: i32, arguments: Writer) -> Result<Vec<u8>, Error> {
        let shared = &self.inner.shared;
        let place = shared.place().await?;
        let slot = shared.slot().await?;
        // No waiting from here on until the request is queued: a call that is given up was never made, or is on the
        // books.
        let (serial, answer) = shared.begin(procedure, place)?;
        let header = Header {
            program: REMOTE_PROGRAM,
            version: VERSION,
            procedure,
            kind: Kind::Call,
            serial,
            status: Status::Ok,
        };
        slot.send(header.packet(&arguments.into_bytes()));
        match answer.await {
            Ok(packet) => packet.map_err(Error::Closed),
            Err(_) => Err(shared.closed_error()),
        }
    }
}

/// A keep-alive packet.
fn keep_alive(procedure: i32) -> Vec<u8> {
    let header = Header {
        program: KEEP_ALIVE_PROGRAM,
        version: VERSION,
        procedure,
        kind: Kind::Message,
        serial: 0,
        status: Status::Ok,
    };
    header.packet(&[])
}

/// The payload of a call's answer.
#[derive(Debug)]
pub struct Answer {
    call: &'static str,
    packet: Vec<u8>,
}

impl Answer {
    fn whole(&self) -> Reader<'_> {
        Reader::new(&self.packet)
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        self.packet.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// Reads the whole payload with `read`; nothing may be left.
    pub fn read<'a, T>(
        &'a self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, XdrError>,
    ) -> Result<T, Error> {
        let mut reader = Reader::new(self.payload());
        let value = read(&mut reader).and_then(|value| reader.finish().map(|()| value));
        value.map_err(|source| Error::Answer { call: self.call, source })
    }

    /// There must be no payload.
    pub fn finish(&self) -> Result<(), Error> {
        self.read(|_| Ok(()))
    }

    /// The whole packet, header included.
    pub(crate) fn into_packet(self) -> Vec<u8> {
        self.packet
    }

    /// The call's name.
    pub const fn call(&self) -> &'static str {
        self.call
    }
}
