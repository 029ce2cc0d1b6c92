//! Sources, sinks, routing, delivery tokens and the publisher trait.
