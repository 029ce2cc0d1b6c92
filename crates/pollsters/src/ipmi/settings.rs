//! [`IpmiSettings`]: what the configuration says to the namespace `ipmi`.

use std::time::Duration;

/// How the management controller is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpmiSettings {
    /// `[DEFAULT] host`: how samples name this machine.
    pub host: String,
    /// `[nephoscope] ipmi_command`: the program and what stands before its own arguments, as a shell would split it.
    pub command: String,
    /// `[nephoscope] ipmi_timeout`: how long a command may take; [`TIMEOUT_MAX`](Self::TIMEOUT_MAX) at most.
    pub timeout: Duration,
    /// `[ipmi] polling_retry`: failures in a row that are forgiven; [`None`]: all.
    pub polling_retry: Option<u64>,
}

impl IpmiSettings {
    /// The longest that a command may take. Two that wait for each other stay below what a pollster may be silent.
    pub const TIMEOUT_MAX: Duration = Duration::from_mins(5);

    /// The defaults of all options, for that host.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            command: "ipmitool".to_owned(),
            timeout: Duration::from_mins(2),
            polling_retry: Some(3),
        }
    }
}
