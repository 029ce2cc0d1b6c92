//! A server behind its launcher: start, commands, end.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::paths::{launcher_python, service_script};

/// Longest start of any service on a loaded machine, its own deadlines included.
const START_LIMIT: Duration = Duration::from_mins(4);
/// Longest command (a broker's orderly stop and start).
const COMMAND_LIMIT: Duration = Duration::from_mins(3);
/// How long a launcher may take to stop everything; it kills, so it is quick.
const END_LIMIT: Duration = Duration::from_secs(40);
/// Answers that may wait to be read. A launcher gives one for each command.
const ANSWERS: usize = 16;

/// A running launcher. Dropping it ends the service and all that belongs to it.
#[derive(Debug)]
pub(crate) struct Service {
    name: String,
    talk: Mutex<Talk>,
}

#[derive(Debug)]
struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Service {
    /// Starts a launcher script and waits until it reports the service ready; returns its report.
    pub(crate) fn start(name: &str, script: &str, arguments: &[String]) -> Result<(Self, Value), Error> {
        let mut child = Command::new(launcher_python())
            .arg("-B")
            .arg(service_script(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C at the terminal ends the test, whose end then ends the launcher.
            .process_group(0)
            .spawn()
            .map_err(|error| Error::io(format!("cannot start the launcher {script}"), error))?;
        let stdin = child.stdin.take();
        let (send, answers) = sync_channel(ANSWERS);
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    let Ok(line) = line else { return };
                    if send.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let service = Self { name: name.to_owned(), talk: Mutex::new(Talk { child, stdin, answers }) };
        let report = {
            let talk = service.talk.lock().unwrap_or_else(PoisonError::into_inner);
            service.answer(&talk, "start", START_LIMIT)?
        };
        Ok((service, report))
    }

    /// Like [`Self::start`], with the report read into its own type.
    pub(crate) fn start_reporting<T: DeserializeOwned>(
        name: &str,
        script: &str,
        arguments: &[String],
    ) -> Result<(Self, T), Error> {
        let (service, report) = Self::start(name, script, arguments)?;
        let text = report.to_string();
        let report = serde_json::from_value(report)
            .map_err(|error| Error::answer(format!("{name}: start"), format!("{error}: {text}")))?;
        Ok((service, report))
    }

    /// Sends one command to the launcher and waits for its answer.
    pub(crate) fn command(&self, line: &str) -> Result<Value, Error> {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stdin) = &mut talk.stdin {
            stdin
                .write_all(format!("{line}\n").as_bytes())
                .map_err(|error| Error::io(format!("{}: {line}", self.name), error))?;
        }
        self.answer(&talk, line, COMMAND_LIMIT)
    }

    fn answer(&self, talk: &Talk, command: &str, limit: Duration) -> Result<Value, Error> {
        let what = format!("{}: {command}", self.name);
        let line = match talk.answers.recv_timeout(limit) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Err(Error::Late { what, limit }),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::refused(what, "the launcher has ended"));
            }
        };
        let answer: Value = serde_json::from_str(&line).map_err(|_| Error::answer(what.as_str(), &line))?;
        if answer["ok"] == Value::Bool(true) {
            Ok(answer)
        } else {
            Err(Error::refused(what, answer["error"].as_str().unwrap_or(&line)))
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let talk = self.talk.get_mut().unwrap_or_else(PoisonError::into_inner);
        talk.stdin = None;
        let start = Instant::now();
        while start.elapsed() < END_LIMIT {
            if !matches!(talk.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // The launcher hangs; its servers die with it (parent death signal).
        let _ = talk.child.kill();
        let _ = talk.child.wait();
    }
}
