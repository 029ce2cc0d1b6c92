//! Meter and event definitions: parsed, compiled and applied to notifications.
