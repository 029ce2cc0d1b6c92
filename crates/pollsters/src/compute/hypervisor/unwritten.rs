//! [`Unwritten`]: the sizes of disks that have not been written since their QEMU began.
//!
//! Of such a disk (a configuration drive, for example) the bulk statistics say that nothing is allocated, and take for its
//! file's size what the file takes on the host. Only the question about the single disk is answered right, which Ceilometer
//! asks. Until something is written the answer stays the same, so that it is asked for once.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use libvirt::{BlockInfo, Connection, Domain, DomainRef, DomainState, Error};
use model::Text;
use uuid::Uuid;

use super::bulk::key;
use super::{Desk, Hypervisor};
use crate::compute::{Disk, Inspection, Survey};

/// Disks that are asked for at the same time, as definitions are.
const PARALLEL: usize = 3;

/// What libvirt said of one disk.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    place: Place,
    /// While that stays, the answer holds.
    of: Origin,
    /// Nothing, if libvirt refused.
    info: Option<BlockInfo>,
}

/// A disk: domain and device.
type Place = (Uuid, Text);
/// The domain's id, which is another after each start, and the size that the bulk statistics have.
type Origin = (i32, Option<u64>);

impl Answer {
    fn put(&self, disk: &mut Disk) {
        if let Some(info) = &self.info {
            disk.capacity = Some(info.capacity.max(info.physical));
            disk.allocation = Some(info.allocation);
            disk.physical = Some(info.physical);
        }
    }

    fn is_of(&self, domain: Uuid, device: &Text) -> bool {
        self.place.0 == domain && self.place.1 == *device
    }
}

/// Such disks of one reading, with what was said of them before.
#[derive(Debug, Default)]
pub(super) struct Unwritten<'k> {
    /// What is known and was not come to yet, in the order of the reading before.
    former: &'k [Answer],
    /// What was known of others than the one that was expected next.
    passed: HashMap<Place, &'k Answer>,
    /// What still holds.
    held: Vec<Answer>,
    /// What is to be asked for.
    unknown: Vec<(Domain, Place, Origin)>,
}

impl<'k> Unwritten<'k> {
    /// With what is `known`, of which nothing is come to yet.
    pub(super) fn new(known: &'k [Answer]) -> Self {
        Self { former: known, held: Vec::with_capacity(known.len()), ..Self::default() }
    }

    /// Puts the sizes right of a domain's disks that have not been written, or takes note of what has to be asked for: if the
    /// domain runs, and answers.
    pub(super) fn size(&mut self, domain: DomainRef<'_>, inspection: &mut Inspection) {
        if domain.id < 0 || inspection.is_hung || inspection.state == DomainState::ShutOff {
            return;
        }
        for disk in inspection.disks.iter_mut().filter(|disk| disk.allocation == Some(0)) {
            let of = (domain.id, disk.physical);
            match self.known(domain.uuid, &disk.device).filter(|answer| answer.of == of) {
                Some(answer) => {
                    answer.put(disk);
                    self.held.push(answer.clone());
                }
                None => self.unknown.push((domain.to_owned(), (domain.uuid, disk.device.clone()), of)),
            }
        }
    }

    fn known(&mut self, domain: Uuid, device: &Text) -> Option<&'k Answer> {
        // Nearly always the order is that of the last reading.
        if let Some((next, rest)) = self.former.split_first()
            && next.is_of(domain, device)
        {
            self.former = rest;
            return Some(next);
        }
        let passed = std::mem::take(&mut self.former).iter();
        self.passed.extend(passed.map(|answer| (answer.place.clone(), answer)));
        self.passed.remove(&(domain, device.clone()))
    }

    /// What still holds, and what is to be asked for.
    pub(super) fn into_parts(self) -> (Vec<Answer>, Vec<(Domain, Place, Origin)>) {
        (self.held, self.unknown)
    }
}

impl Hypervisor {
    /// Asks for the sizes of disks that are `unknown`, and puts them right.
    ///
    /// # Errors
    /// The connection is lost. What libvirt refuses, or has no time for, stays as the bulk statistics have it.
    pub(super) async fn ask_for_sizes(
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
            let inspection = survey.domains.get_mut(&key(&place.0)).map(Arc::make_mut);
            let mut disks = inspection.into_iter().flat_map(|inspection| &mut inspection.disks);
            let disk = disks.find(|disk| disk.device == place.1);
            let answer = Answer { place, of, info };
            if let Some(disk) = disk {
                answer.put(disk);
            }
            desk.unwritten.push(answer);
            if self.clock.elapsed(started) >= self.limits.definitions {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::testing::inspection;

    /// Sizes a domain with two disks that have not been written, and with that change; whether the first is right then.
    fn is_sized(unwritten: &mut Unwritten<'_>, number: u128, id: i32, change: fn(&mut Inspection)) -> bool {
        let mut seen = inspection();
        seen.disks =
            ["vda", "vdb"].map(|device| Disk { device: device.into(), ..seen.disks[0].clone() }).into();
        for disk in &mut seen.disks {
            (disk.allocation, disk.physical) = (Some(0), Some(512));
        }
        change(&mut seen);
        unwritten.size(DomainRef { name: "a", uuid: Uuid::from_u128(number), id }, &mut seen);
        seen.disks[0].physical == Some(1024)
    }

    #[test]
    fn an_answer_holds_in_any_order_as_long_as_the_disk_is_the_same() {
        let of = |number: u128, device: &str| Answer {
            place: (Uuid::from_u128(number), device.into()),
            of: (7, Some(512)),
            info: Some(BlockInfo { capacity: 1024, allocation: 256, physical: 1024 }),
        };
        let known: Vec<Answer> =
            (1..=4).flat_map(|number| ["vda", "vdb"].map(|device| of(number, device))).collect();
        let as_before: fn(&mut Inspection) = |_| {};
        for order in [[1, 2, 3, 4], [4, 3, 2, 1], [2, 1, 4, 3], [3, 1, 2, 4]] {
            let mut unwritten = Unwritten::new(&known);
            assert!(!is_sized(&mut unwritten, 9, 7, as_before), "nothing is known of it");
            assert!(order.iter().all(|number| is_sized(&mut unwritten, *number, 7, as_before)), "{order:?}");
            let (held, unknown) = unwritten.into_parts();
            assert_eq!((held.len(), unknown.len()), (8, 2), "{order:?}");
        }
        let mut unwritten = Unwritten::new(&known);
        assert!(!is_sized(&mut unwritten, 1, 8, as_before), "started again");
        assert!(!is_sized(&mut unwritten, 2, 7, |seen| seen.disks[0].physical = Some(513)), "another image");
        assert!(!is_sized(&mut unwritten, 3, -1, as_before), "it does not run");
        assert!(!is_sized(&mut unwritten, 4, 7, |seen| seen.is_hung = true));
        let (held, unknown) = unwritten.into_parts();
        let asked: Vec<(u128, &str)> =
            unknown.iter().map(|(_, (uuid, device), _)| (uuid.as_u128(), device.as_str())).collect();
        assert_eq!(asked, [(1, "vda"), (1, "vdb"), (2, "vda")]);
        let held: Vec<(u128, &str)> =
            held.iter().map(|answer| (answer.place.0.as_u128(), answer.place.1.as_str())).collect();
        assert_eq!(held, [(2, "vdb")], "of the others nothing is known any more");
    }
}
