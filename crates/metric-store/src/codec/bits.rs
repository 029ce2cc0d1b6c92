//! Bits, the lowest of each byte first.

/// Collects bits.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    held: u128,
    count: u32,
}

impl BitWriter {
    /// Appends the lowest `width` (64 at most) bits of `bits`.
    pub(crate) fn put(&mut self, bits: u64, width: u32) {
        let bits = if width < 64 { bits & ((1 << width) - 1) } else { bits };
        self.held |= u128::from(bits) << self.count;
        self.count += width;
        while self.count >= 8 {
            let [low, ..] = self.held.to_le_bytes();
            self.bytes.push(low);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// All of them, filled with zeros to a whole byte.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        if self.count > 0 {
            let [low, ..] = self.held.to_le_bytes();
            self.bytes.push(low);
        }
        self.bytes
    }
}

/// Reads bits.
#[derive(Debug)]
pub(crate) struct BitReader<'b> {
    bytes: &'b [u8],
    held: u128,
    count: u32,
    used: usize,
}

impl<'b> BitReader<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, held: 0, count: 0, used: 0 }
    }

    /// The next `width` (64 at most) bits.
    pub(crate) fn take(&mut self, width: u32) -> Option<u64> {
        while self.count < width {
            self.held |= u128::from(*self.bytes.get(self.used)?) << self.count;
            self.used += 1;
            self.count += 8;
        }
        let mask = (1_u128 << width) - 1;
        let bits = u64::try_from(self.held & mask).ok()?;
        self.held >>= width;
        self.count -= width;
        Some(bits)
    }

    /// Bytes that were begun.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }
}
