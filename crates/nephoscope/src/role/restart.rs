//! The process ends in order and starts itself anew, because what it has open has got a successor.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use observability::clock::Clock;
use observability::service_manager::ServiceManager;
use observability::supervisor::Drained;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use crate::signals::Signals;

/// Whose lines in the log these are.
const ROLE: &str = "nephoscope::role";
/// What a signal that has come takes to be seen.
const LAST_LOOK: Duration = Duration::from_millis(2);

/// How a role has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to stop.
    Stopped,
    /// The process is to start anew.
    Restart,
}

/// The way to ask for a restart. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Restart {
    asked: CancellationToken,
    turn: Arc<Mutex<()>>,
}

/// The right to prepare a restart; one has it at a time.
#[derive(Debug)]
pub(super) struct Turn {
    restart: Restart,
    _turn: OwnedMutexGuard<()>,
}

impl Restart {
    /// Begins to prepare one; none while somebody else does, or when the process is about to restart.
    pub(super) fn begin(&self) -> Option<Turn> {
        let turn = Arc::clone(&self.turn).try_lock_owned().ok()?;
        (!self.asked.is_cancelled()).then(|| Turn { restart: self.clone(), _turn: turn })
    }

    /// Completes when a restart is asked for.
    pub(super) async fn asked(&self) {
        self.asked.cancelled().await;
    }
}

impl Turn {
    /// Asks for it.
    pub(super) fn restart(self) {
        self.restart.asked.cancel();
    }
}

impl End {
    /// Tells the service manager what begins; a restart is no stop to it.
    pub(super) fn tell(self, manager: &ServiceManager, clock: &Clock) {
        match self {
            Self::Stopped => manager.stopping("finishing what is in hand"),
            Self::Restart => {
                manager.reloading(clock);
                manager.status("finishing what is in hand, to start anew with another metric store");
            }
        }
    }

    /// The result after a drain. What was not finished was not acknowledged: that is no reason not to start anew.
    ///
    /// # Errors
    /// A stop left something unfinished.
    pub(super) fn of(self, drained: &Drained) -> anyhow::Result<Self> {
        let aborted = drained.aborted.join(", ");
        match self {
            Self::Restart if drained.is_clean() => tracing::info!(target: ROLE, "starting anew"),
            Self::Restart => {
                tracing::warn!(target: ROLE, tasks = aborted, "starting anew with unfinished tasks");
            }
            Self::Stopped if drained.is_clean() => tracing::info!(target: ROLE, "stopped"),
            Self::Stopped => anyhow::bail!("stopped with unfinished tasks: {aborted}"),
        }
        Ok(self)
    }

    /// The same, unless a signal to stop has come since the drain. It is asked when the runtime is gone, right before the
    /// program's new start, which would not know of it.
    pub(super) fn unless_stopped(self, signals: Option<Signals>) -> Self {
        let Some(mut signals) = signals.filter(|_| self == Self::Restart) else { return self };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let told = runtime.is_ok_and(|runtime| {
            runtime.block_on(async { tokio::time::timeout(LAST_LOOK, signals.stop()).await.is_ok() })
        });
        if told { Self::Stopped } else { self }
    }

    /// Waits for a drain. A signal to stop makes a stop of a restart; one more, or one during a stop, ends it at once, and
    /// there is no result.
    pub(super) async fn drained(
        &mut self,
        drain: impl Future<Output = Drained>,
        signals: &mut Signals,
        manager: &ServiceManager,
        clock: &Clock,
    ) -> Option<Drained> {
        tokio::pin!(drain);
        loop {
            tokio::select! {
                drained = &mut drain => return Some(drained),
                () = signals.stop() => match self {
                    Self::Stopped => return None,
                    Self::Restart => {
                        tracing::info!(target: ROLE, "told to stop: the next start opens the other metric store");
                        *self = Self::Stopped;
                        self.tell(manager, clock);
                    }
                }
            }
        }
    }
}
