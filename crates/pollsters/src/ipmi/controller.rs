//! [`Controller`]: this machine's management controller, by way of `ipmitool`.

use std::fmt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use observability::clock::Clock;
use tokio::sync::Mutex;

use super::command::{self, Ended, Failure, OUTPUT_MAX, Running};
use super::words::words;
use super::{IpmiMetrics, IpmiSettings, Sensors};
use crate::{Cycle, MakeError};

/// What `ipmitool` is told to do: print every sensor record with its reading. It is always the same, so that a rule of
/// `sudo` can allow just this.
const ARGUMENTS: [&str; 2] = ["sdr", "-v"];
/// What it says of itself before it does anything.
const PREAMBLE: &str = "Loading IANA PEN Registry...; ";

/// This machine's management controller. Nothing is run before the first reading.
#[derive(Debug)]
pub struct Controller {
    words: Vec<String>,
    timeout: Duration,
    clock: Clock,
    metrics: IpmiMetrics,
    /// One run at a time: the way to the controller is one, and slow.
    desk: Mutex<Desk>,
}

/// What one run leaves for the next.
#[derive(Debug, Default)]
struct Desk {
    /// A program that could not be killed.
    stuck: Option<Running>,
    /// What was wrong with the last run, if it was said.
    complaint: Option<&'static str>,
}

/// Why no sensor was read in this cycle. The next one tries again.
#[derive(Debug)]
pub struct ControllerError {
    /// The command, as it was run.
    command: String,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Start(std::io::Error),
    Read(std::io::Error),
    Late(Duration),
    TooMuch,
    Stuck(u32),
    Status(ExitStatus, String),
    NoSensors,
}

impl Problem {
    const fn cause(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Read(_) => "read",
            Self::Late(_) => "timeout",
            Self::TooMuch => "too_much",
            Self::Stuck(_) => "stuck",
            Self::Status(..) => "exit",
            Self::NoSensors => "no_sensors",
        }
    }
}

impl ControllerError {
    /// The label under which it is counted.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        self.problem.cause()
    }
}

impl fmt::Display for ControllerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = &self.command;
        match &self.problem {
            Problem::Start(error) => write!(
                f,
                "`{command}` cannot be started: {error}; install ipmitool, or name it in [nephoscope] ipmi_command"
            ),
            Problem::Read(error) => write!(f, "what `{command}` prints cannot be read: {error}"),
            Problem::Late(timeout) => {
                write!(
                    f,
                    "`{command}` did not end within {} s ([nephoscope] ipmi_timeout)",
                    timeout.as_secs()
                )
            }
            Problem::TooMuch => write!(f, "`{command}` printed more than {} MiB", OUTPUT_MAX >> 20),
            Problem::Stuck(process) => write!(
                f,
                "`{command}` of an earlier cycle, process {process}, could not be killed and still runs: no other is started"
            ),
            Problem::Status(status, complaint) if complaint.is_empty() => {
                write!(f, "`{command}` ended with {status}")
            }
            Problem::Status(status, complaint) => write!(f, "`{command}` ended with {status}: {complaint}"),
            Problem::NoSensors => write!(f, "there is no sensor in what `{command}` printed"),
        }
    }
}

impl std::error::Error for ControllerError {}

impl Controller {
    /// The controller that those settings lead to.
    ///
    /// # Errors
    /// [`MakeError`] when the command cannot be one.
    pub fn new(settings: &IpmiSettings, clock: Clock, metrics: IpmiMetrics) -> Result<Self, MakeError> {
        let wrong = |what: &str| MakeError {
            message: format!("[nephoscope] ipmi_command = {}: {what}", settings.command),
            hint: "write a program and its arguments as for a shell, such as: sudo -n ipmitool".into(),
        };
        let words = words(&settings.command).map_err(wrong)?;
        if words.first().is_none_or(String::is_empty) {
            return Err(wrong("it names no program"));
        }
        Ok(Self { words, timeout: settings.timeout, clock, metrics, desk: Mutex::default() })
    }

