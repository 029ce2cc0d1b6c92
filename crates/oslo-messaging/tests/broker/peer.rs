//! The Python process that speaks through the real oslo.messaging.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Wait for one answer; Python starts slowly on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Lines that have come and not been asked for.
#[derive(Default)]
struct Inbox {
    lines: Mutex<(VecDeque<Value>, bool)>,
    changed: Condvar,
}

/// A running peer; dropped, it is killed.
pub(crate) struct Peer {
    child: Child,
    stdin: ChildStdin,
    inbox: Arc<Inbox>,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let python =
            testkit::venv_python().expect("the Python environment is missing: run scripts/provision");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/peer.py");
        let mut child =
            Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let inbox = Arc::new(Inbox::default());
        let reader = Arc::clone(&inbox);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                let value = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "noise": line }));
                reader.lines.lock().unwrap().0.push_back(value);
                reader.changed.notify_all();
            }
            reader.lines.lock().unwrap().1 = true;
            reader.changed.notify_all();
        });
        let peer = Self { child, stdin, inbox };
        peer.take("ready");
        peer
    }

    /// Waits for the next line that has `key`, and takes it.
    pub(crate) fn take(&self, key: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut inbox = self.inbox.lines.lock().unwrap();
        loop {
            if let Some(at) = inbox.0.iter().position(|line| line.get(key).is_some()) {
                return inbox.0.remove(at).unwrap()[key].take();
            }
            if key != "failed"
                && let Some(line) = inbox.0.iter().find(|line| line.get("failed").is_some())
            {
                panic!("the peer failed while {key:?} was awaited: {line}");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !inbox.1, "no {key:?} from the peer; it said {:?}", inbox.0);
            inbox = self.inbox.changed.wait_timeout(inbox, left).unwrap().0;
        }
    }

    /// Gives a command without waiting for its end.
    pub(crate) fn begin(&mut self, what: &str, mut command: Value) {
        command["do"] = what.into();
        writeln!(self.stdin, "{command}").unwrap();
        self.stdin.flush().unwrap();
    }

    /// Gives a command and waits until it is done.
    pub(crate) fn run(&mut self, what: &str, command: Value) {
        self.begin(what, command);
        assert_eq!(self.take("done"), what);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
