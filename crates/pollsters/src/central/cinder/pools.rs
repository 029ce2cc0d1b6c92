//! What Cinder's back-ends can hold: the discovery `volume_pools` and its pollsters.
//!
//! Back-ends say of a capacity that it is `unknown` or `infinite` where they cannot give a number. Such a text is read as it
//! is, and dropped by the pipeline; what would be computed of it is not.

use model::pytext::float_of;
use model::{Map, MeterKind, Value};

use super::{SERVICE, line};
use crate::central::collection::CollectionLine;
use crate::central::object_meter::{ObjectMeter, Volume};
use crate::central::python_text;
use crate::rest::{Id, Listing};
use crate::{Meter, Object};

const POOL: &str = "volume pool";

/// `volume.provider.pool.capacity.total`, in GiB.
pub(in crate::central) const TOTAL: ObjectMeter =
    capacity("volume.provider.pool.capacity.total", |pool| known(pool, "total_capacity_gb"));

/// `volume.provider.pool.capacity.free`, in GiB.
pub(in crate::central) const FREE: ObjectMeter =
    capacity("volume.provider.pool.capacity.free", |pool| known(pool, "free_capacity_gb"));

/// `volume.provider.pool.capacity.allocated`, in GiB.
pub(in crate::central) const ALLOCATED: ObjectMeter =
    capacity("volume.provider.pool.capacity.allocated", |pool| said(pool, "allocated_capacity_gb").cloned());

/// `volume.provider.pool.capacity.provisioned`, in GiB.
pub(in crate::central) const PROVISIONED: ObjectMeter =
    capacity("volume.provider.pool.capacity.provisioned", |pool| provisioned(pool).cloned());

/// `volume.provider.pool.capacity.virtual_free`, in GiB.
pub(in crate::central) const VIRTUAL_FREE: ObjectMeter =
    capacity("volume.provider.pool.capacity.virtual_free", |pool| virtual_free(pool).map(Value::Float));

/// The discovery `volume_pools`.
pub(in crate::central) const POOLS: CollectionLine = CollectionLine {
    python: Some(&python_text::POOLS),
    ..line(
        "scheduler-stats/get_pools",
        Listing {
            collection: "pools",
            kind: POOL,
            id: Id::Attribute("name"),
            parameters: &[("detail", "True")],
        },
    )
};

const fn capacity(name: &'static str, volume: fn(&Object) -> Option<Value>) -> ObjectMeter {
    ObjectMeter {
        meter: Meter { name, kind: MeterKind::Gauge, unit: "GiB" },
        service: SERVICE,
        discovery: "volume_pools",
        kind: POOL,
        volume: Volume::Of(volume),
        user: &[],
        project: &[],
        metadata: &[],
        more: Some(describe),
    }
}

/// The pool's own name, and its back-end: what stands before `#` in `host@backend#pool`.
fn describe(pool: &Object, metadata: &mut Map) {
    let name = said(pool, "pool_name").filter(|name| name.is_truthy());
    metadata.insert("pool_name", name.cloned());
    metadata.insert("provider", pool.id.split('#').next());
}

/// What the back-end says.
fn said<'p>(pool: &'p Object, key: &str) -> Option<&'p Value> {
    pool.attributes.get("capabilities")?.get(key)
}

fn known(pool: &Object, key: &str) -> Option<Value> {
    said(pool, key).filter(|value| !value.is_null()).cloned()
}

/// What volumes may take at most if they fill up; back-ends that do not count it say nothing, or 0.
fn provisioned(pool: &Object) -> Option<&Value> {
    said(pool, "provisioned_capacity_gb").filter(|value| value.is_truthy())
}

/// What can still be provisioned: thin volumes may promise more than there is.
fn virtual_free(pool: &Object) -> Option<f64> {
    let free = computed_free(pool);
    if free.is_none() && provisioned(pool).is_some() {
        tracing::debug!(pool = pool.id, "no virtual free capacity can be computed of what the back-end says");
    }
    free
}

fn computed_free(pool: &Object) -> Option<f64> {
    let provisioned = number(provisioned(pool)?)?;
    let total = number(said(pool, "total_capacity_gb")?)?;
    let reserved = (number(said(pool, "reserved_percentage")?)? / 100.0 * total).floor();
    // It is a text in the answers of most back-ends.
    let is_thin = said(pool, "thin_provisioning_support")?.is_truthy();
    let ratio = match said(pool, "max_over_subscription_ratio") {
        Some(ratio) if is_thin => float_of(ratio).ok()?,
        _ => 1.0,
    };
    let free = ratio * (total - reserved) - provisioned;
    free.is_finite().then_some(free)
}

