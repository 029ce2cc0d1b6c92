//! As much of XDR and the packets as the server needs. Written apart from `crates/libvirt`, which it tests.

pub(super) const REMOTE: u32 = 0x2000_8086;
pub(super) const KEEP_ALIVE: u32 = 0x6b65_6570;
/// Packet type of answers.
pub(super) const REPLY: i32 = 1;
/// Packet type of events and keep-alive.
const MESSAGE: i32 = 2;
/// Status of answers that are errors.
pub(super) const ERROR: i32 = 1;

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) program: u32,
    pub(super) procedure: i32,
    pub(super) serial: u32,
    arguments: Vec<u8>,
}

impl Call {
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let word = |at: usize| packet.get(at..at + 4)?.first_chunk::<4>().copied();
        Some(Self {
            program: u32::from_be_bytes(word(0)?),
            procedure: i32::from_be_bytes(word(8)?),
            serial: u32::from_be_bytes(word(16)?),
            arguments: packet.get(24..)?.to_vec(),
        })
    }

    pub(super) fn arguments(&self) -> In<'_> {
        In(&self.arguments)
    }
}

/// Reads arguments.
#[derive(Debug)]
pub(super) struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.take(4)?.first_chunk()?))
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.u32()?).ok()?;
        let text = self.take(length)?;
        self.take(length.wrapping_neg() % 4)?;
        std::str::from_utf8(text).ok()
    }

    /// A text that is there.
    pub(super) fn optional(&mut self) -> Option<&'a str> {
        if self.u32()? == 0 { None } else { self.text() }
    }

    pub(super) fn uuid(&mut self) -> Option<[u8; 16]> {
        self.take(16)?.first_chunk().copied()
    }

    /// Name and UUID of a domain.
    pub(super) fn domain(&mut self) -> Option<(&'a str, [u8; 16])> {
        let domain = (self.text()?, self.uuid()?);
        self.u32()?;
        Some(domain)
    }
}

/// Writes results.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
}

impl Out {
    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub(super) fn length(&mut self, value: usize) -> &mut Self {
        self.i32(i32::try_from(value).unwrap_or(i32::MAX))
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.length(value.len());
        self.bytes.extend(value.as_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn optional(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            None => self.i32(0),
            Some(value) => self.i32(1).text(value),
        }
    }
}

pub(super) fn packet(
    program: u32,
    procedure: i32,
    kind: i32,
    serial: u32,
    status: i32,
    payload: &[u8],
) -> Vec<u8> {
    let length = u32::try_from(28 + payload.len()).unwrap_or(u32::MAX);
    let mut packet = Vec::with_capacity(28 + payload.len());
    packet.extend(length.to_be_bytes());
    packet.extend(program.to_be_bytes());
    packet.extend(1_u32.to_be_bytes());
    packet.extend(procedure.to_be_bytes());
    packet.extend(kind.to_be_bytes());
    packet.extend(serial.to_be_bytes());
    packet.extend(status.to_be_bytes());
    packet.extend(payload);
    packet
}

pub(super) fn event(procedure: i32, payload: &[u8]) -> Vec<u8> {
    packet(REMOTE, procedure, MESSAGE, 0, 0, payload)
}

pub(super) fn keep_alive(procedure: i32) -> Vec<u8> {
    packet(KEEP_ALIVE, procedure, MESSAGE, 0, 0, &[])
}

/// An error as the payload of an answer.
pub(super) fn error(code: i32, domain: i32, message: &str) -> Vec<u8> {
    let mut out = Out::default();
    out.i32(code).i32(domain).optional(Some(message)).i32(2).i32(0);
    out.optional(Some("%s")).optional(Some(message)).optional(None).i32(-1).i32(-1).i32(0);
    out.bytes
}
