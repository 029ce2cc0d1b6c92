//! The calls about a single domain.

use uuid::Uuid;

use super::{
    AddressSource, BlockInfo, BlockStats, Domain, DomainInfo, DomainState, Interface, InterfaceStats,
    MEMORY_STATS_MAX, MemoryStats, Metadata, STRING_MAX,
};
use crate::connection::{Answer, Connection};
use crate::error::Error;
use crate::procedure;
use crate::stats::{BLOCK_PARAMETERS_MAX, Parameters};
use crate::xdr::{Reader, Writer};

/// Arguments that begin with the domain.
fn about(domain: &Domain) -> Writer {
    let mut writer = Writer::new();
    domain.write(&mut writer);
    writer
}

impl Connection {
    /// A domain by its UUID. Error [`NO_DOMAIN`](crate::ErrorCode::NO_DOMAIN) if there is none.
    pub async fn domain_by_uuid(&self, uuid: &Uuid) -> Result<Domain, Error> {
        let mut arguments = Writer::new();
        arguments.uuid(uuid);
        self.call(procedure::DOMAIN_LOOKUP_BY_UUID, arguments).await?.read(Domain::read)
    }

    /// A domain by its name. Error [`NO_DOMAIN`](crate::ErrorCode::NO_DOMAIN) if there is none.
    pub async fn domain_by_name(&self, name: &str) -> Result<Domain, Error> {
        let mut arguments = Writer::new();
        arguments.text(name);
        self.call(procedure::DOMAIN_LOOKUP_BY_NAME, arguments).await?.read(Domain::read)
    }

    /// A domain's definition in XML. `flags` are libvirt's `virDomainXMLFlags`; 0 gives the live one.
    pub async fn domain_xml(&self, domain: &Domain, flags: u32) -> Result<String, Error> {
        let mut arguments = about(domain);
        arguments.u32(flags);
        let answer = self.call(procedure::DOMAIN_GET_XML_DESC, arguments).await?;
        answer.read(|reader| reader.text(STRING_MAX).map(str::to_owned))
    }

    /// A piece of a domain's metadata. Error [`NO_DOMAIN_METADATA`](crate::ErrorCode::NO_DOMAIN_METADATA) if it has
    /// none.
    ///
    /// `flags` are libvirt's `virDomainModificationImpact`; 0 asks for the present state.
    pub async fn domain_metadata(
        &self,
        domain: &Domain,
        what: Metadata<'_>,
        flags: u32,
    ) -> Result<String, Error> {
        let (kind, namespace) = what.parts();
        let mut arguments = about(domain);
        arguments.i32(kind).optional_text(namespace).u32(flags);
        let answer = self.call(procedure::DOMAIN_GET_METADATA, arguments).await?;
        answer.read(|reader| reader.text(STRING_MAX).map(str::to_owned))
    }

    /// A domain in a few numbers. Does not ask the hypervisor's process.
    pub async fn domain_info(&self, domain: &Domain) -> Result<DomainInfo, Error> {
        self.call(procedure::DOMAIN_GET_INFO, about(domain)).await?.read(|reader| {
            // C's `unsigned char` and `unsigned short` take a word each.
            Ok(DomainInfo {
                state: reader.i32()?.into(),
                max_memory_kib: reader.u64()?,
                memory_kib: reader.u64()?,
                vcpus: reader.u32()?,
                cpu_time_ns: reader.u64()?,
            })
        })
    }

    /// A domain's state, with a reason whose meaning depends on it.
    pub async fn domain_state(&self, domain: &Domain) -> Result<(DomainState, i32), Error> {
        let mut arguments = about(domain);
        arguments.u32(0);
        let answer = self.call(procedure::DOMAIN_GET_STATE, arguments).await?;
        answer.read(|reader| Ok((reader.i32()?.into(), reader.i32()?)))
    }

