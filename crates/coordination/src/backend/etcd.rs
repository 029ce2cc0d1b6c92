//! etcd, with the keys of tooz's driver `etcd3gw`, so that agents of both languages meet:
//!
//! | key | what |
//! |---|---|
//! | `tooz/groups/GROUP/` | there as long as the group is; its value is the key itself |
//! | `tooz/groups/GROUP/MEMBER` | a member's capabilities, with the member's lease: etcd removes it when the lease runs out |
//!
//! A look keeps the lease alive, or takes another one when it has run out, and is then one transaction for all groups: if
//! the member's keys have its lease it only reads, so that looks cost etcd no revisions; else it joins first.

mod gateway;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::ServerError;
use serde_json::{Value, json};

use self::gateway::{Gateway, bytes, encoded, number};
use super::{BackendError, Found, Question};
use crate::UrlError;
use crate::capabilities;
use crate::url::EtcdUrl;

const GROUPS: &str = "tooz/groups/";
/// Groups of one transaction, which may have 128 operations unless etcd is told otherwise; joining takes three for each.
const GROUPS_AT_ONCE: usize = 32;
/// Members of a group at most; what is beyond is not looked at.
const MAX_MEMBERS: usize = 10_000;

#[derive(Debug)]
pub(crate) struct EtcdBackend {
    gateway: Gateway,
    /// Time for one look, with everything that it asks.
    limit: Duration,
    /// etcd counts whole seconds.
    alive_seconds: u64,
    /// The lease on which the member's keys hang.
    lease: Mutex<Option<i64>>,
}

impl EtcdBackend {
    pub(crate) fn new(url: &EtcdUrl, limit: Duration, alive: Duration) -> Result<Self, UrlError> {
        let gateway = Gateway::new(url, limit)?;
        let alive_seconds = alive.as_secs() + u64::from(alive.subsec_nanos() > 0);
        Ok(Self { gateway, limit, alive_seconds, lease: Mutex::default() })
    }

    pub(crate) async fn look(&self, question: &Question) -> Result<BTreeMap<String, Found>, BackendError> {
        let looking = async {
            let lease = self.living_lease().await?;
            let groups: Vec<&String> = question.groups.iter().collect();
            let mut found = BTreeMap::new();
            for groups in groups.chunks(GROUPS_AT_ONCE) {
                found.extend(self.join(lease, &question.member, groups).await?);
            }
            Ok(found)
        };
        self.within_limit(looking).await
    }

    pub(crate) async fn leave(
        &self,
        member: &str,
        groups: &BTreeSet<String>,
        for_good: bool,
    ) -> Result<(), BackendError> {
        let leaving = async {
            if for_good {
                // The keys go with it.
                let Some(lease) = self.taken_lease() else { return Ok(()) };
                self.gateway.ask("lease/revoke", &json!({ "ID": lease.to_string() })).await?;
                return Ok(());
            }
            let groups: Vec<&String> = groups.iter().collect();
            for groups in groups.chunks(GROUPS_AT_ONCE) {
                let removals = groups
                    .iter()
                    .map(|group| json!({ "request_delete_range": { "key": encoded(&key(group, member)) } }));
                let transaction = json!({ "success": removals.collect::<Vec<_>>() });
                self.gateway.ask("kv/txn", &transaction).await?;
            }
            Ok(())
        };
        self.within_limit(leaving).await
    }

    async fn within_limit<T>(
        &self,
        work: impl Future<Output = Result<T, ServerError>>,
    ) -> Result<T, BackendError> {
        let done = tokio::time::timeout(self.limit, work).await;
        Ok(done.unwrap_or_else(|_| Err(self.gateway.late()))?)
    }

