//! A server that speaks libvirt's remote protocol and answers with what a real one was seen to answer, for any number
//! of domains: for scale, and for faults that cannot be had from a real daemon at will.
//!
//! The recording is `data/libvirt.json`; it says of which versions and by which command. Every domain is a copy of a
//! recorded one with its own name and UUID; counters grow with [`FakeLibvirtd::advance`].

mod answers;
mod domain;
mod wire;

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Error;
use crate::wait::until;

pub use domain::FakeDomain;
use wire::{Call, ERROR, Out, REPLY};

/// Longest request that is read.
const REQUEST_BYTES_MAX: usize = 16 << 20;
/// How long libvirt waits for a domain that is busy.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// What becomes of a call, instead of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// It is answered after so long.
    Delay(Duration),
    /// It is refused.
    Refuse {
        /// `virErrorNumber`
        code: i32,
        /// `virErrorDomain`
        domain: i32,
        /// In words.
        message: String,
    },
    /// It is never answered.
    Silence,
    /// The connection is cut instead.
    Cut,
    /// These bytes come instead, as they are.
    Bytes(Vec<u8>),
    /// The answer's first bytes come, then the connection is cut.
    Part(usize),
    /// The answer has this payload.
    Payload(Vec<u8>),
}

/// A running server. Dropped, it is gone.
#[derive(Debug)]
pub struct FakeLibvirtd {
    shared: Arc<Shared>,
    socket: PathBuf,
    _dir: TempDir,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    running: AtomicBool,
    connections: AtomicUsize,
    tick: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    domains: Vec<FakeDomain>,
    behaviours: HashMap<i32, Vec<Behaviour>>,
    calls: HashMap<i32, usize>,
    streams: Vec<Arc<Mutex<UnixStream>>>,
    /// Domains that hang, by name, and whether a call holds them already.
    hung: HashMap<String, bool>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeLibvirtd {
    /// A server with `count` domains, copies of the recorded ones in turn.
    pub fn start(count: usize) -> Result<Self, Error> {
        Self::with_domains(FakeDomain::recorded(count)?)
    }

    /// A server with these domains.
    pub fn with_domains(domains: Vec<FakeDomain>) -> Result<Self, Error> {
        let failed = |error| Error::io("fake libvirtd", error);
        let dir = tempfile::Builder::new().prefix("nephoscope-fake-libvirtd-").tempdir().map_err(failed)?;
        let socket = dir.path().join("libvirt-sock-ro");
        let shared = Arc::new(Shared {
            state: Mutex::new(State { domains, ..State::default() }),
            changed: Condvar::new(),
            running: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            tick: AtomicU64::new(0),
        });
        let server = Self { shared, socket, _dir: dir };
        server.start_again()?;
        Ok(server)
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A URI of it.
    pub fn uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.socket.display())
    }

    /// From now on the next calls of a procedure behave like this, one after the other; those after them are answered.
    pub fn behave(&self, procedure: i32, behaviours: impl IntoIterator<Item = Behaviour>) {
        let mut queue: Vec<Behaviour> = behaviours.into_iter().collect();
        queue.reverse();
        self.shared.lock().behaviours.insert(procedure, queue);
    }

    /// How often a procedure was called.
    pub fn calls(&self, procedure: i32) -> usize {
        self.shared.lock().calls.get(&procedure).copied().unwrap_or(0)
    }

    /// How often anything was called.
    pub fn all_calls(&self) -> usize {
        self.shared.lock().calls.values().sum()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Counters grow: time, bytes, requests and packets of every domain.
    pub fn advance(&self) {
        self.shared.tick.fetch_add(1, Ordering::SeqCst);
    }

    /// A domain hangs, as one whose QEMU is stopped: the first call that asks QEMU holds it and waits; then bulk calls
    /// with `NOWAIT` give only the rest of it, and others wait for 30 s.
    pub fn hang(&self, name: &str) {
        self.shared.lock().hung.insert(name.to_owned(), false);
    }

    /// It goes on, and so do those who wait.
    pub fn resume(&self, name: &str) {
        self.shared.lock().hung.remove(name);
        self.shared.changed.notify_all();
    }

    /// Changes a domain, or adds and removes some.
    pub fn change(&self, change: impl FnOnce(&mut Vec<FakeDomain>)) {
        change(&mut self.shared.lock().domains);
    }

    /// Tells every connection of a turn in a domain's life (`virDomainEventType`).
    pub fn lifecycle_event(&self, domain: &FakeDomain, event: i32, detail: i32) {
        let mut out = Out::default();
        out.i32(0);
        domain.write(&mut out);
        out.i32(event).i32(detail);
        self.send(&wire::event(318, &out.bytes));
    }

    /// Tells every connection of changed metadata.
    pub fn metadata_event(&self, domain: &FakeDomain, namespace: &str) {
        let mut out = Out::default();
        out.i32(1);
        domain.write(&mut out);
        out.i32(2).optional(Some(namespace));
        self.send(&wire::event(379, &out.bytes));
    }

    /// Sends bytes to every connection, as they are.
    pub fn send(&self, bytes: &[u8]) {
        let streams = self.shared.lock().streams.clone();
        for stream in streams {
            let _ = stream.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes);
        }
    }

