//! What the binary passes in: oslo.log's options, resolved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::LogError;

/// oslo.log's default for `logging_default_format_string`.
const DEFAULT_LINE: &str =
    "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(instance)s%(message)s";
/// oslo.log's default for `logging_context_format_string`.
const DEFAULT_CONTEXT_LINE: &str = "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(global_request_id)s \
     %(request_id)s %(user_identity)s] %(instance)s%(message)s";

/// What log lines look like on stderr and in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// oslo.log's line; on a stderr that is the journal, journal entries instead.
    #[default]
    Auto,
    /// oslo.log's line, always.
    Text,
    /// One JSON object a line, with the keys of oslo.log's `use_json`.
    Json,
    /// Journal entries instead of stderr, always.
    Journald,
}

/// When the log file is put aside, as oslo.log's `log_rotation_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// By others only: the file is opened anew when its name leads to another file.
    #[default]
    None,
    /// Before it grows past this size in bytes (`log_rotation_type = size`).
    Size(u64),
    /// At regular times (`log_rotation_type = interval`).
    Interval(RotationInterval),
}

/// `log_rotate_interval` with `log_rotate_interval_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationInterval {
    /// Every so many seconds.
    Seconds(u32),
    /// Every so many minutes.
    Minutes(u32),
    /// Every so many hours.
    Hours(u32),
    /// Every so many days of 24 hours.
    Days(u32),
    /// At the end of one day of the week, 0 being Monday.
    Weekday(u8),
    /// At midnight, local time.
    Midnight,
}

/// oslo.log's overall limit: at most `burst` lines in `interval`, but for lines of `except_level` and above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverallLimit {
    /// `rate_limit_interval`.
    pub interval: Duration,
    /// `rate_limit_burst`.
    pub burst: u64,
    /// `rate_limit_except_level`: a Python level name; lines of this level and above are never dropped.
    pub except_level: String,
}

/// At most `burst` lines of one call site (and one `component`) in `window`; the rest is counted and summed up in one
/// line at the window's end. Debug lines are not limited: who asks for them wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSiteLimit {
    /// Lines that pass.
    pub burst: u32,
    /// The time after which the count starts anew.
    pub window: Duration,
}

impl Default for CallSiteLimit {
    fn default() -> Self {
        Self { burst: 10, window: Duration::from_secs(10) }
    }
}

/// A syslog facility, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(u8);

const FACILITIES: [(&str, u8); 20] = [
    ("LOG_KERN", 0),
    ("LOG_USER", 1),
    ("LOG_MAIL", 2),
    ("LOG_DAEMON", 3),
    ("LOG_AUTH", 4),
    ("LOG_SYSLOG", 5),
    ("LOG_LPR", 6),
    ("LOG_NEWS", 7),
    ("LOG_UUCP", 8),
    ("LOG_CRON", 9),
    ("LOG_AUTHPRIV", 10),
    ("LOG_FTP", 11),
    ("LOG_LOCAL0", 16),
    ("LOG_LOCAL1", 17),
    ("LOG_LOCAL2", 18),
    ("LOG_LOCAL3", 19),
    ("LOG_LOCAL4", 20),
    ("LOG_LOCAL5", 21),
    ("LOG_LOCAL6", 22),
    ("LOG_LOCAL7", 23),
];

impl Facility {
    /// From `syslog_log_facility`: any case, with or without `LOG_`.
    pub fn parse(value: &str) -> Result<Self, LogError> {
        let upper = value.trim().to_ascii_uppercase();
        let known =
            FACILITIES.iter().find(|(name, _)| *name == upper || name.strip_prefix("LOG_") == Some(&*upper));
        known.map(|(_, number)| Self(*number)).ok_or_else(|| LogError::Facility {
            value: value.to_owned(),
            choices: FACILITIES.map(|(name, _)| name).join(", "),
        })
    }

    /// The number, not yet shifted.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Default for Facility {
    /// `LOG_USER`.
    fn default() -> Self {
        Self(1)
    }
}

/// Everything that logging needs to know. `Default` is oslo.log's defaults on the machine's paths.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The program's name, for the journal and syslog.
    pub program: String,
    /// `debug`.
    pub debug: bool,
    /// `default_log_levels`: Python logger names or our own, each `name=LEVEL`.
    pub default_levels: Vec<String>,
    /// What lines look like.
    pub format: LogFormat,
    /// The log file, resolved by [`log_file_path`].
    pub file: Option<PathBuf>,
    /// `use_stderr`. Without a file and the journal, stderr is used anyway.
    pub use_stderr: bool,
    /// `use_journal`.
    pub use_journal: bool,
    /// `use_syslog`.
    pub use_syslog: bool,
    /// `syslog_log_facility`, for syslog and the journal.
    pub facility: Facility,
    /// `JOURNAL_STREAM` from the environment, if it is set.
    pub journal_stream: Option<String>,
    /// `log_rotation_type` and what belongs to it.
    pub rotation: Rotation,
    /// `max_logfile_count`: files kept besides the current one. With 0, rotation by size never happens and rotation
    /// by interval keeps every file, as in Python.
    pub max_files: usize,
    /// `log_date_format`.
    pub date_format: String,
    /// `logging_default_format_string`.
    pub line: String,
    /// `logging_context_format_string`, for lines with a request id.
    pub context_line: String,
    /// `logging_debug_format_suffix`.
    pub debug_suffix: String,
    /// `log_color`, for stderr.
    pub color: bool,
    /// oslo.log's overall limit, if it is set.
    pub overall_limit: Option<OverallLimit>,
    /// The limit for each call site.
    pub call_site_limit: Option<CallSiteLimit>,
    /// The zone in which times are shown.
    pub time_zone: TimeZone,
    /// The journal's native socket.
    pub journal_socket: PathBuf,
    /// The syslog socket.
    pub syslog_socket: PathBuf,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            program: "nephoscope".to_owned(),
            debug: false,
            default_levels: Vec::new(),
            format: LogFormat::default(),
            file: None,
            use_stderr: false,
            use_journal: false,
            use_syslog: false,
            facility: Facility::default(),
            journal_stream: None,
            rotation: Rotation::default(),
            max_files: 30,
            date_format: "%Y-%m-%d %H:%M:%S".to_owned(),
            line: DEFAULT_LINE.to_owned(),
            context_line: DEFAULT_CONTEXT_LINE.to_owned(),
            debug_suffix: String::new(),
            color: false,
            overall_limit: None,
            call_site_limit: Some(CallSiteLimit::default()),
            time_zone: TimeZone::system(),
            journal_socket: PathBuf::from("/run/systemd/journal/socket"),
            syslog_socket: PathBuf::from("/dev/log"),
        }
    }
}

/// The log file that `log_file` and `log_dir` mean for `program`, as oslo.log puts them together.
pub fn log_file_path(log_file: Option<&Path>, log_dir: Option<&Path>, program: &str) -> Option<PathBuf> {
    match (log_file, log_dir) {
        (Some(file), Some(dir)) => Some(dir.join(file)),
        (Some(file), None) => Some(file.to_owned()),
        (None, Some(dir)) => Some(dir.join(format!("{program}.log"))),
        (None, None) => None,
    }
}
