//! Log lines, as oslo.log writes them.
//!
//! `tracing` events become lines of oslo.log's format (which operators' log parsers know), JSON objects with
//! oslo.log's keys, journal entries or syslog datagrams. [`start`] is called once by the binary, with options that it
//! took from the configuration.
//!
//! Levels mean: `ERROR` data was lost or somebody must act; `WARN` something failed and was mended, nothing is lost;
//! `INFO` the life of the service; `DEBUG` for whoever looks for a fault.
//!
//! - A field `request_id`, on the event or on a span around it, moves into the line's context part.
//! - A field `component` tells apart what comes from one call site for different things (one sink of several); see
//!   [`CallSiteLimit`].
//! - Control characters are escaped and long values cut, so that what a peer sends can neither forge a line nor fill
//!   a disk with one.
//! - No destination can hold the program up for long: a terminal, pipe, journal or syslog that takes nothing loses
//!   lines, which are counted.

mod datagram;
mod file;
mod journal;
mod json;
mod layer;
mod levels;
mod limit;
mod options;
mod record;
mod rotation;
mod sink;
mod stream;
mod syslog;
mod template;

use std::fmt;
use std::io;
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;

use crate::causes;
use crate::clock::Clock;
use crate::metrics::{CauseCounter, Component};

pub use levels::LevelError;
pub use options::{
    CallSiteLimit, Facility, LogFormat, LogOptions, OverallLimit, Rotation, RotationInterval, log_file_path,
};
pub use template::TemplateError;

use layer::{LogLayer, Output};

causes! {
    /// The level of a line.
    pub enum LineLevel {
        /// Data was lost, or somebody must act.
        Error => "error",
        /// Something failed and was mended.
        Warning => "warning",
        /// The life of the service.
        Info => "info",
        /// For whoever looks for a fault.
        Debug => "debug",
        /// Finer than debug.
        Trace => "trace",
    }
}

causes! {
    /// Why a line was not written.
    pub enum LineLoss {
        /// Too many of the same call site, or in all; a summary was written.
        RateLimit => "rate_limit",
        /// The destination took nothing in time.
        Stuck => "stuck",
        /// The destination failed: disk full, socket gone.
        Failed => "failed",
    }
}

/// What the logs count.
#[derive(Debug, Clone, Default)]
pub struct LogMetrics {
    /// Lines written, by level (shown as the label `cause`).
    pub lines: CauseCounter<LineLevel>,
    /// Lines not written, by cause. A line counts once for each destination.
    pub lost: CauseCounter<LineLoss>,
}

impl LogMetrics {
    /// Registers the metrics under the component's name.
    pub fn register(component: &Component) -> Self {
        Self {
            lines: component.counter_by_cause("lines", "Log lines by level"),
            lost: component.counter_by_cause("lines_lost", "Log lines that were not written"),
        }
    }
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `default_log_levels` holds something else than `name=LEVEL`.
    #[error("in default_log_levels: {0}")]
    Level(#[from] LevelError),
    /// A format string holds something that cannot be shown.
    #[error("in {option}: {source}")]
    Format {
        /// The option's name.
        option: &'static str,
        /// What is wrong with it.
        #[source]
        source: TemplateError,
    },
    /// `syslog_log_facility` is none of syslog's.
    #[error("in syslog_log_facility: {value:?} is none of: {choices}")]
    Facility {
        /// The value given.
        value: String,
        /// The known names.
        choices: String,
    },
    /// The log file cannot be opened.
    #[error("cannot open log file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A socket for the journal or for syslog cannot be made.
    #[error("cannot log to {}", path.display())]
    Socket {
        /// The socket's path.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Logging was started before in this process.
    #[error("logging was started twice")]
    Twice(#[from] SetGlobalDefaultError),
}

/// Holds the logs of the process. Keep it until the end: dropping it writes the summaries that are due.
pub struct LogHandle {
    output: Arc<Output>,
    levels: reload::Handle<Targets, Registry>,
    flusher: Option<std::thread::JoinHandle<()>>,
}

/// Opens the destinations that `options` name and sends every event of the process there, those of the `log` crate
/// included. To be called once.
pub fn start(options: &LogOptions, clock: &Clock, metrics: LogMetrics) -> Result<LogHandle, LogError> {
    let (subscriber, mut handle) = build(options, clock, metrics)?;
    tracing::subscriber::set_global_default(subscriber)?;
    // A second logger would have been refused above; the `log` crate's own slot may be taken only by us.
    let _ = tracing_log::LogTracer::init();
    handle.start_flusher();
    handle.output.complain_about_fallback();
    Ok(handle)
}

/// The same without touching the process: the subscriber is handed out, and nothing runs in the background.
fn build(
    options: &LogOptions,
    clock: &Clock,
    metrics: LogMetrics,
) -> Result<(impl Subscriber + Send + Sync + use<>, LogHandle), LogError> {
    let targets = levels::targets(options.debug, &options.default_levels)?;
    let output = Arc::new(Output::open(options, clock, metrics)?);
    let (targets, levels) = reload::Layer::new(targets);
    let subscriber = Registry::default().with(targets).with(LogLayer::new(Arc::clone(&output)));
    Ok((subscriber, LogHandle { output, levels, flusher: None }))
}

impl LogHandle {
    /// Whether [`set_levels`](Self::set_levels) would take them.
    ///
    /// # Errors
    /// [`LogError`] when a level or its form is wrong.
    pub fn check_levels(&self, debug: bool, default_levels: &[String]) -> Result<(), LogError> {
        levels::targets(debug, default_levels).map(|_| ()).map_err(LogError::from)
    }

    /// Changes the levels of the running process, after a reload of the configuration.
    pub fn set_levels(&self, debug: bool, default_levels: &[String]) -> Result<(), LogError> {
        let targets = levels::targets(debug, default_levels)?;
        if self.levels.reload(targets).is_err() {
            tracing::error!("cannot change the log levels: the subscriber is gone");
        }
        Ok(())
    }

    /// Closes the log file and opens it again by its name (it is also reopened when somebody renames it away).
    pub fn reopen(&self) -> Result<(), LogError> {
        self.output.reopen()
    }

    /// Writes the summaries of rate-limited lines whose window is over.
    fn flush_due(&self) {
        self.output.flush_summaries(false);
    }

    fn start_flusher(&mut self) {
        let output = Arc::clone(&self.output);
        let flusher = std::thread::Builder::new().name("log-summaries".to_owned());
        // Without the thread a summary comes with the next line of its call site; nothing else is missing.
        self.flusher = flusher.spawn(move || output.flush_until_closed()).ok();
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LogHandle").field("output", &self.output).finish_non_exhaustive()
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        self.flush_due();
        self.output.close();
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.join();
        }
        self.output.flush_summaries(true);
    }
}

/// Makes every panic of the process one log line with its place, instead of text on stderr. Call it after [`start`].
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, thread, "panic: {message}");
    }));
}

/// How long a destination that takes nothing may hold up one line; after that, lines are tried without waiting until
/// one goes through.
const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
