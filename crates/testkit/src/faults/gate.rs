//! A disk that hangs until it is told to go on.

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
    is_shut: bool,
    /// Writes that wait.
    waiting: usize,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as it is shut.
    pub(super) fn pass(&self) {
        let mut state = self.state();
        if !state.is_shut {
            return;
        }
        state.waiting += 1;
        self.changed.notify_all();
        while state.is_shut {
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
    pub(super) fn shut(gate: &Arc<Gate>) -> Self {
        gate.state().is_shut = true;
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
        self.0.state().is_shut = false;
        self.0.changed.notify_all();
    }
}
