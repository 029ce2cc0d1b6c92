//! Archive policies and the mathematics of aggregation, equal to Gnocchi's.
//!
//! A metric's measures come in batches. Each batch is merged into the metric's [`RawBuffer`], which keeps what the
//! policy's back window asks for; the groups that it touches are computed anew for every granularity and
//! [`Method`] of its [`ArchivePolicy`], and overwrite what an [`AggregatedSeries`] had at the same timestamps.
//! Reading cuts such a series, or regroups it ([`AggregatedSeries::resample`]), or computes over several of them
//! ([`operations`]).
//!
//! Everything works on columns: timestamps (`i64` nanoseconds since the epoch, UTC) and values (`f64`) apart.
//! "Equal" means the same bits as Gnocchi 4.7 with numpy 2 gives: the order of additions, the handling of NaN and the
//! rounding of timestamps are numpy's. `tests/oracle` compares both; what differs on purpose stands in
//! `tests/oracle/differences.json`.
//!
//! Floor 0: no I/O, no threads, no clock.

pub mod calendar;
pub mod grouped;
pub mod method;
pub mod operations;
pub mod policy;
mod python;
pub mod raw;
pub mod retained;
pub mod series;
pub mod time;
pub mod timespan;

pub use calendar::Calendar;
pub use grouped::{Grouped, Grouping, Totals, Window};
pub use method::{Method, MethodSet, Statistic};
pub use policy::{Aggregation, ArchivePolicy, Definition};
pub use raw::{Batch, RawBuffer};
pub use retained::AggregatedSeries;
pub use series::{Points, Series};
