//! Programs under test: start, read their output, kill them, measure them.

mod measure;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Error;
use crate::paths::{launcher_python, service_script};
use crate::wait::{PATIENCE, wait_until};

pub use measure::Memory;

/// Output that is kept for each program; older lines are let go.
const MAX_KEPT_BYTES: usize = 16 << 20;
/// Longest line; a longer one is cut into pieces.
const MAX_LINE_BYTES: u64 = 1 << 20;
/// How long the output of a program that has ended is waited for, should others hold its streams.
const OUTPUT_LIMIT: Duration = Duration::from_secs(10);
/// Output shown in an error message.
const TAIL_LINES: usize = 40;

/// How a program shall be started.
#[must_use]
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// A program by its path, or by its name on the search path.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(launcher_python());
        command.args(["-I", "-S", "-B"]).arg(service_script("leash.py")).arg(program);
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        Self { name, command }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<T: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes every environment variable that was not set here.
    pub fn clear_env(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Sets the working directory.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Starts the program in a process group of its own.
    pub fn start(mut self) -> Result<Process, Error> {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Error::io(format!("cannot start {}", self.name), error))?;
        let leash = child.stdin.take();
        let output = Arc::new(Output::default());
        if let Some(stdout) = child.stdout.take() {
            output.follow(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            output.follow(stderr);
        }
        Ok(Process { name: self.name, child, leash, output })
    }
}

/// Lines of both output streams, in the order of their arrival.
#[derive(Debug, Default)]
struct Output {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    open_streams: usize,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until both streams have ended and are read to their ends, which whoever else holds them can delay.
    fn wait_for_end(&self, limit: Duration) {
        let kept = self.lock();
        let is_open = |kept: &mut Kept| kept.open_streams > 0;
        drop(self.changed.wait_timeout_while(kept, limit, is_open));
    }

    fn follow(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        self.lock().open_streams += 1;
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
                let mut kept = output.lock();
                if matches!(read, Ok(0) | Err(_)) {
                    kept.open_streams -= 1;
                    output.changed.notify_all();
                    return;
                }
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                kept.bytes += text.len();
                kept.lines.push_back(text);
                while kept.bytes > MAX_KEPT_BYTES {
                    let Some(oldest) = kept.lines.pop_front() else { break };
                    kept.bytes -= oldest.len();
                }
                output.changed.notify_all();
            }
        });
    }
}

/// A running program. Dropped, it is killed; it is killed too when this process ends in any way.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    leash: Option<ChildStdin>,
    output: Arc<Output>,
}

impl Process {
    /// The program's own process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has printed and that is still kept.
    pub fn output(&self) -> String {
        let kept = self.output.lock();
        kept.lines.iter().fold(String::with_capacity(kept.bytes), |text, line| text + line + "\n")
    }

    /// Waits until a line that contains `text` has been printed, on either stream; returns the first such line.
    pub fn line(&self, text: &str) -> Result<String, Error> {
        self.line_where(text, PATIENCE, |line| line.contains(text))
    }

    /// Waits until a line that fits has been printed; fails at once when the output has ended without it.
    pub fn line_where(
        &self,
        what: &str,
        limit: Duration,
        fits: impl Fn(&str) -> bool,
    ) -> Result<String, Error> {
        let start = Instant::now();
        let mut kept = self.output.lock();
        loop {
            if let Some(line) = kept.lines.iter().find(|line| fits(line)) {
                return Ok(line.clone());
            }
            let left = limit.saturating_sub(start.elapsed());
            if kept.open_streams == 0 || left.is_zero() {
                let skipped = kept.lines.len().saturating_sub(TAIL_LINES);
                let tail: Vec<&str> = kept.lines.iter().skip(skipped).map(String::as_str).collect();
                let reason = if left.is_zero() { "in time" } else { "before its output ended" };
                return Err(Error::refused(
                    format!("{}: no line with {what:?} {reason}; it printed", self.name),
                    tail.join("\n"),
                ));
            }
            kept = self.output.changed.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let what = || format!("{}: {signal:?}", self.name);
        // The id is ours until we have waited for it, which `&mut self` methods do.
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Error::answer(what(), self.pid()))?;
        kill_process(pid, signal).map_err(|error| Error::io(what(), error.into()))
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn terminate(&mut self) -> Result<ExitStatus, Error> {
        self.signal(Signal::TERM)?;
        self.wait(PATIENCE)
    }

    /// Asks it to read its configuration again (SIGHUP).
    pub fn hang_up(&mut self) -> Result<(), Error> {
        self.signal(Signal::HUP)
    }

    /// Kills it with -9 and waits until it is gone.
    pub fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.child.kill().map_err(|error| Error::io(format!("{}: kill", self.name), error))?;
        self.wait(PATIENCE)
    }

    /// Waits until it ends by itself. What it has printed is in [`Self::output`] then.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, Error> {
        let what = format!("{}: its end", self.name);
        let child = &mut self.child;
        let status = wait_until(&what, limit, || child.try_wait().transpose())?
            .map_err(|error| Error::io(what, error));
        self.output.wait_for_end(OUTPUT_LIMIT);
        status
    }

    /// Resident memory, now and at its peak.
    pub fn memory(&self) -> Result<Memory, Error> {
        Memory::of(self.pid())
    }

    /// Processor time used so far, in user and kernel mode together, in seconds. Ends with the process.
    pub fn cpu_seconds(&self) -> Result<f64, Error> {
        measure::cpu_seconds(self.pid())
    }

    /// File descriptors that it has open.
    pub fn open_files(&self) -> Result<usize, Error> {
        measure::open_files(self.pid())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.leash = None;
        // It leads its own group, so that what it has started goes too; its id is ours until it is waited for.
        if self.is_running()
            && let Some(group) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