    /// Its sensors in this cycle: read by whoever asks first, and shared.
    pub async fn sensors(&self, cycle: &Cycle) -> Arc<Result<Sensors, ControllerError>> {
        cycle.cache.get_or_make(|| Box::pin(self.read())).await
    }

    async fn read(&self) -> Result<Sensors, ControllerError> {
        let mut desk = self.desk.lock().await;
        let (read, problem) = match self.attempt(&mut desk).await {
            Ok((sensors, problem)) => (Some(sensors), problem),
            Err(problem) => (None, Some(problem)),
        };
        let cause = problem.as_ref().map(Problem::cause);
        if let Some(cause) = cause {
            self.metrics.command_errors.with([cause]).inc();
        }
        let is_news = std::mem::replace(&mut desk.complaint, cause) != cause;
        drop(desk);
        let error = problem.map(|problem| ControllerError { command: self.shown(), problem });
        match (read, error) {
            (Some(sensors), error) => {
                self.tell(&sensors, error.as_ref(), is_news);
                Ok(sensors)
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Sensors::default()),
        }
    }

    /// One run. A program that fails may have read sensors all the same: one record that cannot be read is enough for it.
    async fn attempt(&self, desk: &mut Desk) -> Result<(Sensors, Option<Problem>), Problem> {
        if let Some(stuck) = &mut desk.stuck
            && stuck.is_there()
        {
            return Err(Problem::Stuck(stuck.id().unwrap_or(0)));
        }
        desk.stuck = None;
        let words: Vec<&str> = self.words.iter().map(String::as_str).chain(ARGUMENTS).collect();
        let started = self.clock.monotonic();
        self.metrics.commands.inc();
        let ended = command::run(&words, self.timeout, &self.clock).await;
        self.metrics.command_duration.observe(self.clock.elapsed(started).as_secs_f64());
        let Ended { status, printed, complaint } = ended.map_err(|(failure, stuck)| {
            desk.stuck = stuck;
            match failure {
                Failure::Start(error) => Problem::Start(error),
                Failure::Read(error) => Problem::Read(error),
                Failure::Late => Problem::Late(self.timeout),
                Failure::TooMuch => Problem::TooMuch,
            }
        })?;
        let complaint = complaint.strip_prefix(PREAMBLE).unwrap_or(&complaint).to_owned();
        let sensors = Sensors::parse(&printed, status.success());
        match (status.success(), sensors) {
            (true, Some(sensors)) => Ok((sensors, None)),
            (true, None) => Err(Problem::NoSensors),
            (false, Some(sensors)) if !sensors.is_empty() => {
                Ok((sensors, Some(Problem::Status(status, complaint))))
            }
            (false, _) => Err(Problem::Status(status, complaint)),
        }
    }

    fn tell(&self, sensors: &Sensors, error: Option<&ControllerError>, is_news: bool) {
        let without = sensors.iter().filter(|sensor| sensor.value().is_none()).count();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.sensors.set(count(sensors.len()));
        self.metrics.sensors_without_value.set(count(without));
        match error {
            Some(error) if is_news => tracing::warn!(
                sensors = sensors.len(),
                "not every sensor was read; it is said again when that has changed: {error}"
            ),
            Some(error) => tracing::debug!(sensors = sensors.len(), "not every sensor was read: {error}"),
            None if is_news => tracing::info!(sensors = sensors.len(), "ipmitool reads every sensor again"),
            None => tracing::debug!(sensors = sensors.len(), without, "sensors were read"),
        }
    }

    /// The command for messages. What ipmitool takes as passwords and keys is left out.
    fn shown(&self) -> String {
        const SECRETS: [&str; 3] = ["-P", "-k", "-y"];
        let mut shown = Vec::new();
        let mut is_secret = false;
        for word in &self.words {
            shown.push(if is_secret { "***" } else { word.as_str() });
            is_secret = SECRETS.contains(&word.as_str());
        }
        shown.extend(ARGUMENTS);
        shown.join(" ")
    }
}

#[cfg(test)]
mod tests;
