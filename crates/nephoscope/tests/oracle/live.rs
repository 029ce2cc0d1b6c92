//! Messages that real services and a real polling agent produce.