    /// The member's lease, which is alive from now on.
    async fn living_lease(&self) -> Result<i64, ServerError> {
        let known = *self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lease) = known
            && self.keep_alive(lease).await?
        {
            return Ok(lease);
        }
        let granted = self.gateway.ask("lease/grant", &json!({ "TTL": self.alive_seconds, "ID": 0 })).await?;
        let lease = granted.get("ID").and_then(number).filter(|lease| *lease != 0);
        let lease = lease.ok_or_else(|| self.gateway.wrong("a lease without an ID"))?;
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
        Ok(lease)
    }

    /// Returns whether there is such a lease yet.
    async fn keep_alive(&self, lease: i64) -> Result<bool, ServerError> {
        let kept = self.gateway.ask("lease/keepalive", &json!({ "ID": lease.to_string() })).await?;
        let result =
            kept.get("result").ok_or_else(|| self.gateway.wrong("a lease that is not kept alive"))?;
        // Of one that has run out there is no TTL.
        Ok(result.get("TTL").and_then(number).is_some_and(|seconds| seconds > 0))
    }

    fn taken_lease(&self) -> Option<i64> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn join(
        &self,
        lease: i64,
        member: &str,
        groups: &[&String],
    ) -> Result<Vec<(String, Found)>, ServerError> {
        let answer = self.gateway.ask("kv/txn", &joining(lease, member, groups)).await?;
        let found = found(&answer, member, groups);
        found.ok_or_else(|| self.gateway.wrong("the transaction's answer is not what it should be"))
    }
}

fn group_key(group: &str) -> String {
    format!("{GROUPS}{group}/")
}

fn key(group: &str, member: &str) -> String {
    group_key(group) + member
}

/// The transaction by which a member joins, unless it has joined, and sees who else is there.
fn joining(lease: i64, member: &str, groups: &[&String]) -> Value {
    let lease = lease.to_string();
    let is_joined = groups.iter().map(|group| {
        json!({ "key": encoded(&key(group, member)), "target": "LEASE", "result": "EQUAL", "lease": lease })
    });
    let created = groups.iter().map(|group| {
        let key = encoded(&group_key(group));
        json!({ "request_txn": {
            "compare": [{ "key": key, "target": "VERSION", "result": "EQUAL", "version": "0" }],
            "success": [{ "request_put": { "key": key, "value": key } }],
        } })
    });
    let joined = groups.iter().map(|group| {
        json!({ "request_put": {
            "key": encoded(&key(group, member)),
            "value": bytes(capabilities::OURS),
            "lease": lease,
        } })
    });
    let seen: Vec<Value> = groups
        .iter()
        .map(|group| {
            // The keys from the one that ends with a slash to the one that ends with what comes after a slash.
            let end = format!("{GROUPS}{group}0");
            json!({ "request_range": {
                "key": encoded(&group_key(group)), "range_end": encoded(&end), "limit": MAX_MEMBERS.to_string(),
            } })
        })
        .collect();
    json!({
        "compare": is_joined.collect::<Vec<_>>(),
        "success": seen,
        "failure": created.chain(joined).chain(seen.iter().cloned()).collect::<Vec<_>>(),
    })
}

/// What the transaction found; `None` if it is not what such a transaction answers.
fn found(answer: &Value, member: &str, groups: &[&String]) -> Option<Vec<(String, Found)>> {
    let responses = answer.get("responses")?.as_array()?;
    // What is false, zero or empty is left out.
    let was_joined = answer.get("succeeded").and_then(Value::as_bool).unwrap_or(false);
    let (created, seen) = if was_joined {
        (None, responses.as_slice())
    } else {
        let (created, rest) = responses.split_at_checked(groups.len())?;
        let (_, seen) = rest.split_at_checked(groups.len())?;
        (Some(created), seen)
    };
    if seen.len() != groups.len() {
        return None;
    }
    let of_groups = groups.iter().zip(seen).enumerate().map(|(place, (group, seen))| {
        let created = created.and_then(|created| created.get(place)?.get("response_txn")?.get("succeeded"));
        let is_new = created.and_then(Value::as_bool).unwrap_or(false);
        let mut members = members(group, seen.get("response_range")?)?;
        members.insert(member.to_owned(), 1);
        Some(((*group).clone(), Found { is_new, members }))
    });
    of_groups.collect()
}

