//! A disk that hangs until it is told to go on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::Error;
use crate::wait::PATIENCE;

#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    /// Where writes wait: below this directory.
    shut: Option<PathBuf>,
    /// Writes that wait.
    waiting: usize,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as it is shut for a file.
    pub(super) fn pass(&self, path: &Path) {
        let is_shut = |state: &GateState| state.shut.as_ref().is_some_and(|shut| path.starts_with(shut));
        let mut state = self.state();
        if !is_shut(&state) {
            return;
        }
        state.waiting += 1;
        self.changed.notify_all();
        while is_shut(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }
}

/// Writes hang until this is dropped ([`FaultyMedium::hold_writes`](super::FaultyMedium::hold_writes)).
#[derive(Debug)]
#[must_use = "writes go on when it is dropped"]
pub struct HeldWrites(Arc<Gate>);

impl HeldWrites {
    pub(super) fn shut(gate: &Arc<Gate>, below: &Path) -> Self {
        gate.state().shut = Some(below.to_owned());
        Self(Arc::clone(gate))
    }

    /// Waits until a write hangs.
    ///
    /// # Errors
    /// None comes.
    pub fn wait(&self) -> Result<(), Error> {
        let state = self.0.state();
        let waited = self.0.changed.wait_timeout_while(state, PATIENCE, |state| state.waiting == 0);
        let (_state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(Error::Late { what: "a write that hangs".to_owned(), limit: PATIENCE });
        }
        Ok(())
    }
}

impl Drop for HeldWrites {
    fn drop(&mut self) {
        self.0.state().shut = None;
        self.0.changed.notify_all();
    }
}
