//! The oslo.config ini dialect and the table of every option.