    /// Asks every connection whether it is there.
    pub fn ping(&self) {
        self.send(&wire::keep_alive(1));
    }

    /// Cuts every connection; new ones are taken.
    pub fn cut(&self) {
        for stream in std::mem::take(&mut self.shared.lock().streams) {
            let _ = stream.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Both);
        }
    }

    /// Cuts every connection and removes the socket.
    pub fn stop(&self) {
        self.shared.running.store(false, Ordering::SeqCst);
        // The listener wakes up by a connection.
        let _ = UnixStream::connect(&self.socket);
        let _ = until("end of the listener", || (!self.socket.exists()).then_some(()));
        self.cut();
    }

    /// Listens again after [`Self::stop`].
    pub fn start_again(&self) -> Result<(), Error> {
        let failed = |error| Error::io("fake libvirtd: listen", error);
        let listener = UnixListener::bind(&self.socket).map_err(failed)?;
        self.shared.running.store(true, Ordering::SeqCst);
        let (shared, socket) = (Arc::clone(&self.shared), self.socket.clone());
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if !shared.running.load(Ordering::SeqCst) {
                    break;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let Ok(writer) = stream.try_clone().map(|writer| Arc::new(Mutex::new(writer))) else {
                    continue;
                };
                // Here and not in its thread, so that whoever stops the server cuts everybody.
                shared.lock().streams.push(Arc::clone(&writer));
                let shared = Arc::clone(&shared);
                thread::spawn(move || drop(serve(&shared, stream, &writer)));
            }
            let _ = std::fs::remove_file(socket);
        });
        Ok(())
    }
}

impl Drop for FakeLibvirtd {
    fn drop(&mut self) {
        self.shared.lock().hung.clear();
        self.shared.changed.notify_all();
        self.stop();
    }
}

/// Reads calls until the connection ends; each is answered by a thread of its own if it may take long.
fn serve(shared: &Arc<Shared>, mut stream: UnixStream, writer: &Arc<Mutex<UnixStream>>) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(28..=REQUEST_BYTES_MAX).contains(&length) {
            return Ok(());
        }
        let mut packet = vec![0; length - 4];
        stream.read_exact(&mut packet)?;
        let Some(call) = Call::read(&packet) else { return Ok(()) };
        if call.program == wire::KEEP_ALIVE {
            if call.procedure == 1 {
                writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(&wire::keep_alive(2))?;
            }
            continue;
        }
        let behaviour = {
            let mut state = shared.lock();
            *state.calls.entry(call.procedure).or_default() += 1;
            state.behaviours.get_mut(&call.procedure).and_then(Vec::pop)
        };
        let slow = matches!(behaviour, Some(Behaviour::Delay(_))) || !shared.lock().hung.is_empty();
        let (shared, writer) = (Arc::clone(shared), Arc::clone(writer));
        let work = move || drop(respond(&shared, &writer, &call, behaviour));
        if slow {
            thread::spawn(work);
        } else {
            work();
        }
    }
}

fn respond(
    shared: &Shared,
    writer: &Mutex<UnixStream>,
    call: &Call,
    behaviour: Option<Behaviour>,
) -> io::Result<()> {
    let cut = || writer.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Both);
    let mut part = None;
    let (status, payload) = match behaviour {
        Some(Behaviour::Silence) => return Ok(()),
        Some(Behaviour::Cut) => return cut(),
        Some(Behaviour::Bytes(bytes)) => {
            return writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes);
        }
        Some(Behaviour::Refuse { code, domain, message }) => (ERROR, wire::error(code, domain, &message)),
        Some(Behaviour::Payload(payload)) => (0, payload),
        Some(Behaviour::Delay(wait)) => {
            let end = Instant::now() + wait;
            let mut state = shared.lock();
            while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            drop(state);
            answer(shared, call)
        }
        Some(Behaviour::Part(bytes)) => {
            part = Some(bytes);
            answer(shared, call)
        }
        None => answer(shared, call),
    };
    let packet = wire::packet(wire::REMOTE, call.procedure, REPLY, call.serial, status, &payload);
    let end = part.unwrap_or(packet.len()).min(packet.len());
    writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(packet.get(..end).unwrap_or_default())?;
    if part.is_some() { cut() } else { Ok(()) }
}

fn answer(shared: &Shared, call: &Call) -> (i32, Vec<u8>) {
    match answers::answer(shared, call) {
        Ok(payload) => (0, payload),
        Err((code, domain, message)) => (ERROR, wire::error(code, domain, &message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::PATIENCE;

    #[test]
    fn whoever_was_let_in_is_cut_by_a_stop() {
        for _ in 0..100 {
            let server = FakeLibvirtd::start(1).unwrap();
            let mut client = UnixStream::connect(server.socket()).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            server.stop();
            let ended = client.read(&mut [0]);
            let is_reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
            assert!(matches!(ended, Ok(0)) || ended.as_ref().is_err_and(is_reset), "{ended:?}");
        }
    }
}
