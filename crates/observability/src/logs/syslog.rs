//! RFC 3164 datagrams to the local syslog socket.

use std::io;
use std::path::{Path, PathBuf};

use super::LineLoss;
use super::datagram::DatagramSink;
use super::options::Facility;
use super::record::Record;
use super::template::Surroundings;

/// A longer line is cut: syslog daemons take 8 KiB by default.
const MAX_LINE_BYTES: usize = 8_000;

/// The way to the local syslog daemon.
#[derive(Debug)]
pub(super) struct SyslogSink {
    datagrams: DatagramSink,
    facility: Facility,
}

impl SyslogSink {
    pub(super) fn open(path: &Path, facility: Facility) -> Result<Self, (PathBuf, io::Error)> {
        Ok(Self { datagrams: DatagramSink::open(path)?, facility })
    }

    /// Sends `line`, which is made by the line format, under the record's severity.
    pub(super) fn write(
        &mut self,
        record: &Record,
        line: &str,
        around: &Surroundings,
    ) -> Result<(), LineLoss> {
        let priority = u16::from(self.facility.number()) * 8 + u16::from(record.severity());
        let time = record.local.strftime("%b %e %H:%M:%S");
        let mut datagram = format!("<{priority}>{time} {}[{}]: {line}", around.program, around.process);
        datagram.truncate(datagram.floor_char_boundary(MAX_LINE_BYTES));
        self.datagrams.send(datagram.as_bytes()).map_err(LineLoss::from)
    }
}
