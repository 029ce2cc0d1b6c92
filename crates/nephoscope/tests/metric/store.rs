//! `nephoscope metric` on an empty directory.

use testkit::{GnocchiApi, Process, Program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");

/// A running store. Dropped, it is gone.
pub(crate) struct Store {
    pub(crate) api: GnocchiApi,
    _process: Process,
    _directory: tempfile::TempDir,
}

impl Store {
    /// Starts it, and waits until the API listens.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let process = Program::new(PROGRAM)
            .args(["metric", "--port", "0"])
            .dir(directory.path())
            .clear_env()
            .env("HOME", directory.path().as_os_str())
            .env("OS_NEPHOSCOPE__STATE_DIR", directory.path().as_os_str())
            .env("OS_NEPHOSCOPE__METRIC_LISTEN_ADDRESS", "")
            .start()
            .unwrap();
        let started = process.line("api=").unwrap();
        let (_, address) = started.split_once("api=").unwrap();
        let port = address
            .trim_start_matches("http://127.0.0.1:")
            .trim_end_matches(|last: char| !last.is_ascii_digit());
        let port = port.parse().unwrap_or_else(|_| panic!("{started}"));
        Self { api: GnocchiApi::at(port), _process: process, _directory: directory }
    }
}
