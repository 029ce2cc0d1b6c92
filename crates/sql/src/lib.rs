//! SQLite and PostgreSQL behind one small interface.
//!
//! - [`Database`]: opened from a URL; runs transactions, again when they collide with others, each within a deadline.
//! - [`Statement`]: SQL text and the values bound to it. Text never holds a value, and parameters are written `$1`,
//!   `$2`, … for both engines.
//! - [`Dialect`]: the few words in which the engines differ, for definitions of tables.
//! - [`migrate`](Database::migrate): numbered steps, a table of versions, one runner at a time.
//!
//! SQLite runs on threads of its own (one that writes, some that only read), with a write-ahead log and full
//! synchronisation: what was committed survives a power cut. PostgreSQL has a small pool of connections. Nothing here
//! knows what is stored.

mod database;
mod dialect;
mod error;
mod migrations;
mod pool;
mod postgresql;
mod sqlite;
mod statement;
mod url;
mod value;

pub use database::{Database, Options, Transaction};
pub use dialect::Dialect;
pub use error::{Constraint, Error};
pub use migrations::{Migration, Schema};
pub use statement::Statement;
pub use url::{Address, UrlError};
pub use value::{Row, Value};
