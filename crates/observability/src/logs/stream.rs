//! stderr, which may be a pipe that nobody reads.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{LineLoss, PATIENCE};

/// A pipe that polls as writable takes at least this much without blocking (`PIPE_BUF`).
const CHUNK_BYTES: usize = 4_096;

/// A descriptor that is written to without ever blocking longer than a log line's patience.
#[derive(Debug)]
pub(super) struct StreamSink<F> {
    stream: F,
    stuck: bool,
}

impl<F: AsFd> StreamSink<F> {
    pub(super) fn new(stream: F) -> Self {
        Self { stream, stuck: false }
    }

    /// Writes the whole text, or loses it (or its end).
    pub(super) fn write(&mut self, text: &[u8]) -> Result<(), LineLoss> {
        for chunk in text.chunks(CHUNK_BYTES) {
            let mut rest = chunk;
            while !rest.is_empty() {
                if !self.is_writable() {
                    self.stuck = true;
                    return Err(LineLoss::Stuck);
                }
                match rustix::io::write(&self.stream, rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(rustix::io::Errno::INTR) => {}
                    Err(rustix::io::Errno::AGAIN) => {
                        self.stuck = true;
                        return Err(LineLoss::Stuck);
                    }
                    Err(_) => return Err(LineLoss::Failed),
                }
            }
        }
        self.stuck = false;
        Ok(())
    }

    fn is_writable(&self) -> bool {
        let patience = if self.stuck { std::time::Duration::ZERO } else { PATIENCE };
        let timeout = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
        let mut descriptors = [PollFd::new(&self.stream, PollFlags::OUT)];
        // An interrupted or failed poll counts as not writable: a line may be lost, the program is not held up.
        matches!(poll(&mut descriptors, Some(&timeout)), Ok(ready) if ready > 0)
    }
}

/// The process's stderr.
pub(super) fn stderr() -> StreamSink<io::Stderr> {
    StreamSink::new(io::stderr())
}
