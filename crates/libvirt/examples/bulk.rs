//! What the statistics of all domains cost this client, beside the least that any client can do: `cargo run --release
//! -p nephoscope-libvirt --example bulk -- SOCKET [ROUNDS]`, or without a socket, on 500 replayed domains.
//!
//! *Bare* is a blocking socket: write a request, read an answer into a buffer that is kept, walk over it. *Connection*
//! is ours, with deadline, bookkeeping and a task of its own. They take turns.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::error::Error;

use libvirt::{ConnectOptions, Connection, DomainFlags, DomainStats};

#[path = "yardstick/bare.rs"]
mod bare;

use bare::{Bare, GROUPS, Kept, cpu};

const DOMAINS: usize = 500;
/// Calls in a turn.
const TURN: u32 = 10;

/// The same with our iterators.
fn walk(stats: &DomainStats) -> Kept {
    let mut kept = Kept::default();
    for record in stats.records() {
        let mut parameters = record.parameters;
        while let Some((name, value)) = parameters.next_raw() {
            kept.add(name, value.as_u64().unwrap_or(0));
        }
    }
    kept
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let socket = arguments.next();
    let rounds: u32 = arguments.next().map_or(Ok(20), |rounds| rounds.parse())?;
    let replayed = if socket.is_none() { Some(testkit::FakeLibvirtd::start(DOMAINS)?) } else { None };
    let socket = match (&socket, &replayed) {
        (Some(path), _) => path.into(),
        (None, Some(server)) => server.socket().to_owned(),
        (None, None) => return Err("no socket".into()),
    };
    let mut bare = Bare::connect(&socket)?;
    let uri = format!("qemu+unix:///system?socket={}", socket.display()).parse()?;
    let connection = Connection::open(&uri, &ConnectOptions::default()).await?;

    let (mut least, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut parameters = 0;
    for _ in 0..rounds {
        let start = cpu()?;
        for _ in 0..TURN {
            parameters = bare.stats()?.parameters;
        }
        let middle = cpu()?;
        for _ in 0..TURN {
            let stats = connection.all_domain_stats(GROUPS, DomainFlags::NOWAIT).await?;
            if walk(&stats).parameters != parameters {
                return Err("the two read different things".into());
            }
        }
        let end = cpu()?;
        let (one, other) =
            (middle.saturating_sub(start).as_secs_f64(), end.saturating_sub(middle).as_secs_f64());
        least.push(one * 1e6 / f64::from(TURN));
        ours.push(other * 1e6 / f64::from(TURN));
        ratios.push(other / one);
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    println!("{parameters} parameters a call, {} calls each", rounds * TURN);
    println!("bare        {:8.1} µs of processor time a call", median(&mut least));
    println!("Connection  {:8.1} µs", median(&mut ours));
    println!("ratio       {:8.2}", median(&mut ratios));
    Ok(())
}
