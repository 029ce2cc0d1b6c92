//! [`Limits`]: what an evaluation may take.

use std::fmt;

use crate::error::{Exception, Outcome, raise};

/// The longest text of an expression.
pub const MAX_TEXT_BYTES: usize = 64 << 10;
/// How deeply the parts of an expression may be nested, links of a chain included.
pub const MAX_HEIGHT: usize = 100;
/// The size of the largest integer; Python itself writes none of more than 4300 digits, which are 14 284 bits.
pub const MAX_INTEGER_BITS: u64 = 1 << 15;

/// What one evaluation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Parts of expressions that are evaluated, elements that are gone through, and so on: well below a second.
    pub steps: u64,
    /// Everything that is made on the way, in bytes, whether it is still needed or not.
    pub bytes: usize,
    /// How deeply evaluations may be nested: parts of an expression, calls of lambdas, iterators of iterators.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 4_000_000, bytes: 64 << 20, depth: 200 }
    }
}

/// What is left of the limits.
pub(crate) struct Machine {
    limits: Limits,
    steps: u64,
    bytes: usize,
    depth: usize,
}

impl Machine {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, steps: limits.steps, bytes: limits.bytes, depth: 0 }
    }

    /// Counts so many steps.
    pub(crate) fn steps(&mut self, count: usize) -> Outcome<()> {
        match self.steps.checked_sub(count as u64) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(raise(
                Exception::Limit,
                format!("the expression takes more than {} steps", self.limits.steps),
            )),
        }
    }

    pub(crate) fn step(&mut self) -> Outcome<()> {
        self.steps(1)
    }

    /// Counts so many bytes, before they are taken.
    pub(crate) fn take(&mut self, bytes: usize) -> Outcome<()> {
        // Whatever is made must be written.
        self.steps(bytes / 64)?;
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(raise(
                Exception::Limit,
                format!("the expression takes more than {} bytes", self.limits.bytes),
            )),
        }
    }

    /// Counts so many places of a list, before they are taken.
    pub(crate) fn take_places(&mut self, count: usize) -> Outcome<()> {
        self.take(count.saturating_mul(size_of::<crate::value::Object>()))
    }

    /// Does something one level deeper.
    pub(crate) fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth >= self.limits.depth {
            let message = format!("the evaluation is nested deeper than {} levels", self.limits.depth);
            return Err(raise(Exception::Limit, message));
        }
        self.depth += 1;
        let outcome = work(self);
        self.depth -= 1;
        outcome
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, steps, bytes, .. } = self;
        f.debug_struct("Machine")
            .field("limits", limits)
            .field("steps_left", steps)
            .field("bytes_left", bytes)
            .finish()
    }
}
