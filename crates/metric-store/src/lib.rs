//! The embedded store of measures.
//!
//! A [`Store`] takes measures, answers once they are durable *and* aggregated, and reads the aggregates back; a read
//! sees every measure that was accepted. It needs a directory and nothing else. `docs/metric-store.md` draws the format
//! byte by byte and argues each crash; the modules' pages repeat what concerns them.
//!
//! - [`Store::write`] puts a request into the log. Requests that arrive while others are being written share one sync
//!   (`commit`), and are then applied in the order of the log.
//! - What a metric's measures add up to is Gnocchi's arithmetic, from the crate `archive` (`metric`).
//! - Which metrics may be written, and which shards are to be looked after, `ownership` says.
//! - Opening reads the log again. What is damaged is passed over, kept in quarantine and reported ([`Opened`]).
//!
//! Synchronous: callers on an async runtime use a blocking thread. No network, no SQL, no clock.

mod bytes;
mod checkpoint;
mod chunk;
mod chunk_files;
pub mod codec;
mod columns;
mod commit;
mod error;
mod frame;
mod frozen;
mod fsck;
#[cfg(test)]
mod hostile;
mod level;
mod metric;
mod open_group;
mod ownership;
mod policies;
mod raw_points;
mod record;
mod rows;
mod salvage;
mod shards;
mod state;
mod store;

use std::fmt;

pub use error::{CheckpointError, OpenError, ReadError, WriteError};
pub use fsck::{Finding, MAX_FINDINGS, Report, fsck};
pub use metric::Sizes;
pub use record::Aggregates;
pub use store::{Backup, Limits, Measures, Opened, Outcome, Stats, Store};

/// A metric's UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricId(pub [u8; 16]);

impl MetricId {
    /// A number by which metrics of one age do the same work at different times.
    pub(crate) fn jitter(self) -> usize {
        let [.., high, low] = self.0;
        usize::from(u16::from_be_bytes([high, low]))
    }
}

impl fmt::Debug for MetricId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// An archive policy of a store; the number is the store's own and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyNumber(pub(crate) u32);
