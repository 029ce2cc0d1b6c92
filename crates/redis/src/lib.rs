//! Redis by its protocol (RESP 2): one server, or the master that sentinels name, with TLS and passwords.
//!
//! - [`Redis`]: sends a command, reads its [`Reply`].
//! - [`connection`]: one connection to one server: a question, an answer, a deadline. Other protocols of questions and
//!   answers (memcached's) use it as well.
//!
//! It knows nothing of what is kept there.

pub mod connection;

mod client;
mod reply;
mod sentinels;

pub use client::{Redis, RedisOptions, RedisSentinels};
pub use connection::{AddressError, ServerError};
pub use reply::Reply;
