//! Domains: what is asked about a single one.

mod calls;

pub use self::calls::BlockParameters;

use std::fmt;

use uuid::Uuid;

use crate::xdr::{Reader, Writer, XdrError};

/// Longest text of the protocol.
pub(crate) const STRING_MAX: u32 = 4 * 1024 * 1024;
/// Most entries of a domain's memory statistics.
const MEMORY_STATS_MAX: u32 = 1024;
/// Most network devices, and most addresses of one.
const INTERFACES_MAX: u32 = 2048;
/// Fewest bytes of a domain: an empty name, the UUID, the id.
pub(crate) const DOMAIN_BYTES_MIN: usize = 24;

/// A domain, as the protocol names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain {
    /// Its name, such as `instance-0000002a`.
    pub name: String,
    /// Its UUID, which stays the same for its whole life.
    pub uuid: Uuid,
    /// Its number while it runs, −1 else.
    pub id: i32,
}

impl Domain {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, XdrError> {
        DomainRef::read(reader).map(DomainRef::to_owned)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.text(&self.name).uuid(&self.uuid).i32(self.id);
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.uuid)
    }
}

/// A domain whose name lies in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DomainRef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its number while it runs, −1 else.
    pub id: i32,
}

impl<'a> DomainRef<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, XdrError> {
        Ok(Self { name: reader.text(STRING_MAX)?, uuid: reader.uuid()?, id: reader.i32()? })
    }

    /// The same with a name of its own.
    pub fn to_owned(self) -> Domain {
        Domain { name: self.name.to_owned(), uuid: self.uuid, id: self.id }
    }
}

/// A domain's state: `virDomainState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DomainState {
    /// None (0).
    NoState,
    /// It runs (1).
    Running,
    /// It waits for a resource (2).
    Blocked,
    /// It was paused (3).
    Paused,
    /// It is shutting down (4).
    Shutdown,
    /// It does not run (5).
    ShutOff,
    /// It has crashed (6).
    Crashed,
    /// The guest has suspended itself (7).
    PmSuspended,
    /// Something that newer daemons know.
    Other(i32),
}

impl DomainState {
    /// libvirt's number of it.
    pub const fn number(self) -> i32 {
        match self {
            Self::NoState => 0,
            Self::Running => 1,
            Self::Blocked => 2,
            Self::Paused => 3,
            Self::Shutdown => 4,
            Self::ShutOff => 5,
            Self::Crashed => 6,
            Self::PmSuspended => 7,
            Self::Other(number) => number,
        }
    }
}

impl From<i32> for DomainState {
    fn from(number: i32) -> Self {
        match number {
            0 => Self::NoState,
            1 => Self::Running,
            2 => Self::Blocked,
            3 => Self::Paused,
            4 => Self::Shutdown,
            5 => Self::ShutOff,
            6 => Self::Crashed,
            7 => Self::PmSuspended,
            other => Self::Other(other),
        }
    }
}

/// A domain in a few numbers (`virDomainGetInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainInfo {
    /// Its state.
    pub state: DomainState,
    /// Most memory that it may have, in KiB.
    pub max_memory_kib: u64,
    /// Memory that it has, in KiB.
    pub memory_kib: u64,
    /// Virtual processors.
    pub vcpus: u32,
    /// Processor time used, in nanoseconds.
    pub cpu_time_ns: u64,
}

/// A domain's memory (`virDomainMemoryStats`), in KiB. What the guest or the hypervisor does not tell is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Read from swap so far.
    pub swap_in_kib: Option<u64>,
    /// Written to swap so far.
    pub swap_out_kib: Option<u64>,
    /// Page faults that needed the disk, so far.
    pub major_faults: Option<u64>,
    /// Page faults that did not.
    pub minor_faults: Option<u64>,
    /// Unused by the guest; caches count as used.
    pub unused_kib: Option<u64>,
    /// What the guest sees as its memory.
    pub available_kib: Option<u64>,
    /// What the balloon leaves it.
    pub actual_kib: Option<u64>,
    /// Resident memory of the hypervisor's process.
    pub rss_kib: Option<u64>,
    /// What the guest could use without swapping; caches count as usable.
    pub usable_kib: Option<u64>,
    /// When the guest last told, in seconds since 1970.
    pub last_update: Option<u64>,
    /// The guest's caches that could be given back.
    pub disk_caches_kib: Option<u64>,
    /// Huge pages that were allocated.
    pub huge_pages_allocated: Option<u64>,
    /// Huge pages that could not be.
    pub huge_pages_failed: Option<u64>,
}

