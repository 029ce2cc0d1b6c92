//! A Keystone-like token and catalogue, and behind it recorded answers of OpenStack's services: for services that do not run
//! here, for scale, and for faults that cannot be had from a real service at will.
//!
//! The recordings are files; `crates/pollsters/tests/central/answers/README.md` has their form.

mod answers;
mod recording;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use recording::Recording;

use answers::{Answers, IDENTITY};
use wire::{Answer, Request};

use crate::Error;

/// What becomes of requests to a service, instead of their answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudFault {
    /// This status, and after how many seconds to come again.
    Status(u16, Option<u64>),
    /// Bytes that are no HTTP.
    Garbage,
    /// A body that is no JSON.
    NoJson,
    /// The first half of the body, then the end of the connection.
    HalfBody,
    /// No answer, ever.
    Silence,
    /// The end of the connection.
    Cut,
    /// The answer, after so long.
    Delay(Duration),
}

/// A running server. Dropped, it is gone.
#[derive(Debug)]
pub struct RecordedCloud {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    answers: Mutex<Arc<Answers>>,
    state: Mutex<State>,
    changed: Condvar,
    running: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// By the service's type, in the order in which they come; each for so many requests more.
    faults: HashMap<String, VecDeque<(CloudFault, usize)>>,
    /// Service and request, in order.
    requests: Vec<(String, String)>,
    /// Tokens of another generation are refused.
    generation: usize,
    streams: Vec<TcpStream>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }
}

impl RecordedCloud {
    /// Serves a recording; a page has `page_max` entries at most.
    ///
    /// # Errors
    /// No port of 127.0.0.1 can be had.
    pub fn start(recording: Recording, page_max: usize) -> Result<Self, Error> {
        let failed = |error| Error::io("recorded cloud", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let answers = Answers::new(recording, &format!("http://{address}"), page_max);
        let shared = Arc::new(Shared {
            answers: Mutex::new(Arc::new(answers)),
            state: Mutex::default(),
            changed: Condvar::new(),
            running: AtomicBool::new(true),
        });
        let for_listener = Arc::clone(&shared);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if !for_listener.is_running() {
                    break;
                }
                let shared = Arc::clone(&for_listener);
                thread::spawn(move || drop(serve(&shared, stream)));
            }
        });
        Ok(Self { shared, address })
    }

    /// Keystone's address, for `auth_url`.
    #[must_use]
    pub fn auth_url(&self) -> String {
        format!("{}/v3", self.url())
    }

    /// The server's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it serves another recording: services come and go.
    pub fn serve(&self, recording: Recording, page_max: usize) {
        let answers = Arc::new(Answers::new(recording, &self.url(), page_max));
        *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    }

    /// So many requests to the service of that type (`identity`: Keystone, tokens too) fare like this, behind those of
    /// former calls.
    pub fn fault(&self, kind: &str, fault: CloudFault, requests: usize) {
        self.shared.lock().faults.entry(kind.to_owned()).or_default().push_back((fault, requests));
    }

    /// All is well again, also for those who wait.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
        self.shared.changed.notify_all();
    }

    /// Every token that was given becomes invalid.
    pub fn revoke_tokens(&self) {
        self.shared.lock().generation += 1;
    }

    /// The requests since the last call, in order: the service's type, and method and address without the server.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.shared.lock().requests)
    }
}

impl Drop for RecordedCloud {
    fn drop(&mut self) {
        self.shared.running.store(false, Ordering::SeqCst);
        self.heal();
        // The listener wakes up by a connection.
        let _ = TcpStream::connect(self.address);
        for stream in std::mem::take(&mut self.shared.lock().streams) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Answers the requests of a connection, one after the other.
fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    shared.lock().streams.push(stream.try_clone()?);
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = wire::read(&mut reader)? {
        let answers = Arc::clone(&*shared.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let kind = answers.service(&request);
        let fault = {
            let mut state = shared.lock();
            state.requests.push((kind.clone(), format!("{} {}", request.method, request.target)));
            next_fault(&mut state, &kind)
        };
        let mut answer = answer(shared, &answers, &request);
        let mut part = None;
        match fault {
            None => {}
            Some(CloudFault::Status(status, retry_after)) => {
                answer = Answer::text(status, "as the test has it");
                let seconds = retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string()));
                answer.headers.extend(seconds);
            }
            Some(CloudFault::NoJson) => answer = Answer::text(200, "<html>It works!</html>"),
            Some(CloudFault::Garbage) => {
                writer.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n")?;
                return writer.shutdown(Shutdown::Both);
            }
            Some(CloudFault::Cut) => return writer.shutdown(Shutdown::Both),
            Some(CloudFault::HalfBody) => part = Some(answer.body.len() / 2),
            Some(CloudFault::Silence) => wait(shared, &kind, None),
            Some(CloudFault::Delay(time)) => wait(shared, &kind, Some(time)),
        }
        let bytes = answer.bytes(request.method == "HEAD");
        if let Some(part) = part {
            writer.write_all(bytes.get(..bytes.len() - part).unwrap_or(&bytes))?;
            return writer.shutdown(Shutdown::Both);
        }
        writer.write_all(&bytes)?;
    }
    Ok(())
}

/// What becomes of the next request to a service.
fn next_fault(state: &mut State, kind: &str) -> Option<CloudFault> {
    let queue = state.faults.get_mut(kind)?;
    while queue.front().is_some_and(|(_, left)| *left == 0) {
        queue.pop_front();
    }
    let (fault, left) = queue.front_mut()?;
    *left -= 1;
    Some(fault.clone())
}

/// Waits until the service is healed, or the time is up.
fn wait(shared: &Shared, kind: &str, time: Option<Duration>) {
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    let end = time.map(|time| Instant::now() + time);
    let mut state = shared.lock();
    while shared.is_running() && state.faults.contains_key(kind) {
        let left = end.map_or(LOOK_EVERY, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return;
        }
        let wait = left.min(LOOK_EVERY);
        state = shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn answer(shared: &Shared, answers: &Answers, request: &Request) -> Answer {
    let json = |status, document: &serde_json::Value| {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Answer { status, headers, body: document.to_string().into_bytes() }
    };
    let token = format!("token-{}", shared.lock().generation);
    match (request.method.as_str(), request.path.trim_end_matches('/')) {
        ("POST", "/v3/auth/tokens") => {
            let mut answer = json(201, &answers.token());
            answer.headers.push(("x-subject-token".to_owned(), token));
            return answer;
        }
        ("GET", "") => return json(300, &answers.identity_version(true)),
        ("GET", "/v3") => return json(200, &answers.identity_version(false)),
        _ => {}
    }
    let is_known = request.headers.get("x-auth-token").is_some_and(|known| *known == token)
        || request.headers.get("authorization").is_some_and(|own| own.starts_with("AWS4-HMAC-SHA256 "));
    if !is_known && !answers.is_public(request) {
        return json(401, &serde_json::json!({"error": {"code": 401, "title": "Unauthorized"}}));
    }
    answers.answer(request)
}

/// Keystone's type of service, for [`RecordedCloud::fault`].
pub const IDENTITY_SERVICE: &str = IDENTITY;
