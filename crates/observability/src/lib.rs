//! Logs, self-metrics, health, service manager notification, task supervision and clock.
