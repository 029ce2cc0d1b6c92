//! `dns.zone.recordsets`: how many record sets each zone has.
//!
//! Ceilometer reads them all to count them. Designate says their number beside any part of them, so one of them is asked for;
//! they are read where it does not.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use model::{Map, MeterKind, Subject, Value};
use openstack::{Error, Url};

use super::super::remote::Remote;
use super::{ALL_PROJECTS, DISCOVERY, KIND, METADATA, PAGE, SERVICE, VERSION};
use crate::rest::{self, Id, Listing};
use crate::{
    Cycle, DiscoveryError, MakeError, Meter, Object, PollError, Polling, Pollster, Reading, Readings,
    Resource, Tools,
};

/// The meter.
pub(in super::super) const METER: Meter =
    Meter { name: "dns.zone.recordsets", kind: MeterKind::Gauge, unit: "recordset" };

/// Zones whose record sets are counted at a time; how many requests a service gets at a time is bounded elsewhere, too.
const AT_A_TIME: usize = 8;

const RECORD_SETS: Listing =
    Listing { collection: "recordsets", kind: "record set", id: Id::Attribute("id"), parameters: &[PAGE] };

#[derive(Debug)]
struct RecordSets {
    designate: Remote,
}

/// Makes the pollster.
pub(in super::super) fn pollster(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    Ok(Box::new(RecordSets { designate: Remote::new(tools, &tools.central.service_types.designate)? }))
}

impl Pollster for RecordSets {
    fn service(&self) -> Option<&str> {
        Some(SERVICE)
    }

    fn poll<'a>(
        &'a self,
        cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            let Some(endpoint) = self.designate.endpoint().await? else { return Ok(()) };
            let zones = rest::below(&rest::versioned(endpoint, VERSION), "zones");
            let mut waiting = resources.iter();
            let mut counting = FuturesOrdered::new();
            loop {
                while counting.len() < AT_A_TIME
                    && let Some(resource) = waiting.next()
                {
                    counting.push_back(self.count(cycle, &zones, resource));
                }
                let Some(counted) = counting.next().await else { return Ok(()) };
                if let Some(reading) = counted? {
                    readings.give(reading).await?;
                }
            }
        })
    }
}

impl RecordSets {
    /// The reading of a zone; none if Designate refuses it alone.
    async fn count(
        &self,
        cycle: &Cycle,
        zones: &Url,
        resource: &Resource,
    ) -> Result<Option<Reading>, PollError> {
        let zone = resource.object(KIND).ok_or_else(|| PollError::Kind {
            resource: resource.to_string(),
            meter: METER.name,
            kind: KIND,
            discovery: DISCOVERY,
        })?;
        let url = rest::below(zones, &format!("{}/recordsets", zone.id));
        let (header, value) = ALL_PROJECTS;
        match RECORD_SETS.count(|| self.designate.get(cycle, &url).header(header, value)).await {
            Ok(count) => Ok(Some(reading(&zone, i64::try_from(count).unwrap_or(i64::MAX)))),
            Err(DiscoveryError::Service(error @ Error::Refused { .. })) => {
                // It may have been deleted since it was found.
                tracing::warn!(zone = zone.id, "the record sets of a zone are not counted: {error}");
                Ok(None)
            }
            Err(DiscoveryError::Service(error)) => Err(error.into()),
            Err(error) => Err(PollError::Failed { cause: error.cause(), message: error.to_string() }),
        }
    }
}

fn reading(zone: &Object, count: i64) -> Reading {
    let metadata: Map = METADATA.iter().map(|(key, attribute)| (*key, zone.get(attribute))).collect();
    let subject = Subject {
        project_id: zone.get("project_id"),
        resource_metadata: metadata.into(),
        ..Subject::new(zone.id.as_str())
    };
    Reading::of(&METER, subject, Value::Int(count))
}