/// A number that can be computed with.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Str(_) => None,
        number => float_of(number).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::json;

    use super::super::super::testing::read;
    use super::*;
    use crate::Resource;

    fn pool(name: &str, capabilities: &str) -> Resource {
        let capabilities = json::parse(capabilities).unwrap();
        let attributes = [("name", name.into()), ("capabilities", capabilities)].into_iter().collect();
        Resource::Object(Arc::new(Object { kind: POOL, id: name.to_owned(), attributes, python_text: None }))
    }

    /// Volumes of the meters in the order of the constants; none where a pool has no reading.
    async fn volumes(capabilities: &str) -> [Option<Value>; 5] {
        let pools = [pool("h@lvm#pool0", capabilities)];
        let mut volumes = [const { None }; 5];
        let meters = [&TOTAL, &FREE, &ALLOCATED, &PROVISIONED, &VIRTUAL_FREE];
        for (volume, meter) in volumes.iter_mut().zip(meters) {
            let (readings, polled) = read(meter, &pools).await;
            assert!(polled.is_ok(), "{polled:?}");
            *volume = readings.first().map(|reading| reading.volume.clone());
        }
        volumes
    }

    /// Python's arithmetic gave the numbers of virtual free capacity.
    #[tokio::test]
    async fn capacities_are_what_the_back_end_says() {
        let float = |number| Some(Value::Float(number));
        let text = |text: &str| Some(Value::from(text));
        for (capabilities, expected) in [
            (
                r#"{"total_capacity_gb": 100.5, "free_capacity_gb": 80, "allocated_capacity_gb": 3,
                    "provisioned_capacity_gb": 7.5, "reserved_percentage": 10, "thin_provisioning_support": true,
                    "max_over_subscription_ratio": "20.0"}"#,
                [float(100.5), Some(Value::Int(80)), Some(Value::Int(3)), float(7.5), float(1802.5)],
            ),
            (
                r#"{"total_capacity_gb": 1200, "free_capacity_gb": null, "allocated_capacity_gb": null,
                    "provisioned_capacity_gb": 4, "reserved_percentage": 0, "thin_provisioning_support": false,
                    "max_over_subscription_ratio": 20}"#,
                [Some(Value::Int(1200)), None, Some(Value::Null), Some(Value::Int(4)), float(1196.0)],
            ),
            (
                r#"{"total_capacity_gb": 10, "allocated_capacity_gb": 0, "provisioned_capacity_gb": 1,
                    "reserved_percentage": 33, "thin_provisioning_support": true}"#,
                [Some(Value::Int(10)), None, Some(Value::Int(0)), Some(Value::Int(1)), float(6.0)],
            ),
            (
                r#"{"total_capacity_gb": "infinite", "free_capacity_gb": "unknown", "allocated_capacity_gb": 0,
                    "provisioned_capacity_gb": 1, "reserved_percentage": 0, "thin_provisioning_support": true}"#,
                [text("infinite"), text("unknown"), Some(Value::Int(0)), Some(Value::Int(1)), None],
            ),
            (
                r#"{"allocated_capacity_gb": 0, "provisioned_capacity_gb": 0, "total_capacity_gb": 1}"#,
                [Some(Value::Int(1)), None, Some(Value::Int(0)), None, None],
            ),
            ("{}", [const { None }; 5]),
            ("null", [const { None }; 5]),
        ] {
            assert_eq!(volumes(capabilities).await, expected, "{capabilities}");
        }
    }

    #[tokio::test]
    async fn a_pool_is_described_by_its_name_and_its_back_end() {
        let pools = [
            pool("h@lvm#pool#0", r#"{"total_capacity_gb": 1, "pool_name": "pool#0"}"#),
            pool("h@ceph", r#"{"total_capacity_gb": 1, "pool_name": ""}"#),
        ];
        let (readings, polled) = read(&TOTAL, &pools).await;
        assert!(polled.is_ok(), "{polled:?}");
        let texts: Vec<_> =
            readings.iter().map(|reading| json::to_string(&reading.resource_metadata)).collect();
        assert_eq!(
            texts,
            [
                r#"{"pool_name": "pool#0", "provider": "h@lvm"}"#,
                r#"{"pool_name": null, "provider": "h@ceph"}"#
            ]
        );
        assert_eq!(readings[0].resource_id.as_str(), Some("h@lvm#pool#0"));
        assert_eq!((&readings[0].user_id, &readings[0].project_id), (&Value::Null, &Value::Null));
    }
}
