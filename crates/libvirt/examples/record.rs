//! Records what a daemon says of its domains, for the fake server of `testkit`:
//! `cargo run -p nephoscope-libvirt --example record -- URI > crates/testkit/data/libvirt.json`.
#![expect(clippy::print_stdout, reason = "its output is a file")]

use libvirt::{
    ConnectOptions, Connection, Domain, DomainFlags, Error, Metadata, Record, StatsGroups, Value as Typed,
};
use serde_json::{Value, json};

const NOVA: &str = "http://openstack.org/xmlns/libvirt/nova/1.1";
/// What telemetry asks for.
const GROUPS: StatsGroups = StatsGroups(63);

fn typed(value: Typed<'_>) -> (&'static str, Value) {
    match value {
        Typed::Int(value) => ("int", json!(value)),
        Typed::UInt(value) => ("uint", json!(value)),
        Typed::Long(value) => ("long", json!(value)),
        Typed::ULong(value) => ("ulong", json!(value)),
        Typed::Double(value) => ("double", json!(value)),
        Typed::Bool(value) => ("bool", json!(value)),
        Typed::Text(value) => ("text", json!(value)),
    }
}

async fn domain(connection: &Connection, record: Record<'_>) -> Result<Value, Error> {
    let domain: Domain = record.domain.to_owned();
    let stats: Vec<Value> = record
        .parameters
        .map(|(name, value)| {
            let (kind, value) = typed(value);
            json!([name, kind, value])
        })
        .collect();
    let memory = connection.domain_memory_stats(&domain).await.unwrap_or_default();
    let told = [
        (0, memory.swap_in_kib),
        (1, memory.swap_out_kib),
        (2, memory.major_faults),
        (3, memory.minor_faults),
        (4, memory.unused_kib),
        (5, memory.available_kib),
        (6, memory.actual_kib),
        (7, memory.rss_kib),
        (8, memory.usable_kib),
        (9, memory.last_update),
        (10, memory.disk_caches_kib),
        (11, memory.huge_pages_allocated),
        (12, memory.huge_pages_failed),
    ];
    let memory: Vec<Value> = told.iter().filter_map(|(tag, value)| Some(json!([tag, (*value)?]))).collect();
    Ok(json!({
        "name": domain.name,
        "uuid": domain.uuid.to_string(),
        "id": domain.id,
        "state": connection.domain_state(&domain).await?.0.number(),
        "xml": connection.domain_xml(&domain, 0).await?,
        "metadata": connection.domain_metadata(&domain, Metadata::Element(NOVA), 0).await.ok(),
        "memory": memory,
        "stats": stats,
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "qemu:///system".to_owned());
    let connection = Connection::open(&uri.parse()?, &ConnectOptions::default()).await?;
    let source = format!(
        "libvirt {}, {} {}; `cargo run -p nephoscope-libvirt --example record -- URI`, groups {}, NOWAIT",
        connection.libvirt_version().await?,
        connection.driver_name().await?,
        connection.hypervisor_version().await?,
        GROUPS.0,
    );
    let stats = connection.all_domain_stats(GROUPS, DomainFlags::NOWAIT).await?;
    let mut domains = Vec::new();
    for record in stats.records() {
        domains.push(domain(&connection, record).await?);
    }
    println!("{:#}", json!({"source": source, "domains": domains}));
    Ok(())
}
