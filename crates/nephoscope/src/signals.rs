//! Signals: which stop the process, and which do not.

use observability::logs::LogHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the process answers.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes SIGTERM, SIGINT and SIGHUP over; needs a runtime.
    pub(crate) fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the process shall stop and returns why. SIGHUP opens the log file anew.
    pub(crate) async fn wait_for_stop(&mut self, logs: &LogHandle) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => match logs.reopen() {
                    Ok(()) => tracing::warn!("SIGHUP: log file opened anew; changed configuration needs a restart"),
                    Err(error) => tracing::error!("SIGHUP: cannot open the log file anew: {error}"),
                },
            }
        }
    }

    /// Waits for a further SIGTERM or SIGINT.
    pub(crate) async fn second(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
