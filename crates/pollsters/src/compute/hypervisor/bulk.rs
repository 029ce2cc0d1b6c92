//! The statistics of all domains, by the best way that the driver knows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use libvirt::{
    Connection, Domain, DomainFlags, DomainState, DomainStats, Error, ErrorCode, Record, StatsGroups,
};
use uuid::Uuid;

use super::definitions::Wanted;
use super::record::Reading;
use super::unwritten::Unwritten;
use super::{Desk, Hypervisor, Seen, Sighted};
use crate::compute::Survey;

/// What pollsters need.
const GROUPS: StatsGroups = StatsGroups(
    StatsGroups::STATE.0
        | StatsGroups::CPU_TOTAL.0
        | StatsGroups::BALLOON.0
        | StatsGroups::VCPU.0
        | StatsGroups::INTERFACE.0
        | StatsGroups::BLOCK.0
        | StatsGroups::PERF.0,
);
/// What is told without asking a domain's process, and without waiting for one that hangs.
const HARMLESS: StatsGroups =
    StatsGroups(StatsGroups::STATE.0 | StatsGroups::INTERFACE.0 | StatsGroups::PERF.0);
/// How long a domain that was busy is given before it is asked once more.
const BUSY_PAUSE: Duration = Duration::from_millis(250);

/// How a driver is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// By one call that passes busy domains over.
    #[default]
    NoWait,
    /// By one call, as the driver knows no other.
    Wait,
    /// Domain by domain, because the driver has no such call, or it tells nothing but the state.
    OneByOne,
}

/// The answer to a bulk call.
struct Bulk {
    stats: DomainStats,
    /// The connection that it came over, on which nothing is stuck.
    connection: Connection,
    /// Whether no domain's process was asked, because too many calls are stuck.
    is_limited: bool,
}

/// Domains that did not answer.
#[derive(Default)]
struct Busy {
    domains: Vec<Domain>,
}

impl Hypervisor {
    pub(super) async fn read_all(&self, desk: &mut Desk) -> Result<Seen, Error> {
        if desk.way != Way::OneByOne
            && let Some(bulk) = self.bulk(desk).await?
        {
            if desk.is_qemu || tells_enough(&bulk.stats) {
                return self.assemble(desk, bulk).await;
            }
            tracing::info!(
                "this driver's bulk statistics tell nothing but states: domains are read one by one"
            );
            desk.way = Way::OneByOne;
        }
        self.read_one_by_one(desk).await
    }

    /// The bulk call, over as many connections as it takes to get round domains that hang; [`None`] if the driver has no
    /// such call.
    async fn bulk(&self, desk: &mut Desk) -> Result<Option<Bulk>, Error> {
        let mut deadline = self.limits.deadline;
        // Each time in vain leaves one more call stuck, until no more may be.
        for _ in 0..=self.limits.stuck_calls_max.saturating_add(2) {
            let lane = desk.lanes.idle().await?;
            let groups = if lane.may_ask { GROUPS } else { HARMLESS };
            let flags = if desk.way == Way::NoWait { DomainFlags::NOWAIT } else { DomainFlags::default() };
            let connection = lane.connection.with_timeout(deadline);
            let answer =
                self.counted("ConnectGetAllDomainStats", connection.all_domain_stats(groups, flags)).await;
            match answer {
                Ok(stats) => {
                    let is_limited = !lane.may_ask;
                    if is_limited {
                        self.metrics.limited_surveys.inc();
                        tracing::warn!(
                            stuck_calls = desk.lanes.stuck(),
                            "too many calls are stuck: processors, memory and disks of no domain are read in this cycle"
                        );
                    }
                    return Ok(Some(Bulk { stats, connection: lane.connection, is_limited }));
                }
                Err(Error::Timeout { .. }) if lane.may_ask => {
                    tracing::warn!(
                        seconds = deadline.as_secs_f64(),
                        "the statistics of all domains did not come in time, as when a domain hangs: they are asked for \
                         over another connection"
                    );
                    deadline = self.limits.repeat_deadline;
                }
                Err(error) => match error.code() {
                    Some(ErrorCode::NO_SUPPORT) => {
                        tracing::info!(
                            "this driver has no bulk statistics: domains are read one by one: {error}"
                        );
                        desk.way = Way::OneByOne;
                        return Ok(None);
                    }
                    Some(ErrorCode::INVALID_ARG | ErrorCode::ARGUMENT_UNSUPPORTED)
                        if desk.way == Way::NoWait =>
                    {
                        tracing::info!("this driver's bulk statistics wait for busy domains: {error}");
                        desk.way = Way::Wait;
                    }
                    _ => return Err(error),
                },
            }
        }
        Err(Error::Timeout { call: "ConnectGetAllDomainStats", after: deadline })
    }

