//! The least that any client can do for the statistics of all domains: what others are measured by.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use libvirt::frame::{HEADER_BYTES, Header, Kind, LENGTH_BYTES, REMOTE_PROGRAM, Status, VERSION};
use libvirt::xdr::{Reader, Writer, XdrError};
use libvirt::{DomainFlags, StatsGroups, procedure};

/// What telemetry asks for.
pub(crate) const GROUPS: StatsGroups = StatsGroups(63);

/// Processor time of this thread.
pub(crate) fn cpu() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// What is kept of the statistics, so that reading them is not optimised away.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    pub(crate) parameters: usize,
    sum: u64,
}

impl Kept {
    pub(crate) fn add(&mut self, name: &[u8], value: u64) {
        self.parameters += 1;
        self.sum = self.sum.wrapping_add(value).wrapping_add(u64::from(name.ends_with(b"s")));
    }
}

/// Once over an answer, without a look back.
fn walk_bare(payload: &[u8]) -> Result<Kept, XdrError> {
    const LONGEST: u32 = 1 << 22;
    let mut kept = Kept::default();
    let mut reader = Reader::new(payload);
    for _ in 0..reader.u32()? {
        reader.text(LONGEST)?;
        reader.uuid()?;
        reader.i32()?;
        for _ in 0..reader.u32()? {
            let name = reader.text(LONGEST)?;
            let value = match reader.i32()? {
                1 | 2 | 6 => u64::from(reader.u32()?),
                3..=5 => reader.u64()?,
                _ => reader.text(LONGEST).map(|_| 0)?,
            };
            kept.add(name.as_bytes(), value);
        }
    }
    Ok(kept)
}

/// A blocking socket with nothing around it.
pub(crate) struct Bare {
    stream: UnixStream,
    serial: u32,
    packet: Vec<u8>,
}

impl Bare {
    /// Opens the hypervisor behind a socket.
    pub(crate) fn connect(socket: &Path) -> Result<Self, Box<dyn Error>> {
        let mut bare = Self { stream: UnixStream::connect(socket)?, serial: 0, packet: Vec::new() };
        bare.call(procedure::AUTH_LIST, Writer::new())?;
        let mut open = Writer::new();
        open.optional_text(Some("qemu:///system")).u32(1);
        bare.call(procedure::CONNECT_OPEN, open)?;
        Ok(bare)
    }

    fn call(&mut self, procedure: i32, arguments: Writer) -> Result<(), Box<dyn Error>> {
        self.serial += 1;
        let (kind, status, serial) = (Kind::Call, Status::Ok, self.serial);
        let header = Header { program: REMOTE_PROGRAM, version: VERSION, procedure, kind, serial, status };
        self.stream.write_all(&header.packet(&arguments.into_bytes()))?;
        let mut length = [0; LENGTH_BYTES];
        self.stream.read_exact(&mut length)?;
        self.packet.resize(usize::try_from(u32::from_be_bytes(length))? - LENGTH_BYTES, 0);
        self.stream.read_exact(&mut self.packet)?;
        Ok(())
    }

    /// The statistics of all domains, asked for and walked over.
    pub(crate) fn stats(&mut self) -> Result<Kept, Box<dyn Error>> {
        let mut arguments = Writer::new();
        arguments.length(0).u32(GROUPS.0).u32(DomainFlags::NOWAIT.0);
        self.call(procedure::CONNECT_GET_ALL_DOMAIN_STATS, arguments)?;
        Ok(walk_bare(self.packet.get(HEADER_BYTES..).unwrap_or_default())?)
    }
}