fn members(group: &str, range: &Value) -> Option<BTreeMap<String, u32>> {
    let Some(pairs) = range.get("kvs") else { return Some(BTreeMap::new()) };
    let prefix = group_key(group);
    let mut members = BTreeMap::new();
    for pair in pairs.as_array()? {
        let key = gateway::decoded(pair.get("key")?)?;
        // A member whose name is no text is none of ours, and none of Ceilometer's; one with a slash is another group's.
        let Ok(key) = String::from_utf8(key) else { continue };
        let Some(name) = key.strip_prefix(&prefix) else { continue };
        // Without a lease it could never die, and nobody has joined so.
        let has_lease = pair.get("lease").and_then(number).is_some_and(|lease| lease != 0);
        if has_lease && !name.is_empty() && !name.contains('/') {
            let capabilities = pair.get("value").and_then(gateway::decoded).unwrap_or_default();
            members.insert(name.to_owned(), capabilities::weight(&capabilities));
        }
    }
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &[u8], value: &[u8]) -> Value {
        json!({ "key": bytes(key), "value": bytes(value), "lease": "7587862094800000000" })
    }

    #[test]
    fn what_is_not_a_members_is_left_out() {
        let range = json!({ "kvs": [
            pair(b"tooz/groups/g/", b"tooz/groups/g/"),
            pair(b"tooz/groups/g/a", capabilities::OURS),
            pair(b"tooz/groups/g/b", b"\x81\xa6weight\x07"),
            pair(b"tooz/groups/g/c", b"\xff nonsense"),
            { "key": encoded("tooz/groups/g/d"), "lease": "5" },
            { "key": encoded("tooz/groups/g/immortal") },
            pair(b"tooz/groups/g/\xff\xfe", b""),
            pair(b"tooz/groups/g/other/", b""),
            pair(b"tooz/groups/g/other/e", b""),
            pair(b"elsewhere", b""),
        ] });
        let expected =
            [("a", 1), ("b", 7), ("c", 1), ("d", 1)].map(|(name, weight)| (name.to_owned(), weight));
        assert_eq!(members("g", &range), Some(BTreeMap::from(expected)));
        assert_eq!(members("g", &json!({})), Some(BTreeMap::new()));
    }

    #[test]
    fn answers_that_are_none_are_refused() {
        let (first, second) = ("g".to_owned(), "h".to_owned());
        let groups = [&first, &second];
        let range = json!({ "response_range": {} });
        let put = json!({ "response_put": {} });
        let new = json!({ "response_txn": { "succeeded": true } });
        let old = json!({ "response_txn": { "responses": [] } });
        let joined = json!({ "responses": [new, old, put, put, range, range] });
        let found = super::found(&joined, "me", &groups).unwrap();
        assert_eq!(found.iter().map(|(_, found)| found.is_new).collect::<Vec<_>>(), [true, false]);
        let read = json!({ "succeeded": true, "responses": [range, range] });
        assert!(
            super::found(&read, "me", &groups).unwrap().iter().all(|(_, found)| found.members.len() == 1)
        );
        for answer in [
            json!({}),
            json!([]),
            json!({ "succeeded": true }),
            json!({ "succeeded": true, "responses": [range] }),
            json!({ "succeeded": true, "responses": [range, put] }),
            json!({ "responses": [range, range] }),
            json!({ "responses": "none" }),
            json!({ "succeeded": true, "responses": [range, { "response_range": { "kvs": 7 } }] }),
            json!({ "succeeded": true, "responses": [range, { "response_range": { "kvs": [{ "key": "%" }] } }] }),
        ] {
            assert_eq!(super::found(&answer, "me", &groups), None, "{answer}");
        }
    }
}
