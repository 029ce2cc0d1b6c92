//! Publishers' buffers on disk, as the configuration wants them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::buffer::medium::Disk;
use observability::clock::Clock;
use oslo_config::Config;
use oslo_config::options::nephoscope as options;
use pipeline::{
    BufferDirectory, BufferDirectoryError, BufferNames, BufferOptions, BufferState, PipelineMetrics, Workers,
};
use tokio::sync::watch;

use super::state_dir;

/// The buffers of one role.
pub(crate) struct Buffers {
    options: Arc<BufferOptions>,
    names: Mutex<BufferNames>,
    /// Held as long as the process lives.
    _directory: BufferDirectory,
}

impl Buffers {
    /// Takes the part of the directory that is `role`'s, if there shall be buffers on disk; other roles have theirs beside
    /// it. A directory that the operator named must be usable;
    /// without the default one the role goes on in memory.
    ///
    /// # Errors
    /// [`BufferDirectoryError`] when the named directory cannot be used.
    pub(crate) fn prepare(config: &Config, role: &str) -> Result<Option<Self>, BufferDirectoryError> {
        let disk_bytes = u64::try_from(config.get(&options::BUFFER_DISK_BYTES)).unwrap_or(0);
        if disk_bytes == 0 {
            tracing::info!(
                "buffer_disk_bytes = 0: what publishers do not accept stays in memory and with the broker"
            );
            return Ok(None);
        }
        let named = config.get(&options::BUFFER_DIRECTORY);
        let root = if named.is_empty() { state_dir(config).join("buffer") } else { PathBuf::from(named) };
        let directory = root.join(role);
        let taken = match BufferDirectory::take(&Disk, &directory) {
            Ok(taken) => taken,
            Err(error) if named.is_empty() => {
                tracing::warn!(
                    "{}; what publishers do not accept stays in memory and with the broker. Set [nephoscope] \
                     buffer_directory to a directory of this process's own, or buffer_disk_bytes = 0 to say that this \
                     is meant",
                    crate::check::with_sources(&error)
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let options = BufferOptions {
            medium: Arc::new(Disk),
            directory,
            disk_bytes,
            spill_after: seconds(config.get(&options::BUFFER_SPILL_SECONDS))
                .unwrap_or(Duration::from_secs(1)),
            max_age: seconds(config.get(&options::BUFFER_MAX_AGE)),
            age_alarm: seconds(config.get(&options::BUFFER_AGE_ALARM_SECONDS)),
            clock: Clock::machine(),
        };
        Ok(Some(Self { options: Arc::new(options), names: Mutex::default(), _directory: taken }))
    }

    /// Gives buffers to new publishers; returns how each fares, by name.
    pub(crate) fn attach(&self, workers: &mut Workers) -> Vec<(String, watch::Receiver<BufferState>)> {
        workers.with_buffers(&self.options, &mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reports buffers that belong to no publisher.
    pub(crate) fn report_orphans(&self, metrics: &PipelineMetrics) {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.report_orphans(&Disk, self.directory(), metrics);
    }

    fn directory(&self) -> &Path {
        &self.options.directory
    }
}

/// A duration of an option where 0 means none.
fn seconds(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}
