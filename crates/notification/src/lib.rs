//! The notification agent: listener, endpoints and definitions, pipeline.
