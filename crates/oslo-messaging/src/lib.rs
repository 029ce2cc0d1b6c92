//! AMQP 0.9.1 with oslo.messaging's envelopes: notification listener and notifier.
//!
//! This crate speaks to RabbitMQ as oslo.messaging does, and knows nothing of what the notifications mean.
//!
//! - [`TransportUrl`] and [`RabbitOptions`] read what operators write.
//! - [`Listener`] consumes topics × exchanges × priorities and hands out [`Batch`]es. A message is acknowledged when,
//!   and only when, its batch's [`Receipt`] says so.
//! - [`envelope`] takes a message's envelope off and reads the header, the payload left raw.
//! - [`Notifier`] sends notifications, and returns when the broker has confirmed them.
//! - [`Republisher`] puts messages back as they were.
//!
//! lapin does the protocol; its automatic recovery stays off, because it knows one host and hides reconnects from
//! those who hold delivery tags. No lapin type appears in this crate's interface but as an error's source.

mod backoff;
mod batch;
mod budget;
mod connection;
pub mod envelope;
mod ledger;
mod listener;
mod metrics;
mod notifier;
mod options;
mod prefetch;
mod republisher;
mod state;
mod topology;
mod url;

pub use self::batch::{Batch, Delivery, Receipt};
pub use self::connection::{ConnectError, TlsError};
pub use self::listener::{
    ConfigError, DEFAULT_BATCH_BYTES, DEFAULT_BUDGET_BYTES, Listener, ListenerConfig, OUTPUT_BATCHES,
    PRIORITIES,
};
pub use self::metrics::AmqpMetrics;
pub use self::notifier::{
    IN_FLIGHT, MESSAGE_BYTES_MAX, Notifier, NotifierConfig, NotifierState, NotifyError, Outgoing, Payload,
    Retry,
};
pub use self::options::{
    Compression, FailoverStrategy, LoginMethod, OptionsError, RabbitOptions, UNLIMITED_PREFETCH,
};
pub use self::republisher::{RepublishError, Republished, Republisher};
pub use self::state::{ListenerState, Phase};
pub use self::url::{DEFAULT_PORT, Endpoint, Password, TransportHost, TransportUrl, UrlError};
