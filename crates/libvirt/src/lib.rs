//! libvirt's remote protocol: asynchronous, without the C library.
//!
//! Speaks to `libvirtd` and to the daemons of single drivers (`virtqemud`, `virtlxcd`, …) over Unix sockets, TCP and
//! TLS, as libvirt's own client library does. Only what observes domains is here; nothing changes one.
//!
//! ```no_run
//! # async fn example() -> Result<(), libvirt::Error> {
//! use libvirt::{ConnectOptions, Connection, DomainFlags, StatsGroups};
//!
//! let connection = Connection::open(&"qemu:///system".parse()?, &ConnectOptions::default()).await?;
//! let groups = StatsGroups::STATE | StatsGroups::CPU_TOTAL;
//! let stats = connection.all_domain_stats(groups, DomainFlags::NOWAIT).await?;
//! for record in stats.records() {
//!     println!("{} has used {:?} ns", record.domain.name, record.parameters.u64("cpu.time"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Connection`]: many calls at once, each with a deadline, answers in any order. A call that was given up is
//!   forgotten, and its answer dropped; when the connection ends, every call fails at once.
//! - [`Client`]: a connection that is made anew when it is lost, with growing waits in between.
//! - [`DomainStats`]: the statistics of all domains in one answer, read in place.
//! - [`Event`]: domains that start, stop, get and lose devices and metadata.
//! - [`xdr`], [`frame`], [`procedure`]: the protocol itself, for calls that are not here.
//!
//! The protocol (program 0x20008086, version 1) only ever grows: numbers are never used again, and a daemon answers
//! what it does not know with an error. Authentication: none, polkit, and SASL with PLAIN, SCRAM-SHA-1, SCRAM-SHA-256.
//!
//! # Memory
//!
//! Packets are bounded by the protocol (16 MiB), and memory for one grows with the bytes that arrive, not with the
//! length that it claims. Of events, the 1024 latest wait for a slow receiver.
//!
//! # A hypervisor that hangs
//!
//! Seen with libvirt 9.0.0 and QEMU 7.2, a QEMU process stopped by SIGSTOP (`tests/daemon/hung.rs` holds it):
//!
//! - `ConnectGetAllDomainStats` with `NOWAIT` does not wait for a domain that is *known* to be busy, but it is this
//!   very call that finds the domain out: it takes the domain's job, asks QEMU, and returns only when QEMU goes on, be
//!   it after hours. There is no time limit in libvirt.
//! - From then on the domain is busy. The same call on another connection returns at once, with everything of all other
//!   domains, and of that one what needs no answer of QEMU: `state`, `cpu`, `vcpu`, `net`, the balloon's size, the names
//!   of disks; no counters and sizes of disks, no resident memory.
//! - So one call hangs for each domain that hangs, and no more: with two of them, the first call hangs at the first,
//!   the second at the second, the third returns. Workers of the daemon do not pile up from cycle to cycle, even if the
//!   connections that asked are closed; each call that hangs holds one worker (of 20, `max_workers`).
//! - Without `NOWAIT`, and for every other call that asks QEMU (`DomainMemoryStats`, `DomainBlockStats`,
//!   `DomainGetBlockInfo`), the second caller waits 30 s for the job and then gets `OPERATION_TIMEOUT`. Each holds a
//!   worker for so long. `DomainGetInfo`, `DomainGetState`, `DomainGetXMLDesc`, `DomainGetMetadata`,
//!   `DomainInterfaceStats` and lists return at once.
//! - The daemon reads no more of a connection that has five calls under way (`max_client_requests`), no keep-alive
//!   either: then every call on it waits, about other domains as well. Hence the four places of
//!   [`ConnectOptions::in_flight_max`], which a call that was given up keeps ([`Statistics::given_up`]): the fifth
//!   waits here, and the connection stays alive.
//! - A daemon with such a call does not end on SIGTERM. Killed and started again while QEMU still hangs, it knows both
//!   domains, and bulk calls with `NOWAIT` return at once.
//!
//! Therefore: one bulk call with `NOWAIT` and a deadline; past the deadline the same call over a second connection, and
//! leave the first one alone until it answers.

mod auth;
mod client;
mod connection;
mod domain;
mod error;
mod event;
pub mod frame;
#[doc(hidden)]
pub mod fuzz;
mod host;
mod options;
pub mod procedure;
mod socket;
mod stats;
mod uri;
pub mod xdr;

pub use client::{Client, DEFAULT_FIRST_WAIT, DEFAULT_LAST_WAIT};
pub use connection::{Answer, Connection, FEATURE_EVENT_CALLBACK, FEATURE_KEEP_ALIVE, Statistics};
pub use domain::{
    Address, AddressSource, BlockInfo, BlockParameters, BlockStats, Domain, DomainInfo, DomainRef,
    DomainState, Interface, InterfaceStats, MemoryStats, Metadata,
};
pub use error::{AuthError, Closed, Error, ErrorCode, ErrorDomain, RemoteError};
pub use event::{Event, EventKind, Lifecycle, What};
pub use host::{NodeInfo, Version};
pub use options::{
    ByteStream, ConnectOptions, Credentials, DEFAULT_CALL_TIMEOUT, DEFAULT_CONNECT_TIMEOUT,
    DEFAULT_IN_FLIGHT_MAX, DEFAULT_RUNTIME_DIR, KeepAlive, TlsConnector, TlsFuture,
};
pub use stats::{
    DomainFlags, DomainStats, Parameters, RawValue, Record, Records, StatsGroups, Value, indexed, numbered,
};
pub use uri::{Mode, TCP_PORT, TLS_PORT, Transport, Uri, UriError};
