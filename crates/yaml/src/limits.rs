//! Bounds that keep a hostile document from exhausting time, memory or the stack.

/// The longest text that is read, in bytes. Ceilometer's largest packaged file has 30 KB.
pub const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;

/// How deep collections may nest. Python's recursion limit stops PyYAML at a similar depth.
pub const MAX_DEPTH: usize = 200;

/// How many nodes a document may have, counted after aliases and merge keys are expanded (an alias to a
/// mapping of ten nodes counts as ten). This is what stops the "billion laughs".
pub const MAX_NODES: usize = 1_000_000;

/// How many bytes of scalar text a document may have, counted after aliases are expanded.
pub const MAX_EXPANDED_BYTES: usize = 64 * 1024 * 1024;

/// The longest integer, in decimal digits; Python refuses to read longer ones as well.
pub const MAX_INTEGER_DIGITS: usize = 4300;
