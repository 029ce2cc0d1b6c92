//! Every call's answer is what libvirt's own library gets.

use std::process::Command;

use libvirt::{
    AddressSource, ConnectOptions, Connection, Domain, DomainFlags, Error, Metadata, Parameters, StatsGroups,
    Value as Typed,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::harness::{GROUPS, open, patient, shared};

const NOVA: &str = "http://openstack.org/xmlns/libvirt/nova/1.1";
/// Domains of the scale test.
const MANY: usize = 500;

fn oracle(uri: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/oracle.py");
    let output = Command::new("/usr/bin/python3").args([script, uri]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn value<T>(result: Result<T, Error>, show: impl FnOnce(T) -> Value) -> Value {
    match result {
        Ok(found) => show(found),
        Err(error) => json!({"error": error.code().unwrap_or_else(|| panic!("{error:?}")).0}),
    }
}

fn parameters(parameters: Parameters<'_>) -> Value {
    let shown = parameters.map(|(name, value)| {
        let value = match value {
            Typed::Int(value) => json!(value),
            Typed::UInt(value) => json!(value),
            Typed::Long(value) => json!(value),
            Typed::ULong(value) => json!(value),
            Typed::Double(value) => json!(value),
            Typed::Bool(value) => json!(value),
            Typed::Text(value) => json!(value),
        };
        (name.to_owned(), value)
    });
    Value::Object(shown.collect())
}

fn devices(xml: &str, element: &str) -> Vec<String> {
    let (begin, end) = (format!("<{element}"), format!("</{element}>"));
    let blocks = xml.split(&begin).skip(1).filter_map(|rest| rest.split_once(&end)).map(|(block, _)| block);
    let names = blocks.filter_map(|block| block.split_once("<target dev='")?.1.split('\'').next());
    names.map(str::to_owned).collect()
}

async fn single(connection: &Connection, domain: &Domain) -> Value {
    let xml = connection.domain_xml(domain, 0).await;
    let text = xml.as_ref().cloned().unwrap_or_default();
    let (mut block, mut block_flags, mut block_info) = (Map::new(), Map::new(), Map::new());
    for disk in devices(&text, "disk") {
        let stats = value(connection.domain_block_stats(domain, &disk).await, |stats| {
            json!([
                stats.read_requests,
                stats.read_bytes,
                stats.write_requests,
                stats.write_bytes,
                stats.errors
            ])
        });
        block.insert(disk.clone(), stats);
        let flags = connection.domain_block_stats_flags(domain, &disk, 0).await;
        block_flags.insert(disk.clone(), value(flags, |flags| parameters(flags.parameters())));
        let info = value(connection.domain_block_info(domain, &disk).await, |info| {
            json!([info.capacity, info.allocation, info.physical])
        });
        block_info.insert(disk, info);
    }
    let mut interface = Map::new();
    for name in devices(&text, "interface").into_iter().chain(["nowhere".to_owned()]) {
        let stats = value(connection.domain_interface_stats(domain, &name).await, |stats| {
            json!([
                stats.rx_bytes,
                stats.rx_packets,
                stats.rx_errors,
                stats.rx_drop,
                stats.tx_bytes,
                stats.tx_packets,
                stats.tx_errors,
                stats.tx_drop
            ])
        });
        interface.insert(name, stats);
    }
    let memory = value(connection.domain_memory_stats(domain).await, |stats| {
        let fields = [
            ("swap_in", stats.swap_in_kib),
            ("swap_out", stats.swap_out_kib),
            ("major_fault", stats.major_faults),
            ("minor_fault", stats.minor_faults),
            ("unused", stats.unused_kib),
            ("available", stats.available_kib),
            ("actual", stats.actual_kib),
            ("rss", stats.rss_kib),
            ("usable", stats.usable_kib),
            ("last_update", stats.last_update),
            ("disk_caches", stats.disk_caches_kib),
            ("hugetlb_pgalloc", stats.huge_pages_allocated),
            ("hugetlb_pgfail", stats.huge_pages_failed),
        ];
        let told = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
        Value::Object(told.collect())
    });
    let addresses = connection.domain_interface_addresses(domain, AddressSource::Lease).await;
    json!({
        "xml": value(xml, Value::from),
        "metadata": value(connection.domain_metadata(domain, Metadata::Element(NOVA), 0).await, Value::from),
        "title": value(connection.domain_metadata(domain, Metadata::Title, 0).await, Value::from),
        "info": value(connection.domain_info(domain).await, |info| {
            json!([info.state.number(), info.max_memory_kib, info.memory_kib, info.vcpus, info.cpu_time_ns])
        }),
        "state": value(connection.domain_state(domain).await, |(state, reason)| json!([state.number(), reason])),
        "memory": memory,
        "block": block,
        "block_flags": block_flags,
        "block_info": block_info,
        "interface": interface,
        "addresses": value(addresses, |interfaces| {
            let shown = interfaces.into_iter().map(|interface| {
                let addresses: Vec<Value> = interface
                    .addresses
                    .iter()
                    .map(|one| json!({"addr": one.address, "prefix": one.prefix, "type": i32::from(one.is_ipv6)}))
                    .collect();
                (interface.name, json!({"hwaddr": interface.mac, "addrs": addresses}))
            });
            Value::Object(shown.collect())
        }),
    })
}

async fn ours(uri: &str) -> Value {
    let connection = open(uri, &patient()).await;
    let node = connection.node_info().await.unwrap();
    let domains = connection.list_domains(DomainFlags::default()).await.unwrap();
    let stats = value(connection.all_domain_stats(GROUPS, DomainFlags::NOWAIT).await, |stats| {
        assert_eq!(stats.len(), stats.records().count());
        let records = stats.records();
        Value::Object(records.map(|one| (one.domain.name.to_owned(), parameters(one.parameters))).collect())
    });
    let mut singles = Map::new();
    for domain in domains.iter().take(5) {
        singles.insert(domain.name.clone(), single(&connection, domain).await);
    }
    let mut names: Vec<Value> =
        domains.iter().map(|domain| json!([domain.name, domain.uuid.to_string(), domain.id])).collect();
    names.sort_by_key(Value::to_string);
    json!({
        "hostname": connection.hostname().await.unwrap(),
        "driver": connection.driver_name().await.unwrap(),
        "libvirt": connection.libvirt_version().await.unwrap().0,
        "hypervisor": connection.hypervisor_version().await.unwrap().0,
        // The library's wrapper gives memory in MiB.
        "node": [
            node.model, node.memory_kib >> 10, node.cpus, node.mhz, node.nodes, node.sockets, node.cores, node.threads
        ],
        "domains": names,
        "stats": stats,
        "single": singles,
    })
}

/// Numbers may have moved between the oracle's two readings; everything else is equal.
fn compare(path: &str, before: &Value, found: &Value, after: &Value, compared: &mut usize) {
    match (before, found, after) {
        (Value::Object(before), Value::Object(found), Value::Object(after)) => {
            let keys = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(found), keys(before), "{path}");
            for (key, value) in found {
                let after = after.get(key).unwrap_or(&Value::Null);
                compare(&format!("{path}/{key}"), &before[key], value, after, compared);
            }
        }
        (Value::Array(before), Value::Array(found), Value::Array(after)) => {
            assert_eq!(found.len(), before.len(), "{path}");
            for (index, value) in found.iter().enumerate() {
                compare(&format!("{path}/{index}"), &before[index], value, &after[index], compared);
            }
        }
        (Value::Number(before), Value::Number(found), Value::Number(after)) => {
            let number = |number: &serde_json::Number| number.as_f64().unwrap();
            let (low, high) = (number(before).min(number(after)), number(before).max(number(after)));
            assert!((low..=high).contains(&number(found)), "{path}: {found} is not from {before} to {after}");
            *compared += 1;
        }
        _ => {
            assert_eq!(found, before, "{path}");
            *compared += 1;
        }
    }
}

pub(crate) async fn equals_the_oracle(uri: &str) -> (usize, Value) {
    let before = oracle(uri);
    let found = ours(uri).await;
    let after = oracle(uri);
    let mut compared = 0;
    compare("", &before, &found, &after, &mut compared);
    (compared, found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_about_qemu_is_what_libvirts_own_library_gets() {
    let (compared, found) = equals_the_oracle(shared().uri()).await;
    assert!(compared > 200, "{compared}");
    println!("{compared} values compared");
    // What shall be there is there.
    assert!(found["single"]["instance-00000001"]["metadata"].as_str().unwrap().contains("m1.tiny"));
    assert_eq!(found["single"]["instance-00000003"]["metadata"], json!({"error": 80}));
    assert_eq!(found["single"]["instance-00000003"]["memory"], json!({"error": 55}));
    assert_eq!(found["stats"]["instance-00000002"]["state.state"], 3);
    assert_eq!(found["stats"]["instance-00000003"]["state.state"], 5);
    assert_eq!(found["stats"]["instance-00000001"]["block.0.name"], "vda");
    assert_eq!(found["single"]["instance-00000001"]["block_info"]["vda"][0], 1_048_576);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_about_the_test_driver_is_what_libvirts_own_library_gets() {
    let (compared, found) = equals_the_oracle(&shared().uri_of("test", "/default")).await;
    assert!(compared > 20, "{compared}");
    assert_eq!(found["driver"], "TEST");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_domains_are_what_libvirts_own_library_gets() {
    let domains: Vec<String> = (0..MANY)
        .map(|number| {
            format!(
                "<domain type='test'><name>many-{number}</name><uuid>{}</uuid><memory>8192</memory>\
                 <os><type>hvm</type></os></domain>\n",
                Uuid::from_u128(number as u128 + 1)
            )
        })
        .collect();
    let file = shared().dir().join("many.xml");
    std::fs::write(&file, format!("<node>{}</node>", domains.concat())).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&file, readable).unwrap();
    let (compared, found) = equals_the_oracle(&shared().uri_of("test", file.to_str().unwrap())).await;
    assert!(compared > MANY * 4, "{compared}");
    assert_eq!(found["stats"].as_object().unwrap().len(), MANY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn domains_are_found_chosen_and_missed() {
    let connection = open(shared().uri(), &ConnectOptions::default()).await;
    let all = connection.list_domains(DomainFlags::default()).await.unwrap();
    let first = all.iter().find(|domain| domain.name == "instance-00000001").unwrap();
    assert_eq!(connection.domain_by_uuid(&first.uuid).await.unwrap(), *first);
    assert_eq!(connection.domain_by_name(&first.name).await.unwrap(), *first);
    let error = connection.domain_by_uuid(&Uuid::nil()).await.unwrap_err();
    assert_eq!(error.code(), Some(libvirt::ErrorCode::NO_DOMAIN), "{error}");
    assert!(error.to_string().starts_with("DomainLookupByUUID: "), "{error}");

    let paused = connection.list_domains(DomainFlags::PAUSED).await.unwrap();
    assert_eq!(paused.iter().map(|domain| domain.name.as_str()).collect::<Vec<_>>(), ["instance-00000002"]);
    let some = connection.domain_stats(&paused, StatsGroups::STATE, DomainFlags::NOWAIT).await.unwrap();
    let names: Vec<&str> = some.records().map(|record| record.domain.name).collect();
    assert_eq!(names, ["instance-00000002"]);
    let running = connection.all_domain_stats(StatsGroups::STATE, DomainFlags::RUNNING).await.unwrap();
    assert!(running.records().all(|record| record.parameters.u64("state.state") == Some(1)));

    // Groups that the daemon does not know are left out, or refused if that is wished.
    let unknown = StatsGroups::STATE | StatsGroups(1 << 29);
    assert!(!connection.all_domain_stats(unknown, DomainFlags::NOWAIT).await.unwrap().is_empty());
    let enforced = DomainFlags::NOWAIT | DomainFlags::ENFORCE_STATS;
    let error = connection.all_domain_stats(unknown, enforced).await.unwrap_err();
    assert!(error.remote().is_some(), "{error}");
}
