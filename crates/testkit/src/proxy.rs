//! A TCP proxy that misbehaves on command: delays, limits, stalls, cuts, half-closes, refuses.

mod pump;

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::Error;
use crate::ports::Port;
use crate::wait::{PATIENCE, wait_until};

/// How often blocked threads look at the controls.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// One end of a proxied connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client, which connected to the proxy.
    Client,
    /// The server, which the proxy connected to.
    Server,
}

/// A proxy on a private port of 127.0.0.1, between clients and one server. Dropped, it closes everything.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<Acceptor>>,
}

#[derive(Debug)]
struct Acceptor {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

/// What the controls and the threads share.
#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    delay_ms: AtomicU64,
    bytes_per_second: AtomicU64,
    stalled: AtomicBool,
    accepted: AtomicU64,
    forwarded_bytes: AtomicU64,
    connections: Mutex<Vec<Arc<Connection>>>,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One proxied connection.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Set by a cut: threads leave, and the sockets are reset when the last of them has let go.
    cut: AtomicBool,
    /// Sides to which nothing more is sent.
    half_closed: [AtomicBool; 2],
}

impl Proxy {
    /// Starts a proxy to a server.
    pub fn start(target: SocketAddr) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            delay_ms: AtomicU64::new(0),
            bytes_per_second: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            forwarded_bytes: AtomicU64::new(0),
            connections: Mutex::new(Vec::new()),
        });
        let proxy = Self { port: Port::take()?, shared, acceptor: Mutex::new(None) };
        proxy.accept()?;
        Ok(proxy)
    }

    /// Starts a proxy to a port of 127.0.0.1.
    pub fn to_port(port: u16) -> Result<Self, Error> {
        Self::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// The proxy's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Sends connections that come from now on to another server.
    pub fn retarget(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Adds a delay in each direction; throughput is not lessened by it.
    pub fn delay(&self, delay: Duration) {
        self.shared.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Limits each direction of each connection; `None` lifts the limit.
    pub fn bandwidth(&self, bytes_per_second: Option<u64>) {
        self.shared.bytes_per_second.store(bytes_per_second.unwrap_or(0), Ordering::Relaxed);
    }

    /// Forwards nothing and closes nothing, old connections and new: both ends believe that the other is there.
    pub fn stall(&self) {
        self.shared.stalled.store(true, Ordering::Relaxed);
    }

    /// Goes on after [`Self::stall`]; nothing that was sent meanwhile is lost.
    pub fn resume(&self) {
        self.shared.stalled.store(false, Ordering::Relaxed);
    }

    /// Resets every connection (RST to both ends) and waits until they are gone; returns how many there were.
    pub fn cut(&self) -> Result<usize, Error> {
        let cut: Vec<Arc<Connection>> = self.shared.connections().drain(..).collect();
        for connection in &cut {
            connection.cut.store(true, Ordering::Relaxed);
        }
        let count = cut.len();
        wait_until("end of the connections that were cut", PATIENCE, || {
            cut.iter().all(|connection| Arc::strong_count(connection) == 1).then_some(())
        })?;
        Ok(count)
    }

    /// Tells one side of every connection that the other will send no more (FIN), and forwards nothing more to
    /// it; the other direction stays open. Returns the number of connections.
    pub fn half_close(&self, side: Side) -> usize {
        let connections = self.shared.connections();
        for connection in connections.iter() {
            connection.half_close(side);
        }
        connections.len()
    }

    /// Refuses new connections; those that are open stay.
    pub fn refuse(&self) {
        let acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(acceptor) = acceptor {
            acceptor.stop.store(true, Ordering::Relaxed);
            let _ = acceptor.thread.join();
        }
    }

    /// Accepts connections again after [`Self::refuse`], on the same port.
    pub fn accept(&self) -> Result<(), Error> {
        let mut acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner);
        if acceptor.is_some() {
            return Ok(());
        }
        let what = || format!("proxy: listen on port {}", self.port());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port()))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|error| Error::io(what(), error))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&self.shared), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) => {
                        let shared = Arc::clone(&shared);
                        shared.accepted.fetch_add(1, Ordering::Relaxed);
                        thread::spawn(move || Connection::run(&shared, client));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        *acceptor = Some(Acceptor { stop, thread });
        Ok(())
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.connections().len()
    }

    /// Bytes forwarded so far, both directions together.
    pub fn forwarded_bytes(&self) -> u64 {
        self.shared.forwarded_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        for connection in self.shared.connections().drain(..) {
            connection.cut.store(true, Ordering::Relaxed);
        }
    }
}

impl Connection {
    fn stream(&self, side: Side) -> &TcpStream {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn half_close(&self, side: Side) {
        self.half_closed[side as usize].store(true, Ordering::Relaxed);
        let _ = self.stream(side).shutdown(Shutdown::Write);
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Serves one client from its arrival to its end.
    fn run(shared: &Arc<Shared>, client: TcpStream) {
        let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(server) = TcpStream::connect_timeout(&target, CONNECT_LIMIT) else {
            // The server is away: the client sees its connection end, as through any forwarder.
            return;
        };
        for stream in [&client, &server] {
            // An accepted socket may inherit the listener's mode.
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_nodelay(true);
            let _ = stream.set_read_timeout(Some(LOOK_EVERY));
            let _ = stream.set_write_timeout(Some(LOOK_EVERY));
        }
        let half_closed = [AtomicBool::new(false), AtomicBool::new(false)];
        let connection = Arc::new(Self { client, server, cut: AtomicBool::new(false), half_closed });
        shared.connections().push(Arc::clone(&connection));
        let (upward, shared_upward) = (Arc::clone(&connection), Arc::clone(shared));
        let up = thread::spawn(move || pump::run(&shared_upward, &upward, Side::Client, Side::Server));
        pump::run(shared, &connection, Side::Server, Side::Client);
        let _ = up.join();
        if connection.is_cut() {
            // With no time to linger, closing sends RST instead of FIN.
            for stream in [&connection.client, &connection.server] {
                let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
            }
        }
        shared.connections().retain(|open| !Arc::ptr_eq(open, &connection));
    }
}