impl MemoryStats {
    fn read(reader: &mut Reader<'_>) -> Result<Self, XdrError> {
        let mut stats = Self::default();
        for _ in 0..reader.length(MEMORY_STATS_MAX, 12)? {
            let (tag, value) = (reader.i32()?, reader.u64()?);
            let field = match tag {
                0 => &mut stats.swap_in_kib,
                1 => &mut stats.swap_out_kib,
                2 => &mut stats.major_faults,
                3 => &mut stats.minor_faults,
                4 => &mut stats.unused_kib,
                5 => &mut stats.available_kib,
                6 => &mut stats.actual_kib,
                7 => &mut stats.rss_kib,
                8 => &mut stats.usable_kib,
                9 => &mut stats.last_update,
                10 => &mut stats.disk_caches_kib,
                11 => &mut stats.huge_pages_allocated,
                12 => &mut stats.huge_pages_failed,
                // Newer daemons may know more.
                _ => continue,
            };
            *field = Some(value);
        }
        Ok(stats)
    }
}

/// Counters of a disk (`virDomainBlockStats`); −1 is "unknown".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockStats {
    /// Read requests.
    pub read_requests: i64,
    /// Bytes read.
    pub read_bytes: i64,
    /// Write requests.
    pub write_requests: i64,
    /// Bytes written.
    pub write_bytes: i64,
    /// Errors.
    pub errors: i64,
}

/// Sizes of a disk (`virDomainGetBlockInfo`), in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockInfo {
    /// What the host has allocated.
    pub allocation: u64,
    /// What the guest sees.
    pub capacity: u64,
    /// How long the file or device is.
    pub physical: u64,
}

/// Counters of a network device (`virDomainInterfaceStats`), as the guest sees them; −1 is "unknown".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceStats {
    /// Bytes received.
    pub rx_bytes: i64,
    /// Packets received.
    pub rx_packets: i64,
    /// Errors on receiving.
    pub rx_errors: i64,
    /// Packets dropped on receiving.
    pub rx_drop: i64,
    /// Bytes sent.
    pub tx_bytes: i64,
    /// Packets sent.
    pub tx_packets: i64,
    /// Errors on sending.
    pub tx_errors: i64,
    /// Packets dropped on sending.
    pub tx_drop: i64,
}

/// Who is asked for a domain's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSource {
    /// libvirt's own DHCP server.
    Lease,
    /// The agent within the guest. Needs a connection that may write.
    Agent,
    /// The host's ARP table.
    Arp,
}

impl AddressSource {
    const fn number(self) -> u32 {
        match self {
            Self::Lease => 0,
            Self::Agent => 1,
            Self::Arp => 2,
        }
    }
}

/// A network device with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, on the host or in the guest according to the source.
    pub name: String,
    /// Its MAC address.
    pub mac: Option<String>,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

/// An address with the length of its network's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// IPv6, not IPv4.
    pub is_ipv6: bool,
    /// The address, as text.
    pub address: String,
    /// Bits of the network's prefix.
    pub prefix: u32,
}

impl Interface {
    fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, XdrError> {
        let count = reader.length(INTERFACES_MAX, 12)?;
        (0..count)
            .map(|_| {
                let name = reader.text(STRING_MAX)?.to_owned();
                let mac = reader.optional_text(STRING_MAX)?.map(str::to_owned);
                let count = reader.length(INTERFACES_MAX, 12)?;
                let addresses = (0..count).map(|_| Address::read(reader)).collect::<Result<_, _>>()?;
                Ok(Self { name, mac, addresses })
            })
            .collect()
    }
}

impl Address {
    fn read(reader: &mut Reader<'_>) -> Result<Self, XdrError> {
        let is_ipv6 = reader.i32()? == 1;
        Ok(Self { is_ipv6, address: reader.text(STRING_MAX)?.to_owned(), prefix: reader.u32()? })
    }
}

/// What a piece of metadata is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata<'a> {
    /// The description.
    Description,
    /// The title.
    Title,
    /// The element of this namespace.
    Element(&'a str),
}

impl<'a> Metadata<'a> {
    const fn parts(self) -> (i32, Option<&'a str>) {
        match self {
            Self::Description => (0, None),
            Self::Title => (1, None),
            Self::Element(namespace) => (2, Some(namespace)),
        }
    }
}
