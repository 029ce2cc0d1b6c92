//! journald's native protocol (systemd's "Native Journal Protocol").

use std::io;
use std::path::{Path, PathBuf};

use super::LineLoss;
use super::datagram::{DatagramSink, Loss};
use super::options::Facility;
use super::record::Record;
use super::template::Surroundings;

/// The prefix of the events' own fields, so that none is taken for one of the journal's.
const FIELD_PREFIX: &str = "NEPHOSCOPE_";
/// journald cuts nothing off a field's name; it drops names that are longer.
const MAX_NAME_BYTES: usize = 64;

/// The way to journald.
#[derive(Debug)]
pub(super) struct JournalSink {
    datagrams: DatagramSink,
    facility: Facility,
}

impl JournalSink {
    pub(super) fn open(path: &Path, facility: Facility) -> Result<Self, (PathBuf, io::Error)> {
        Ok(Self { datagrams: DatagramSink::open(path)?, facility })
    }

    pub(super) fn write(&mut self, record: &Record, around: &Surroundings) -> Result<(), LineLoss> {
        let entry = entry(record, around, self.facility);
        match self.datagrams.send(&entry) {
            Err(Loss::TooLarge) => self.datagrams.send_as_file(&entry).map_err(LineLoss::from),
            sent => sent.map_err(LineLoss::from),
        }
    }
}

/// Whether stderr is the stream that `JOURNAL_STREAM` (device and inode, joined by a colon) names.
pub(super) fn stderr_is_journal(journal_stream: Option<&str>) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|value| value.split_once(':')) else { return false };
    let (Ok(device), Ok(inode)) = (device.parse::<u64>(), inode.parse::<u64>()) else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| stat.st_dev == device && stat.st_ino == inode)
}

/// The fields that oslo.log's journal handler sends, and the event's own with a prefix.
fn entry(record: &Record, around: &Surroundings, facility: Facility) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    field(&mut out, "MESSAGE", &record.message_with_fields());
    field(&mut out, "PRIORITY", &record.severity().to_string());
    field(&mut out, "SYSLOG_IDENTIFIER", &around.program);
    field(&mut out, "SYSLOG_FACILITY", &facility.number().to_string());
    field(&mut out, "SYSLOG_PID", &around.process.to_string());
    field(&mut out, "LOGGER_NAME", &record.name);
    field(&mut out, "LOGGER_LEVEL", record.level_name());
    if let Some(file) = &record.file {
        field(&mut out, "CODE_FILE", file);
    }
    if let Some(line) = record.line {
        field(&mut out, "CODE_LINE", &line.to_string());
    }
    if let Some(request_id) = &record.request_id {
        field(&mut out, "REQUEST_ID", request_id);
    }
    for value in &record.fields {
        field(&mut out, &own_name(value.name), &value.value);
    }
    out
}

/// Upper-case letters, digits and underscores, with our prefix.
fn own_name(name: &str) -> String {
    let name = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    FIELD_PREFIX.chars().chain(name).take(MAX_NAME_BYTES).collect()
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        // With a newline inside, the value is announced by its length.
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}
