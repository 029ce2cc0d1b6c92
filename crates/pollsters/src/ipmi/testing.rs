//! A program in the place of `ipmitool`, for tests.

use std::fs;
use std::path::Path;
use std::time::Duration;

use observability::clock::Clock;
use observability::metrics::Metrics;

use super::{Controller, IpmiMetrics, IpmiSettings};

/// A directory with a shell script in it that is the command of [`settings`](Self::settings).
pub(super) struct Fake(tempfile::TempDir);

impl Fake {
    pub(super) fn new(script: &str) -> Self {
        let fake = Self(tempfile::tempdir().unwrap());
        fake.becomes(script);
        fake
    }

    /// From now on it is this script. A run that was begun may still be the former.
    pub(super) fn becomes(&self, script: &str) {
        fs::write(self.path().join("new"), format!("cd {}\n{script}\n", self.path().display())).unwrap();
        fs::rename(self.path().join("new"), self.path().join("ipmitool")).unwrap();
    }

    /// Prints `text`, byte by byte as it is.
    pub(super) fn prints(&self, text: &[u8]) {
        fs::write(self.path().join("printed"), text).unwrap();
        self.becomes("cat printed");
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn settings(&self) -> IpmiSettings {
        let command = format!("sh {}", self.path().join("ipmitool").display());
        IpmiSettings { command, timeout: Duration::from_secs(20), ..IpmiSettings::new("Node 1") }
    }

    pub(super) fn controller(&self, timeout: Duration) -> Controller {
        Controller::new(&IpmiSettings { timeout, ..self.settings() }, Clock::machine(), metrics()).unwrap()
    }
}

pub(super) fn metrics() -> IpmiMetrics {
    IpmiMetrics::register(&Metrics::new().component("ipmi"))
}

/// A sensor as ipmitool prints it.
pub(super) fn block(id: &str, class: &str, reading: &str) -> String {
    format!(
        "Sensor ID              : {id}\n Sensor Type (Threshold)  : {class} (0x00)\n Sensor Reading        : {reading}\n \
         Normal Maximum        : 9000.000\n\n"
    )
}