    /// A running domain's memory. Asks the hypervisor's process, and so may take long when that hangs.
    pub async fn domain_memory_stats(&self, domain: &Domain) -> Result<MemoryStats, Error> {
        let mut arguments = about(domain);
        arguments.u32(MEMORY_STATS_MAX).u32(0);
        self.call(procedure::DOMAIN_MEMORY_STATS, arguments).await?.read(MemoryStats::read)
    }

    /// Counters of a running domain's disk: `vda`, or the path of its file; an empty name asks for the sum of all.
    /// Asks the hypervisor's process.
    pub async fn domain_block_stats(&self, domain: &Domain, disk: &str) -> Result<BlockStats, Error> {
        let mut arguments = about(domain);
        arguments.text(disk);
        self.call(procedure::DOMAIN_BLOCK_STATS, arguments).await?.read(|reader| {
            Ok(BlockStats {
                read_requests: reader.i64()?,
                read_bytes: reader.i64()?,
                write_requests: reader.i64()?,
                write_bytes: reader.i64()?,
                errors: reader.i64()?,
            })
        })
    }

    /// The same as typed parameters, times included (`rd_total_times`, in nanoseconds). Asks the hypervisor's process.
    pub async fn domain_block_stats_flags(
        &self,
        domain: &Domain,
        disk: &str,
        flags: u32,
    ) -> Result<BlockParameters, Error> {
        let mut arguments = about(domain);
        arguments.text(disk).u32(BLOCK_PARAMETERS_MAX).u32(flags);
        let answer = self.call(procedure::DOMAIN_BLOCK_STATS_FLAGS, arguments).await?;
        answer.read(BlockParameters::check)?;
        Ok(BlockParameters(answer))
    }

    /// Sizes of a disk. Asks the hypervisor's process if the domain runs.
    pub async fn domain_block_info(&self, domain: &Domain, disk: &str) -> Result<BlockInfo, Error> {
        let mut arguments = about(domain);
        arguments.text(disk).u32(0);
        self.call(procedure::DOMAIN_GET_BLOCK_INFO, arguments).await?.read(|reader| {
            Ok(BlockInfo { allocation: reader.u64()?, capacity: reader.u64()?, physical: reader.u64()? })
        })
    }

    /// Counters of a running domain's network device, by the device's name on the host or by its MAC address.
    pub async fn domain_interface_stats(
        &self,
        domain: &Domain,
        device: &str,
    ) -> Result<InterfaceStats, Error> {
        let mut arguments = about(domain);
        arguments.text(device);
        self.call(procedure::DOMAIN_INTERFACE_STATS, arguments).await?.read(|reader| {
            Ok(InterfaceStats {
                rx_bytes: reader.i64()?,
                rx_packets: reader.i64()?,
                rx_errors: reader.i64()?,
                rx_drop: reader.i64()?,
                tx_bytes: reader.i64()?,
                tx_packets: reader.i64()?,
                tx_errors: reader.i64()?,
                tx_drop: reader.i64()?,
            })
        })
    }

    /// A running domain's addresses.
    pub async fn domain_interface_addresses(
        &self,
        domain: &Domain,
        source: AddressSource,
    ) -> Result<Vec<Interface>, Error> {
        let mut arguments = about(domain);
        arguments.u32(source.number()).u32(0);
        self.call(procedure::DOMAIN_INTERFACE_ADDRESSES, arguments).await?.read(Interface::read_all)
    }
}

/// A disk's counters as the daemon sent them.
#[derive(Debug)]
pub struct BlockParameters(Answer);

impl BlockParameters {
    fn check(reader: &mut Reader<'_>) -> Result<(), crate::xdr::XdrError> {
        Parameters::read(reader, BLOCK_PARAMETERS_MAX)?;
        reader.i32().map(drop)
    }

    /// The counters.
    pub fn parameters(&self) -> Parameters<'_> {
        Parameters::read(&mut Reader::new(self.0.payload()), BLOCK_PARAMETERS_MAX).unwrap_or_default()
    }
}
