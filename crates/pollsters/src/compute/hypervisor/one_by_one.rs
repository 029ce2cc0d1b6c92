//! Domain by domain, for drivers without useful bulk statistics (libvirt's test driver, containers).

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use libvirt::{
    Connection, Domain, DomainFlags, DomainInfo, DomainState, Error, ErrorCode, InterfaceStats, Parameters,
};
use model::Text;
use uuid::Uuid;

use super::bulk::{key, seconds};
use super::definitions::Wanted;
use super::{Definition, Desk, Hypervisor, Seen, Sighted};
use crate::compute::{Disk, Inspection, Machine, Nic, NicDefinition, Traffic};

/// Domains that are asked at the same time.
const PARALLEL: usize = 3;
/// Domains that may be found to hang in one cycle, at a deadline each. Where more are, the daemon is taken to hang.
const FOUND_HUNG_MAX: usize = 2;

impl Hypervisor {
    pub(super) async fn read_one_by_one(&self, desk: &mut Desk) -> Result<Seen, Error> {
        let lane = desk.lanes.idle().await?;
        if !lane.may_ask {
            // Nothing is asked before one of the calls is answered that are stuck.
            return Err(Error::Timeout { call: "DomainGetInfo", after: self.limits.call });
        }
        let connection = lane.connection;
        // One that hangs is left alone until what it was asked is answered; which one was answered, nobody tells.
        if desk.lanes.unanswered() < desk.hung.len() {
            desk.hung.clear();
        }
        let list = connection.list_domains(DomainFlags::default());
        let domains = self.counted("ConnectListAllDomains", list).await?;
        let present: HashSet<Uuid> = domains.iter().map(|domain| domain.uuid).collect();
        desk.definitions.keep(&present);
        desk.hung.retain(|uuid| present.contains(uuid));
        let mut wanted = Vec::new();
        for domain in domains.iter().filter(|domain| !desk.hung.contains(&domain.uuid)) {
            let devices = Some(u64::from(domain.id.cast_unsigned()));
            if desk.definitions.sure(&domain.uuid, devices).is_none() {
                wanted.push(Wanted { domain: domain.clone(), devices });
            }
        }
        let gone = self.read_definitions(&mut desk.definitions, &connection, wanted).await?;
        let mut asked = Vec::with_capacity(domains.len());
        for domain in domains {
            if !gone.contains(&domain.uuid) {
                let definition = desk.definitions.last(&domain.uuid).cloned();
                asked.push((domain, definition));
            }
        }
        let (connection, avoided) = (&connection, &desk.hung);
        let calls = asked.into_iter().map(|(domain, definition)| async move {
            let inspection = if avoided.contains(&domain.uuid) {
                Ok(hung())
            } else {
                self.inspect(connection, &domain, definition.as_deref()).await
            };
            (domain, definition, inspection)
        });
        let mut answers = futures_util::stream::iter(calls).buffered(PARALLEL);
        let mut seen = Seen::default();
        let mut found_hung = Vec::new();
        while let Some((domain, definition, inspection)) = answers.next().await {
            let inspection = match inspection {
                Ok(inspection) => inspection,
                Err(error) if error.code() == Some(ErrorCode::NO_DOMAIN) => continue,
                // Who has waited in vain does not wait for hundreds of domains more.
                Err(error @ Error::Timeout { .. }) if found_hung.len() >= FOUND_HUNG_MAX => {
                    return Err(error);
                }
                Err(error @ Error::Timeout { .. }) => {
                    let (domain, uuid) = (&domain.name, domain.uuid);
                    tracing::warn!(domain, %uuid, "a domain does not answer, and is left alone until it does: {error}");
                    found_hung.push(uuid);
                    hung()
                }
                Err(error) if error.is_disconnection() => return Err(error),
                Err(error) => {
                    tracing::warn!(domain = domain.name, "a domain cannot be read in this cycle: {error}");
                    continue;
                }
            };
            if let Some(definition) = definition {
                seen.domains.push(Sighted { uuid: domain.uuid, state: inspection.state, definition });
            }
            seen.survey.domains.insert(key(&domain.uuid), Arc::new(inspection));
        }
        drop(answers);
        desk.hung.extend(found_hung);
        seen.survey.monotonic_time = seconds(&self.clock);
        self.metrics.hung_domains.set(i64::try_from(desk.hung.len()).unwrap_or(i64::MAX));
        Ok(seen)
    }

    /// Everything about one domain. What its driver does not tell is missing.
    async fn inspect(
        &self,
        connection: &Connection,
        domain: &Domain,
        definition: Option<&Definition>,
    ) -> Result<Inspection, Error> {
        let info = self.counted("DomainGetInfo", connection.domain_info(domain)).await?;
        let is_active = info.state != DomainState::ShutOff;
        let machine = self.machine(connection, domain, &info).await?;
        let (mut nics, mut disks) = (Vec::new(), Vec::new());
        for nic in definition.map_or(&[][..], |definition| &definition.nics) {
            nics.push(self.nic(connection, domain, nic, is_active).await?);
        }
        for device in definition.map_or(&[][..], |definition| &definition.disks) {
            disks.push(self.disk(connection, domain, device, is_active).await?);
        }
        Ok(Inspection { state: info.state, is_hung: false, machine, nics, disks })
    }

