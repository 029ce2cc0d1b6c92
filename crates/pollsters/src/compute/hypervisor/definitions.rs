//! [`Definitions`]: what domains look like, read once and again when something has changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use libvirt::{Connection, Domain, Error, ErrorCode};
use observability::clock::MonotonicTime;
use uuid::Uuid;

use super::{Definition, Hypervisor};

/// Definitions that are asked for at the same time. A connection has four places, of which a domain that hangs may hold
/// one.
const PARALLEL: usize = 3;

/// The definitions of all domains.
#[derive(Debug)]
pub(super) struct Definitions {
    host: String,
    known: HashMap<Uuid, Known>,
    /// Without events, everything is in doubt after so long.
    interval: Duration,
    doubted_at: Option<MonotonicTime>,
}

#[derive(Debug)]
struct Known {
    definition: Arc<Definition>,
    /// The devices that statistics told of when it was read.
    devices: u64,
    is_in_doubt: bool,
}

/// A domain whose definition is to be read, and the devices that statistics tell of.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) domain: Domain,
    pub(super) devices: Option<u64>,
}

impl Definitions {
    pub(super) fn new(host: &str, interval: Duration) -> Self {
        Self { host: host.to_owned(), known: HashMap::new(), interval, doubted_at: None }
    }

    /// Any domain may be another than it was.
    pub(super) fn doubt_all(&mut self) {
        for known in self.known.values_mut() {
            known.is_in_doubt = true;
        }
    }

    /// These domains may be others than they were.
    pub(super) fn doubt(&mut self, domains: &[Uuid]) {
        for uuid in domains {
            if let Some(known) = self.known.get_mut(uuid) {
                known.is_in_doubt = true;
            }
        }
    }

    /// For daemons that tell no events: any domain may be another than it was, if the last doubt is old.
    pub(super) fn doubt_old(&mut self, now: MonotonicTime) {
        if self.doubted_at.is_none_or(|doubted| now.since(doubted) >= self.interval) {
            self.doubted_at = Some(now);
            self.doubt_all();
        }
    }

    /// The definition, as far as it is known to be right for a domain with those devices; [`None`] of devices says
    /// nothing.
    pub(super) fn sure(&self, uuid: &Uuid, devices: Option<u64>) -> Option<&Arc<Definition>> {
        let known = self.known.get(uuid)?;
        let fits = !known.is_in_doubt && devices.is_none_or(|devices| devices == known.devices);
        fits.then_some(&known.definition)
    }

    /// The definition, be it old.
    pub(super) fn last(&self, uuid: &Uuid) -> Option<&Arc<Definition>> {
        self.known.get(uuid).map(|known| &known.definition)
    }

