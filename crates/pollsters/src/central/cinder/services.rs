//! Whether Cinder's services live: the discovery `volume_services` and the pollster `volume.service.health`.

use model::pytext::to_str;
use model::{Map, MeterKind};

use super::{SERVICE, line};
use crate::Meter;
use crate::central::collection::CollectionLine;
use crate::central::object_meter::{ObjectMeter, Volume};
use crate::central::python_text;
use crate::rest::{Id, Listing};

const HOST: &str = "volume service";

/// `volume.service.health`: 1 for a service that is up, 0 for one that is down, −1 for one in a state that is not known.
pub(in crate::central) const HEALTH: ObjectMeter = ObjectMeter {
    meter: Meter { name: "volume.service.health", kind: MeterKind::Gauge, unit: "health" },
    service: SERVICE,
    discovery: "volume_services",
    kind: HOST,
    volume: Volume::Status("state", &[("up", 1), ("down", 0)]),
    user: &[],
    project: &[],
    metadata: &[("binary", "binary"), ("host", "host"), ("status", "status"), ("zone", "zone")],
    more: None,
};

/// The discovery `volume_services`.
pub(in crate::central) const SERVICES: CollectionLine = CollectionLine {
    python: Some(&python_text::SERVICE),
    ..line("os-services", Listing { collection: "services", kind: HOST, id: Id::Of(name), parameters: &[] })
};

/// `binary@host`, as Python writes it.
#[expect(clippy::unnecessary_wraps, reason = "the form of an id")]
fn name(service: &Map) -> Option<String> {
    let text = |key| service.get(key).map_or_else(|| "None".to_owned(), to_str);
    Some(format!("{}@{}", text("binary"), text("host")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Value, json};

    use super::super::super::testing::read;
    use super::*;
    use crate::{Object, Resource};

    #[tokio::test]
    async fn a_services_state_becomes_its_health() {
        let services = [
            r#"{"binary": "cinder-volume", "host": "h@lvm", "zone": "nova", "status": "enabled", "state": "up"}"#,
            r#"{"binary": "cinder-scheduler", "host": "h", "zone": "nova", "status": "disabled", "state": "DOWN"}"#,
            r#"{"binary": "cinder-backup", "host": "h", "state": "unknown"}"#,
            r#"{"host": "h", "binary": null}"#,
        ];
        let services = services.map(|text| {
            let Value::Map(attributes) = json::parse(text).unwrap() else { unreachable!() };
            let id = name(&attributes).unwrap();
            Resource::Object(Arc::new(Object { kind: HOST, id, attributes, python_text: None }))
        });
        let (readings, polled) = read(&HEALTH, &services).await;
        assert!(polled.is_ok(), "{polled:?}");
        let found: Vec<_> =
            readings.iter().map(|reading| (reading.resource_id.as_str().unwrap(), &reading.volume)).collect();
        assert_eq!(
            found,
            [
                ("cinder-volume@h@lvm", &Value::Int(1)),
                ("cinder-scheduler@h", &Value::Int(0)),
                ("cinder-backup@h", &Value::Int(-1)),
                ("None@h", &Value::Int(-1)),
            ]
        );
        assert_eq!(
            json::to_string(&readings[0].resource_metadata),
            r#"{"binary": "cinder-volume", "host": "h@lvm", "status": "enabled", "zone": "nova"}"#
        );
        assert_eq!(readings[0].project_id, Value::Null);
    }
}