    async fn machine(
        &self,
        connection: &Connection,
        domain: &Domain,
        info: &DomainInfo,
    ) -> Result<Machine, Error> {
        let vcpus = Some(u64::from(info.vcpus));
        if info.state == DomainState::ShutOff {
            return Ok(Machine { vcpus, memory_actual_kib: Some(info.max_memory_kib), ..Machine::default() });
        }
        let memory = self.counted("DomainMemoryStats", connection.domain_memory_stats(domain)).await;
        let memory = told(memory)?.unwrap_or_default();
        Ok(Machine {
            vcpus,
            cpu_time_ns: Some(info.cpu_time_ns),
            memory_actual_kib: memory.actual_kib.or(Some(info.memory_kib)),
            memory_available_kib: memory.available_kib,
            memory_usable_kib: memory.usable_kib,
            memory_unused_kib: memory.unused_kib,
            memory_resident_kib: memory.rss_kib,
            swap_in_kib: memory.swap_in_kib,
            swap_out_kib: memory.swap_out_kib,
            ..Machine::default()
        })
    }

    async fn nic(
        &self,
        connection: &Connection,
        domain: &Domain,
        definition: &Arc<NicDefinition>,
        is_active: bool,
    ) -> Result<Nic, Error> {
        let stats = if is_active {
            let call = connection.domain_interface_stats(domain, &definition.device);
            told(self.counted("DomainInterfaceStats", call).await)?
        } else {
            None
        };
        let (incoming, outgoing) = stats.as_ref().map_or((None, None), traffic);
        Ok(Nic { definition: Arc::clone(definition), incoming, outgoing })
    }

    async fn disk(
        &self,
        connection: &Connection,
        domain: &Domain,
        device: &Text,
        is_active: bool,
    ) -> Result<Disk, Error> {
        let mut disk = Disk { device: device.to_owned(), ..Disk::default() };
        if is_active {
            let call = connection.domain_block_stats_flags(domain, device, 0);
            let counters = told(self.counted("DomainBlockStatsFlags", call).await)?;
            if let Some(counters) = counters {
                fill(&mut disk, counters.parameters());
            } else {
                let call = connection.domain_block_stats(domain, device);
                if let Some(stats) = told(self.counted("DomainBlockStats", call).await)? {
                    disk.read_requests = u64::try_from(stats.read_requests).ok();
                    disk.read_bytes = u64::try_from(stats.read_bytes).ok();
                    disk.write_requests = u64::try_from(stats.write_requests).ok();
                    disk.write_bytes = u64::try_from(stats.write_bytes).ok();
                }
            }
        }
        let call = connection.domain_block_info(domain, device);
        if let Some(info) = told(self.counted("DomainGetBlockInfo", call).await)? {
            disk.capacity = Some(info.capacity.max(info.physical));
            disk.allocation = Some(info.allocation);
            disk.physical = Some(info.physical);
        }
        Ok(disk)
    }
}

/// What is said of a domain that does not answer: it is there, and hangs.
fn hung() -> Inspection {
    Inspection {
        state: DomainState::Running,
        is_hung: true,
        machine: Machine::default(),
        nics: Vec::new(),
        disks: Vec::new(),
    }
}

/// What was told; nothing, if the daemon refuses. Whether the domain is gone, or the connection is, must be known.
fn told<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code().is_some_and(|code| code != ErrorCode::NO_DOMAIN) => {
            tracing::debug!("not told: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn fill(disk: &mut Disk, counters: Parameters<'_>) {
    for (name, value) in counters {
        let field = match name {
            "rd_operations" => &mut disk.read_requests,
            "rd_bytes" => &mut disk.read_bytes,
            "rd_total_times" => &mut disk.read_time_ns,
            "wr_operations" => &mut disk.write_requests,
            "wr_bytes" => &mut disk.write_bytes,
            "wr_total_times" => &mut disk.write_time_ns,
            _ => continue,
        };
        *field = value.as_u64();
    }
}

fn traffic(stats: &InterfaceStats) -> (Option<Traffic>, Option<Traffic>) {
    let direction = |bytes: i64, packets: i64, errors: i64, drops: i64| {
        let or_none = |count: i64| u64::try_from(count).unwrap_or(0);
        Some(Traffic {
            bytes: u64::try_from(bytes).ok()?,
            packets: or_none(packets),
            errors: or_none(errors),
            drops: or_none(drops),
        })
    };
    (
        direction(stats.rx_bytes, stats.rx_packets, stats.rx_errors, stats.rx_drop),
        direction(stats.tx_bytes, stats.tx_packets, stats.tx_errors, stats.tx_drop),
    )
}
