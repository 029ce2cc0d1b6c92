//! What /proc tells about a process.

use std::fs;

use crate::Error;

/// Clock ticks a second in /proc: the kernel's fixed interface value on every architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory of a process, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Now (`VmRSS`).
    pub resident_bytes: u64,
    /// At its peak so far (`VmHWM`).
    pub peak_bytes: u64,
}

impl Memory {
    /// Reads the memory of a running process.
    pub fn of(pid: u32) -> Result<Self, Error> {
        let status = read(pid, "status")?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
        };
        match (bytes("VmRSS:"), bytes("VmHWM:")) {
            (Some(resident_bytes), Some(peak_bytes)) => Ok(Self { resident_bytes, peak_bytes }),
            // A process that has ended and was not waited for has no memory lines.
            _ => Err(Error::answer(format!("/proc/{pid}/status"), status)),
        }
    }
}

pub(super) fn cpu_seconds(pid: u32) -> Result<f64, Error> {
    let stat = read(pid, "stat")?;
    // The second field is the program's name in parentheses, which may contain anything.
    let ticks = stat.rsplit_once(')').and_then(|(_, rest)| {
        let mut fields = rest.split_whitespace().skip(11);
        let mut next = || fields.next()?.parse::<u32>().ok();
        Some(f64::from(next()?) + f64::from(next()?))
    });
    ticks
        .map(|ticks| ticks / TICKS_PER_SECOND)
        .ok_or_else(|| Error::answer(format!("/proc/{pid}/stat"), stat))
}

pub(super) fn open_files(pid: u32) -> Result<usize, Error> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).map_err(|error| Error::io(path, error))?.count())
}

fn read(pid: u32, file: &str) -> Result<String, Error> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| Error::io(path, error))
}
