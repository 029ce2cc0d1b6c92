//! What callers and the worker share: calls under way, counters, the connection's end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};

use crate::error::{Closed, Error};
use crate::event::Event;
use crate::frame::{Header, KEEP_ALIVE_PROGRAM, Kind, REMOTE_PROGRAM};
use crate::procedure;
use crate::xdr::Reader;

/// Packets that wait to be written. Calls are bounded by their places; the rest is answers to keep-alive.
const OUTGOING_PACKETS: usize = 64;
/// Events that wait for the slowest receiver.
const WAITING_EVENTS: usize = 1024;

/// What a call gets: a packet without its length, or the connection's end.
pub(super) type CallResult = Result<Vec<u8>, Closed>;

/// What a connection has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Calls that were sent.
    pub calls: u64,
    /// Calls that the daemon refused.
    pub errors: u64,
    /// Calls that were not answered in time, those that had to wait for their turn included.
    pub timeouts: u64,
    /// Answers that came after their call was given up, and were dropped.
    pub late_answers: u64,
    /// Events.
    pub events: u64,
    /// Packets that mean nothing here: unknown programs and events, answers that nobody asked for.
    pub ignored: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Calls that were sent and not answered yet.
    pub in_flight: usize,
    /// Those among them that were given up: the daemon still works on them, and each keeps one of its places.
    pub given_up: usize,
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    errors: AtomicU64,
    timeouts: AtomicU64,
    late_answers: AtomicU64,
    events: AtomicU64,
    ignored: AtomicU64,
    received_bytes: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[derive(Debug)]
