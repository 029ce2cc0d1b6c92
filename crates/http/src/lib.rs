//! The one HTTP client factory and the one TLS configuration.
