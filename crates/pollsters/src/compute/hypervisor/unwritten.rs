//! [`Unwritten`]: the sizes of disks that have not been written since their QEMU began.
//!
//! Of such a disk (a configuration drive, for example) the bulk statistics say that nothing is allocated, and take for its
//! file's size what the file takes on the host. Only the question about the single disk is answered right, which Ceilometer
//! asks. Until something is written the answer stays the same, so that it is asked for once.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use libvirt::{BlockInfo, Connection, Domain, DomainState, Error, Record};
use model::Text;
use uuid::Uuid;

use super::bulk::key;
use super::{Desk, Hypervisor};
use crate::compute::{Disk, Inspection, Survey};

/// Disks that are asked for at the same time, as definitions are.
const PARALLEL: usize = 3;

/// What is known of such disks.
pub(super) type Unwritten = HashMap<Place, Answer>;
/// A disk: domain and device.
type Place = (Uuid, Text);
/// The domain's id, which is another after each start, and the size that the bulk statistics have.
type Origin = (i32, Option<u64>);

/// What libvirt said of one disk.
#[derive(Debug)]
pub(super) struct Answer {
    /// While that stays, the answer holds.
    of: Origin,
    /// Nothing, if libvirt refused.
    info: Option<BlockInfo>,
}

impl Answer {
    fn put(&self, disk: &mut Disk) {
        if let Some(info) = &self.info {
            disk.capacity = Some(info.capacity.max(info.physical));
            disk.allocation = Some(info.allocation);
            disk.physical = Some(info.physical);
        }
    }
}

/// Whether the domain runs, answers, and has disks of which the bulk statistics say nothing right.
pub(super) fn has_unwritten(record: &Record<'_>, inspection: &Inspection) -> bool {
    record.domain.id >= 0
        && !inspection.is_hung
        && inspection.state != DomainState::ShutOff
        && inspection.disks.iter().any(is_unwritten)
}

fn is_unwritten(disk: &Disk) -> bool {
    disk.allocation == Some(0)
}

fn disks_of<'s>(survey: &'s mut Survey, uuid: &Uuid) -> impl Iterator<Item = &'s mut Disk> {
    let inspection = survey.domains.get_mut(&key(uuid)).map(Arc::make_mut);
    inspection.into_iter().flat_map(|inspection| &mut inspection.disks)
}

impl Hypervisor {
    /// Puts the sizes right, in `domains`, of disks that have not been written, asking for those that are not known.
    ///
    /// # Errors
    /// The connection is lost. What libvirt refuses, or has no time for, stays as the bulk statistics have it.
    pub(super) async fn size_unwritten(
        &self,
        desk: &mut Desk,
        connection: &Connection,
        domains: Vec<Domain>,
        survey: &mut Survey,
    ) -> Result<(), Error> {
        let mut known = std::mem::take(&mut desk.unwritten);
        let mut unknown = Vec::new();
        for domain in domains {
            for disk in disks_of(survey, &domain.uuid).filter(|disk| is_unwritten(disk)) {
                let place = (domain.uuid, disk.device.clone());
                let of = (domain.id, disk.physical);
                match known.remove(&place).filter(|answer| answer.of == of) {
                    Some(answer) => {
                        answer.put(disk);
                        desk.unwritten.insert(place, answer);
                    }
                    None => unknown.push((domain.clone(), place, of)),
                }
            }
        }
        self.ask_for_sizes(desk, connection, unknown, survey).await
    }

    async fn ask_for_sizes(
        &self,
        desk: &mut Desk,
        connection: &Connection,
        unknown: Vec<(Domain, Place, Origin)>,
        survey: &mut Survey,
    ) -> Result<(), Error> {
        let started = self.clock.monotonic();
        let calls = unknown.into_iter().map(|(domain, place, of)| async move {
            let call = connection.domain_block_info(&domain, &place.1);
            let info = self.counted("DomainGetBlockInfo", call).await;
            (place, of, info)
        });
        let mut answers = futures_util::stream::iter(calls).buffer_unordered(PARALLEL);
        while let Some((place, of, info)) = answers.next().await {
            let info = match info {
                Ok(info) => Some(info),
                Err(error) if error.is_disconnection() => return Err(error),
                // It hangs now; who asked further would wait again. The next cycle asks for what is left.
                Err(Error::Timeout { .. }) => break,
                Err(error) => {
                    tracing::debug!(domain = %place.0, disk = place.1.as_str(), "the size of a disk is not told: {error}");
                    None
                }
            };
            let answer = Answer { of, info };
            if let Some(disk) = disks_of(survey, &place.0).find(|disk| disk.device == place.1) {
                answer.put(disk);
            }
            desk.unwritten.insert(place, answer);
            if self.clock.elapsed(started) >= self.limits.definitions {
                break;
            }
        }
        Ok(())
    }
}
