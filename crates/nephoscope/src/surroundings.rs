//! Everything that is read from outside the command line and the files: read here, once, and handed on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use observability::service_manager::NotifySettings;

/// The process's surroundings.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) working_directory: Option<PathBuf>,
    pub(crate) host_name: String,
    pub(crate) processors: usize,
    pub(crate) journal_stream: Option<String>,
    pub(crate) service_manager: NotifySettings,
}

impl Surroundings {
    /// Reads the environment, the host's name and the number of processors.
    pub(crate) fn read() -> Self {
        let env: BTreeMap<String, String> = std::env::vars_os().filter_map(utf8_pair).collect();
        let value = |name: &str| env.get(name).map(String::as_str);
        Self {
            home: value("HOME").map(PathBuf::from),
            working_directory: std::env::current_dir().ok(),
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            journal_stream: value("JOURNAL_STREAM").map(str::to_owned),
            service_manager: NotifySettings::from_values(
                std::env::var_os("NOTIFY_SOCKET").as_deref(),
                value("WATCHDOG_USEC"),
                value("WATCHDOG_PID"),
                std::process::id(),
            ),
            env,
        }
    }
}

/// Variables that are not UTF-8 cannot be options: oslo.config reads text.
fn utf8_pair((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
