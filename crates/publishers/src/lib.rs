//! One file a publisher; each says what *accepted* means for it.

pub mod file;
pub mod gnocchi;
