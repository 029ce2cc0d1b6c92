//! Samples and events as bytes and back, without loss: what durable queues hold.
//!
//! # Format, version 1
//!
//! ```text
//! record   := version (1 byte: 1) , kind (1 byte: 1 sample, 2 event) , fields
//! number   := LEB128, unsigned, at most 10 bytes
//! signed   := number, zigzag
//! text     := number of bytes , UTF-8
//! value    := 0                         None
//!           | 1 | 2                     False, True
//!           | 3 signed                  an integer of 64 bits
//!           | 4 text                    an integer beyond, decimal
//!           | 5 8 bytes                 a double, little-endian bits: NaN keeps its payload
//!           | 6 text
//!           | 7 count value*            a list
//!           | 8 count (text value)*     a map, in its order
//! sample   := name:text kind:1 byte unit volume user_id user_name project_id project_name resource_id timestamp
//!             resource_metadata source (values) id:text monotonic_time:(0 | 1 8 bytes)
//! event    := message_id:value event_type:text generated:signed (µs since 1970) count trait* raw:value
//! trait    := name:text ( 0 text | 1 text | 2 signed | 3 text (beyond 64 bits) | 4 8 bytes (double) | 5 signed (µs) )
//! ```
//!
//! Reading is bounded: no count is believed before the bytes are there, and values nest at most [`MAX_DEPTH`] deep.

mod read;
mod write;

pub use read::{DecodeError, read_event, read_sample, read_value};
pub use write::{write_event, write_sample, write_value};

/// The version that is written.
pub const VERSION: u8 = 1;

/// How deep lists and maps may nest. Those that come from JSON nest at most [`json::MAX_DEPTH`](crate::json::MAX_DEPTH)
/// deep, and definitions put them a few levels deeper.
pub const MAX_DEPTH: usize = 2 * crate::json::MAX_DEPTH;

/// What the second byte says.
mod kind {
    pub(super) const SAMPLE: u8 = 1;
    pub(super) const EVENT: u8 = 2;
}

/// What a value begins with.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const BIG_INT: u8 = 4;
    pub(super) const FLOAT: u8 = 5;
    pub(super) const TEXT: u8 = 6;
    pub(super) const LIST: u8 = 7;
    pub(super) const MAP: u8 = 8;
}

/// What a trait's value begins with.
mod trait_tag {
    pub(super) const UNTYPED: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const INTEGER: u8 = 2;
    pub(super) const BIG_INTEGER: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const DATETIME: u8 = 5;
}
