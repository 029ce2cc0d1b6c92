//! The Ceph Object Gateway: what each project stores, and how often it asks.
//!
//! The gateway's interface for administrators knows nothing of Keystone: requests are signed with the keys of
//! `[rgw_admin_credentials]`, and go over TLS as `[rgw_client]` says. A project's buckets and its use come with one request
//! each, once in a cycle.

mod gateway;

use model::{MeterKind, Subject, Text, Value, json};

use super::accounts::{Account, AccountPollster};
use crate::{Cycle, MakeError, Meter, PollError, Pollster, Reading, Tools};

use gateway::Gateway;

/// `radosgw.objects`.
pub(super) const OBJECTS: Meter = Meter { name: "radosgw.objects", kind: MeterKind::Gauge, unit: "object" };

/// `radosgw.objects.size`.
pub(super) const SIZE: Meter = Meter { name: "radosgw.objects.size", kind: MeterKind::Gauge, unit: "B" };

/// `radosgw.objects.containers`, whose unit is Ceilometer's.
pub(super) const CONTAINERS: Meter =
    Meter { name: "radosgw.objects.containers", kind: MeterKind::Gauge, unit: "object" };

/// `radosgw.containers.objects`.
pub(super) const CONTAINERS_OBJECTS: Meter =
    Meter { name: "radosgw.containers.objects", kind: MeterKind::Gauge, unit: "object" };

/// `radosgw.containers.objects.size`.
pub(super) const CONTAINERS_SIZE: Meter =
    Meter { name: "radosgw.containers.objects.size", kind: MeterKind::Gauge, unit: "B" };

/// `radosgw.api.request`, of the pollster `radosgw.usage`.
pub(super) const API_REQUEST: Meter =
    Meter { name: "radosgw.api.request", kind: MeterKind::Gauge, unit: "request" };

/// The gateway counts in KiB.
const KIB: i128 = 1024;

/// Makes the pollster of [`OBJECTS`].
pub(super) fn objects(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_buckets(tools, &OBJECTS, |meter, project, buckets| {
        vec![reading(meter, project, None, buckets.parts.iter().map(|part| part.objects).sum())]
    })
}

/// Makes the pollster of [`SIZE`].
pub(super) fn size(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_buckets(tools, &SIZE, |meter, project, buckets| {
        vec![reading(meter, project, None, buckets.parts.iter().map(|part| part.bytes).sum())]
    })
}

/// Makes the pollster of [`CONTAINERS`].
pub(super) fn containers(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_buckets(tools, &CONTAINERS, |meter, project, buckets| {
        vec![reading(meter, project, None, i128::try_from(buckets.count).unwrap_or(i128::MAX))]
    })
}

/// Makes the pollster of [`CONTAINERS_OBJECTS`].
pub(super) fn containers_objects(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_buckets(tools, &CONTAINERS_OBJECTS, |meter, project, buckets| {
        buckets.parts.iter().map(|part| reading(meter, project, Some(&part.bucket), part.objects)).collect()
    })
}

/// Makes the pollster of [`CONTAINERS_SIZE`].
pub(super) fn containers_size(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_buckets(tools, &CONTAINERS_SIZE, |meter, project, buckets| {
        buckets.parts.iter().map(|part| reading(meter, project, Some(&part.bucket), part.bytes)).collect()
    })
}

/// Makes the pollster of [`API_REQUEST`].
pub(super) fn usage(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    Ok(Box::new(AccountPollster::<Usage> {
        store: Gateway::new(tools)?,
        meter: &API_REQUEST,
        read: |meter, project, usage| vec![reading(meter, project, None, usage.requests)],
    }))
}

fn of_buckets(
    tools: &Tools,
    meter: &'static Meter,
    read: fn(&Meter, &str, &Buckets) -> Vec<Reading>,
) -> Result<Box<dyn Pollster>, MakeError> {
    Ok(Box::new(AccountPollster { store: Gateway::new(tools)?, meter, read }))
}

/// The reading of a whole account, or of a bucket.
fn reading(meter: &Meter, project: &str, bucket: Option<&str>, volume: i128) -> Reading {
    let resource = bucket.map_or_else(|| project.to_owned(), |bucket| format!("{project}/{bucket}"));
    let volume = i64::try_from(volume).map_or_else(|_| Value::BigInt(volume.to_string().into()), Value::Int);
    Reading::of(meter, Subject { project_id: project.into(), ..Subject::new(resource) }, volume)
}

/// The buckets of a project.
#[derive(Debug, Default)]
struct Buckets {
    count: usize,
    parts: Vec<Part>,
}

/// What a bucket has in one category of use: `rgw.main`, `rgw.multimeta` (uploads that are not finished) and others. Each is
/// a reading of its own, as Ceilometer has it, so a bucket may have several, or none.
#[derive(Debug)]
struct Part {
    bucket: Text,
    objects: i128,
    bytes: i128,
}

impl Account for Buckets {
    type Store = Gateway;

