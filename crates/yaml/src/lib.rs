//! YAML 1.1 as PyYAML's safe loader reads it, with positions.
//!
//! [`parse`] turns a text into a tree of [`Node`]s, each with the line and column where it stands, so
//! that whoever reads a configuration file can point at the value that it rejects. What a plain scalar
//! means follows PyYAML: `yes` is a boolean, `1:30` is ninety, `014` is twelve, `1e3` is a text, `<<`
//! merges mappings and of equal keys the last one wins.
//!
//! Floor 0: no I/O, no threads, no clock. Hostile input is bounded by [`limits`].

mod compose;
mod construct;
mod error;
pub mod fuzz;

pub mod limits;
mod node;
mod number;
mod resolve;
mod scanner;
mod timestamp;

pub use error::{Context, Error, ErrorKind};
pub use node::{Kind, Node, Span};
pub use timestamp::{TimeOfDay, Timestamp};

/// Reads one YAML document, as `yaml.safe_load` does.
///
/// An empty text, or one of comments only, is a null node. A second document is an error.
///
/// # Errors
/// [`Error`] with line, column and the problem: a syntax error, an unknown tag, a value that does not fit
/// its tag, or one of the [`limits`].
pub fn parse(text: &str) -> Result<Node, Error> {
    let document = compose::compose(text)?;
    construct::construct(&document)
}
