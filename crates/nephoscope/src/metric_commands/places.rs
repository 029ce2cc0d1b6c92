//! Where a metric store has its parts.

use std::path::PathBuf;

use oslo_config::Config;
use oslo_config::options::metric::indexer;

use crate::role::{Roles, state_dir};

/// The server's control socket in the state directory.
pub(crate) const SOCKET: &str = "metric.sock";

/// Directories, files and sockets of a metric store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// The store's own directory.
    pub(crate) directory: PathBuf,
    /// The measures in it.
    pub(crate) measures: PathBuf,
    /// The URL of the index.
    pub(crate) index: String,
    /// Where a server that has it open may answer.
    pub(crate) sockets: Vec<PathBuf>,
}

impl Places {
    /// Whether there is a store, or one that the next start puts there.
    pub(crate) fn is_there(&self) -> bool {
        self.measures.is_dir() || metric::replacement_journal(&self.directory).exists()
    }

    /// Those that a configuration names.
    pub(crate) fn of(config: &Config) -> Self {
        let state_dir = state_dir(config);
        let directory = state_dir.join("metric");
        let index = match config.get(&indexer::URL) {
            "" => format!("sqlite:///{}", directory.join(metric::INDEX).display()),
            url => url.to_owned(),
        };
        let measures = directory.join(metric::MEASURES);
        let sockets = vec![state_dir.join(SOCKET), state_dir.join(Roles::All.socket_name())];
        Self { directory, measures, index, sockets }
    }
}