    async fn ask(
        gateway: &Gateway,
        cycle: &Cycle,
        address: &openstack::Url,
        project: &str,
    ) -> Result<Option<Self>, PollError> {
        let answer = gateway.ask(cycle, address, "bucket", project, &[("stats", "true")]).await?;
        answer
            .map(|text| Self::of(&text).ok_or_else(|| gateway::strange("buckets", project, &text)))
            .transpose()
    }
}

impl Buckets {
    fn of(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let document = json::parse(text).ok()?;
        let buckets = document.as_list()?;
        let mut parts = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            let Value::Str(name) = bucket.get("bucket")? else { return None };
            for of_category in bucket.get("usage")?.as_map()?.values() {
                let bytes = integer(of_category.get("size_kb")?)?.checked_mul(KIB)?;
                parts.push(Part {
                    bucket: name.clone(),
                    objects: integer(of_category.get("num_objects")?)?,
                    bytes,
                });
            }
        }
        Some(Self { count: buckets.len(), parts })
    }
}

/// What a project has asked the gateway for, as far as the gateway's usage log goes back.
#[derive(Debug)]
struct Usage {
    requests: i128,
}

impl Account for Usage {
    type Store = Gateway;

    async fn ask(
        gateway: &Gateway,
        cycle: &Cycle,
        address: &openstack::Url,
        project: &str,
    ) -> Result<Option<Self>, PollError> {
        let answer = gateway.ask(cycle, address, "usage", project, &[]).await?;
        answer.map(|text| Self::of(&text).ok_or_else(|| gateway::strange("use", project, &text))).transpose()
    }
}

impl Usage {
    fn of(text: &str) -> Option<Self> {
        let document = json::parse(text).ok()?;
        let users = document.get("summary")?.as_list()?;
        let requests =
            users.iter().map(|user| integer(user.get("total")?.get("ops")?)).sum::<Option<i128>>()?;
        Some(Self { requests })
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        // Beyond the 64 bits of Ceph's counters there is nothing; the bound keeps sums from running over.
        Value::BigInt(digits) => digits.parse::<u64>().ok().map(i128::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::pytext::to_str;

    use super::*;

    const BUCKETS: &str = r#"[
        {"bucket": "photos", "owner": "p1", "usage": {
            "rgw.main": {"size": 2050, "size_actual": 8192, "size_kb": 3, "size_kb_actual": 8, "num_objects": 2},
            "rgw.multimeta": {"size": 0, "size_kb": 0, "num_objects": 1}}},
        {"bucket": "empty", "usage": {}},
        {"bucket": "big", "usage": {"rgw.main": {"size_kb": 18446744073709551615, "num_objects": 1}}}]"#;

    fn found(readings: &[Reading]) -> Vec<(&str, String)> {
        let readings = readings.iter();
        readings.map(|reading| (reading.resource_id.as_str().unwrap(), to_str(&reading.volume))).collect()
    }

    #[test]
    fn buckets_are_read_by_category_and_summed_up() {
        let buckets = Buckets::of(BUCKETS).unwrap();
        assert_eq!((buckets.count, buckets.parts.len()), (3, 3));
        let readings: Vec<_> = buckets
            .parts
            .iter()
            .map(|part| reading(&CONTAINERS_SIZE, "p1", Some(&part.bucket), part.bytes))
            .collect();
        let expected = [("p1/photos", "3072"), ("p1/photos", "0"), ("p1/big", "18889465931478580853760")];
        assert_eq!(found(&readings), expected.map(|(id, size)| (id, size.to_owned())));
        assert!(readings.iter().all(|reading| reading.project_id.as_str() == Some("p1")));
        let all = reading(&SIZE, "p1", None, buckets.parts.iter().map(|part| part.bytes).sum());
        assert_eq!(found(&[all]), [("p1", "18889465931478580856832".to_owned())]);
    }

    #[test]
    fn answers_of_another_form_are_not_understood() {
        assert_eq!(Buckets::of("").map(|buckets| (buckets.count, buckets.parts.len())), Some((0, 0)));
        assert_eq!(Buckets::of("[]").map(|buckets| buckets.count), Some(0));
        for text in [
            "{}",
            "<Error/>",
            "[7]",
            r#"[{"bucket": "b"}]"#,
            r#"[{"bucket": null, "usage": {}}]"#,
            r#"[{"bucket": "b", "usage": {"rgw.main": {"size_kb": 1}}}]"#,
            r#"[{"bucket": "b", "usage": {"rgw.main": {"size_kb": "1", "num_objects": 1}}}]"#,
        ] {
            assert!(Buckets::of(text).is_none(), "{text}");
        }
    }

    #[test]
    fn requests_of_all_users_of_a_project_are_summed_up() {
        for (text, expected) in [
            (r#"{"entries": [], "summary": []}"#, Some(0)),
            (
                r#"{"summary": [{"user": "p1", "categories": [], "total": {"ops": 7, "successful_ops": 6}},
                    {"user": "p1$p1", "total": {"ops": 5}}]}"#,
                Some(12),
            ),
            ("", None),
            ("{}", None),
            (r#"{"summary": [{"total": {}}]}"#, None),
        ] {
            assert_eq!(Usage::of(text).map(|usage| usage.requests), expected, "{text}");
        }
    }
}