    /// Makes a survey of an answer, with the definitions that are known or have to be read.
    async fn assemble(&self, desk: &mut Desk, bulk: Bulk) -> Result<Seen, Error> {
        let Bulk { stats, connection, is_limited } = bulk;
        let monotonic_time = seconds(&self.clock);
        let mut survey = Survey::new(monotonic_time, HashMap::with_capacity(stats.len()));
        // In the order of the answer; those that are read later leave their places open.
        let mut sighted: Vec<Option<Sighted>> = Vec::with_capacity(stats.len());
        let mut later: Vec<(usize, Record<'_>)> = Vec::new();
        let mut wanted = Vec::new();
        let mut busy = Busy::default();
        let is_sized = desk.is_qemu && !is_limited;
        let mut unwritten = Unwritten::new(&desk.unwritten);
        let mut reading = Reading::default();
        for (place, record) in stats.records().enumerate() {
            reading.take(&record);
            let uuid = record.domain.uuid;
            let devices = (!is_limited).then_some(reading.devices);
            let is_busy = desk.is_qemu && !is_limited && reading.lacks_monitor(record.domain.id);
            let definition = desk.definitions.sure(&uuid, devices);
            if definition.is_none() {
                wanted.push(Wanted { domain: record.domain.to_owned(), devices });
            }
            sighted.push(None);
            if is_busy {
                busy.domains.push(record.domain.to_owned());
            }
            match definition {
                Some(definition) if !is_busy => {
                    let is_mute = is_limited && is_active(record.domain.id, reading.state());
                    let mut inspection = reading.inspection(Some(definition), is_mute);
                    if is_sized {
                        unwritten.size(record.domain, &mut inspection);
                    }
                    survey.domains.insert(key(&uuid), Arc::new(inspection));
                    if let Some(entry) = sighted.last_mut() {
                        let definition = Arc::clone(definition);
                        *entry = Some(Sighted { uuid, state: reading.state(), definition });
                    }
                }
                _ => later.push((place, record)),
            }
        }
        let again = self.ask_again(desk, &connection, busy.domains).await;
        let again: HashMap<Uuid, Record<'_>> =
            again.iter().flat_map(DomainStats::records).map(|record| (record.domain.uuid, record)).collect();
        let gone = self.read_definitions(&mut desk.definitions, &connection, wanted).await?;
        let mut hung = HashSet::new();
        for (place, first) in later {
            let uuid = first.domain.uuid;
            if gone.contains(&uuid) {
                tracing::debug!(domain = first.domain.name, %uuid, "a domain has gone while it was read");
                continue;
            }
            let record = again.get(&uuid).unwrap_or(&first);
            reading.take(record);
            let is_hung = desk.is_qemu && !is_limited && reading.lacks_monitor(record.domain.id);
            if is_hung {
                hung.insert(uuid);
                if !desk.hung.contains(&uuid) {
                    tracing::warn!(
                        domain = record.domain.name,
                        %uuid,
                        "a domain does not answer: what only its process knows is missing until it does"
                    );
                }
            }
            let definition = desk.definitions.last(&uuid);
            let is_mute = is_hung || (is_limited && is_active(record.domain.id, reading.state()));
            let mut inspection = reading.inspection(definition.map(|found| &**found), is_mute);
            if is_sized {
                unwritten.size(record.domain, &mut inspection);
            }
            survey.domains.insert(key(&uuid), Arc::new(inspection));
            if let (Some(entry), Some(definition)) = (sighted.get_mut(place), definition) {
                *entry = Some(Sighted { uuid, state: reading.state(), definition: Arc::clone(definition) });
            }
        }
        if !is_limited {
            for uuid in desk.hung.difference(&hung) {
                tracing::info!(%uuid, "a domain that did not answer does again, or is gone");
            }
            desk.hung = hung;
        }
        self.metrics.hung_domains.set(i64::try_from(desk.hung.len()).unwrap_or(i64::MAX));
        if is_sized {
            let (held, unknown) = unwritten.into_parts();
            desk.unwritten = held;
            self.ask_for_sizes(desk, &connection, unknown, &mut survey).await?;
        }
        if desk.definitions.len() != stats.len() {
            desk.definitions.keep(&stats.records().map(|record| record.domain.uuid).collect());
        }
        Ok(Seen { survey, domains: sighted.into_iter().flatten().collect() })
    }

    /// Asks domains once more that did not answer and that no stuck call accounts for: they may have been busy for a
    /// moment, with a snapshot for example.
    async fn ask_again(
        &self,
        desk: &Desk,
        connection: &Connection,
        busy: Vec<Domain>,
    ) -> Option<DomainStats> {
        if busy.len() <= desk.lanes.stuck() {
            return None;
        }
        let unknown: Vec<Domain> =
            busy.into_iter().filter(|domain| !desk.hung.contains(&domain.uuid)).collect();
        if unknown.is_empty() {
            return None;
        }
        self.clock.sleep(BUSY_PAUSE).await;
        let connection = connection.with_timeout(self.limits.repeat_deadline);
        let call = connection.domain_stats(&unknown, GROUPS, DomainFlags::NOWAIT);
        self.counted("ConnectGetAllDomainStats", call).await.ok()
    }
}

/// Whether an answer tells more than the state of domains, or there is none that it could tell more of.
fn tells_enough(stats: &DomainStats) -> bool {
    let mut reading = Reading::default();
    let mut active = 0;
    for record in stats.records() {
        reading.take(&record);
        if reading.is_more_than_state {
            return true;
        }
        active += usize::from(is_active(record.domain.id, reading.state()));
    }
    active == 0
}

/// Whether a domain has a process.
fn is_active(id: i32, state: DomainState) -> bool {
    id >= 0 && state != DomainState::ShutOff
}

/// A UUID as surveys and Nova write it.
pub(super) fn key(uuid: &Uuid) -> String {
    uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

/// The monotonic clock, in seconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of three hundred years fit")]
pub(super) fn seconds(clock: &observability::clock::Clock) -> f64 {
    clock.monotonic().as_micros() as f64 / 1e6
}
