//! `udp://host[:port]` (4952): sends each sample as a datagram. Samples only.
//!
//! **Accepted** means that the kernel has taken the datagrams. Nobody says whether they arrive: UDP delivers at most once.
//! A host that has no address, or a network that cannot be reached, keeps the samples until it can; what was sent by then is
//! not sent again.
//!
//! A datagram is the metering message of the bus in MessagePack, as Ceilometer's `publisher/udp.py` sends it; the host's
//! IPv6 address goes before its IPv4 address. A sample that is larger than a datagram can be, or that MessagePack cannot
//! carry, is refused.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use model::json;
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusal, Refusals};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::address::Address;
use crate::msgpack::write_map;
use crate::witness::Witness;
use crate::{placed_samples, samples_only};

/// Time to look a host's name up.
const LOOKUP: Duration = Duration::from_secs(10);
/// The longest datagram over IPv4 and over IPv6, in bytes.
const DATAGRAM_BYTES: (usize, usize) = (65_507, 65_527);

/// Sends samples as datagrams.
#[derive(Debug)]
pub struct UdpPublisher {
    address: Address,
    secret: String,
    socket: Option<(UdpSocket, bool)>,
    progress: Option<Progress>,
    witness: Witness,
}

/// What of an offer that failed half-way is done with.
#[derive(Debug)]
struct Progress {
    groups: Arc<[Records]>,
    /// How many of its samples.
    samples: usize,
    refusals: Refusals,
}

impl UdpPublisher {
    /// The publisher for `url`, which signs with `secret`. Nothing is looked up or opened yet.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work, and for events.
    pub fn new(
        url: &PublisherUrl,
        kind: RecordsKind,
        secret: &str,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        samples_only(url, kind)?;
        Ok(Self {
            address: Address::from_url(url)?,
            secret: secret.to_owned(),
            socket: None,
            progress: None,
            witness,
        })
    }

    async fn publish_all(&mut self, groups: &Arc<[Records]>) -> Result<Refusals, PublishError> {
        let (places, samples) = placed_samples(groups);
        let target = self.look_up().await?;
        let (witness, secret) = (self.witness.clone(), self.secret.clone());
        // It is there from now on.
        self.socket(target).await?;
        let known = self.progress.take().filter(|known| Arc::ptr_eq(&known.groups, groups));
        let (done, mut refusals) =
            known.map_or((0, Refusals::default()), |known| (known.samples, known.refusals));
        let socket = self.socket(target).await?;
        for (number, (place, sample)) in places.iter().zip(samples).enumerate().skip(done) {
            let mut refuse = |cause, reason| {
                refusals.push(Refusal { group: place.group, record: place.record, cause, reason });
            };
            let message = sample.to_wire(&secret, None);
            let mut datagram = Vec::with_capacity(512);
            if let Err(error) = write_map(&message, &mut datagram) {
                refuse("msgpack", error.to_string());
                continue;
            }
            let longest = if target.is_ipv6() { DATAGRAM_BYTES.1 } else { DATAGRAM_BYTES.0 };
            if datagram.len() > longest {
                refuse("too_large", too_large(datagram.len()));
                continue;
            }
            match socket.send_to(&datagram, target).await {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(EMSGSIZE) => {
                    refuse("too_large", too_large(datagram.len()));
                    continue;
                }
                Err(error) => {
                    // The interface may have changed since: another attempt begins with another socket.
                    self.socket = None;
                    self.progress = Some(Progress { groups: Arc::clone(groups), samples: number, refusals });
                    let message = format!("cannot send to {target}: {error}");
                    witness.tell(|| format!("! {message}"));
                    return Err(PublishError { cause: "send", message });
                }
            }
            witness.tell(|| format!("> {} bytes to {target} by UDP, MessagePack of", datagram.len()));
            witness.tell(|| format!("> {}", json::to_string(&message.into())));
            witness.tell(|| "  sent; nobody answers over UDP".to_owned());
        }
        Ok(refusals)
    }

    /// The host's address, looked up for every batch, since it may change.
    async fn look_up(&self) -> Result<SocketAddr, PublishError> {
        let address = &self.address;
        let unresolved = |reason: String| PublishError {
            cause: "resolve",
            message: format!("cannot resolve {address}: {reason}"),
        };
        let found = timeout(LOOKUP, tokio::net::lookup_host((address.host.as_str(), address.port)));
        let found: Vec<SocketAddr> = match found.await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(unresolved(error.to_string())),
            Err(_elapsed) => return Err(unresolved(format!("no answer within {} s", LOOKUP.as_secs()))),
        };
        let first = found.iter().find(|address| address.is_ipv6()).or(found.first());
        first.copied().ok_or_else(|| unresolved("it has no address".to_owned()))
    }

    /// The socket of the address's family.
    async fn socket(&mut self, target: SocketAddr) -> Result<&UdpSocket, PublishError> {
        if self.socket.as_ref().is_none_or(|(_, is_ipv6)| *is_ipv6 != target.is_ipv6()) {
            let any: SocketAddr = if target.is_ipv6() {
                (Ipv6Addr::UNSPECIFIED, 0).into()
            } else {
                (Ipv4Addr::UNSPECIFIED, 0).into()
            };
            let socket = UdpSocket::bind(any).await.map_err(|error| PublishError {
                cause: "socket",
                message: format!("cannot open a UDP socket: {error}"),
            })?;
            self.socket = Some((socket, target.is_ipv6()));
        }
        match &self.socket {
            Some((socket, _)) => Ok(socket),
            // Just opened.
            None => Err(PublishError { cause: "socket", message: "no UDP socket".to_owned() }),
        }
    }
}

/// Linux's number for "message too long".
const EMSGSIZE: i32 = 90;

fn too_large(bytes: usize) -> String {
    format!("a datagram of {bytes} bytes is larger than UDP carries")
}

impl Publisher for UdpPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }
}
