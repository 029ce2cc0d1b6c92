//! Waiting for a condition with a deadline; the only place where a test may sleep.

use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// How long a test waits for something that should come at once: far beyond what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Polls until `look` yields a value, for at most [`PATIENCE`]; `what` names the awaited thing in the error.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> Result<T, Error> {
    wait_until(what, PATIENCE, look)
}

/// Polls until `look` yields a value, for at most `limit`. Looks at least once.
pub fn wait_until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if start.elapsed() > limit {
            return Err(Error::Late { what: what.to_owned(), limit });
        }
        thread::sleep(LOOK_EVERY);
    }
}
