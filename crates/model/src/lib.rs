//! The data that Nephoscope carries: values, notifications, samples and events.