struct Pending {
    procedure: i32,
    answer: oneshot::Sender<CallResult>,
    /// Given back when the answer has come, whether or not anybody still waits for it.
    _place: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Calls {
    last_serial: u32,
    pending: HashMap<u32, Pending>,
}

#[derive(Debug)]
pub(super) struct Shared {
    calls: Mutex<Calls>,
    places: Arc<Semaphore>,
    outgoing: mpsc::Sender<Vec<u8>>,
    events: broadcast::Sender<Event>,
    closed: watch::Sender<Option<Closed>>,
    keep_alive: AtomicBool,
    /// Packets received.
    heard: AtomicU64,
    counters: Counters,
}

impl Shared {
    pub(super) fn new(places: usize) -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (outgoing, packets) = mpsc::channel(OUTGOING_PACKETS);
        let shared = Self {
            calls: Mutex::default(),
            places: Arc::new(Semaphore::new(places)),
            outgoing,
            events: broadcast::Sender::new(WAITING_EVENTS),
            closed: watch::Sender::new(None),
            keep_alive: AtomicBool::new(false),
            heard: AtomicU64::new(0),
            counters: Counters::default(),
        };
        (shared, packets)
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among the calls under way.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| self.closed_error())
    }

    /// A place in the queue of packets.
    pub(super) async fn slot(&self) -> Result<mpsc::Permit<'_, Vec<u8>>, Error> {
        self.outgoing.reserve().await.map_err(|_| self.closed_error())
    }

    /// Puts a call on the books.
    pub(super) fn begin(
        &self,
        procedure: i32,
        place: OwnedSemaphorePermit,
    ) -> Result<(u32, oneshot::Receiver<CallResult>), Error> {
        let (answer, receiver) = oneshot::channel();
        let mut calls = self.lock();
        // Looked at under the lock, which `close` takes after having set it: no call slips in behind it.
        if let Some(closed) = self.closed() {
            return Err(Error::Closed(closed));
        }
        let mut serial = calls.last_serial;
        loop {
            // Zero is for messages. Numbers come round after four thousand million calls.
            serial = serial.checked_add(1).unwrap_or(1);
            if !calls.pending.contains_key(&serial) {
                break;
            }
        }
        calls.last_serial = serial;
        calls.pending.insert(serial, Pending { procedure, answer, _place: place });
        count(&self.counters.calls);
        Ok((serial, receiver))
    }

    /// Deals with one packet.
    pub(super) fn receive(&self, packet: Vec<u8>) -> Result<(), Closed> {
        self.heard.fetch_add(1, Ordering::Relaxed);
        let bytes = u64::try_from(packet.len()).unwrap_or(u64::MAX);
        self.counters.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut reader = Reader::new(&packet);
        let header = Header::read(&mut reader).map_err(Closed::Header)?;
        match (header.program, header.kind) {
            (REMOTE_PROGRAM, Kind::Reply) => return self.answer(header, packet),
            (REMOTE_PROGRAM, Kind::Message) => self.event(header.procedure, &mut reader),
            (KEEP_ALIVE_PROGRAM, Kind::Message) => {
                if header.procedure == procedure::KEEP_ALIVE_PING {
                    // With no room left, the packets that take it show the daemon as well that we are there.
                    let _ = self.outgoing.try_send(super::keep_alive(procedure::KEEP_ALIVE_PONG));
                }
            }
            _ => count(&self.counters.ignored),
        }
        Ok(())
    }

    fn answer(&self, header: Header, packet: Vec<u8>) -> Result<(), Closed> {
        let pending = self.lock().pending.remove(&header.serial);
        let Some(pending) = pending else {
            count(&self.counters.ignored);
            return Ok(());
        };
        if pending.procedure != header.procedure {
            let (serial, expected, found) = (header.serial, pending.procedure, header.procedure);
            let mismatch = Closed::Mismatch { serial, expected, found };
            // The connection first: whoever learns of its end finds it closed.
            self.close(mismatch.clone());
            let _ = pending.answer.send(Err(mismatch.clone()));
            return Err(mismatch);
        }
        if pending.answer.send(Ok(packet)).is_err() {
            count(&self.counters.late_answers);
        }
        Ok(())
    }

    fn event(&self, procedure: i32, reader: &mut Reader<'_>) {
        match Event::read(procedure, reader) {
            Ok(Some(event)) => {
                count(&self.counters.events);
                // An error means that nobody listens.
                let _ = self.events.send(event);
            }
            Ok(None) => count(&self.counters.ignored),
            Err(error) => {
                count(&self.counters.ignored);
                tracing::debug!(%error, procedure, "an event that cannot be read");
            }
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Ends the connection; the first reason stays. Every call under way fails at once.
    pub(super) fn close(&self, reason: Closed) {
        let first = self.closed.send_if_modified(|closed| {
            let first = closed.is_none();
            if first {
                *closed = Some(reason);
            }
            first
        });
        self.places.close();
        let pending = std::mem::take(&mut self.lock().pending);
        if let (true, Some(reason)) = (first, self.closed()) {
            tracing::debug!(%reason, calls = pending.len(), "a connection to libvirt has ended");
        }
        for call in pending.into_values() {
            let _ = call.answer.send(Err(self.closed().unwrap_or(Closed::ByUs)));
        }
    }

    pub(super) fn closed(&self) -> Option<Closed> {
        self.closed.borrow().clone()
    }

    pub(super) fn closed_error(&self) -> Error {
        Error::Closed(self.closed().unwrap_or(Closed::ByUs))
    }

    pub(super) async fn until_closed(&self) -> Closed {
        let mut closed = self.closed.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let found = closed.wait_for(Option::is_some).await.ok().and_then(|closed| closed.clone());
        found.unwrap_or(Closed::ByUs)
    }

    pub(super) fn switch_keep_alive_on(&self) {
        self.keep_alive.store(true, Ordering::Relaxed);
    }

    pub(super) fn keep_alive_is_on(&self) -> bool {
        self.keep_alive.load(Ordering::Relaxed)
    }

    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    pub(super) fn count_timeout(&self) {
        count(&self.counters.timeouts);
    }

    pub(super) fn count_error(&self) {
        count(&self.counters.errors);
    }

    pub(super) fn statistics(&self) -> Statistics {
        let (in_flight, given_up) = {
            let calls = self.lock();
            let given_up = calls.pending.values().filter(|call| call.answer.is_closed()).count();
            (calls.pending.len(), given_up)
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        Statistics {
            calls: read(&counters.calls),
            errors: read(&counters.errors),
            timeouts: read(&counters.timeouts),
            late_answers: read(&counters.late_answers),
            events: read(&counters.events),
            ignored: read(&counters.ignored),
            received_bytes: read(&counters.received_bytes),
            in_flight,
            given_up,
        }
    }
}
