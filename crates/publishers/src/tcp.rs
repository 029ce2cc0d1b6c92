//! `tcp://host[:port]` (4952): sends samples over one connection. Samples only.
//!
//! **Accepted** means that the socket has taken every byte. The protocol knows no acknowledgement, so what the peer has not
//! read when it dies is lost, as with Ceilometer. Before anything is sent, a connection that the peer has closed is replaced;
//! what could not be written in full is sent again over a new one, so that a sample may come twice. While there is no
//! connection the samples are kept, and then all that waited together are sent: what was written to a connection that broke
//! may not have been read.
//!
//! A sample is its length in 8 bytes, little-endian, and the metering message of the bus in MessagePack with
//! `publisher_id`, as Ceilometer's `publisher/tcp.py` sends it.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use model::json;
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusal, Refusals};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::address::Address;
use crate::msgpack::write_map;
use crate::post::requests;
use crate::witness::Witness;
use crate::{placed_samples, samples_only};

/// Time to look the host up and to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Time in which the peer must take what is written at once.
const WRITE: Duration = Duration::from_secs(30);
/// Samples and bytes that are written at once, and again after a failure.
const WRITTEN_AT_ONCE: (usize, usize) = (1000, 64 * 1024);

/// Sends samples over a connection.
#[derive(Debug)]
pub struct TcpPublisher {
    address: Address,
    secret: String,
    publisher_id: String,
    stream: Option<TcpStream>,
    witness: Witness,
}

impl TcpPublisher {
    /// The publisher for `url`, which signs with `secret` and names itself `publisher_id` (`[DEFAULT] host`). It connects
    /// when the first sample comes.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work, and for events.
    pub fn new(
        url: &PublisherUrl,
        kind: RecordsKind,
        secret: &str,
        publisher_id: &str,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        samples_only(url, kind)?;
        Ok(Self {
            address: Address::from_url(url)?,
            secret: secret.to_owned(),
            publisher_id: publisher_id.to_owned(),
            stream: None,
            witness,
        })
    }

    async fn publish_all(&mut self, groups: &[Records]) -> Result<Refusals, PublishError> {
        let mut refusals = Refusals::default();
        let (places, samples) = placed_samples(groups);
        let mut text = Vec::new();
        let mut lengths = Vec::with_capacity(samples.len());
        for (place, sample) in places.iter().zip(samples) {
            let message = sample.to_wire(&self.secret, Some(&self.publisher_id));
            let mut frame = Vec::with_capacity(512);
            if let Err(error) = write_map(&message, &mut frame) {
                let (group, record) = (place.group, place.record);
                refusals.push(Refusal { group, record, cause: "msgpack", reason: error.to_string() });
                continue;
            }
            self.witness.tell(|| {
                let length = frame.len();
                format!(
                    "> {length} bytes to {} by TCP, MessagePack of\n> {}",
                    self.address,
                    json::to_string(&message.into())
                )
            });
            text.extend_from_slice(&(frame.len() as u64).to_le_bytes());
            text.extend_from_slice(&frame);
            lengths.push(8 + frame.len());
        }
        let mut start = 0;
        for range in requests(&lengths, WRITTEN_AT_ONCE.0, WRITTEN_AT_ONCE.1) {
            let end = start + lengths.get(range).unwrap_or_default().iter().sum::<usize>();
            self.write_part(&text, start..end).await?;
            start = end;
        }
        if !lengths.is_empty() {
            self.witness.tell(|| "  written; the protocol has no answer".to_owned());
        }
        Ok(refusals)
    }

    /// Writes whole frames, and once more over a new connection if that fails.
    async fn write_part(&mut self, text: &[u8], part: Range<usize>) -> Result<(), PublishError> {
        let bytes = text.get(part).unwrap_or_default();
        if let Some(mut stream) = self.stream.take().filter(is_open) {
            match write(&mut stream, bytes).await {
                Ok(()) => {
                    self.stream = Some(stream);
                    return Ok(());
                }
                Err(error) => {
                    tracing::debug!(peer = %self.address, "connection lost, trying another one: {}", error.message);
                    self.witness.tell(|| format!("! {}; trying another connection", error.message));
                }
            }
        }
        let mut stream = self.connect().await?;
        write(&mut stream, bytes).await?;
        self.stream = Some(stream);
        Ok(())
    }

    async fn connect(&self) -> Result<TcpStream, PublishError> {
        let address = &self.address;
        let failed = |cause, reason: String| PublishError {
            cause,
            message: format!("cannot connect to {address}: {reason}"),
        };
        match timeout(CONNECT, TcpStream::connect((address.host.as_str(), address.port))).await {
            Ok(Ok(stream)) => {
                self.witness.tell(|| format!("  connected to {address}"));
                Ok(stream)
            }
            Ok(Err(error)) => Err(failed("connect", error.to_string())),
            Err(_elapsed) => Err(failed("timeout", format!("no answer within {} s", CONNECT.as_secs()))),
        }
    }
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), PublishError> {
    match timeout(WRITE, stream.write_all(bytes)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(PublishError { cause: "write", message: format!("cannot write: {error}") }),
        Err(_elapsed) => Err(PublishError {
            cause: "timeout",
            message: format!("the peer has not taken {} bytes within {} s", bytes.len(), WRITE.as_secs()),
        }),
    }
}

/// Whether the peer has not closed the connection. It is not expected to say anything; what it says is passed over.
fn is_open(stream: &TcpStream) -> bool {
    /// More than this is not looked at.
    const READS: usize = 16;
    let mut passed_over = [0; 1024];
    for _ in 0..READS {
        match stream.try_read(&mut passed_over) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

impl Publisher for TcpPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }
}
