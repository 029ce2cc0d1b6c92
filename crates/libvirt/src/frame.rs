//! Packets: how messages are framed on the wire.
//!
//! ```text
//! length     u32   bytes of the whole packet, these four included
//! program    u32   0x20008086 remote, 0x6b656570 keep-alive
//! version    u32   1
//! procedure  i32   which call or event
//! type       i32   0 call, 1 reply, 2 message (event, keep-alive), 3 stream, 4 and 5 with file descriptors
//! serial     u32   a reply has its call's
//! status     i32   0 ok, 1 error, 2 continue
//! payload    …     XDR: arguments, result, event, or an error
//! ```

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::xdr::{Reader, Writer, XdrError};

/// The remote protocol's program number.
pub const REMOTE_PROGRAM: u32 = 0x2000_8086;
/// The keep-alive protocol's program number.
pub const KEEP_ALIVE_PROGRAM: u32 = 0x6b65_6570;
/// The version of both.
pub const VERSION: u32 = 1;
/// Bytes of the length.
pub const LENGTH_BYTES: usize = 4;
/// Bytes of the header after the length.
pub const HEADER_BYTES: usize = 24;
/// Longest packet, its length not counted: the protocol's own limit.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Memory that is set aside for a packet before its bytes have come.
const ADVANCE_BYTES: usize = 256 * 1024;

/// What kind of packet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Client to server: arguments.
    Call,
    /// Server to client: a result or an error.
    Reply,
    /// Without an answer: events, keep-alive.
    Message,
    /// Data of a stream.
    Stream,
    /// Arguments, with file descriptors beside them.
    CallWithFds,
    /// A result, with file descriptors beside it.
    ReplyWithFds,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Call, Self::Reply, Self::Message, Self::Stream, Self::CallWithFds, Self::ReplyWithFds];
}

/// How a call or stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Well.
    Ok,
    /// The payload is an error.
    Error,
    /// More comes (streams).
    Continue,
}

impl Status {
    const ALL: [Self; 3] = [Self::Ok, Self::Error, Self::Continue];
}

/// A packet's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Program number.
    pub program: u32,
    /// Program version.
    pub version: u32,
    /// Procedure.
    pub procedure: i32,
    /// Kind of packet.
    pub kind: Kind,
    /// Serial number of the call; 0 for messages.
    pub serial: u32,
    /// Status.
    pub status: Status,
}

impl Header {
    /// Reads a header from a packet without its length; the payload is what the reader has left.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, XdrError> {
        let program = reader.u32()?;
        let version = reader.u32()?;
        let procedure = reader.i32()?;
        let kind = choice(reader, &Kind::ALL, "type of packet")?;
        let serial = reader.u32()?;
        let status = choice(reader, &Status::ALL, "status")?;
        Ok(Self { program, version, procedure, kind, serial, status })
    }

    /// The whole packet, length included.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.length(LENGTH_BYTES + HEADER_BYTES + payload.len());
        writer.u32(self.program).u32(self.version).i32(self.procedure);
        writer.u32(number(&Kind::ALL, &self.kind)).u32(self.serial).u32(number(&Status::ALL, &self.status));
        let mut packet = writer.into_bytes();
        packet.extend_from_slice(payload);
        packet
    }
}

fn choice<T: Copy>(reader: &mut Reader<'_>, all: &[T], what: &'static str) -> Result<T, XdrError> {
    let at = reader.position();
    let value = reader.i32()?;
    let found = usize::try_from(value).ok().and_then(|index| all.get(index));
    found.copied().ok_or(XdrError::Value { at, value: value.into(), what })
}

fn number<T: PartialEq>(all: &[T], one: &T) -> u32 {
    all.iter().position(|other| other == one).and_then(|index| u32::try_from(index).ok()).unwrap_or(0)
}

/// Why no packet could be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Reading failed, or the connection ended within a packet.
    #[error("reading failed")]
    Io(#[from] io::Error),
    /// The length is impossible.
    #[error("a packet of {length} bytes, where 28 to {} are possible", MESSAGE_BYTES_MAX + LENGTH_BYTES)]
    Length {
        /// The length that was read.
        length: u32,
    },
}

/// Reads one packet without its length; `None` when the connection ended between packets.
///
/// Memory grows with what arrives, not with what a length promises.
pub async fn read_packet<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Option<Vec<u8>>, FrameError> {
    let mut length = [0; LENGTH_BYTES];
    // Only the very first byte may be missing.
    if reader.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut length[1..]).await?;
    let length = u32::from_be_bytes(length);
    let refused = FrameError::Length { length };
    let Some(body) = usize::try_from(length).ok().and_then(|length| length.checked_sub(LENGTH_BYTES)) else {
        return Err(refused);
    };
    if !(HEADER_BYTES..=MESSAGE_BYTES_MAX).contains(&body) {
        return Err(refused);
    }
    let mut packet = Vec::with_capacity(body.min(ADVANCE_BYTES));
    let limit = u64::try_from(body).unwrap_or(u64::MAX);
    reader.take(limit).read_to_end(&mut packet).await?;
    if packet.len() < body {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Some(packet))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        program: REMOTE_PROGRAM,
        version: VERSION,
        procedure: 344,
        kind: Kind::Reply,
        serial: 9,
        status: Status::Error,
    };

    #[tokio::test]
    async fn a_packet_reads_back() {
        let packet = HEADER.packet(&[1, 2, 3, 4]);
        assert_eq!(packet.len(), 32);
        assert_eq!(packet[..4], [0, 0, 0, 32]);
        let twice = [packet.clone(), packet].concat();
        let mut wire = twice.as_slice();
        for _ in 0..2 {
            let body = read_packet(&mut wire).await.unwrap().unwrap();
            let mut reader = Reader::new(&body);
            assert_eq!(Header::read(&mut reader), Ok(HEADER));
            assert_eq!(reader.u32(), Ok(0x0102_0304));
            assert_eq!(reader.finish(), Ok(()));
        }
        assert!(read_packet(&mut wire).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn lengths_that_cannot_be_are_refused() {
        for length in [0_u32, 4, 27, 16 * 1024 * 1024 + 5, u32::MAX] {
            let wire = [&length.to_be_bytes()[..], &[0; 64]].concat();
            let error = read_packet(&mut wire.as_slice()).await.unwrap_err();
            assert!(matches!(error, FrameError::Length { length: found } if found == length), "{error}");
        }
    }

    #[tokio::test]
    async fn a_packet_cut_anywhere_is_an_error_but_before_its_first_byte() {
        let packet = HEADER.packet(&[0; 8]);
        for cut in 1..packet.len() {
            let error = read_packet(&mut &packet[..cut]).await.unwrap_err();
            assert!(matches!(error, FrameError::Io(_)), "{cut}: {error}");
        }
    }

    #[test]
    fn unknown_types_and_statuses_are_refused() {
        for (at, what) in [(12, "type of packet"), (20, "status")] {
            let mut body = HEADER.packet(&[])[4..].to_vec();
            body[at + 3] = 6;
            let error = Header::read(&mut Reader::new(&body)).unwrap_err();
            assert_eq!(error, XdrError::Value { at, value: 6, what });
        }
    }
}
