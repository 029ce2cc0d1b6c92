//! What the statistics of all domains cost this client, beside the least that any client can do: `cargo run --release
//! -p nephoscope-libvirt --example bulk -- SOCKET [ROUNDS]`, or without a socket, on 500 replayed domains.
//!
//! *Bare* is a blocking socket: write a request, read an answer into a buffer that is kept, walk over it. *Connection*
//! is ours, with deadline, bookkeeping and a task of its own. They take turns.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use libvirt::frame::{HEADER_BYTES, Header, Kind, LENGTH_BYTES, REMOTE_PROGRAM, Status, VERSION};
use libvirt::xdr::{Reader, Writer, XdrError};
use libvirt::{ConnectOptions, Connection, DomainFlags, DomainStats, StatsGroups, procedure};

/// What telemetry asks for.
const GROUPS: StatsGroups = StatsGroups(63);
const DOMAINS: usize = 500;
/// Calls in a turn.
const TURN: u32 = 10;

/// Processor time of this thread.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// What is kept of the statistics, so that reading them is not optimised away.
#[derive(Default, PartialEq, Eq, Debug)]
struct Kept {
    parameters: usize,
    sum: u64,
}

impl Kept {
    fn add(&mut self, name: &str, value: u64) {
        self.parameters += 1;
        self.sum = self.sum.wrapping_add(value).wrapping_add(u64::from(name.ends_with('s')));
    }
}

/// Once over an answer, without a look back.
fn walk_bare(payload: &[u8]) -> Result<Kept, XdrError> {
    const LONGEST: u32 = 1 << 22;
    let mut kept = Kept::default();
    let mut reader = Reader::new(payload);
    for _ in 0..reader.u32()? {
        reader.text(LONGEST)?;
        reader.uuid()?;
        reader.i32()?;
        for _ in 0..reader.u32()? {
            let name = reader.text(LONGEST)?;
            let value = match reader.i32()? {
                1 | 2 | 6 => u64::from(reader.u32()?),
                3..=5 => reader.u64()?,
                _ => reader.text(LONGEST).map(|_| 0)?,
            };
            kept.add(name, value);
        }
    }
    Ok(kept)
}

/// The same with our iterators.
fn walk(stats: &DomainStats) -> Kept {
    let mut kept = Kept::default();
    for record in stats.records() {
        for (name, value) in record.parameters {
            kept.add(name, value.as_u64().unwrap_or(0));
        }
    }
    kept
}

struct Bare {
    stream: UnixStream,
    serial: u32,
    packet: Vec<u8>,
}

impl Bare {
    fn call(&mut self, procedure: i32, arguments: Writer) -> Result<(), Box<dyn Error>> {
        self.serial += 1;
        let (kind, status, serial) = (Kind::Call, Status::Ok, self.serial);
        let header = Header { program: REMOTE_PROGRAM, version: VERSION, procedure, kind, serial, status };
        self.stream.write_all(&header.packet(&arguments.into_bytes()))?;
        let mut length = [0; LENGTH_BYTES];
        self.stream.read_exact(&mut length)?;
        self.packet.resize(usize::try_from(u32::from_be_bytes(length))? - LENGTH_BYTES, 0);
        self.stream.read_exact(&mut self.packet)?;
        Ok(())
    }

    fn stats(&mut self) -> Result<Kept, Box<dyn Error>> {
        let mut arguments = Writer::new();
        arguments.length(0).u32(GROUPS.0).u32(DomainFlags::NOWAIT.0);
        self.call(procedure::CONNECT_GET_ALL_DOMAIN_STATS, arguments)?;
        Ok(walk_bare(self.packet.get(HEADER_BYTES..).unwrap_or_default())?)
    }
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
    let mut bare = Bare { stream: UnixStream::connect(&socket)?, serial: 0, packet: Vec::new() };
    bare.call(procedure::AUTH_LIST, Writer::new())?;
    let mut open = Writer::new();
    open.optional_text(Some("qemu:///system")).u32(1);
    bare.call(procedure::CONNECT_OPEN, open)?;
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
