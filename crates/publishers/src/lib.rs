//! One file a publisher.