    /// Forgets every domain but those.
    pub(super) fn keep(&mut self, present: &HashSet<Uuid>) {
        self.known.retain(|uuid, _| present.contains(uuid));
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Takes note of what was read. The same as before stays the same object, so that what was made of it can be kept.
    fn take(&mut self, wanted: &Wanted, xml: &str) {
        let Domain { uuid, name, .. } = &wanted.domain;
        let definition = Definition::read(xml, &uuid.hyphenated().to_string(), name, &self.host);
        let devices = wanted.devices;
        if let Some(known) = self.known.get_mut(uuid) {
            known.is_in_doubt = false;
            known.devices = devices.unwrap_or(known.devices);
            if *known.definition != definition {
                known.definition = Arc::new(definition);
            }
        } else {
            // Devices that are not known now differ from what will be known, and it is read again then.
            let devices = devices.unwrap_or_default();
            let known = Known { definition: Arc::new(definition), devices, is_in_doubt: false };
            self.known.insert(*uuid, known);
        }
    }
}

impl Hypervisor {
    /// Reads definitions, and returns the domains that have gone meanwhile.
    ///
    /// One that cannot be read is left as it was, and in doubt; only a lost connection is an error.
    pub(super) async fn read_definitions(
        &self,
        definitions: &mut Definitions,
        connection: &Connection,
        wanted: Vec<Wanted>,
    ) -> Result<HashSet<Uuid>, Error> {
        let mut gone = HashSet::new();
        if wanted.is_empty() {
            return Ok(gone);
        }
        let started = self.clock.monotonic();
        let count = wanted.len();
        let mut left = count;
        let calls = wanted.into_iter().map(|wanted| async move {
            let xml = self.counted("DomainGetXMLDesc", connection.domain_xml(&wanted.domain, 0)).await;
            (wanted, xml)
        });
        let mut answers = futures_util::stream::iter(calls).buffer_unordered(PARALLEL);
        while let Some((wanted, xml)) = answers.next().await {
            left -= 1;
            match xml {
                Ok(xml) => definitions.take(&wanted, &xml),
                Err(error) if error.code() == Some(ErrorCode::NO_DOMAIN) => {
                    gone.insert(wanted.domain.uuid);
                }
                Err(error) if error.is_disconnection() => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        domain = wanted.domain.name,
                        uuid = %wanted.domain.uuid,
                        "the definition of a domain cannot be read, and is asked for again in the next cycle: {error}"
                    );
                }
            }
            if left > 0 && self.clock.elapsed(started) >= self.limits.definitions {
                tracing::warn!(
                    left,
                    of = count,
                    "reading definitions takes long; it goes on in the next cycle"
                );
                break;
            }
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use libvirt::Domain;
    use observability::clock::Clock;

    use super::*;

    const XML: &str = "<domain><devices><disk><source/><target dev='vda'/></disk></devices></domain>";

    fn wanted(number: u128, devices: Option<u64>) -> Wanted {
        Wanted { domain: Domain { name: "a".into(), uuid: Uuid::from_u128(number), id: 1 }, devices }
    }

    #[test]
    fn a_definition_is_sure_until_something_happens() {
        let mut definitions = Definitions::new("host", Duration::from_mins(1));
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(definitions.sure(&one, None).is_none());
        definitions.take(&wanted(1, Some(7)), XML);
        definitions.take(&wanted(2, Some(7)), XML);
        let first = Arc::clone(definitions.sure(&one, Some(7)).unwrap());
        assert_eq!(first.disks, ["vda"]);
        // A device has come, and nobody told.
        assert!(definitions.sure(&one, Some(8)).is_none());
        assert!(definitions.sure(&one, None).is_some());

        definitions.doubt(&[one, Uuid::from_u128(3)]);
        assert!(definitions.sure(&one, Some(7)).is_none() && definitions.sure(&two, Some(7)).is_some());
        // What is still the same stays the same object.
        definitions.take(&wanted(1, Some(8)), XML);
        assert!(Arc::ptr_eq(definitions.sure(&one, Some(8)).unwrap(), &first));
        definitions.take(&wanted(1, Some(8)), "<domain/>");
        assert!(!Arc::ptr_eq(definitions.sure(&one, Some(8)).unwrap(), &first));

        definitions.doubt_all();
        assert!(definitions.sure(&two, Some(7)).is_none());
        assert!(definitions.last(&two).is_some());
        definitions.keep(&[two].into());
        assert_eq!((definitions.len(), definitions.last(&one)), (1, None));
    }

    #[test]
    fn without_events_doubt_comes_with_time() {
        let (clock, hand) = Clock::test("2026-11-26T12:00:00Z".parse().unwrap());
        let uuid = Uuid::from_u128(1);
        for (interval, is_sure) in [(60, [true, false]), (0, [false, false])] {
            let mut definitions = Definitions::new("host", Duration::from_secs(interval));
            definitions.doubt_old(clock.monotonic());
            for expected in is_sure {
                definitions.take(&wanted(1, Some(7)), XML);
                hand.advance(Duration::from_secs(40));
                definitions.doubt_old(clock.monotonic());
                assert_eq!(definitions.sure(&uuid, Some(7)).is_some(), expected, "{interval}");
            }
        }
    }
}
