//! Ceilometer's polling manager in a process of its own, run cycle by cycle.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use model::json;
use serde_json::Value;
use testkit::{repository, venv_python};

use crate::sample::Polled;

/// How long a cycle may take, the start of Python included.
const LONG: Duration = Duration::from_mins(2);

pub(crate) struct Ceilometer {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
    log: PathBuf,
}

impl Ceilometer {
    /// Starts it with the configuration of a directory.
    pub(crate) fn start(directory: &Path) -> Self {
        let log = directory.join("ceilometer.log");
        let mut child = Command::new(venv_python().unwrap())
            .arg("-B")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compute/cycles.py"))
            .arg(repository().join("tests/oracle"))
            .arg(directory.join("ceilometer.conf"))
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (send, answers) = sync_channel(1);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, stdin, answers, log }
    }

    /// Runs a cycle and returns its samples; the options, `{"group.name": value}`, hold from now on.
    pub(crate) fn cycle(&mut self, options: &Value) -> Vec<Polled> {
        let _ = writeln!(self.stdin, "{options}");
        let line = self.answers.recv_timeout(LONG).unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        let notifications = json::parse(line).unwrap();
        let notifications = notifications.as_list().unwrap().iter();
        notifications.flat_map(|samples| samples.as_list().unwrap()).map(Polled::of_bus).collect()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Ceilometer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
