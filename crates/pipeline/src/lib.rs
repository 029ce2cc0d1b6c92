//! From converted records to the publishers that accept them.
//!
//! A *source* selects records by name, a *sink* names the publishers they go to, and every publisher
//! of a sink runs behind a bounded queue of its own, so that one publisher's trouble delays no other.
//! A [`DeliveryToken`] travels with each batch and tells, once, whether every publisher accepted it:
//! only then may the input acknowledge what it was made from.

pub mod config;
mod disk;
mod filter;
mod metrics;
mod publisher;
mod refused;
mod router;
mod spill;
mod store;
mod tap;
mod token;
mod worker;

pub use disk::{BufferDirectory, BufferDirectoryError, BufferNames, BufferOptions};
pub use filter::{Decision, Filter, FilterError};
pub use metrics::{Drop, PipelineMetrics};
pub use publisher::{
    Batch, BuildError, Preparing, PublishError, Publisher, PublisherUrl, Publishing, Records, RecordsKind,
    Refusal, Refusals, Unnamed,
};
pub use refused::{RecordLetters, record_of};
pub use router::{
    PublisherFactory, Router, RouterError, TakeChanges, Workers, check_publishers, read_again, volume_problem,
};
pub use spill::BufferState;
pub use tap::{
    Destinations, MAX_PATTERN_BYTES, MAX_PATTERNS, MAX_SUBSCRIBERS, MAX_WAITING_BYTES, MAX_WAITING_RECORDS,
    Seen, Tap, TapFilter, TapFilterError, TapQuery, TapSubscription, TooManySubscribers,
};
pub use token::{DeliveryToken, Outcome};
pub use worker::{RetryPolicy, SinkState, WorkerLimits};
