//! Lists the domains of a daemon with what they use: `cargo run -p nephoscope-libvirt --example domains [URI]`.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::time::Duration;

use libvirt::{ConnectOptions, Connection, DomainFlags, DomainState, Error, StatsGroups, Value};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "qemu:///system".to_owned());
    let options = ConnectOptions { call_timeout: Duration::from_secs(30), ..ConnectOptions::default() };
    let connection = Connection::open(&uri.parse()?, &options).await?;
    println!(
        "{} with libvirt {} and {} {}",
        connection.hostname().await?,
        connection.libvirt_version().await?,
        connection.driver_name().await?,
        connection.hypervisor_version().await?,
    );
    let groups = StatsGroups::STATE | StatsGroups::CPU_TOTAL | StatsGroups::BALLOON;
    let stats = connection.all_domain_stats(groups, DomainFlags::NOWAIT).await?;
    for record in stats.records() {
        let (mut state, mut seconds, mut memory) = (None, None, None);
        // Once over all of them, rather than a search for each.
        for (name, value) in record.parameters {
            match name {
                "state.state" => state = value.as_i64().and_then(|state| i32::try_from(state).ok()),
                "cpu.time" => seconds = value.as_u64().map(|time| Duration::from_nanos(time).as_secs_f64()),
                "balloon.current" => memory = Value::as_u64(value),
                _ => {}
            }
        }
        let state = state.map_or(DomainState::NoState, DomainState::from);
        println!(
            "{} {:<24} {state:?} cpu {seconds:?} s, memory {memory:?} KiB",
            record.domain.uuid, record.domain.name
        );
    }
    connection.close().await;
    Ok(())
}
